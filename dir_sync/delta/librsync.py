"""The system's librsync, through ctypes: its functions, and a wrapper of one job.

In:   bytes. Out: bytes; DeltaError if the library rejects them, DeltaError(MISSING) if it is not installed.
Rule: the only foreign bytes for it are signatures that passed `check_signature`. Called by `sign` and `search`.

Source: librsync 2.3, librsync.h.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from typing import Self

from dir_sync.core import limits
from dir_sync.delta.format import HEADER, SIGNATURE_MAGIC, STRONG_BYTES, DeltaError

__all__ = ["DONE", "MISSING", "Job", "available", "need_library"]

MISSING = (
    "librsync is missing: changed files travel whole; "
    "to send only what changed: apt install librsync2 (Debian, Ubuntu), or install librsync (Fedora, Arch, Homebrew)"
)


DONE, _BLOCKED = 0, 1  # rs_result
_OUT_BYTES = 64 * limits.KIB
_SUM_OF_ZERO = bytes.fromhex(  # strong_sum(b"\0"), so that no start loads OpenSSL: 3 MiB, for this one sum
    "03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314"
)


def available() -> bool:
    """True if librsync is installed and works. If not, MISSING is the line for people, and the text of the
    DeltaError."""
    return load_library() is not None


class _Buffers(ctypes.Structure):
    """rs_buffers_t."""

    _fields_ = (
        ("next_in", ctypes.c_void_p),
        ("avail_in", ctypes.c_size_t),
        ("eof_in", ctypes.c_int),
        ("next_out", ctypes.c_void_p),
        ("avail_out", ctypes.c_size_t),
    )


class Job:
    """One rs_job_t: bytes in, bytes out. The end of its `with` frees it."""

    def __init__(self, library: ctypes.CDLL, job: int | None) -> None:
        if not job:
            raise DeltaError("librsync has no memory")
        self._library = library
        self._job = job
        self._out = ctypes.create_string_buffer(_OUT_BYTES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.rs_job_free(self._job)

    def run(self, data: bytes, offset: int, length: int, *, end: bool) -> Iterator[bytes]:
        """Feed `length` bytes of `data` from `offset`, the last ones if `end`; yields the output."""
        address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
        buffers = _Buffers(address + offset, length, end, 0, 0)
        while True:
            fed = buffers.avail_in
            buffers.next_out = ctypes.addressof(self._out)
            buffers.avail_out = _OUT_BYTES
            result = self._library.rs_job_iter(self._job, ctypes.byref(buffers))
            made = _OUT_BYTES - buffers.avail_out
            if made:
                yield ctypes.string_at(self._out, made)
            if result == DONE:
                return
            if result != _BLOCKED:
                raise DeltaError(f"librsync failed with {result}")
            if buffers.avail_in == 0 and made < _OUT_BYTES and not end:
                return
            if made == 0 and buffers.avail_in == fed:
                raise DeltaError("librsync stopped half-way")


def need_library() -> ctypes.CDLL:
    library = load_library()
    if library is None:
        raise DeltaError(MISSING)
    return library


@functools.cache
def load_library() -> ctypes.CDLL | None:
    """librsync with its functions declared; None if it is missing, too old (before 2.2) or something else."""
    for name in ("librsync.so.2", "librsync.2.dylib"):
        try:
            library = ctypes.CDLL(name)
            break
        except OSError:
            continue
    else:
        return None
    pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    declarations: dict[str, tuple[type | None, tuple[type, ...]]] = {
        "rs_trace_set_level": (None, (number,)),
        "rs_sig_begin": (pointer, (size, size, number)),
        "rs_loadsig_begin": (pointer, (pointer,)),
        "rs_build_hash_table": (number, (pointer,)),
        "rs_delta_begin": (pointer, (pointer,)),
        "rs_job_iter": (number, (pointer, pointer)),
        "rs_job_free": (number, (pointer,)),
        "rs_free_sumset": (None, (pointer,)),
    }
    block = limits.SIGNATURE_BLOCK_BYTES_MIN
    try:
        for name, (result, arguments) in declarations.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        library.rs_trace_set_level(0)  # it would write to stderr
        with Job(library, library.rs_sig_begin(block, STRONG_BYTES, SIGNATURE_MAGIC)) as job:
            made = b"".join(job.run(b"\0", 0, 1, end=True))
    except (AttributeError, DeltaError):
        return None
    begin = HEADER.pack(SIGNATURE_MAGIC, block, STRONG_BYTES)
    return library if made.startswith(begin) and made.endswith(_SUM_OF_ZERO) else None
