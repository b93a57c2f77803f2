"""Which files are too large to be sent or taken, and for which contents of peers there is room here.

In:   the limits that a person has set; how much room there is, measured now and then. Out: whether a content may come; the
paths that had to wait and may be tried again.
Rule: what may come is subtracted from the room at once, so a burst between two measurements keeps to the limit. Deletions,
folders, links, times, modes, and contents that are on this disk already are never asked about. A file here that is too
large stays here: engine.stamps makes such a change (core.mode, OWN_LARGE).
Used by: config, daemon.share, doctor.examination, doctor.folder_facts, engine.board, engine.own_changes, engine.planner.
"""

from __future__ import annotations

from dir_sync.core.model import Kind, Record
from dir_sync.core.named import NamedTuple

__all__ = ["Keep", "Taking"]


class Keep(NamedTuple):
    """How much of the disk stays free: `percent` of it, or `bytes`. `text`: as a person has typed it."""

    text: str
    bytes: int = 0
    percent: int = 0

    def of(self, disk: int) -> int:
        """In bytes, of a disk of so many."""
        return self.bytes + disk * self.percent // 100


class Taking:
    """The limits of one folder."""

    def __init__(self, most: int = 0, room: int | None = None, full: str = "", large: str = "") -> None:
        """`most`: bytes of a file; 0: any number. `room`: bytes that may come; None: any number. `full`, `large`: for people, why
        something is not taken."""
        self.most = most
        self.full = full
        self.large = large
        self._room = room
        self._waiting: dict[bytes, int] = {}  # paths that wait for room, and how many bytes each needs
        self._granted: dict[bytes, tuple[bytes, int]] = {}  # path -> the content that may come, and its bytes

    @property
    def room(self) -> int | None:
        """Bytes that may come now; None: any number."""
        return self._room

    @property
    def waiting(self) -> int:
        """How many paths wait for room."""
        return len(self._waiting)

    def is_too_large(self, record: Record) -> bool:
        return 0 < self.most < record.size and record.kind is Kind.FILE

    def take_pushed(self, record: Record) -> bool:
        """True if a small file that came with its content may be installed at once."""
        if self.is_too_large(record):
            return False
        if self._room is None:
            return True
        if record.size > self._room:
            return False
        self._room -= record.size
        return True

    def take_room(self, record: Record) -> bool:
        """True if this content may come now; then it has its room. Otherwise the path waits."""
        path, size = record.path, record.size
        if self._room is None or self._granted.get(path, (b"",))[0] == record.content:
            self.forget(path)  # another version of it may have waited
            return True
        if size > self._room:
            self._waiting[path] = size
            return False
        self.forget(path)
        self._room -= size
        self._granted[path] = record.content, size
        return True

    def is_waiting(self, path: bytes) -> bool:
        """True while the content for a path waits for room."""
        return path in self._waiting

    def forget(self, path: bytes) -> bool:
        """The path waits for nothing any more. Returns whether it did."""
        return self._waiting.pop(path, None) is not None

    def end_grant(self, path: bytes) -> None:
        """The content for a path has come, or none is wanted: what comes there from now on needs room of its own."""
        self._granted.pop(path, None)

    def is_news(self, room: int) -> bool:
        """True if `measured` has to know that so many bytes may come: another number than is left here, or somebody may need
        what was given to a path that did not use it. Any thread may ask."""
        return room != self._room or bool(self._waiting) or bool(self._granted)

    def measured(self, room: int, coming: dict[bytes, int]) -> list[bytes]:
        """So many bytes may still come. `coming`: paths whose content is on its way, and how much of it is not on the disk yet.
        Returns the waiting paths that fit now, in the order in which they came."""
        self._granted = {path: granted for path, granted in self._granted.items() if path in coming}
        self._room = left = room - sum(coming.values())
        fits = []
        for path, size in self._waiting.items():
            if size <= left:
                left -= size
                fits.append(path)
        for path in fits:
            del self._waiting[path]
        return fits
