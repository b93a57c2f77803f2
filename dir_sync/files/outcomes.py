"""Exceptions that end a change early, and the answers for them.

In:   errors of the disk, and two exceptions of our own.
Out:  `ApplyResult` or `Staged` for the engine.
Used by: `put_back`, `prepare`, `replace`, `install`, `metadata`, `move`, `batches`, `appends`,
      `downloads`, `patch`.
"""

from __future__ import annotations

from dir_sync.core.jobs import ApplyItem, ApplyResult, Result, Staged
from dir_sync.ports import DiskError, Trouble

__all__ = ["NO_SUCH_NAME", "Missing", "Unexpected", "failed", "not_staged", "problem"]

# the entry does not exist, or its folder does not
NO_SUCH_NAME = (Trouble.ABSENT, Trouble.WRONG_TYPE, Trouble.BOUNDARY)


class Unexpected(Exception):
    """Something other than expected is there: look again."""


class Missing(Exception):
    """The source of the content has changed."""


def failed(item: ApplyItem, error: Exception) -> ApplyResult:
    """The answer for a change that failed with DiskError, Missing or Unexpected."""
    if isinstance(error, DiskError):
        if error.trouble in (Trouble.NAME, Trouble.TOO_LARGE, Trouble.NO_LINK):
            too_large = error.trouble == Trouble.TOO_LARGE
            return ApplyResult(item.path, Result.IMPOSSIBLE, problem=str(error), too_large=too_large)
        if error.trouble == Trouble.BOUNDARY:
            return ApplyResult(item.path, Result.REFUSED, problem=str(error))
        if error.trouble in (Trouble.EXISTS, Trouble.NOT_EMPTY, Trouble.WRONG_TYPE, Trouble.ABSENT):
            return ApplyResult(item.path, Result.CHANGED)
        return problem(item.path, error)
    if isinstance(error, Missing):
        return ApplyResult(item.path, Result.MISSING)
    return ApplyResult(item.path, Result.CHANGED)


def problem(path: bytes, error: DiskError) -> ApplyResult:
    return ApplyResult(path, Result.PROBLEM, problem=str(error), full=error.trouble == Trouble.FULL)


def not_staged(token: int, error: DiskError) -> Staged:
    """The answer for a content that this disk cannot store."""
    full, too_large = error.trouble == Trouble.FULL, error.trouble == Trouble.TOO_LARGE
    return Staged(token, 0, False, str(error), True, full=full, too_large=too_large)
