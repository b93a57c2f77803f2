"""What happened, told to people: one line each, and one line for a crowd.

In:   Note effects and the time. Out: lines for the log.
Rule: names are escaped; of many equal things in one second a few are told one by one and the rest is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from dir_sync.core.events import Note
from dir_sync.core.model import show
from dir_sync.log import how_many, human_bytes, human_seconds, logger

__all__ = ["Narrator"]

_SINGLE_MAX = 5  # of one kind in one breath; the rest is counted
_BREATH_S = 1.0
_QUIET = frozenset({"meta", "copied"})


@dataclass(slots=True)
class _Crowd:
    since_s: float
    count: int = 0
    hidden: int = 0  # of these, not told one by one
    size: int = 0


class Narrator:
    """Engine thread only."""

    def __init__(self) -> None:
        self._crowds: dict[tuple[str, str], _Crowd] = {}

    def tell(self, note: Note, now_s: float) -> None:
        """Say it, or count it."""
        words = _WORDS.get(note.what)
        if words is None:
            self._say(note)
            return
        key = (note.what, note.peer)
        crowd = self._crowds.get(key)
        if crowd is None:
            crowd = self._crowds[key] = _Crowd(now_s)
        crowd.count += note.crowd
        if crowd.count <= _SINGLE_MAX and note.crowd == 1:
            single, _ = words
            size = f" ({human_bytes(note.size)})" if note.size else ""
            other = show(note.text.encode("utf-8", "surrogateescape"))
            text = single.format(path=show(note.path), peer=_by(note.peer), name=note.peer, size=size, other=other)
            logger.info("%s", text)
        else:
            crowd.hidden += note.crowd
            crowd.size += note.size

    def breathe(self, now_s: float, all_of_it: bool = False) -> float | None:
        """Tell of the crowds that have passed; the time at which to call again, None if nothing waits."""
        for key, crowd in list(self._crowds.items()):
            if not all_of_it and now_s - crowd.since_s < _BREATH_S:
                continue
            del self._crowds[key]
            more = crowd.hidden
            if more > 0:
                _, plural = _WORDS[key[0]]
                size = f" ({human_bytes(crowd.size)})" if crowd.size else ""
                logger.info("%s", plural.format(count=f"{more:,}", peer=_by(key[1]), name=key[1], size=size))
                continue
        return min((crowd.since_s for crowd in self._crowds.values()), default=None)

    def progress(self, path: bytes, peer: str, here: int, size: int, since_s: float, began_at: int) -> None:
        """A large content on its way."""
        rate = (here - began_at) / max(since_s, 0.001)
        left = f", {human_seconds((size - here) / rate)} left" if rate > 0 else ""
        logger.info(
            "receiving %s from %s: %d %% of %s at %s/s%s",
            show(path), peer, 100 * here // max(size, 1), human_bytes(size), human_bytes(int(rate)), left,
        )  # fmt: skip

    def _say(self, note: Note) -> None:
        path, peer = show(note.path), note.peer
        match note.what:
            case "scanned":
                logger.info("the folder holds %s (%s)", how_many(note.wire, "file"), human_bytes(note.size))
            case "synchronized":
                logger.info("synchronized with %s", peer)
            case "delta":
                saved = 100 - 100 * note.wire // max(note.size, 1)
                logger.info(
                    "delta for %s from %s: %s instead of %s (%d %% saved)",
                    path, peer, human_bytes(note.wire), human_bytes(note.size), saved,
                )  # fmt: skip
            case "sent delta":
                logger.info(
                    "sent a delta for %s to %s: %s instead of %s",
                    path,
                    peer,
                    human_bytes(note.wire),
                    human_bytes(note.size),
                )
            case "fetched":
                rate = human_bytes(note.size * 1000 // max(note.wire, 1))
                logger.info("%s came whole from %s: %s at %s/s", path, peer, human_bytes(note.size), rate)
            case "resumed":
                done, size = human_bytes(note.wire), human_bytes(note.size)
                logger.info("going on with %s from %s: %s of %s were here", path, peer, done, size)
            case "conflict":
                logger.warning(
                    "%s was changed on two nodes at once: the later change won, yours is kept as %s",
                    path, show(note.text.encode("utf-8", "surrogateescape")),
                )  # fmt: skip
            case "skipped":
                logger.warning("not synchronized: %s (%s)", path, note.text)
            case "written late":
                logger.warning(
                    "a program went on writing into %s after it was replaced: what it wrote is kept as %s",
                    path, show(note.text.encode("utf-8", "surrogateescape")),
                )  # fmt: skip
            case "blocked":
                logger.warning("stays as it is here: %s (something in it or in its place is not synchronized)", path)
            case "unreadable":
                logger.warning("cannot be read, taken for unknown: %s (%s)", path or "the folder", note.text)
            case "restless":
                logger.warning(
                    "%s (%s) changes all the time, also while it is read: it is sent once nobody writes into it for a moment",
                    path, human_bytes(note.size),
                )  # fmt: skip
            case "trouble":
                logger.warning("cannot be changed here now, tried again later: %s (%s)", path, note.text)
            case "bad content":
                logger.warning("%s from %s was not accepted: %s", path, peer, note.text)
            case "blind":
                logger.warning("looking at everything in %s again: %s", path or "the folder", note.text)
            case "pruned":
                logger.info(
                    "the history gives way: %s less (%s)", how_many(note.wire, "version"), human_bytes(note.size)
                )
            case "braked":
                logger.warning(
                    "BRAKE: missing here since this node last looked: %s (%s first). Nobody is told until you"
                    " decide: 'main.py approve DIR' deletes everywhere what is missing, 'main.py reject DIR' brings it back",
                    how_many(note.wire, "file"), path,
                )  # fmt: skip
            case "peer braked":
                logger.warning(
                    "BRAKE: %s has removed or rewritten %s of %s here (%s first). That is held until you decide, on"
                    " any machine: 'main.py approve DIR' lets it happen, 'main.py reject DIR' undoes it everywhere",
                    peer, f"{note.wire:,}", how_many(note.size, "file"), path,
                )  # fmt: skip
            case "still braked":
                logger.warning(
                    "BRAKE: what %s did is still held: 'main.py status DIR' tells more",
                    show(note.text.encode("utf-8", "surrogateescape")),
                )
            case "held there":
                logger.warning(
                    "BRAKE on %s: what %s did to %s is held there (%s first) until somebody decides, on any machine:"
                    " 'main.py approve DIR' or 'main.py reject DIR'",
                    peer, show(note.text.encode("utf-8", "surrogateescape")), how_many(note.wire, "file"), path,
                )  # fmt: skip
            case "decided":
                logger.warning("%s: what %s did to %s", note.text, peer, how_many(note.wire, "file"))
            case "lost":
                logger.warning("cannot come back, its content is in no history that can be reached: %s", path)
            case "unbraked":
                logger.warning("what was held is settled: nothing is held any more")
            case "new identity":
                logger.warning("this node takes a new identity: %s", note.text)
            case _:
                logger.debug("%s %s %s %s", note.what, path, peer, note.text)


_WORDS = {
    "changed here": ("changed here: {path}{size}", "changed here: {count} more{size}"),
    "renamed here": ("renamed here: {other} to {path}", "renamed here: {count} more"),
    "deleted here": ("deleted here: {path}", "deleted here: {count} more"),
    "received": ("received {path}{peer}{size}", "received {count} more{peer}{size}"),
    "copied": ("made {path} from what was here{size}", "made {count} more from what was here{size}"),
    "renamed": ("renamed to {path}{peer}", "renamed {count} more{peer}"),
    "sent": ("sent {path} to {name}{size}", "sent {count} more to {name}{size}"),
    "removed": ("removed {path}{peer}", "removed {count} more{peer}"),
    "meta": ("new times or permissions: {path}{peer}", "new times or permissions: {count} more{peer}"),
    "kept": (
        "kept {path}: it was changed here while it was deleted elsewhere",
        "kept {count} more, changed here while deleted elsewhere",
    ),
    "spared": ("kept {path}: what was done to it elsewhere was rejected", "kept {count} more"),
}


def _by(peer: str) -> str:
    return f" from {peer}" if peer else ""
