"""Block signatures of a file, deltas against a signature, and applying them.

What: the rsync algorithm. librsync (the system's library, through ctypes) computes the sums of blocks and finds moved
ones; before that, plain hashes find what did not move; `apply_delta` replaces its patch.
In: files as ports.Reader and ports.Writer.
Out: signatures and deltas in librsync's formats, which the program `rdiff` understands.
Rule: the only foreign bytes for the library are signatures that passed `check_signature`. A delta has no checksum, so
its caller compares the digest of the whole result afterwards.

A signature, numbers big-endian: magic (4 bytes), block length (4), 32 (4), then for each block the weak sum (4,
Rabin-Karp) and the strong sum (32, BLAKE2b). This is librsync's format. Our own appendix may follow: for each 8 blocks
the first 16 bytes of their BLAKE3, then the file's size (8) and five bytes of magic. BLAKE3 is several times faster
than the strong sums and than librsync, so unchanged parts are found at some 2 GB/s. Without the appendix librsync does
everything. The appendix has an odd length and the sums of a block an even one, so the two forms cannot be confused.

    format      constants and sums; parses and checks a signature
    librsync    the library, and one job of it
    window      reading a file in large pieces
    sign        makes a signature
    match       finds what did not move
    search      finds what moved, with librsync
    make        makes a delta: asks match, then search
    apply       applies a delta
    signature_cache   the `-s` folder: signatures by the content that they describe

Called by `files` and `daemon`. Imports `core` and `ports`.

Sources: A. Tridgell, Efficient Algorithms for Sorting and Synchronization (1999), chapter 3; librsync 2.3.
"""

from dir_sync.delta.apply import apply_delta
from dir_sync.delta.format import DeltaError, block_bytes, check_signature
from dir_sync.delta.librsync import MISSING, available
from dir_sync.delta.make import make_delta
from dir_sync.delta.sign import signature
from dir_sync.delta.window import Readable

__all__ = [
    "MISSING",
    "DeltaError",
    "Readable",
    "apply_delta",
    "available",
    "block_bytes",
    "check_signature",
    "make_delta",
    "signature",
]
