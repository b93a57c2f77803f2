"""Watches the folder of a run of `once` from inside: what it says, and which peers know that both sides have everything.

In:   the notes of the folder, its state at the end of each turn, and peers that leave. Out: a Tally; which peers count.
Rule: the engine's thread calls it. It only reads the engine. The main thread reads `seen`, a value that is replaced as a whole.
Used by: daemon, effects, folder, sharing, shot.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync.core.model import show_text
from dir_sync.core.notes import Note
from dir_sync.core.shot import Seen
from dir_sync.core.tally import Tally
from dir_sync.daemon.share import Share

__all__ = ["Witness"]


class Witness:
    """Of one folder."""

    def __init__(self, tally: Tally, wake: Callable[[], None]) -> None:
        """`wake` is called when `seen` is another one."""
        self.seen = Seen()
        self.names: dict[str, str] = {}  # of the peers that have had the same at any time; replaced as a whole
        self._tally = tally
        self._wake = wake
        self._left: dict[str, int] = {}  # replica that left when both sides had everything -> our sequence then

    def tell(self, note: Note) -> None:
        self._tally.tell(note)

    def turn_over(self, share: Share) -> None:
        """A turn in which something happened is over."""
        report, index = share.engine.sync_report, share.index
        agreed = parted = frozenset[str]()
        if report.is_settled():
            peers = share.engine.board.peers
            agreed = frozenset(replica for replica in peers if report.is_agreed_with(replica))
            parted = frozenset(one for one, at in self._left.items() if at == index.sequences.last)
        if Seen(agreed, parted) != self.seen:
            self._note_names(share, agreed | parted)
            self.seen = Seen(agreed, parted)
            self._wake()

    def leaves(self, share: Share, replica: str) -> None:
        """The link with that replica has ended; the engine does not know it yet."""
        self._left.pop(replica, None)
        if share.engine.sync_report.is_agreed_with(replica):
            self._left[replica] = share.index.sequences.last
            self._note_names(share, frozenset({replica}))

    def _note_names(self, share: Share, replicas: frozenset[str]) -> None:
        name_of = share.engine.board.name_of
        self.names = self.names | {replica: show_text(name_of(replica)) for replica in replicas}
