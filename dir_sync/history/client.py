"""The history of one folder: used by the commands history, restore, undo and conflicts.

In:   paths and times as people type them. Out: versions, and restored files; ConfigError for what is impossible.
Rule: the results are the same from a running node, which adds the histories of its peers, and from the index alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from dir_sync.config import TIMEOUT, USAGE, ConfigError
from dir_sync.core import limits
from dir_sync.core.attributes import Attributes
from dir_sync.core.jobs import Before, Cause
from dir_sync.core.model import Kind, Stat, show
from dir_sync.core.parents import parents_of
from dir_sync.folder.typed import path_of
from dir_sync.history import undo_plan
from dir_sync.history.answers import describe, wish_of
from dir_sync.history.brought import Brought
from dir_sync.history.choice import Entry, below
from dir_sync.history.codec import Names, bytes_of, id_of, packed, text_of, unpacked
from dir_sync.history.restorer import TEXT_BYTES_MAX, Restorer
from dir_sync.history.source import Source, open_source
from dir_sync.history.unkept import Unkept
from dir_sync.index import JOURNAL_SINCE
from dir_sync.network.control import Answer
from dir_sync.ports import DiskError, Reader
from dir_sync.reporting.output import meant

__all__ = ["HistoryClient", "open_history"]


class HistoryClient:
    """Answers questions about the history, and restores files."""

    def __init__(self, source: Source, restorer: Restorer) -> None:
        self._source = source
        self._restorer = restorer
        self._node = ""
        self._requested: list[Entry] = []  # requested from the histories of peers, and not here yet
        self._known = True  # whether the path of the last question was ever known here
        self.unkept = Unkept()  # what the last list of versions does not say

    def none_of(self, text: str) -> str:
        """A sentence that names the histories in which no version of a path was found."""
        where = "here or on connected machines" if self.asks_others else "here; start the node to ask other machines"
        return f"no such old version of {text} found {where}"

    @property
    def asks_others(self) -> bool:
        """True if a node runs here, and asks the connected machines."""
        return self._source.index is None

    def find(self, text: str, whole: bool = False) -> tuple[bytes, list[Entry]]:
        """The path that a user typed, by its name or in the printed form, and all versions of it and of everything
        below it. ConfigError if no such path was ever known. With `whole`, the folder itself is allowed: b""."""
        paths = [self.path_of(one, whole) for one in meant(text)]
        for path in paths:
            entries = self.entries(path)
            if not path:
                return path, entries
            entries = below(path, entries)
            if entries or self._known or self.is_there(path):
                return path, entries
        if text.endswith("…"):  # the log cuts very long paths
            entries = self.entries()
            cut = next((entry.version.path for entry in entries if show(entry.version.path) == text), b"")
            if cut:
                return cut, below(cut, entries)
        raise ConfigError(f"no such path was ever known here: {show(paths[0])}")

    def entries(self, path: bytes = b"", conflicts: bool = False) -> list[Entry]:
        """The versions in this history and in those of the peers, of a path and everything below it (b"": all); newest
        first. `conflicts`: only losers of conflicts."""
        question: Answer = {"command": "versions", "path": text_of(path), "peers": True, "conflicts": conflicts}
        answer = self._source.ask(question)
        self._node = answer["node"]
        self._restorer.keep(answer.get("keeps", ()))
        self._known = answer.get("known") is not False
        away, changed, grew = (answer.get(key) for key in ("away", "changed", "grew"))
        self.unkept = Unkept(self.asks_others, bool(answer.get("peers")), tuple(away or ()), bool(changed), bool(grew))
        call = Names(answer["names"], self._node)
        makers = answer.get("makers", {})  # a node of an older version says nothing of them
        made_by = {id_: call(node) for id_, node in makers.items()}
        now_by = {path: call(node) for path, node in answer.get("winners", {}).items()}
        own: list[Entry] = []
        for fields in answer["versions"]:
            one = unpacked(fields)
            if not conflicts or one.why == Cause.CONFLICT:
                id_ = id_of(one)
                own.append(Entry(id_, one, call(one.maker), made_by=made_by.get(id_, "")))
        here = {entry.id for entry in own}
        theirs: dict[str, Entry] = {}
        for peer in answer.get("peers", []):
            on = call(peer["node"])
            for fields in peer["versions"]:
                one = unpacked(fields)
                id_ = id_of(one)
                if id_ in here or (conflicts and one.why != Cause.CONFLICT):
                    continue
                known = theirs.setdefault(id_, Entry(id_, one, call(one.maker), on, peer["node"], made_by.get(id_, "")))
                if on not in known.on.split(", "):
                    theirs[id_] = replace(known, on=f"{known.on}, {on}")
        found = [*own, *theirs.values()]
        if now_by:
            found = [replace(one, now_by=now_by.get(text_of(one.version.path), "")) for one in found]
        return sorted(found, key=lambda entry: -entry.version.time_ns)

    def story(self, path: bytes) -> Answer:
        """The story of one path: what is known of it here, and what it waits for."""
        return self._source.ask({"command": "why", "path": text_of(path)})

    @property
    def folder(self) -> str:
        return self._source.folder

    def path_of(self, text: str, whole: bool = False) -> bytes:
        """The path of a typed name, relative to the folder or absolute. ConfigError if it is invalid. With `whole`, the
        folder itself is allowed: b""."""
        return path_of(self._source.folder, text, whole)

    def stat(self, path: bytes) -> Stat | None:
        """What the disk says about a path; None: nothing is there."""
        return self._restorer.disk.stat(path)

    def is_there(self, path: bytes) -> bool:
        return self._restorer.is_there(path)

    def check(self, entry: Entry) -> None:
        """ConfigError if a version cannot be restored because of what is at its path now."""
        self._restorer.check(entry.version.path)

    def restore(self, entry: Entry) -> bool:
        """Restore a version. False if exactly this version is there already. ConfigError if it is not available."""
        if entry.holder:
            self.check(entry)
            self._source.ask({"command": "recall", "version": packed(entry.version), "holder": entry.holder})
            self._requested.append(entry)  # the node fetches it from the history of a peer, and `finish` waits for it
            return True
        return self._restorer.restore(entry.version, self._node)

    def finish(self) -> None:
        """Wait for versions from peers. ConfigError if one does not arrive."""
        if not self._requested:
            return
        left = self.wait()
        for entry in self._requested:
            version = entry.version
            there = self._restorer.disk.stat(version.path)
            if there is None or there.kind != version.kind:
                name, on = show(version.path), show(bytes_of(entry.on))
                if left:
                    raise ConfigError(f"{name} is still coming from {on}; nothing more is to be done", TIMEOUT)
                raise ConfigError(f"{name} did not come from {on}: the log of the node here says why")

    def wait(self) -> int:
        """Wait for the restores under way, at most a minute. Returns how many are not finished."""
        left = 0
        for _ in range(600):
            left = 0 if self._source.index is not None else int(self._source.ask({"command": "pending"})["count"])
            if not left:
                break
            time.sleep(0.1)
        return left

    def undo(self, since_ns: int, by: str | None, dry_run: bool) -> Answer:
        """Undo changes. Returns what was (or would be) done, for `words.describe_undo`. ConfigError."""
        question: Answer = {"command": "undo", "since_ns": since_ns, "by": by, "dry_run": dry_run}
        index = self._source.index
        if index is None:
            # First only asked: what is the beginning of a file is taken from there before that file goes.
            answer = self._source.ask(question | {"dry_run": True})
            self._make_sure(answer)
            self._restorer.keep(answer.get("keeps", ()))
            if not dry_run:
                self._take_from_elsewhere(answer)
                self._source.ask(question)
            for change in answer["changes"]:
                if change.get("unsure") and not change["lost"] and not _is_elsewhere(change) and not dry_run:
                    self._source.ask({"command": "recall", "version": change["version"]})
            return answer | {"asked_peers": True}
        wish = wish_of(index, question, time.time_ns(), index.notes.get(JOURNAL_SINCE))
        plan = undo_plan.plan(index, wish.since_ns, wish.by)
        nowhere = set(undo_plan.missing(index, plan.wanted))
        answer = describe(index, wish, plan, nowhere, undo_plan.beginnings(index, plan.wanted, nowhere, wish.since_ns))
        self._make_sure(answer)
        self._restorer.keep(answer.get("keeps", ()))
        if not dry_run:
            self._take_from_elsewhere(answer)
            over = {bytes_of(change["path"]) for change in answer["changes"] if change["lost"] or _is_elsewhere(change)}
            wanted = [one for one in plan.wanted if one.path not in over]
            there = [one for one in wanted if one.kind != Kind.ABSENT]
            files = {one.path for one in there if one.kind != Kind.DIRECTORY}
            gone = [one for one in reversed(wanted) if one.kind == Kind.ABSENT]
            in_the_way = {one.path: one for one in gone if not files.isdisjoint(parents_of(one.path))}
            for one in in_the_way.values():  # then the others, because restored files may be copied from them
                self._restorer.put_back(index, one)
            for one in [*undo_plan.with_parents(index, there), *(one for one in gone if one.path not in in_the_way)]:
                self._restorer.put_back(index, one)
        return answer

    def _make_sure(self, answer: Answer) -> None:
        """Read the files that may begin with a wanted version. `source` of a change is the one that does; if there is none,
        the change is marked as impossible to undo."""
        for change in answer["changes"]:
            if change.get("unsure"):
                version = unpacked(change["version"])
                for source in change.get("sources", [change["path"]]):
                    if self._restorer.begins_with(bytes_of(source), version.size, version.content):
                        change["source"] = source
                        break
                change["lost"] = "source" not in change

    def _take_from_elsewhere(self, answer: Answer) -> None:
        """Put back what is now the beginning of a file with another name, or of one in the history."""
        for change in answer["changes"]:
            if _is_elsewhere(change):
                version = unpacked(change["version"])
                one = Before(*version[1:7], answer["since_ns"], "", version.attributes)
                self._restorer.put_back_from(bytes_of(change["source"]), one, answer.get("node", ""))

    def not_as_wanted(self, answer: Answer) -> list[str]:
        """The names of files that an undo should have restored, and that are not as they were."""
        found = []
        for change in answer["changes"]:
            if change["lost"] or change["kind"] not in (Kind.FILE, Kind.SYMLINK):
                continue
            there = self._restorer.disk.stat(bytes_of(change["path"]))
            is_other_size = there is not None and there.kind == Kind.FILE and there.size != change["size"]
            if there is None or there.kind != change["kind"] or is_other_size:
                found.append(change["path"])
        return found

    def copy_out(self, entry: Entry, to: str) -> None:
        """Write a copy outside of the history; an existing file is not replaced. ConfigError."""
        ours = os.path.join(self._source.folder, os.fsdecode(limits.RESERVED_NAME))
        if (os.path.realpath(to) + "/").startswith(ours + "/"):
            raise ConfigError(f"{show(os.fsencode(to))} is inside .dir_sync, where only dir_sync writes", USAGE)
        version = entry.version
        try:
            if version.kind == Kind.SYMLINK:
                os.symlink(version.content, os.fsencode(to))
                return
            reader = self.open(entry)
            try:
                with open(to, "xb") as file:
                    try:
                        offset = 0
                        while data := reader.read(offset, limits.MIB):
                            file.write(data)
                            offset += len(data)
                    except BaseException:  # a part of it would be taken for all of it
                        os.unlink(to)
                        raise
                os.chmod(to, version.mode & 0o777)
                os.utime(to, ns=(version.mtime, version.mtime))
            finally:
                reader.close()
        except FileExistsError:
            raise ConfigError(f"{show(os.fsencode(to))} exists already and is not overwritten", USAGE) from None
        except (OSError, DiskError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(f"{show(os.fsencode(to))} cannot be written: {reason}") from None

    def now(self, path: bytes) -> tuple[Stat, bytes] | None:
        """What is at a path now, with its content or target; None: nothing. ConfigError if it cannot be read."""
        return self._restorer.now(path)

    def attributes(self, path: bytes) -> Attributes:
        """What of owner, ACL and extended attributes is kept here, of what is at a path now."""
        return self._restorer.attributes(path)

    def content(self, entry: Entry) -> bytes:
        """The content of a file, brought from the machine that keeps it if it is not in this history, or the target of a
        link. ConfigError if it cannot be had, or is large."""
        version = entry.version
        if version.kind == Kind.SYMLINK:
            return version.content
        if entry.holder:
            if version.size > TEXT_BYTES_MAX:
                raise ConfigError(f"{show(version.path)} is too large for that")
            return self.open(entry).read(0, version.size)
        found = self._restorer.now(version.name)
        if found is None:
            raise ConfigError(f"the old version of {show(version.path)} is not in the history any more")
        return found[1]

    def open(self, entry: Entry) -> Reader:
        """The content of a file, here or on the machine that keeps it; the caller closes it. ConfigError if nobody has it."""
        version = entry.version
        if entry.holder:
            return Brought(version, entry.holder, self._source.ask)
        try:
            return self._restorer.disk.open(version.name)
        except DiskError as error:
            raise ConfigError(f"the old version of {show(version.path)} cannot be read: {error}") from None

    def common(self, entry: Entry) -> bytes | None:
        """The text from which both sides of a conflict were made; None: it was not kept."""
        answer = self._source.ask({"command": "common", "version": packed(entry.version)})
        text = answer.get("text")
        return bytes_of(text) if isinstance(text, str) else None

    def install(self, entry: Entry, expected: bytes, data: bytes, mode: int) -> None:
        """Put a text in the place of the expected one, as a user's edit. ConfigError if something else is there now."""
        self._restorer.install(entry.version.path, expected, data, mode, self._node)

    def settle(self, entries: Iterable[Entry]) -> None:
        """Mark these conflicts as settled, here and on the connected machines."""
        self._source.ask({"command": "settle", "versions": [packed(entry.version) for entry in entries]})


def _is_elsewhere(change: Answer) -> bool:
    return str(change.get("source", change["path"])) != str(change["path"])


@contextmanager
def open_history(folder: str) -> Iterator[HistoryClient]:
    """The history of a folder, through its node if one runs. ConfigError if the folder was never shared."""
    with open_source(folder) as source:
        restorer = Restorer(source)
        try:
            yield HistoryClient(source, restorer)
        finally:
            restorer.close()
