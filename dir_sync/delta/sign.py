"""Makes the signature of a file.

In:   a file, and maybe the signature of another version of it. Out: its signature, with appendix.
Rule: sums are reused only from our own cache. Called by `files.deltas` and `files.unsigned`.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.delta.format import (
    APPENDIX,
    APPENDIX_MAGIC,
    BLOCK_SUM_BYTES,
    CHUNK_BLOCKS,
    HEADER,
    SIGNATURE_MAGIC,
    STRONG_BYTES,
    DeltaError,
    block_bytes,
    chunk_sum,
    parse_signature,
    signature_bytes,
)
from dir_sync.delta.librsync import Job, need_library
from dir_sync.delta.window import Readable, Stop, Window

__all__ = ["signature"]


def signature(reader: Readable, size: int, should_stop: Stop | None = None, *, earlier: bytes | None = None) -> bytes:
    """The signature, with appendix, of the `size` bytes of `reader`.

    `earlier` is the signature of another version of the file, from our own cache: the sums of chunks that are in both
    are copied from it, which is several times faster. An unusable one is ignored. Raises DeltaError if the file is
    shorter than `size`, on `should_stop`, and if the library is missing.
    """
    library = need_library()
    block, known = _reusable(earlier, size, block_bytes(size))
    chunk = block * CHUNK_BLOCKS
    window = Window(reader, should_stop)
    sums: list[bytes | int] = []  # in order: sums from `earlier`, or the number of bytes of sums to compute
    digests = bytearray()
    made = bytearray()
    with Job(library, library.rs_sig_begin(block, STRONG_BYTES, SIGNATURE_MAGIC)) as job:
        for begin in range(0, size, chunk):
            end = min(begin + chunk, size)
            digest = chunk_sum(window.forward(begin, end, size))
            digests += digest
            if digest in known:
                sums.append(known[digest])
                continue
            # Blocks are independent, and only the last one of the file may be short, so chunks can be left out.
            sums.append(-(-(end - begin) // block) * BLOCK_SUM_BYTES)
            for piece in job.run(window.data, begin - window.begin, end - begin, end=False):
                made += piece
        for piece in job.run(b"", 0, 0, end=True):
            made += piece
    at = HEADER.size
    out = [bytes(made[:at])]
    for entry in sums:
        if isinstance(entry, bytes):
            out.append(entry)
        else:
            out.append(bytes(made[at : at + entry]))
            at += entry
    if at != len(made):
        raise DeltaError("librsync made a signature of an unexpected length")
    return b"".join([*out, digests, APPENDIX.pack(size, APPENDIX_MAGIC)])


def _reusable(earlier: bytes | None, size: int, block: int) -> tuple[int, dict[bytes, bytes]]:
    """The block length for a file of `size` bytes (`block`, or near it), and known sums of blocks by chunk sum."""
    try:
        sums = parse_signature(earlier or b"", None)
    except DeltaError:
        return block, {}
    near = block // 2 <= sums.block <= block * 2  # a growing file keeps its block length for a while
    if sums.size is None or not near or signature_bytes(size, sums.block) > limits.SIGNATURE_BYTES_MAX:
        return block, {}
    chunks = range(-(-sums.count // CHUNK_BLOCKS))
    return sums.block, {sums.chunk_sum(chunk): sums.block_sums(chunk) for chunk in chunks}
