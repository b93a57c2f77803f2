"""What happened, told to people: one line each, and one line for a crowd.

In:   Note effects and the time. Out: lines for the log.
Rule: names are escaped. Of many equal things in one second a few are told one by one and the rest is counted; with -v
      every file is named. One event is one line. What is wrong with many files for one reason is one line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from dir_sync.core.events import Note
from dir_sync.core.model import show
from dir_sync.log import how_many, human_bytes, human_seconds, is_verbose, listed, logger
from dir_sync.words import APPROVE_ELSEWHERE, pasteable

__all__ = ["Narrator"]

T = TypeVar("T")

_SINGLE_MAX = 5  # of one kind in one breath; the rest is counted
_NAMED_MAX = 3  # of many with which the same is wrong
_BREATH_S = 1.0
_TROUBLE_AGAIN_S = 600.0  # that a file still cannot be written
_TIMED_BYTES = 1_000_000  # the speed of less says nothing
_REMEMBERED_MAX = 1_000  # notes that wait for the one that ends the same story


@dataclass(slots=True)
class _Crowd:
    since_s: float
    count: int = 0
    hidden: int = 0  # of these, not told one by one
    size: int = 0


class Narrator:
    """Engine thread only."""

    def __init__(self, folder: str = "DIR") -> None:
        """`folder`: the shared one, for commands that people can paste."""
        self._folder = folder
        self._crowds: dict[tuple[str, str], _Crowd] = {}
        self._came: dict[bytes, Note] = {}  # how contents came that are not installed yet
        self._empty: dict[bytes, tuple[Note, float]] = {}  # new files with nothing in them yet, and since when
        self._troubled: dict[bytes, float] = {}  # files that could not be written, and when that was said
        self._wrong: dict[tuple[str, str], tuple[float, list[Note]]] = {}  # since when

    def tell(self, note: Note, now_s: float) -> None:
        """Say it, or count it."""
        if note.what in ("received", "copied", "renamed"):
            self._troubled.pop(note.path, None)
        if note.what in ("delta", "fetched"):  # the line comes when the file is in its place
            _remember(self._came, note.path, note)
            return
        if note.what == "received" and note.path in self._came and self._say_how_it_came(note):
            return
        if note.what == "new here" and not note.size and note.path not in self._empty:
            _remember(self._empty, note.path, (note, now_s))  # a copy begins with an empty file
            return
        if note.what in ("changed here", "renamed here", "deleted here") and self._empty:
            note = self._as_one(note, now_s)
        if note.each and is_verbose():
            for path, size in note.each:
                self.tell(note._replace(path=path, size=size, crowd=1, each=()), now_s)
            return
        self._count(note, now_s)

    def _as_one(self, note: Note, now_s: float) -> Note:
        """A new file that was empty until now and is changed is a new file."""
        source = note.text.encode("utf-8", "surrogateescape") if note.what == "renamed here" else note.path
        empty = self._empty.pop(source, None)
        if empty is not None and note.what == "changed here":
            return note._replace(what="new here")
        if empty is not None:
            self._count(empty[0], now_s)
        return note

    def _count(self, note: Note, now_s: float) -> None:
        words = _WORDS.get(note.what)
        if note.what == "trouble":
            since_s = self._troubled.get(note.path)
            if since_s is not None and now_s - since_s < _TROUBLE_AGAIN_S:
                return  # said, and it has not come since; another step of the same says it in other words
            _remember(self._troubled, note.path, now_s)
        if words is None:
            if note.what in _WRONG and not is_verbose():
                key = note.what, "" if note.what == "unable" else note.text
                self._wrong.setdefault(key, (now_s, []))[1].append(note)
            else:
                self._say(note)
            return
        key = (note.what, note.peer)
        crowd = self._crowds.get(key)
        if crowd is None:
            crowd = self._crowds[key] = _Crowd(now_s)
        crowd.count += note.crowd
        if note.crowd == 1 and (crowd.count <= _SINGLE_MAX or is_verbose()):
            single, _ = words
            other = show(note.text.encode("utf-8", "surrogateescape"))
            logger.info("%s", single.format(path=show(note.path), other=other, **_details(note.peer, note.size)))
        else:
            crowd.hidden += note.crowd
            crowd.size += note.size

    def breathe(self, now_s: float, all_of_it: bool = False) -> float | None:
        """Tell of the crowds that have passed; the time at which to call again, None if nothing waits."""
        for path, (note, since_s) in list(self._empty.items()):
            if all_of_it or now_s - since_s >= _BREATH_S:
                del self._empty[path]
                self._count(note, now_s)
        for group, (since_s, notes) in list(self._wrong.items()):
            if all_of_it or now_s - since_s >= _BREATH_S:
                del self._wrong[group]
                self._say(*notes)
        for key, crowd in list(self._crowds.items()):
            if not all_of_it and now_s - crowd.since_s < _BREATH_S:
                continue
            del self._crowds[key]
            more = crowd.hidden
            if more > 0:
                _, plural = _WORDS[key[0]]
                logger.info("%s", plural.format(count=f"{more:,}", **_details(key[1], crowd.size)))
                continue
        since = [crowd.since_s for crowd in self._crowds.values()]
        since += [since_s for _, since_s in self._empty.values()]
        return min([*since, *(since_s for since_s, _ in self._wrong.values())], default=None)

    def progress(
        self, path: bytes, peer: str, done: int, size: int, since_s: float, began_at: int, sending: bool = False
    ) -> None:
        """A large content on its way to us, or from us to a peer."""
        rate = (done - began_at) / max(since_s, 0.001)
        left = f", {human_seconds((size - done) / rate)} left" if rate > 0 else ""
        logger.info(
            "sending %s to %s: %d %% of %s at %s/s%s" if sending else "receiving %s from %s: %d %% of %s at %s/s%s",
            show(path), peer, 100 * done // max(size, 1), human_bytes(size), human_bytes(int(rate)), left,
        )  # fmt: skip

    def _say_how_it_came(self, note: Note) -> bool:
        came = self._came.pop(note.path)
        if came.size != note.size:
            return False
        path, size = show(note.path), human_bytes(note.size)
        if came.what == "delta":
            saved = 100 - 100 * came.wire // max(came.size, 1)
            logger.info(
                "received %s from %s as a delta: %s instead of %s (%d %% saved)",
                path, came.peer, human_bytes(came.wire), size, saved,
            )  # fmt: skip
        else:
            logger.info("received %s from %s%s", _part(came), came.peer, _rate(came))
        return True

    def _offer(self, approving: str, rejecting: str, is_ours: bool = False) -> None:
        """The two decisions, each on a line of its own: easy to copy. `is_ours`: this node did it, and cannot approve it."""
        logger.warning("  to %s: %s", approving, APPROVE_ELSEWHERE if is_ours else self._command("approve"))
        logger.warning("  to %s: %s", rejecting, self._command("reject"))

    def _command(self, word: str) -> str:
        return pasteable(word, self._folder)

    def _say(self, note: Note, *others: Note) -> None:
        """`others`: with them it is the same."""
        path, peer = show(note.path), note.peer
        if others:
            named = [show(one.path) or "the folder" for one in (note, *others)[:_NAMED_MAX]]
            more = 1 + len(others) - len(named)
            path = ", ".join(named) + (f" and {more:,} more" if more else "")
        match note.what:
            case "scanned":
                logger.info("the folder holds %s (%s)", how_many(note.wire, "file"), human_bytes(note.size))
            case "met":
                if note.wire:
                    changes, are = how_many(note.wire, "change"), "is" if note.wire == 1 else "are"
                    logger.info("%s has %s (%s) that %s not here yet", peer, changes, human_bytes(note.size), are)
            case "lags":
                logger.info("%s still lacks %s (%s)", peer, how_many(note.wire, "file"), human_bytes(note.size))
            case "in sync":
                names = [show(name.encode("utf-8", "surrogateescape")) for name in note.text.split("\n")]
                logger.info("everything is in sync with %s", listed(names))
            case "sent delta":
                logger.info(
                    "sent %s to %s as a delta: %s instead of %s",
                    path, peer, human_bytes(note.wire), human_bytes(note.size),
                )  # fmt: skip
            case "sent large":
                logger.info("sent %s to %s%s", _part(note), peer, _rate(note))
            case "resumed":
                done, size = human_bytes(note.wire), human_bytes(note.size)
                logger.info("resuming %s from %s: %s of %s are here already", path, peer, done, size)
            case "conflict":
                logger.warning(
                    "CONFLICT: %s was changed on two nodes at once. The newer change won, yours is kept; to look at it: %s",
                    path, self._command("conflicts"),
                )  # fmt: skip
            case "skipped":
                logger.warning("not synchronized: %s (%s)", path, note.text)
            case "written late":
                logger.warning(
                    "a program kept writing into %s after it was replaced: what it wrote is kept as %s",
                    path, show(note.text.encode("utf-8", "surrogateescape")),
                )  # fmt: skip
            case "blocked":
                logger.warning(
                    "%s %s not changed here: something in it or in its place is not synchronized (a pipe, a socket, a"
                    " mount)", path, "were" if others else "was",
                )  # fmt: skip
            case "unreadable":
                logger.warning(
                    "cannot read %s (%s): for other machines it stays as it was until it can be read",
                    path or "the folder", note.text,
                )  # fmt: skip
            case "restless":
                logger.warning(
                    "%s (%s) changes all the time, also while it is read: it is sent once nobody writes into it for a moment",
                    path, human_bytes(note.size),
                )  # fmt: skip
            case "trouble":
                logger.warning("cannot write %s (%s): will try again", path, note.text)
            case "unable":
                reason = f"{show(note.path)}: {note.text}" if others else note.text
                logger.warning("%s cannot be on this disk (%s). To see it: %s", path, reason, self._command("status"))
            case "bad content":
                logger.warning("refused %s from %s: %s", path, peer, note.text)
            case "blind":
                logger.warning("rescanning %s: %s", path or "the folder", note.text)
            case "pruned":
                logger.info(
                    "history: removed %s (%s) to stay within its limits",
                    how_many(note.wire, "version"), human_bytes(note.size),
                )  # fmt: skip
            case "braked":
                logger.warning(
                    "HELD: %s vanished while dir_sync was not watching (%s, ...). Other machines keep them until you decide:",
                    how_many(note.wire, "file"), path,
                )  # fmt: skip
                self._offer("delete them everywhere", "restore them")
            case "peer braked":
                logger.warning(
                    "HELD: %s deleted or rewrote %s of %s here (%s, ...). This waits until you decide, on any machine"
                    " but that one:",
                    peer, f"{note.wire:,}", how_many(note.size, "file"), path,
                )  # fmt: skip
                self._offer("let it happen", "undo it everywhere")
            case "still braked":
                logger.warning(
                    "HELD: what %s did still waits for your decision; to see it: %s",
                    show(note.text.encode("utf-8", "surrogateescape")), self._command("status"),
                )  # fmt: skip
            case "missing there":
                logger.warning(
                    "HELD on %s: %s vanished there while it was not watching (%s, ...). Other machines keep them until you"
                    " decide:", peer, how_many(note.wire, "file"), path,
                )  # fmt: skip
                self._offer("delete them everywhere", "restore them")
            case "held there":
                logger.warning(
                    "HELD on %s: what %s did to %s there (%s, ...) waits until you decide, on any machine"
                    " but the one that did it:",
                    peer, show(note.text.encode("utf-8", "surrogateescape")), how_many(note.wire, "file"), path,
                )  # fmt: skip
                self._offer("let it happen", "undo it everywhere", note.text == "this node")
            case "decided":
                logger.warning("%s: what %s did to %s", note.text, peer, how_many(note.wire, "file"))
            case "lost":
                logger.warning("cannot restore %s: no old version is available on any connected machine", path)
            case "unbraked":
                logger.warning("nothing is held any more")
            case "new identity":
                logger.warning("this node takes a new identity: %s", note.text)
            case _:
                logger.debug("%s %s %s %s", note.what, path, peer, note.text)


_WRONG = frozenset({"skipped", "blocked", "unreadable", "trouble", "unable"})
"""What is said of the first of many, with their number. It waits for a breath, in which the others may come."""

_WORDS = {
    "new here": ("new here: {path}{size}", "new here: {count} more{size}"),
    "changed here": ("changed here: {path}{size}", "changed here: {count} more{size}"),
    "renamed here": ("renamed here: {other} to {path}", "renamed here: {count} more"),
    "deleted here": ("deleted here: {path}", "deleted here: {count} more"),
    "received": ("received {path}{size}{source}", "received {count} more{size}{source}"),
    "restored": ("restored {path}{size}", "restored {count} more{size}"),
    "copied": (
        "copied {path}{size} from a file that was here already: nothing was transferred",
        "copied {count} more{size} from files that were here already",
    ),
    "renamed": ("{who} renamed {other} to {path}", "{who} renamed {count} more"),
    "sent": ("sent {path}{size} to {who}", "sent {count} more{size} to {who}"),
    "removed": ("{who} deleted {path}", "{who} deleted {count} more"),
    "meta": ("{who} changed the time or permissions of {path}", "{who} changed time or permissions of {count} more"),
    "kept": (
        "kept {path}: it was changed or restored while another machine deleted it",
        "kept {count} more, changed or restored while another machine deleted them",
    ),
    "spared": ("kept {path}: what was done to it elsewhere was rejected", "kept {count} more"),
}
"""What happens to one file, and to many."""


def _details(peer: str, size: int) -> dict[str, str]:
    return {
        "who": peer or "another machine",
        "source": f" from {peer}" if peer else "",
        "size": f" ({human_bytes(size)})" if size else "",
    }


def _part(note: Note) -> str:
    """A file that travelled: all of it, or what the receiver did not have yet."""
    whole = f"{show(note.path)} ({human_bytes(note.size)})"
    return f"the last {human_bytes(int(note.text))} of {whole}" if note.text else whole


def _rate(note: Note) -> str:
    """How fast that was, if there was enough of it to tell. `note.wire`: it took so long (ms)."""
    size = int(note.text) if note.text else note.size
    return f" at {human_bytes(size * 1000 // max(note.wire, 1))}/s" if size >= _TIMED_BYTES else ""


def _remember(notes: dict[bytes, T], path: bytes, note: T) -> None:
    while len(notes) >= _REMEMBERED_MAX:
        del notes[next(iter(notes))]
    notes[path] = note
