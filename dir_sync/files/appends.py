"""Jobs for growing files: what was appended at a peer is appended here.

In:   `StageJob`s that name what the file is and what it will be, one at a time for each token.
Out:  `Staged`; with a fingerprint if the file itself has grown; otherwise a longer copy waits in the staging folder.
Used by: `file_sync`.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync.core.jobs import Growing, Staged, StageJob
from dir_sync.core.model import fingerprint
from dir_sync.core.names import GROW
from dir_sync.files import fingerprints, growth
from dir_sync.files.metadata import Metadata
from dir_sync.files.outcomes import not_staged
from dir_sync.files.staging import Staging
from dir_sync.files.unsigned import Unsigned
from dir_sync.ports import Disk, DiskError

__all__ = ["Appends"]


class Appends:
    """The growing files of one folder. Jobs of different tokens may run at the same time. Fields: the disk, the modules
    below, the function that tells whether the program ends; the growth of each token, the files that grow in place, and
    the hashes of the files that grew last."""

    def __init__(
        self, disk: Disk, staging: Staging, unsigned: Unsigned, meta: Metadata, stopping: Callable[[], bool]
    ) -> None:
        self._disk = disk
        self._staging = staging
        self._meta = meta
        self._unsigned = unsigned
        self._stopping = stopping
        self._growing: dict[int, growth.Growth] = {}
        self.files = growth.GrowingFiles()
        self._hashes = growth.Hashes()

    def grow(self, job: StageJob, grows: Growing) -> Staged:
        """Append to a file, or to a copy of it: see growth.py."""
        growing = self._growing.pop(job.token, None)
        self._unsigned.release(grows.content)  # it can grow only if no descriptor of ours keeps it open
        if job.give_up:
            return self._give_up(job.token, growing, Staged(job.token, 0, False, "given up", ours=True))
        try:
            if growing is None:
                note = self._staging.new_name(GROW)
                growing = growth.Growth(self._disk, grows, job.name, note, self._hashes, self._stopping)
                if growing.in_place:
                    self.files.begins(job.token, growing.was)
            for offset, data in job.chunks:
                growing.add(offset, data)
            if not growing.is_complete:
                self._growing[job.token] = growing
                return Staged(job.token, growing.length, False)
            stat = growing.finish()
        except DiskError as error:
            return self._give_up(job.token, growing, not_staged(job.token, error))
        except growth.BaseChanged:
            answer = Staged(job.token, 0, False, "the file has changed", base_changed=True)
            return self._give_up(job.token, growing, answer)
        except growth.WrongContent as error:
            return self._give_up(job.token, growing, Staged(job.token, 0, False, str(error)))
        self.files.ends(job.token)
        if stat is None:
            return Staged(job.token, job.size, True)
        if not self._meta.verify_meta(stat, grows.mode, grows.mtime):
            # A user has changed mode or mtime since. With the values that we set, the next look sees the difference.
            stat = stat._replace(mode=grows.mode, mtime=grows.mtime)
        # A program may have written into it right before its mtime was set, so it is read again.
        return Staged(job.token, job.size, True, fp=fingerprint(stat) + fingerprints.RACY)

    def _give_up(self, token: int, growing: growth.Growth | None, answer: Staged) -> Staged:
        if growing is None or growing.give_up():
            self.files.ends(token)
            return answer
        self._growing[token] = growing
        return answer._replace(unfinished=True)

    def close_all(self) -> None:
        """Close the files; the next start undoes incomplete growth."""
        for growing in self._growing.values():
            growing.leave()
        self._growing.clear()
