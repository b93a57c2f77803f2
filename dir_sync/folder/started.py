"""When a process started, which tells it from a later one with the same id.

In:   the id of a process. Out: a text that is the same as long as that process runs.
Used by: processes, root, running.
"""

from __future__ import annotations

__all__ = ["started"]


def started(process: int) -> str:
    """When it started, in the kernel's ticks; "": it does not run, or has ended and nobody has asked how."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before it may contain blanks
        return "" if fields[0] in (b"Z", b"X") else fields[19].decode("ascii")
    except (OSError, IndexError):
        return ""
