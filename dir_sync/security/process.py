"""What a process with a key asks of the machine: no core dumps, and whether AES is fast here.

In:   nothing. Out: effects on this process; what the CPU can do.
Rule: a kernel that lacks one of these is no reason not to run.
"""

from __future__ import annotations

import ctypes
import resource

__all__ = ["give_back_pages", "has_aes", "keep_out_of_dumps"]

_PR_SET_DUMPABLE = 4  # linux/prctl.h
_MADV_DONTNEED = 4  # asm-generic/mman-common.h


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


def give_back_pages(library: str = "/cryptography/") -> None:
    """Whatever of that library was read only to load it needs no memory of this process any more: 2.5 MiB. Pages that were
    never written to come from the file again when they are used."""
    try:
        madvise = ctypes.CDLL(None, use_errno=True).madvise
        for start, end in _unwritten(library):
            madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED)
    except (OSError, AttributeError, ValueError):
        pass  # no Linux


def _unwritten(library: str) -> list[tuple[int, int]]:
    """Addresses where a file of that name is mapped, which this process cannot write to, and has not."""
    found = []
    place = (0, 0)
    with open("/proc/self/smaps", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            name, _, rest = line.partition(" ")
            if name[-1:] != ":":
                start, _, end = name.partition("-")
                is_wanted = library in rest and "w" not in rest[:4]
                place = (int(start, 16), int(end, 16)) if is_wanted else (0, 0)
            elif name == "Anonymous:" and rest.split()[0] == "0" and place[1]:
                found.append(place)
    return found


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
