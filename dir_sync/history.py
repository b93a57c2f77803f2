"""The history for people: what was replaced or deleted, and how it comes back.

In:   a folder, whether a node runs on it or not: a node that runs is asked, else the index is opened here.
Out:  versions, and files that are as they were. What a restored file displaces is kept in turn.
Rule: a restored file is an ordinary new change: it spreads, and can itself be undone.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from blake3 import blake3

from dir_sync import state, undo
from dir_sync.config import ENVIRONMENT, TIMEOUT, USAGE, ConfigError
from dir_sync.control import Answer, NoDaemon, ask
from dir_sync.core import limits
from dir_sync.core.jobs import Act, Applied, ApplyItem, ApplyJob, Before, Result, Version, Why
from dir_sync.core.messages import Have, History, Loser
from dir_sync.core.model import (
    FINGERPRINT_BYTES,
    FIRST_CONTACT,
    Kind,
    PathError,
    Record,
    Stamp,
    Stat,
    check_path,
    fingerprint,
    parent_of,
    show,
)
from dir_sync.disk import RealDisk, truthful
from dir_sync.file_sync import FileSync
from dir_sync.index import JOURNAL_SINCE, Index
from dir_sync.output import meant
from dir_sync.ports import DiskError

__all__ = [
    "Book",
    "Entry",
    "described",
    "fitting",
    "keep",
    "listed",
    "listed_there",
    "open_book",
    "path_asked",
    "recalled",
    "refused",
    "settle",
    "there_at",
    "touched",
    "wish_of",
]

_TRIES = 3  # somebody may be writing the very file


@dataclass(frozen=True, slots=True)
class Entry:
    """One version, and what people call it by."""

    id: str  # of what it is: several may have the same, all of one content at one path
    version: Version
    by: str  # whose change displaced it
    on: str = "here"  # whose history has it
    holder: str = ""  # the id of that node; "": ours


# --- both ends of the control socket ---------------------------------------------------------------------------------


def listed(index: Index, path: bytes = b"") -> Answer:
    """All versions, oldest first; and whether `path` was ever known here."""
    versions = [_packed(version) for version in index.versions()]
    known = not path or index.get(path) is not None
    return {"versions": versions, "names": index.noted_below("name "), "node": index.node, "known": known}


def listed_there(index: Index, answers: Iterable[tuple[str, int, History | Have]]) -> list[Answer]:
    """What the histories of peers hold, as they said it."""
    found = []
    for peer, _, answer in answers:
        if isinstance(answer, History):
            versions = []
            for path, kind, size, content, mtime, mode, until, why, node in answer.kept:
                versions.append(_packed(Version(b"", path, kind, size, content, mtime, mode, until, Why(why), node)))
            found.append({"node": peer, "versions": versions})
    return found


def path_asked(question: Answer) -> bytes:
    """The path that a question is about; b"": all of the folder."""
    path = question.get("path")
    raw = _bytes(path) if isinstance(path, str) else b""
    try:
        return check_path(raw) if raw else b""
    except PathError:
        raise ConfigError(f"{show(raw)} cannot be a path in a shared folder", USAGE) from None


def recalled(question: Answer) -> list[Before]:
    """What should be again, from the question that asks for it."""
    try:
        version = _unpacked(question["version"])
        check_path(version.path)
    except (KeyError, TypeError, ValueError):
        raise ConfigError("the question names no version") from None
    _, path, kind, size, content, mtime, mode, _, _, _ = version
    return [Before(path, kind, size, content, mtime, mode, 0, "")]


class Wish(NamedTuple):
    """An undo, as somebody asked for it."""

    since_ns: int  # not before the journal begins
    by: str | None
    dry_run: bool


def wish_of(index: Index, question: Answer, now_ns: int, begin: object) -> Wish:
    """`begin`: the note of when the journal begins. ConfigError for what cannot be."""
    since, by = question.get("since_ns"), question.get("by")
    if not isinstance(since, int):
        raise ConfigError("the question names no time")
    if since > now_ns:
        raise ConfigError("that time is in the future", USAGE)
    if not isinstance(begin, int):
        raise ConfigError("no changes are known here yet: this node has not met another one")
    return Wish(max(since, begin), None if by is None else _node_of(index, str(by)), question.get("dry_run") is True)


def _node_of(index: Index, text: str) -> str:
    """A node by its name, or by the beginning of its id. ConfigError if there is none, or more than one."""
    nodes = {node: str(name) for node, name in index.noted_below("name ").items()}
    nodes.setdefault(index.node, "this node")
    named = [node for node, name in nodes.items() if text in (name, show(_bytes(name)))]
    found = named or [node for node in nodes if len(text) >= 4 and node.startswith(text)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{show(name.encode('utf-8', 'surrogateescape'))} ({node[:8]})" for node, name in nodes.items())
    what = (
        "no node has that name or id" if not found else "more than one node has that name: give the beginning of its id"
    )
    raise ConfigError(f"{what}; known here: {known}", USAGE)


def described(index: Index, wish: Wish, plan: undo.Plan, nowhere: set[bytes], unsure: set[bytes]) -> Answer:
    """An undo for people. The contents `nowhere` are in no file and no history; at the paths `unsure`, what is there may
    begin with one of them."""
    changes = []
    for one in plan.wanted:
        row = index.get(one.path)
        is_there = row is not None and row.record.kind != Kind.ABSENT
        changes.append(
            {
                "path": _text(one.path),
                "kind": int(one.kind),
                "size": one.size,
                "replaces": is_there,
                "lost": one.content in nowhere and one.path not in unsure,
                "unsure": one.path in unsure,
                "version": _packed(Version(b"", *one[:6], 0, Why.REPLACED, "")) if one.path in unsure else None,
            }
        )
    call = _Names(index.noted_below("name "), index.node)
    left = [{"path": _text(path), "by": call(node)} for path, node in plan.left]
    return {"changes": changes, "left": left, "since_ns": wish.since_ns}


def keep(index: Index, question: Answer) -> Answer:
    """A version that somebody else put into the history."""
    try:
        version = _unpacked(question["version"])
    except (KeyError, TypeError, ValueError):
        return {"error": "the question names no version"}
    row = index.get(version.path)
    if row is not None and row.record.kind == Kind.FILE == version.kind and not version.content:
        if (row.record.size, row.record.mtime) == (version.size, version.mtime):
            version = version._replace(content=row.record.content)
    index.put_version(version)
    return {}


def touched(question: Answer) -> list[bytes]:
    """The paths that were changed behind the node's back."""
    path = question.get("path")
    return [_bytes(path)] if isinstance(path, str) else []


