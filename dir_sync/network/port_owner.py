"""Who has a port of this machine.

In:   the kind and the number of a port. Out: words for people.
Rule: it only reads what the system tells; another user's processes may stay unknown.
Used by: daemon.opening, doctor.network_facts.
"""

from __future__ import annotations

import os

__all__ = ["owner_of_port", "process_of_port"]


def process_of_port(kind: str, number: int) -> int:
    """The process that has a port, as far as this user may know; 0: that cannot be told."""
    import psutil  # type: ignore[import-untyped, unused-ignore]

    try:
        for one in psutil.net_connections(kind=kind.lower() + "4"):
            is_it = one.laddr and one.laddr.port == number and (kind == "UDP" or one.status == psutil.CONN_LISTEN)
            if is_it and one.pid:
                return int(one.pid)
    except (psutil.Error, OSError):
        pass
    return 0


def owner_of_port(kind: str, number: int) -> str:
    """Who has a port, as far as this user may know; "": that cannot be told."""
    import psutil

    process = process_of_port(kind, number)
    try:
        if process:
            words = psutil.Process(process).cmdline()
            is_node = any(os.path.basename(word) in ("main.py", "dir-sync") for word in words[:3])
            return f"{'another dir_sync' if is_node else psutil.Process(process).name()} (process {process})"
    except (psutil.Error, OSError):
        pass
    return ""
