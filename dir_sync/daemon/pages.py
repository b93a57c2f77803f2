"""Large pages for what the interpreter keeps.

In:   nothing. Out: the memory of this process, in fewer and larger pages where that costs no memory.
Rule: an optimization. Where the system has no such pages, or its administrator does not want them, nothing happens.
Used by: process.

A node that has rested finds little of its code in the caches of the CPU, and each page it touches has to be looked up
anew. With large pages there are some hundred times fewer to look up: a change that comes after a rest is handled in a
tenth less time (measured in a virtual machine, where a lookup is dear).
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Iterator

__all__ = ["use_large_pages"]

_COLLAPSE = 25  # madvise(2): MADV_COLLAPSE, since Linux 6.1
_LARGE = 2 << 20  # of x86-64, and of ARM with pages of 4 KiB; elsewhere the system refuses
_ENTRY_BYTES = 8  # of pagemap(5); the highest bit says that the page is present
_MARK_AT = 7 if sys.byteorder == "little" else 0  # the byte with that bit
_ABSENT = bytes(range(0x80))
_USED = 0.95  # of a large page, at least: what it has more than the pages before it is memory that nobody uses
_WANTED = "/sys/kernel/mm/transparent_hugepage/enabled"


def use_large_pages() -> int:
    """Move memory that is in use into large pages. Returns how many bytes were moved."""
    try:
        with open(_WANTED, encoding="ascii") as wanted:
            if "[never]" in wanted.read():
                return 0
        ranges = list(_used_ranges())
    except OSError:
        return 0
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return _LARGE * [advise(begin, _LARGE, _COLLAPSE) for begin in ranges].count(0)


def _used_ranges() -> Iterator[int]:
    """Where the large pages would begin that are in use almost as a whole."""
    small = _LARGE // mmap.PAGESIZE
    with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
        for begin, end in _heap():
            for at in range(-(-begin // _LARGE) * _LARGE, end - _LARGE + 1, _LARGE):
                pagemap.seek(at // mmap.PAGESIZE * _ENTRY_BYTES)
                marks = pagemap.read(small * _ENTRY_BYTES)[_MARK_AT::_ENTRY_BYTES]
                if len(marks.translate(None, _ABSENT)) >= _USED * small:
                    yield at


def _heap() -> Iterator[tuple[int, int]]:
    """The memory that the process has allocated, from and to."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            where, may, _, _, _, *name = line.split(maxsplit=5)
            if may == "rw-p" and (not name or name == ["[heap]\n"]):
                begin, end = where.split("-")
                yield int(begin, 16), int(end, 16)
