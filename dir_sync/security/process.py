"""What a process with a key asks of the machine: no core dumps, and whether AES is fast here.

In:   nothing. Out: effects on this process; what the CPU can do.
Rule: a kernel that lacks one of these is no reason not to run.
"""

from __future__ import annotations

import ctypes
import resource

__all__ = ["has_aes", "keep_out_of_dumps"]

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def keep_out_of_dumps() -> None:
    """No core dump holds our memory, and no other process of this user may read it. A limit on core files is not enough:
    a kernel that pipes dumps to a program does not obey it."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    except (OSError, ValueError):
        pass
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, AttributeError):
        pass  # no Linux


def has_aes(cpuinfo: str = "/proc/cpuinfo") -> bool:
    """True if the CPU has instructions for AES: then it is the faster cipher; without them ChaCha20 is."""
    try:
        with open(cpuinfo, encoding="ascii", errors="replace") as file:
            for line in file:
                name, _, flags = line.partition(":")
                if name.strip() in ("flags", "Features"):
                    return "aes" in flags.split()
    except OSError:
        pass
    return False
