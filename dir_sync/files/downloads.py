"""Contents that arrive chunk by chunk: written to a staging file, hashed on the way, verified as a whole.

In:   `StageJob`s of a token, one at a time.
Out:  `Staged`: how much has arrived, and whether it is complete and verified. A staging file stays open between the
jobs of its token; after an interruption or a restart it is read once and continued.
Used by: `file_sync`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.frozen import mutable
from dir_sync.core.jobs import Staged, StageJob
from dir_sync.core.model import FINGERPRINT_BYTES, fingerprint
from dir_sync.files.hashing import Stopped
from dir_sync.files.outcomes import Unexpected, not_staged
from dir_sync.files.staging import Staging
from dir_sync.ports import Disk, DiskError, Trouble, Writer

__all__ = ["Downloads"]

_FLUSH_BYTES = 32 * limits.MIB  # a large staging file is written back as it grows, so that its final fsync is short


@mutable
class _Stage:
    """A staging file that is being written, kept open between jobs."""

    writer: Writer
    hasher: Any
    length: int
    flushed: int


class Downloads:
    """The downloads of one folder. Jobs of different tokens may run at the same time. Fields: the disk, the staging
    folder, the function that tells whether the program ends; the open staging file of each token."""

    def __init__(self, disk: Disk, staging: Staging, stopping: Callable[[], bool]) -> None:
        self._disk = disk
        self._staging = staging
        self._stopping = stopping
        self._stages: dict[int, _Stage] = {}

    def stage(self, job: StageJob) -> Staged:
        """Write the next chunks. A complete file is verified; one with a wrong digest is removed."""
        try:
            stage = self._stages.get(job.token)
            if stage is None:
                stage = self._open(job)
                self._stages[job.token] = stage
                if job.digest:  # before any of it is requested
                    stage.writer.must_fit(job.size)
                    if job.size - stage.length > self._disk.free_bytes():
                        raise DiskError(Trouble.FULL, job.name)
            for offset, data in job.chunks:
                if offset != stage.length or offset + len(data) > job.size:
                    raise Unexpected
                stage.writer.write(offset, data)
                if job.digest:
                    stage.hasher.update(data)
                stage.length += len(data)
                if stage.length - stage.flushed >= _FLUSH_BYTES:
                    stage.writer.start_flush(stage.flushed, stage.length - stage.flushed)
                    stage.flushed = stage.length
                if self._stopping():
                    raise Stopped
            if stage.length < job.size:
                return Staged(job.token, stage.length, False)
            verified = not job.digest or stage.hasher.digest() == job.digest
            self.close(job.token)
            if not verified:
                self._staging.discard((job.name,))
                return Staged(job.token, 0, False, "the content is not what was announced")
            return Staged(job.token, job.size, True)
        except Unexpected:
            self.close(job.token)
            self._staging.discard((job.name,))
            return Staged(job.token, 0, False, "the content came out of order")
        except DiskError as error:
            self.close(job.token)
            if error.trouble in (Trouble.FULL, Trouble.TOO_LARGE):
                self._staging.discard((job.name,))
            return not_staged(job.token, error)

    def _open(self, job: StageJob) -> _Stage:
        """Make a new staging file, with the part of its content that is here already; or open and hash the one of an
        earlier run."""
        hasher = blake3()
        try:
            writer = self._disk.create(job.name)
        except DiskError as error:
            if error.trouble != Trouble.EXISTS:
                raise
        else:
            try:
                return _Stage(writer, hasher, self._copy_beginning(job, writer, hasher), 0)
            except BaseException:
                writer.close()
                raise
        writer = self._disk.reopen(job.name)
        try:
            length = writer.stat().size
            if not job.digest or length > job.size:
                writer.truncate(0)
                length = 0
            offset = 0
            while offset < length:
                piece = writer.read(offset, min(limits.MIB, length - offset))
                hasher.update(piece)
                offset += len(piece)
                if self._stopping():
                    raise Stopped
        except BaseException:
            writer.close()
            raise
        return _Stage(writer, hasher, length, length)

    def _copy_beginning(self, job: StageJob, writer: Writer, hasher: Any) -> int:
        """Returns how many bytes were copied. If the source was changed or moved, that is 0, and the peer sends
        everything."""
        if job.begins is None or not job.digest:
            return 0
        path, fp, size = job.begins
        offset = 0
        try:
            reader = self._disk.open(path)
        except DiskError:
            return 0
        try:
            if fp and fingerprint(reader.stat()) != fp[:FINGERPRINT_BYTES]:
                return 0
            while offset < min(size, job.size) and (piece := reader.read(offset, min(limits.MIB, size - offset))):
                writer.write(offset, piece)
                hasher.update(piece)
                offset += len(piece)
                if self._stopping():
                    raise Stopped
        finally:
            reader.close()
        return offset

    def close(self, token: int) -> None:
        stage = self._stages.pop(token, None)
        if stage is not None:
            stage.writer.close()

    def close_all(self) -> None:
        """Close the staging files; they are kept, to be continued."""
        for stage in self._stages.values():
            stage.writer.close()
        self._stages.clear()
