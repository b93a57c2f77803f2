"""The sentences of the log: one for each note, for many of a kind, and for a problem of many files.

In:   notes. Out: lines for the log.
Rule: names are escaped. A new kind of note needs its sentence here: mypy says where.
"""

from __future__ import annotations

from typing import Protocol, assert_never

from dir_sync.core import notes
from dir_sync.core.model import show, show_text
from dir_sync.core.peers.standing import Lack
from dir_sync.reporting.log import Once, how_many, human_bytes, human_seconds, labelled, listed, own_limit
from dir_sync.reporting.progress_words import not_taken_words
from dir_sync.reporting.shell import APPROVE_ELSEWHERE, pasteable

__all__ = ["Common", "Lines", "Sentences", "Single", "Wrong", "details"]

Common = (
    notes.NewHere
    | notes.ChangedHere
    | notes.RenamedHere
    | notes.DeletedHere
    | notes.Received
    | notes.Restored
    | notes.Copied
    | notes.Renamed
    | notes.Sent
    | notes.Removed
    | notes.MetaChanged
    | notes.AttributesChanged
    | notes.Kept
    | notes.Spared
    | notes.Reverted
)
"""Events of one file that often occur for many files at once."""

Wrong = notes.Skipped | notes.Blocked | notes.Unreadable | notes.CannotWrite | notes.Unfit | notes.NotTaken
"""Logged for the first of many, with their number, after an interval in which others may come."""

Single = (
    notes.Progress
    | notes.HistoryChange
    | notes.Safeguard
    | notes.SentDelta
    | notes.SentLarge
    | notes.Resumed
    | notes.BadContent
    | notes.Restless
    | notes.CannotRestore
    | notes.Rotten
    | notes.Healed
    | notes.SilentChange
    | notes.Suspicious
    | notes.Scrubbed
)
"""Logged at once, in one line."""

_TIMED_BYTES = 1_000_000  # below this size a speed means nothing
_NAMED_MAX = 3  # files named in the line of a common problem


class Lines(Protocol):
    """Where lines go: what is used of a logger."""

    def info(self, msg: str, /, *args: object) -> None: ...

    def warning(self, msg: str, /, *args: object) -> None: ...