def settle(index: Index, question: Answer) -> list[Loser]:
    """Losers of conflicts that nobody has to think of any more: ordinary versions from now on, here at once. Returns what the
    peers are to be told of."""
    try:
        versions = [_unpacked(fields) for fields in question["versions"]]
    except (KeyError, TypeError, ValueError):
        raise ConfigError("the question names no versions") from None
    for version in versions:
        known = index.version(version.name)
        if known is not None and known.why == Why.CONFLICT:
            index.put_version(known._replace(why=Why.REPLACED))
    kinds = (Kind.FILE, Kind.SYMLINK)
    return [Loser(one.path, one.kind, one.content) for one in versions if one.content and one.kind in kinds]


def id_of(version: Version) -> str:
    """Eight characters that name what it is: the same on every machine that has it, whenever it came into the history."""
    what = version.content or version.name  # where its content is unknown nobody else is told of it
    digest: str = blake3(b"%d\0%b\0%b" % (version.kind, version.path, what)).hexdigest(4)
    return digest


def _packed(version: Version) -> Answer:
    name, path, kind, size, content, mtime, mode, time_ns, why, node = version
    fields = (_text(name), _text(path), int(kind), size, content.hex(), mtime, mode, time_ns, why.value, node)
    return dict(zip(Version._fields, fields, strict=True))


