"""Events as lines for people: the sentences of the log.

In:   events. Out: lines. A new kind of live note needs its sentence here: mypy says where.
Used by: cli.watching, daemon.hooks, web.activity.
"""

from __future__ import annotations

from dir_sync.core import live_notes, notes
from dir_sync.core.live_notes import Event
from dir_sync.core.model import show
from dir_sync.core.pausing import NO_END
from dir_sync.reporting.log import Once, how_many, human_bytes, moment
from dir_sync.reporting.sentences import Common, Sentences, Wrong

__all__ = ["EventWords"]


class EventWords:
    """Collects the lines of one event after the other."""

    def __init__(self, folder: str) -> None:
        """`folder`: for commands that people can paste."""
        self._folder = folder
        self._lines: list[str] = []

    def of(self, event: Event) -> list[str]:
        """Its lines; none for what another event says again."""
        self._lines = []
        self._say(event)
        return [_printable(line) for line in self._lines]

    # --- as a place for lines ------------------------------------------------------------------------------------------

    def info(self, msg: str, /, *args: object) -> None:
        self._lines.append(msg % args)

    warning = info

    # --------------------------------------------------------------------------------------------------------------------

    def _say(self, event: Event) -> None:
        sentences = Sentences(self._folder, Once(), log=self)
        match event:
            case notes.Fetched() | notes.FetchedDelta():
                pass  # `Received` follows
            case notes.ReceivedMany(peer, files, _):
                for path, size in files:
                    sentences.common(notes.Received(path, peer, size))
            case notes.SentMany(peer, files, _):
                for path, size in files:
                    sentences.common(notes.Sent(path, peer, size))
            case _ if isinstance(event, Common):
                sentences.common(event)
            case _ if isinstance(event, Wrong):
                sentences.wrong(event)
            case live_notes.Begun():
                pass
            case live_notes.Ended():
                self.info("%s", "the node has ended")
            case live_notes.Missed(count):
                self.info("... %s are missing here", how_many(count, "event"))
            case live_notes.PeerCame(peer, address):
                self.info("connected: %s at %s", peer, address)
            case live_notes.PeerLeft(peer):
                self.info("not connected any more: %s", peer)
            case live_notes.TransferBegan(path, peer, direction, size, done):
                begins = f", {human_bytes(done)} of it are there" if done else ""
                self.info("%s: %s%s", _way(direction, path, peer), human_bytes(size), begins)
            case live_notes.TransferMoved(path, peer, direction, size, done, per_s):
                so_far = f"{100 * done // max(size, 1)} % of {human_bytes(size)}"
                self.info("%s: %s at %s/s", _way(direction, path, peer), so_far, human_bytes(per_s))
            case live_notes.TransferEnded(path, peer, direction, size, done):
                self.info("%s: over", _way(direction, path, peer))
            case live_notes.PauseBegan(until_s):
                self.info("%s", "paused" if until_s == NO_END else f"paused until {moment(until_s)}")
            case live_notes.PauseOver():
                self.info("%s", "resumed")
            case _:
                sentences.single(event)


def _way(direction: str, path: bytes, peer: str) -> str:
    return f"{'sending' if direction == 'send' else 'receiving'} {show(path)} {'to' if direction == 'send' else 'from'} {peer}"


def _printable(line: str) -> str:
    """A reason or a name in it may come from another machine; what is escaped already stays as it is."""
    return "\\".join(show(part.encode("utf-8", "backslashreplace"), len(line) + 1) for part in line.split("\\"))