class Sentences:
    """Writes to the log. `folder`: the shared one, for commands that people can paste. `once`: what was said already. `label`:
    what each line begins with, where there are several folders. `log`: another place for the lines."""

    def __init__(self, folder: str, once: Once, label: str = "", log: Lines | None = None) -> None:
        self._folder = folder
        self._once = once
        self._log: Lines = labelled(label) if log is None else log

    def common(self, note: Common) -> None:
        peer, size, other = details(note)
        single, _ = _WORDS[type(note)]
        self._log.info("%s", single.format(path=show(note.path), other=show(other), **_in_words(peer, size)))

    def more(self, kind: type[Common], peer: str, count: int, size: int) -> None:
        """The line for `count` further files of a kind, with `size` bytes in total."""
        _, plural = _WORDS[kind]
        self._log.info("%s", plural.format(count=f"{count:,}", **_in_words(peer, size)))

    def came(self, came: notes.Fetched | notes.FetchedDelta) -> None:
        """The line for a content that took a while and is installed now."""
        if isinstance(came, notes.FetchedDelta):
            saved = 100 - 100 * came.travelled // max(came.size, 1)
            self._log.info(
                "received %s from %s as a delta: %s instead of %s (%d %% saved)",
                show(came.path), came.peer, human_bytes(came.travelled), human_bytes(came.size), saved,
            )  # fmt: skip
        else:
            self._log.info("received %s from %s%s", _part(came), came.peer, _rate(came))

    def progress(
        self, path: bytes, peer: str, done: int, size: int, since_s: float, began_at: int, sending: bool = False
    ) -> None:
        """The progress of a large content that is received, or sent to a peer."""
        rate = (done - began_at) / max(since_s, 0.001)
        left = f", {human_seconds((size - done) / rate)} left" if rate > 0 else ""
        self._log.info(
            "sending %s to %s: %d %% of %s at %s/s%s" if sending else "receiving %s from %s: %d %% of %s at %s/s%s",
            show(path), peer, 100 * done // max(size, 1), human_bytes(size), human_bytes(int(rate)), left,
        )  # fmt: skip

    def whole(self, words: str, progress: str) -> None:
        """How far all that comes here, or goes out, has come."""
        self._log.info("%s: %s", words, progress)

    def wrong(self, note: Wrong, *others: Wrong) -> None:
        """`others`: files with the same problem."""
        path = show(note.path)
        if others:
            named = [show(one.path) or "the folder" for one in (note, *others)[:_NAMED_MAX]]
            more = 1 + len(others) - len(named)
            path = ", ".join(named) + (f" and {more:,} more" if more else "")
        match note:
            case notes.Skipped():
                self._log.warning("not synchronized: %s (%s)", path, note.reason)
            case notes.Blocked():
                self._log.warning(
                    "%s %s not changed here: something in it or in its place is not synchronized (ignored, a pipe,"
                    " a socket, a mount)", path, "were" if others else "was",
                )  # fmt: skip
            case notes.Unreadable():
                self._log.warning(
                    "cannot read %s (%s): for other machines it stays as it was until it can be read",
                    path or "the folder", note.problem,
                )  # fmt: skip
            case notes.CannotWrite():
                self._log.warning("cannot write %s (%s): will try again", path, note.problem)
            case notes.NotTaken():
                self._log.info("not taken: %s (it is larger than %s)", path, own_limit(note.most))
            case notes.Unfit():
                reason = f"{show(note.path)}: {note.reason}" if others else note.reason
                self._log.warning(
                    "%s cannot be on this disk (%s). To see it: %s", path, reason, self._command("status")
                )
            case _:
                assert_never(note)

    def single(self, note: Single) -> None:
        match note:
            case notes.Scanned(files, size):
                line = f"the folder holds {how_many(files, 'file')} ({human_bytes(size)})"
                if self._once.first(line):
                    self._log.info("%s", line)
            case notes.PeerAhead(peer, count, size):
                if count:
                    changes, are = how_many(count, "change"), "is" if count == 1 else "are"
                    self._log.info("%s has %s (%s) that %s not here yet", peer, changes, human_bytes(size), are)
            case notes.PeerBehind(peer, files, size):
                self._log.info("%s still lacks %s (%s)", peer, how_many(files, "file"), human_bytes(size))
            case notes.NotTakenThere():
                self._log.info("%s %s", show_text(note.peer), _not_taken(note))
            case notes.InSync(peers, apart):
                but = [f"{show_text(one.peer)} {_not_taken(one)}" for one in apart]
                names = listed([show_text(name) for name in peers])
                self._log.info("everything is in sync with %s%s", names, f", but {listed(but)}" if but else "")
            case notes.SentDelta(path, peer, size, travelled):
                self._log.info(
                    "sent %s to %s as a delta: %s instead of %s",
                    show(path), peer, human_bytes(travelled), human_bytes(size),
                )  # fmt: skip
            case notes.SentLarge(_, peer):
                self._log.info("sent %s to %s%s", _part(note), peer, _rate(note))
            case notes.Resumed(path, peer, size, here):
                done, whole = human_bytes(here), human_bytes(size)
                self._log.info("resuming %s from %s: %s of %s are here already", show(path), peer, done, whole)
            case notes.Conflict(path):
                self._log.warning(
                    "CONFLICT: %s was changed on two nodes at once. The newer change won, yours is kept; to look at it: %s",
                    show(path), self._command("conflicts"),
                )  # fmt: skip
            case notes.TextMerged(path):
                self._log.info("merged %s: it has the changes of both sides now, and the conflict is over", show(path))
            case notes.WrittenLate(path, version):
                self._log.warning(
                    "a program kept writing into %s after it was replaced: what it wrote is kept as %s",
                    show(path), show(version),
                )  # fmt: skip
            case notes.Restless(path, size):
                self._log.warning(
                    "%s (%s) changes all the time, also while it is read: it is sent once nobody writes into it for a moment",
                    show(path), human_bytes(size),
                )  # fmt: skip
            case notes.BadContent(path, peer, problem):
                self._log.warning("refused %s from %s: %s", show(path), peer, problem)
            case notes.Rescanning(path, reason):
                self._log.warning("rescanning %s: %s", show(path) or "the folder", reason)
            case notes.HistoryPruned(versions, size):
                self._log.info(
                    "history: removed %s (%s) to stay within its limits",
                    how_many(versions, "version"), human_bytes(size),
                )  # fmt: skip
            case notes.LossHeld(path, files):
                self._log.warning(
                    "HELD: %s vanished while dir_sync was not watching (%s, ...). Other machines keep them until you decide:",
                    how_many(files, "file"), show(path),
                )  # fmt: skip
                self._offer("delete them everywhere", "restore them")
            case notes.PeerHeld(path, peer, held, files, removed):
                parts = [f"deleted {removed:,}"] * bool(removed) + [f"rewrote {held - removed:,}"] * (removed < held)
                self._log.warning(
                    "HELD: %s %s of %s here (%s, ...). This waits until you decide: undo it on any machine, or let it"
                    " happen on any but that one:",
                    peer, " and ".join(parts), how_many(files, "file"), show(path),
                )  # fmt: skip
                self._offer("let it happen", "undo it everywhere")
            case notes.StillHeld(peer):
                self._log.warning(
                    "HELD: what %s did still waits for your decision; to see it: %s",
                    show_text(peer),
                    self._command("status"),
                )
            case notes.LossHeldThere(path, peer, files):
                self._log.warning(
                    "HELD on %s: %s vanished there while it was not watching (%s, ...). Other machines keep them until you"
                    " decide:", peer, how_many(files, "file"), show(path),
                )  # fmt: skip
                self._offer("delete them everywhere", "restore them")
            case notes.HeldThere(path, peer, maker, files):
                self._log.warning(
                    "HELD on %s: what %s did to %s there (%s, ...) waits until you decide: undo it on any machine, or let"
                    " it happen on any but the one that did it:",
                    peer, "this node" if maker is None else show_text(maker), how_many(files, "file"), show(path),
                )  # fmt: skip
                self._offer("let it happen", "undo it everywhere", maker is None)
            case notes.Decided(_, maker, files, is_approved):
                decision = "approved" if is_approved else "rejected"
                self._log.warning("%s: what %s did to %s", decision, maker, how_many(files, "file"))
            case notes.CannotRestore(path):
                self._log.warning("cannot restore %s: no old version is available on any connected machine", show(path))
            case notes.NothingHeld():
                self._log.warning("nothing is held any more")
            case notes.RulesChanged(ignored, shared):
                self._log.info(
                    "rules to ignore: %s newly ignored, %s newly shared", how_many(ignored, "path"), f"{shared:,}"
                )
            case notes.BadRule(problem):
                self._log.warning("a rule to ignore cannot be used: %s", show_text(problem))
            case notes.NoRoom(path, reason):
                self._log.warning(
                    "contents of other machines wait, %s the first of them: %s; deletions and what needs no room go on",
                    show(path), reason,
                )  # fmt: skip
            case notes.RoomAgain():
                self._log.warning("there is room again for all contents of other machines")
            case notes.Adopted(paths):
                self._log.warning(
                    "%s that stayed on this machine until now will be announced: the mode is another one",
                    how_many(paths, "change"),
                )
            case notes.Rotten(path, size):
                self._log.warning(
                    "ROTTEN: %s (%s) has another content than was recorded, and nobody has changed it: the disk may fail",
                    show(path), human_bytes(size),
                )  # fmt: skip
            case notes.Healed(path, size, peer):
                self._log.warning(
                    "healed %s (%s) from %s; what the disk had made of it is in the history",
                    show(path), human_bytes(size), show_text(peer) or "another place on this machine",
                )  # fmt: skip
            case notes.SilentChange(path, size):
                self._log.warning(
                    "%s (%s) has another content, with the size and the time that it had. If no program of yours puts times"
                    " back, the disk goes bad. Other machines keep the former version: %s",
                    show(path), human_bytes(size), pasteable("restore", self._folder, show(path)),
                )  # fmt: skip
            case notes.Suspicious(path, problem):
                self._log.warning("cannot verify %s: %s", show(path), problem)
            case notes.Scrubbed(rotten):
                found = (
                    f"{how_many(rotten, 'file')} had gone bad" if rotten else "all contents are as they were recorded"
                )
                self._log.info("scrub: everything was read again, %s", found)
            case notes.IdentityChanged(reason):
                self._log.warning("this node takes a new identity: %s", reason)
            case _:
                assert_never(note)

    def _offer(self, approving: str, rejecting: str, is_ours: bool = False) -> None:
        """The two decisions, each on its own line for easy copying. `is_ours`: this node made the change, and cannot
        approve it."""
        self._log.warning("  to %s: %s", approving, APPROVE_ELSEWHERE if is_ours else self._command("approve"))
        self._log.warning("  to %s: %s", rejecting, self._command("reject"))

    def _command(self, word: str) -> str:
        return pasteable(word, self._folder)


