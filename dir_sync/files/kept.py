"""Attributes that are kept on demand: what a look finds of them, and giving them to an entry.

In:   paths, and the attributes of the version that is or shall be there.
Out:  the attributes that the next version of this node has.
Rule: what the file system makes of a version's attributes is no change: a file of ours shows what that is.
Used by: `scanner`, `install`, `metadata`, `move`, `batches`, `file_sync`.
"""

from __future__ import annotations

from dir_sync.core.attributes import NOTHING, Attributes, merged
from dir_sync.core.looks import RACY
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Record
from dir_sync.files.staging import Staging
from dir_sync.ports import Disk, DiskError

__all__ = ["Keeper"]


class Keeper:
    """Keeps attributes. Fields: the disk and the staging folder. If the disk keeps none, no verb does anything."""

    def __init__(self, disk: Disk, staging: Staging) -> None:
        self._disk = disk
        self._staging = staging

    @property
    def is_on(self) -> bool:
        return bool(self._disk.keeps)

    def seen(self, path: bytes, kind: Kind, known: Attributes | None) -> Attributes | None:
        """The attributes of an entry, as the version that a look finds has them. `known`: those of the version that is
        there so far; None: there is none. Raises DiskError."""
        if not self._disk.keeps:
            return None
        found = self._disk.read_attributes(path, known)
        if found is None or not known or merged(known, found) == known:
            return found
        with self._staging.trial(kind) as name:  # it shows what this file system makes of the known ones
            self._disk.set_attributes(name, known)
            tried = self._disk.read_attributes(name, known)
        if tried is None:
            return found
        return Attributes(*[  # type: ignore[arg-type]
            was if here is not None and here == mine else here
            for here, was, mine in zip(found, known, tried, strict=True)
        ])  # fmt: skip

    def give(self, path: bytes, target: Record) -> None:
        """Give an entry the attributes of its version, as far as this disk can keep them. Raises DiskError if that may be
        possible later; some of them may be set then."""
        if target.attributes is not None and self._disk.keeps:
            self._disk.set_attributes(path, target.attributes)

    def says_more(self, path: bytes, target: Record) -> bool:
        """True if the entry has attributes that its version does not say, so that a look has to find them."""
        if not self._disk.keeps:
            return False
        known = target.attributes or NOTHING
        try:
            found = self._disk.read_attributes(path, known)
        except DiskError:
            return True  # unknown: a look finds out
        return found is not None and any(
            here is not None for here, said in zip(found, known, strict=True) if said is None
        )

    def marked(self, path: bytes, target: Record, fp: bytes) -> bytes:
        """The fingerprint of an entry that was just installed; RACY if the entry brought attributes along that its version
        does not say: a look has to find them."""
        return fp + RACY if len(fp) == FINGERPRINT_BYTES and self.says_more(path, target) else fp