def _unpacked(fields: dict[str, Any]) -> Version:
    return Version(
        _bytes(fields["name"]),
        _bytes(fields["path"]),
        Kind(fields["kind"]),
        int(fields["size"]),
        bytes.fromhex(fields["content"]),
        int(fields["mtime"]),
        int(fields["mode"]),
        int(fields["time_ns"]),
        Why(fields["why"]),
        str(fields["node"]),
    )


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


# --- the commands ----------------------------------------------------------------------------------------------------


class Book:
    """The history of one folder, open."""

    def __init__(self, folder: str, index: Index | None) -> None:
        self._folder = folder
        self._index = index  # None: a node runs, and is asked
        self._node = ""
        self._recalled: list[Entry] = []
        self._known = True  # whether the path that was last asked for was ever known here
        self._real = RealDisk(folder)
        self._disk = truthful(self._real)
        tag = f"{random.SystemRandom().getrandbits(32):08x}"
        self._sync = FileSync(self._disk, lambda _: True, _NoSignatures(), time.time_ns, tag)

    def close(self) -> None:
        self._real.close()

    def none_of(self, text: str) -> str:
        """A sentence: which histories were asked in vain for a version of a path."""
        where = "here or on connected machines" if self._index is None else "here; start the node to ask other machines"
        return f"no such old version of {text} found {where}"

    def find(self, text: str, whole: bool = False) -> tuple[bytes, list[Entry]]:
        """The path that a user means, by its name or in the form in which we print it, and all versions of it and of what was
        below it. ConfigError if no such path was ever known. With `whole`, the folder itself will do: b""."""
        paths = [self.path_of(one, whole) for one in meant(text)]
        for path in paths:
            entries = self.entries(path)
            if not path:
                return path, entries
            entries = self.of(path, entries)
            if entries or self._known or self.is_there(path):
                return path, entries
        if text.endswith("…"):  # a log cuts what is very long
            entries = self.entries()
            cut = next((entry.version.path for entry in entries if show(entry.version.path) == text), b"")
            if cut:
                return cut, self.of(cut, entries)
        raise ConfigError(f"no such path was ever known here: {show(paths[0])}")

    def entries(self, path: bytes = b"", conflicts: bool = False) -> list[Entry]:
        """What is here, and what the peers have of a path and of all below it (b"": all); newest first. `conflicts`: only what
        lost in one."""
        question: Answer = {"command": "versions", "path": _text(path), "peers": True, "conflicts": conflicts}
        answer = self._asked(question)
        self._node = answer["node"]
        self._known = answer.get("known") is not False
        call = _Names(answer["names"], self._node)
        own: list[Entry] = []
        for fields in answer["versions"]:
            one = _unpacked(fields)
            if not conflicts or one.why == Why.CONFLICT:
                own.append(Entry(id_of(one), one, call(one.node)))
        here = {entry.id for entry in own}
        theirs: dict[str, Entry] = {}
        for peer in answer.get("peers", []):
            on = call(peer["node"])
            for fields in peer["versions"]:
                one = _unpacked(fields)
                id_ = id_of(one)
                if id_ in here or (conflicts and one.why != Why.CONFLICT):
                    continue
                known = theirs.setdefault(id_, Entry(id_, one, call(one.node), on, peer["node"]))
                if on not in known.on.split(", "):
                    theirs[id_] = replace(known, on=f"{known.on}, {on}")
        return sorted([*own, *theirs.values()], key=lambda entry: -entry.version.time_ns)

    def of(self, path: bytes, entries: Iterable[Entry]) -> list[Entry]:
        """Those of a path, and of all that was below it."""
        below = path + b"/"
        return [entry for entry in entries if entry.version.path == path or entry.version.path.startswith(below)]

    def path_of(self, text: str, whole: bool = False) -> bytes:
        """A path below the folder, as a user says it: from the folder on, or in full. ConfigError if it is none. With
        `whole`, the folder itself will do: b""."""
        path = text
        if os.path.isabs(path):
            real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
            if not (real + "/").startswith(self._folder.rstrip("/") + "/"):
                raise ConfigError(_outside(text, self._folder), USAGE)
            path = os.path.relpath(real, self._folder)
        parts = [part for part in os.fsencode(path).split(b"/") if part not in (b"", b".")]
        if (not parts and not whole) or b".." in parts or limits.RESERVED_NAME in parts:
            raise ConfigError(_outside(text, self._folder), USAGE)
        return b"/".join(parts)

    def is_there(self, path: bytes) -> bool:
        try:
            return self._disk.stat(path) is not None
        except DiskError:
            return False

    def check(self, entry: Entry) -> None:
        """ConfigError if it cannot get its name back, because of what is there now."""
        path = entry.version.path
        for parent in _parents(path):
            above = self._disk.stat(parent)
            if above is not None and above.kind != Kind.DIRECTORY:
                raise ConfigError(f"{show(parent)} is not a folder any more: restore to another place, with --to FILE")
        _may_be_replaced(path, self._disk.stat(path))

    def restore(self, entry: Entry) -> bool:
        """The version gets its name back. False if exactly this is there already. ConfigError if it cannot be had."""
        version = entry.version
        if entry.holder:
            self.check(entry)
            return self._recall(entry)
        try:
            for _ in range(_TRIES):
                self.check(entry)
                done = self._restore(version)
                if done is not None:
                    return done
        except DiskError as error:
            raise ConfigError(f"{show(version.path)} cannot be restored: {error}") from None
        raise ConfigError(f"{show(version.path)} is being changed by another program: try again")

    def _recall(self, entry: Entry) -> bool:
        """From the history of a peer, by the node that runs here: `finish` waits for it."""
        self._asked({"command": "recall", "version": _packed(entry.version), "holder": entry.holder})
        self._recalled.append(entry)
        return True

    def finish(self) -> None:
        """Wait for what comes from peers. ConfigError if something does not."""
        if not self._recalled:
            return
        left = self.wait()
        for entry in self._recalled:
            version = entry.version
            there = self._disk.stat(version.path)
            if there is None or there.kind != version.kind:
                name, on = show(version.path), show(_bytes(entry.on))
                if left:
                    raise ConfigError(f"{name} is still coming from {on}; nothing more is to be done", TIMEOUT)
                raise ConfigError(f"{name} did not come from {on}: the log of the node here says why")

    def wait(self) -> int:
        """Until what comes back is back, or for a minute. Returns how many paths are still on their way."""
        left = 0
        for _ in range(600):
            left = 0 if self._index is not None else int(self._asked({"command": "pending"})["count"])
            if not left:
                break
            time.sleep(0.1)
        return left

    def undo(self, since_ns: int, by: str | None, dry_run: bool) -> Answer:
        """Have the folder as it was. Returns what happens (or would), as `told` takes it. ConfigError."""
        question: Answer = {"command": "undo", "since_ns": since_ns, "by": by, "dry_run": dry_run}
        index = self._index
        if index is None:
            answer = self._asked(question)
            self._make_sure(answer)
            for change in answer["changes"]:
                if change.get("unsure") and not change["lost"] and not dry_run:
                    self._asked({"command": "recall", "version": change["version"]})
            return answer | {"asked_peers": True}
        wish = wish_of(index, question, time.time_ns(), index.noted(JOURNAL_SINCE))
        plan = undo.plan(index, wish.since_ns, wish.by)
        nowhere = set(undo.missing(index, plan.wanted))
        answer = described(index, wish, plan, nowhere, undo.beginnings(index, plan.wanted, nowhere))
        self._make_sure(answer)
        if not dry_run:
            lost = {_bytes(change["path"]) for change in answer["changes"] if change["lost"]}
            wanted = [one for one in plan.wanted if one.path not in lost]
            there = [one for one in wanted if one.kind != Kind.ABSENT]
            files = {one.path for one in there if one.kind != Kind.DIRECTORY}
            gone = [one for one in reversed(wanted) if one.kind == Kind.ABSENT]
            in_the_way = {one.path: one for one in gone if not files.isdisjoint(_parents(one.path))}
            for one in in_the_way.values():  # the others last: what comes back may be copied from them
                self._put_back(index, one)
            for one in [*undo.with_parents(index, there), *(one for one in gone if one.path not in in_the_way)]:
                self._put_back(index, one)
        return answer

    def _make_sure(self, answer: Answer) -> None:
        """Read the files of which it is not known whether they begin with what is wanted: those that do not cannot be undone."""
        for change in answer["changes"]:
            if change.get("unsure"):
                version = _unpacked(change["version"])
                change["lost"] = not self._begins_with(version.path, version.size, version.content)

    def _begins_with(self, path: bytes, size: int, content: bytes) -> bool:
        try:
            return self._digest(path, size) == (size, content)
        except DiskError:
            return False

    def not_as_wanted(self, answer: Answer) -> list[str]:
        """The names of files that an undo should have brought back, and that are not there as they were."""
        found = []
        for change in answer["changes"]:
            if change["lost"] or change["kind"] not in (Kind.FILE, Kind.SYMLINK):
                continue
            there = self._disk.stat(_bytes(change["path"]))
            is_other_size = there is not None and there.kind == Kind.FILE and there.size != change["size"]
            if there is None or there.kind != change["kind"] or is_other_size:
                found.append(change["path"])
        return found

    def _put_back(self, index: Index, one: Before) -> None:
        """One path is again what it was, without a node: the next one to start takes it for an ordinary change."""
        path, kind, size, content, mtime, mode, _, _ = one
        try:
            there = self._disk.stat(path)
            expect = b"" if there is None else fingerprint(there)
            target = Record(path, kind, size, content, mtime, mode, Stamp(1, ""), ())
            if kind == Kind.ABSENT:
                item = ApplyItem(path, Act.REMOVE, target, expect, Why.DELETED)
            else:
                item = ApplyItem(path, Act.INSTALL, target, expect, Why.REPLACED)
            if kind == Kind.DIRECTORY and there is not None and there.kind == Kind.DIRECTORY:
                item = ApplyItem(path, Act.META, target, expect, Why.REPLACED, mode=mode)
            elif kind == Kind.FILE and size == 0:
                item = item._replace(data=b"")
            elif kind == Kind.FILE:
                row = next((row for row in index.by_content(content) if len(row.fp) == FINGERPRINT_BYTES), None)
                version = index.version_with(content)
                if row is not None and row.record.path == path:
                    item = item._replace(act=Act.META, mode=mode, mtime=mtime)
                elif row is not None:
                    item = item._replace(copy_path=row.record.path, copy_fp=row.fp)
                elif version is not None:
                    item = item._replace(copy_path=version.name)
                else:
                    item = item._replace(copy_path=path, copy_fp=expect)  # it begins with what is wanted
            if there is None and kind == Kind.ABSENT:
                return
            done = self._sync.perform(ApplyJob((item,)))
            assert isinstance(done, Applied)
            (result,) = done.items
        except DiskError as error:
            raise ConfigError(f"{show(path)} cannot be changed: {error}") from None
        if result.version is not None:
            self._asked(
                {"command": "keep", "version": _packed(result.version._replace(node=index.node)), "path": _text(path)}
            )
        if result.result in (Result.PROBLEM, Result.REFUSED):
            raise ConfigError(f"{show(path)} cannot be changed: {result.problem}")
        if result.result != Result.DONE and kind != Kind.ABSENT:
            raise ConfigError(
                f"{show(path)} is being changed by another program, or something unknown is in it: try again"
            )

    def _restore(self, version: Version) -> bool | None:
        path = version.path
        size, content = version.size, version.content
        if version.kind == Kind.FILE:
            size, content = self._digest(version.name)
        there = self._disk.stat(path)
        was = b""
        if there is not None and there.kind == Kind.FILE:
            was = self._digest(path)[1]
        elif there is not None and there.kind == Kind.SYMLINK:
            was = self._disk.read_link(path)
        if there is not None and there.kind == version.kind and was == content:
            return False
        for parent in reversed(_parents(path)):
            if self._disk.stat(parent) is None:
                self._disk.make_directory(parent, 0o755)
        target = Record(path, version.kind, size, content, version.mtime, version.mode, Stamp(1, ""), ())
        expect = b"" if there is None else fingerprint(there)
        item = ApplyItem(path, Act.INSTALL, target, expect, Why.REPLACED, copy_path=version.name)
        if self._index is not None:
            self._index.note(state.AT_REST, 0)
            self._index.commit()
        done = self._sync.perform(ApplyJob((item,)))
        assert isinstance(done, Applied)
        (result,) = done.items
        if result.result == Result.PROBLEM or result.result == Result.REFUSED:
            raise ConfigError(f"{show(path)} cannot be restored: {result.problem}")
        if result.result != Result.DONE:
            return None
        if result.version is not None:
            kept = result.version._replace(node=self._node, content=was)
            self._asked({"command": "keep", "version": _packed(kept), "path": _text(path)})
        return True

    def _digest(self, path: bytes, most: int = limits.SIZE_MAX) -> tuple[int, bytes]:
        """Size and digest of a file, or of its first `most` bytes."""
        reader = self._disk.open(path)
        try:
            hasher, offset = blake3(), 0
            while data := reader.read(offset, min(limits.MIB, most - offset)):
                hasher.update(data)
                offset += len(data)
            return offset, hasher.digest()
        finally:
            reader.close()

    def copy_out(self, entry: Entry, to: str) -> None:
        """A copy outside of the history; what has that name already stays. ConfigError."""
        ours = os.path.join(self._folder, os.fsdecode(limits.RESERVED_NAME))
        if (os.path.realpath(to) + "/").startswith(ours + "/"):
            raise ConfigError(f"{show(os.fsencode(to))} is inside .dir_sync, where only dir_sync writes", USAGE)
        version = entry.version
        if entry.holder and version.kind == Kind.FILE:
            on = show(_bytes(entry.on))
            raise ConfigError(f"that version is kept on {on} only: use --to there, or restore it here without --to")
        try:
            if version.kind == Kind.SYMLINK:
                os.symlink(version.content, os.fsencode(to))
                return
            reader = self._disk.open(version.name)
            try:
                with open(to, "xb") as file:
                    offset = 0
                    while data := reader.read(offset, limits.MIB):
                        file.write(data)
                        offset += len(data)
                os.chmod(to, version.mode & 0o777)
                os.utime(to, ns=(version.mtime, version.mtime))
            finally:
                reader.close()
        except FileExistsError:
            raise ConfigError(f"{show(os.fsencode(to))} exists already and is not overwritten", USAGE) from None
        except (OSError, DiskError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(f"{show(os.fsencode(to))} cannot be written: {reason}") from None

    def settle(self, entries: Iterable[Entry]) -> None:
        """These conflicts are settled as they are, here and on the connected machines."""
        self._asked({"command": "settle", "versions": [_packed(entry.version) for entry in entries]})

    def _asked(self, question: Answer) -> Answer:
        if self._index is None:
            try:
                answer = ask(self._folder, question)
            except (NoDaemon, OSError) as error:
                raise ConfigError(f"the node of this folder does not answer: {error or 'it has ended'}") from None
        else:
            match question["command"]:
                case "versions":
                    answer = listed(self._index, path_asked(question))
                case "keep":
                    answer = keep(self._index, question)
                case _:
                    settle(self._index, question)
                    answer = {}
            self._index.commit()
        if "error" in answer:
            raise refused(answer)
        return answer


def refused(answer: Answer) -> ConfigError:
    """What a node says against a question."""
    return ConfigError(str(answer["error"]), USAGE if answer.get("exit_code") == USAGE else ENVIRONMENT)


def fitting(entries: Iterable[Entry]) -> dict[bytes, Entry]:
    """The first entry of each path; none of a file that was a folder in what comes before, or the other way round."""
    first: dict[bytes, Entry] = {}
    folders: set[bytes] = set()
    for entry in entries:
        path = entry.version.path
        above = _parents(path)
        if path not in first and path not in folders and not any(parent in first for parent in above):
            first[path] = entry
            folders.update(above)
    return first


def there_at(entries: Iterable[Entry], at_ns: int) -> tuple[list[Entry], list[Entry]]:
    """Of `entries`, newest first: what may have been there at a time, the likeliest first; and for each path of which that
    cannot be said the oldest version after that time, which was last modified later, too."""
    later = [entry for entry in entries if entry.version.time_ns > at_ns]
    later.reverse()  # the first that was displaced after that time is what was there then
    first: dict[bytes, Entry] = {}
    for entry in later:
        first.setdefault(entry.version.path, entry)
    too_new = {path: entry for path, entry in first.items() if entry.version.mtime > at_ns}
    return [entry for entry in later if entry.version.path not in too_new], list(too_new.values())


@contextmanager
def open_book(folder: str) -> Iterator[Book]:
    """The history of a folder, by the node that runs on it if one does. ConfigError if it was never shared."""
    if not os.path.isdir(os.path.join(folder, ".dir_sync", "versions")):
        raise ConfigError(f"{show(os.fsencode(folder))} has no history: it was never shared from here")
    handle, index = -1, None
    try:
        ask(folder, {"command": "status"})
    except NoDaemon:
        handle = state.lock(os.fsencode(folder))
        index = state.open_index(os.fsencode(folder), random.Random())
    except OSError as error:
        raise ConfigError(f"the node of this folder does not answer: {error}") from None
    try:
        book = Book(folder, index)
        try:
            yield book
        finally:
            book.close()
    finally:
        if index is not None:
            index.close()
            os.close(handle)


def _may_be_replaced(path: bytes, there: Stat | None) -> None:
    """ConfigError if what has the name of a file now is no file."""
    if there is not None and there.kind in (Kind.DIRECTORY, Kind.OTHER):
        what = "a folder" if there.kind == Kind.DIRECTORY else "not an ordinary file"
        raise ConfigError(f"{show(path)} is {what} now: restore to another place, with --to FILE")


def _outside(text: str, folder: str) -> str:
    return f"{show(os.fsencode(text))} is not a path in the shared folder {show(os.fsencode(folder))}"


class _Names:
    """What people call the nodes: by name, with the beginning of the id where two have the same one."""

    def __init__(self, names: Mapping[str, object], own: str) -> None:
        self._names = names
        self._own = own
        self._often = Counter(names.values())

    def __call__(self, node: str) -> str:
        if node == self._own:
            return "this node"
        if not node:
            return "-"
        if node.startswith("="):  # the maker of a first scan's record is no node
            return FIRST_CONTACT
        name = self._names.get(node)
        if not name:
            return node[:8]
        return str(name) if self._often[name] == 1 else f"{name} ({node[:8]})"


class _NoSignatures:
    def get(self, digest: bytes) -> bytes | None:
        return None

    def put(self, digest: bytes, signature: bytes) -> None:
        """Nothing is remembered."""


def _parents(path: bytes) -> list[bytes]:
    """The folders that a path is in, the innermost first."""
    found = []
    while path := parent_of(path):
        found.append(path)
    return found