_WORDS: dict[type[Common], tuple[str, str]] = {
    notes.NewHere: ("new here: {path}{size}", "new here: {count} more{size}"),
    notes.ChangedHere: ("changed here: {path}{size}", "changed here: {count} more{size}"),
    notes.RenamedHere: ("renamed here: {other} to {path}", "renamed here: {count} more"),
    notes.DeletedHere: ("deleted here: {path}", "deleted here: {count} more"),
    notes.Received: ("received {path}{size}{source}", "received {count} more{size}{source}"),
    notes.Restored: ("restored {path}{size}", "restored {count} more{size}"),
    notes.Copied: (
        "copied {path}{size} from a file that was here already: nothing was transferred",
        "copied {count} more{size} from files that were here already",
    ),
    notes.Renamed: ("{who} renamed {other} to {path}", "{who} renamed {count} more"),
    notes.Sent: ("sent {path}{size} to {who}", "sent {count} more{size} to {who}"),
    notes.Removed: ("{who} deleted {path}", "{who} deleted {count} more"),
    notes.MetaChanged: (
        "{who} changed the time or permissions of {path}",
        "{who} changed time or permissions of {count} more",
    ),
    notes.AttributesChanged: ("{who} changed the {other} of {path}", "{who} changed attributes of {count} more"),
    notes.Kept: (
        "kept {path}: another machine deleted it, or moved it away, and did not know what is here now",
        "kept {count} more that another machine deleted or moved away, and did not know what is here now",
    ),
    notes.Reverted: (
        "undid what was done here to {path}: it is as on the other machines again, and what was here is in the history",
        "undid {count} more changes of this machine",
    ),
    notes.Spared: ("kept {path}: what was done to it elsewhere was rejected", "kept {count} more"),
}
"""Templates for one file, and for many."""


