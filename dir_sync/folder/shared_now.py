"""Which folders the nodes of this user share from this machine at the moment.

In:   what this user's programs remember of folders. Out: paths.
Rule: it only looks. A folder counts if a process has its lock, or waits for it.
Used by: cli.commands, cli.parser, doctor.examination.
"""

from __future__ import annotations

from dir_sync.folder import root
from dir_sync.folder.processes import is_locked

__all__ = ["shared_now"]


def shared_now() -> list[str]:
    """Their paths, sorted."""
    return sorted(path for path in root.shared_before() if is_locked(path) or root.paused(path))
