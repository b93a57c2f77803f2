"""Makes a staged file from a delta and its base.

In:   a `PatchJob`: the delta in the staging folder, the base in the tree or the history.
Out:  `Staged`, verified as a whole. The delta is removed in any case.
Used by: `file_sync`.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync import delta
from dir_sync.core.jobs import PatchJob, Staged
from dir_sync.core.model import fingerprint
from dir_sync.files.hashing import digest_of
from dir_sync.files.outcomes import NO_SUCH_NAME, not_staged
from dir_sync.files.staging import Staging
from dir_sync.ports import Disk, DiskError, Reader, Writer

__all__ = ["patch"]


def patch(job: PatchJob, disk: Disk, staging: Staging, stopping: Callable[[], bool]) -> Staged:
    """Apply the delta `job.delta_name` to `job.base_path`; the result is `job.name`."""
    out: Writer | None = None
    base: Reader | None = None
    steps: Reader | None = None
    try:
        try:
            base = disk.open(job.base_path)
        except DiskError as error:
            if error.trouble not in NO_SUCH_NAME:
                raise
            return Staged(job.token, 0, False, "the base has changed", base_changed=True)
        if job.base_fp and fingerprint(base.stat()) != job.base_fp:
            return Staged(job.token, 0, False, "the base has changed", base_changed=True)
        steps = disk.open(job.delta_name)
        staging.discard((job.name,))
        out = disk.create(job.name)
        out.must_fit(job.size)
        delta.apply_delta(steps, base, out, job.size)
        out.start_flush(0, job.size)
        digest, whole = digest_of(out, job.size, stopping)
        if not whole or digest != job.digest:
            if job.base_fp and fingerprint(base.stat()) != job.base_fp:
                staging.discard((job.name,))
                return Staged(job.token, 0, False, "the base has changed", base_changed=True)
            raise delta.DeltaError("the patched file is not what was announced")
        return Staged(job.token, job.size, True)
    except delta.DeltaError as error:
        staging.discard((job.name,))
        return Staged(job.token, 0, False, str(error))
    except DiskError as error:
        staging.discard((job.name,))
        return not_staged(job.token, error)
    finally:
        for handle in (base, steps, out):
            if handle is not None:
                handle.close()
        staging.discard((job.delta_name,))
