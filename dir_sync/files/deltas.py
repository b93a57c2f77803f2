"""Signatures and deltas: what a peer needs to make a newer version from an older one.

In:   files that a look found changed; jobs that ask for a signature or a delta.
Out:  `Seen` with a delta, `DeltaDone`, `Signed`. A delta that saves too little is dropped.
Used by: `file_sync`.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync import delta
from dir_sync.core import limits
from dir_sync.core.jobs import DeltaDone, DeltaJob, Signed, SignJob
from dir_sync.core.looks import Grown, LookItem, LookOutcome, MadeDelta, Seen
from dir_sync.core.model import FINGERPRINT_BYTES, fingerprint
from dir_sync.core.names import DELTA
from dir_sync.files.hashing import Stopped, digest_of_grown
from dir_sync.files.staging import Staging
from dir_sync.files.unsigned import Unsigned
from dir_sync.ports import Disk, DiskError, Reader, Signatures

__all__ = ["Deltas"]


class Deltas:
    """Makes signatures and deltas. Fields: the disk, the staging folder, the cache of signatures, the files without
    one, and the function that tells whether the program ends."""

    def __init__(
        self,
        disk: Disk,
        staging: Staging,
        signatures: Signatures,
        unsigned: Unsigned,
        stopping: Callable[[], bool],
    ) -> None:
        self._disk = disk
        self._staging = staging
        self._signatures = signatures
        self._unsigned = unsigned
        self._stopping = stopping

    def look_closer(self, item: LookItem, reader: Reader, seen: Seen) -> Seen:
        """While a changed file is open: add the delta from the version that the peers have, if its signature is
        available."""
        if seen.grown is not None:
            self._unsigned.release(item.was)  # that content is in no file any more, and cannot be signed
        self._unsigned.hold_open(reader, seen.fp, seen.content, seen.size, item.base)
        if (
            not item.base
            or seen.content == item.base
            or seen.size < limits.DELTA_FILE_BYTES_MIN
            or len(seen.fp) > FINGERPRINT_BYTES
            or seen.grown is not None
        ):
            return seen
        signature = self._unsigned.signature(item.base)
        if signature is None:
            return seen
        made = self._make(signature, reader, seen.size, item.base, seen.content)
        if made is None:
            return seen
        try:
            is_as_seen = fingerprint(reader.stat()) == seen.fp
        except DiskError:
            is_as_seen = False
        if not is_as_seen:
            self._staging.discard((made.name,))
            return Seen(item.path, LookOutcome.UNSTABLE, size=seen.size)
        return seen._replace(delta=made)

    def _make(
        self,
        signature: bytes,
        reader: Reader,
        size: int,
        base: bytes,
        digest: bytes,
        is_given_up: Callable[[], bool] = lambda: False,
    ) -> MadeDelta | None:
        """A delta in the staging folder; None if it saves too little or the disk is full."""
        name = self._staging.new_name(DELTA)
        try:
            writer = self._disk.create(name)
        except DiskError:
            return None
        length = 0

        def write(data: bytes) -> None:
            nonlocal length
            writer.write(length, data)
            length += len(data)

        try:
            made = delta.make_delta(
                signature,
                reader,
                size,
                write,
                int(size * limits.DELTA_PAYS_BELOW),
                lambda: self._stopping() or is_given_up(),
            )
        except (delta.DeltaError, DiskError):
            made = None
        finally:
            writer.close()
        if made is None:
            self._staging.discard((name,))
            return None
        return MadeDelta(name, base, digest, made)

    def sign(self, job: SignJob) -> Signed:
        """The signature of a content: from the cache, from a file kept open, or from the file at `job.path`."""
        signature = self._unsigned.signature(job.digest, job.earlier)
        if signature is None:
            try:
                reader = self._disk.open(job.path)
                try:
                    stat = reader.stat()
                    if fingerprint(stat) == job.fp or not job.fp:
                        earlier = self._signatures.get(job.earlier) if job.earlier else None
                        signature = delta.signature(reader, stat.size, self._stopping, earlier=earlier)
                        if reader.stat() != stat:
                            signature = None
                finally:
                    reader.close()
            except (DiskError, delta.DeltaError):
                signature = None
            if signature is not None:
                self._signatures.put(job.digest, signature)
        return Signed(job.peer, job.link, job.id, signature if job.peer else None)

    def delta(self, job: DeltaJob, is_given_up: Callable[[], bool]) -> DeltaDone:
        """What a peer needs to make this file from its base: the appended bytes, or a delta."""
        grown = self._growth_of(job, is_given_up)
        if grown is not None:
            return DeltaDone(job.peer, job.link, job.id, None, False, grown)
        if job.only_growth:
            return DeltaDone(job.peer, job.link, job.id, None, False)
        signature = job.signature if job.signature is not None else self._unsigned.signature(job.base)
        if signature is None:
            return DeltaDone(job.peer, job.link, job.id, None, True)
        made: MadeDelta | None = None
        try:
            if job.signature is not None:
                delta.check_signature(signature, None)
            reader = self._disk.open(job.path)
            try:
                stat = reader.stat()
                if fingerprint(stat) == job.fp:
                    made = self._make(signature, reader, stat.size, job.base, job.digest, is_given_up)
            finally:
                reader.close()
        except (DiskError, delta.DeltaError):
            made = None
        return DeltaDone(job.peer, job.link, job.id, made, False)

    def _growth_of(self, job: DeltaJob, is_given_up: Callable[[], bool]) -> Grown | None:
        """Compare the base with the beginning of the file; None if they differ."""

        def stop() -> bool:
            return self._stopping() or is_given_up()

        if job.base_size < limits.GROWTH_FILE_BYTES_MIN:
            return None
        try:
            reader = self._disk.open(job.path)
            try:
                stat = reader.stat()
                if fingerprint(stat) != job.fp[:FINGERPRINT_BYTES] or stat.size <= job.base_size:
                    return None
                digest, _, marks = digest_of_grown(reader, stat.size, stop, job.base_size, job.base)
                is_same = digest == job.digest and fingerprint(reader.stat()) == job.fp[:FINGERPRINT_BYTES]
            finally:
                reader.close()
        except DiskError:
            return None
        except Stopped:
            if self._stopping():
                raise
            return None  # the peer disconnected
        return Grown(job.base, job.base_size, marks) if marks is not None and is_same else None