def details(note: Common) -> tuple[str, int, bytes]:
    """The other node, the size (bytes), and the other path of a note."""
    match note:
        case notes.NewHere(_, size) | notes.ChangedHere(_, size) | notes.Restored(_, size):
            return "", size, b""
        case notes.Received(_, peer, size) | notes.Copied(_, peer, size) | notes.Sent(_, peer, size):
            return peer, size, b""
        case notes.Renamed(_, maker, source):
            return maker, 0, source
        case notes.RenamedHere(_, source):
            return "", 0, source
        case notes.AttributesChanged(_, maker, what):
            return maker, 0, what.encode()
        case notes.Removed(_, maker) | notes.MetaChanged(_, maker):
            return maker, 0, b""
        case notes.DeletedHere() | notes.Kept() | notes.Spared() | notes.Reverted():
            return "", 0, b""
        case _:
            assert_never(note)


def _in_words(peer: str, size: int) -> dict[str, str]:
    return {
        "who": peer or "another machine",
        "source": f" from {peer}" if peer else "",
        "size": f" ({human_bytes(size)})" if size else "",
    }


def _part(note: notes.Fetched | notes.SentLarge) -> str:
    """The size of a transferred file, and how much of it was transferred."""
    whole = f"{show(note.path)} ({human_bytes(note.size)})"
    came = human_bytes(note.travelled)
    return whole if came == human_bytes(note.size) else f"the last {came} of {whole}"  # all but some bytes is all of it


def _rate(note: notes.Fetched | notes.SentLarge) -> str:
    """The speed, if the file is large enough to tell."""
    per_s = note.travelled * 1000 // max(note.took_ms, 1)
    return f" at {human_bytes(per_s)}/s" if note.travelled >= _TIMED_BYTES else ""


def _not_taken(note: notes.NotTakenThere) -> str:
    return not_taken_words(note.reason, Lack(note.files, note.size, note.others), note.limit)
