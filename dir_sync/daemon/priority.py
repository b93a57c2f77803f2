"""A thread that gets CPU and disk only when nobody else wants them.

In:   nothing. Out: the calling thread, lowered for good.
Used by: jobs.
"""

from __future__ import annotations

import os

__all__ = ["lower"]

_NICE = 19
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "armv7l": 314, "armv6l": 314, "i686": 289, "riscv64": 30, "ppc64le": 273}
_THIS_THREAD = (1, 0)  # IOPRIO_WHO_PROCESS: of the thread with this number; 0: the calling one
_IDLE = 3 << 13  # ioprio_set(2): IOPRIO_CLASS_IDLE


def lower() -> bool:
    """Lower the calling thread. False if only its share of the CPU could be lowered. (On Linux both belong to a thread.)"""
    os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    number = _IOPRIO_SET.get(os.uname().machine)
    if number is None:
        return False
    import ctypes  # only nodes that read everything again need it here

    return bool(ctypes.CDLL(None).syscall(number, *_THIS_THREAD, _IDLE) == 0)
