"""Block signatures of a file, deltas against a signature, and applying them.

What: the rsync algorithm. librsync (the system's library, through ctypes) makes the sums of blocks and finds
moved ones; before it, plain hashes find what did not move; `apply_delta` stands for its patch.
In: files as ports.Reader and ports.Writer, read in pieces (a file under mmap that shrinks kills the process).
Out: signatures and deltas in librsync's formats, which the program `rdiff` understands.
Rule: the library gets no foreign bytes but a signature that passed `check_signature`; a delta carries no
checksum, so whoever applies one compares the digest of the whole result afterwards.

A signature, numbers big-endian: magic (4 bytes), block length (4), 32 (4), then of each block the weak sum (4,
Rabin-Karp) and the strong sum (32, BLAKE2b). This is librsync's. After it may stand our own appendix: of each
8 blocks the first 16 bytes of their BLAKE3, then the file's size (8) and five bytes of magic. BLAKE3 is several
times faster than the strong sums and than librsync, so what did not change is found at some 2 GB/s. Without the
appendix all is left to librsync. The appendix has an odd length and the sums of a block an even one, so neither
form can be taken for the other.

Sources: A. Tridgell, Efficient Algorithms for Sorting and Synchronization (1999), chapter 3; librsync 2.3:
librsync.h, delta.c, prototab.c.
"""

from __future__ import annotations

import ctypes
import functools
import struct
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Protocol, Self

from blake3 import blake3

from dir_sync.core import limits
from dir_sync.ports import Reader, Writer

__all__ = [
    "MISSING",
    "DeltaError",
    "Readable",
    "apply_delta",
    "available",
    "block_bytes",
    "check_signature",
    "make_delta",
    "plain_signature",
    "signature",
]

MISSING = (
    "librsync is missing: changed files travel whole; "
    "to send only what changed install librsync2 (Debian, Ubuntu) or librsync (Fedora, Arch, Homebrew)"
)

_READ_BYTES = 1 * limits.MIB  # one read: more would leave the CPU's cache, less would cost calls
_CHUNK_BLOCKS = 8  # blocks under one BLAKE3: makes a signature 5 % longer
_MISSES_MAX = 64  # after so many changed blocks in a row the rest is probably moved: the library's part
_SEARCH_BLOCKS_MIN = 2  # shorter unknown content goes as it is: a changed page is hardly found elsewhere
_SAMPLE_ABOVE_BYTES = 32 * limits.MIB  # up to here all is searched: half a second where nothing matches
_SAMPLES = 32
_SAMPLE_BLOCKS = 32
_NEW_ABOVE = 0.95  # of the samples are found nowhere: a search would take seconds to save little

_SAME_WEAK_MAX = 16  # different blocks with one weak sum: 100,000 honest ones have 3, and the cost is quadratic
_STEP_WORK_BYTES = 16 * limits.MIB  # hashed at the worst in the first step, between two looks at the clock: 50 ms
_STEP_WORK_BYTES_MAX = 256 * limits.MIB  # the same in any step: what was cheap until now may be dear from here on
_STEP_BYTES_MAX = 64 * limits.KIB
_STEP_CPU_S = (0.005, 0.02)  # a step that took less is followed by a longer one, one that took more by a shorter one
_CPU_S_MIN = 1.0
_CPU_BYTES_PER_S = 5_000_000  # the smallest computers are faster; what is slower is an unlucky or hostile case
_COPY_BYTES = 16 * limits.MIB  # copied between two looks at should_stop

_SIGNATURE_MAGIC = 0x72730147  # Rabin-Karp and BLAKE2; librsync would also take MD4 and shorter sums
_STRONG_BYTES = 32
_HEADER = struct.Struct(">III")  # magic, block length, strong length
_BLOCK_SUM_BYTES = 4 + _STRONG_BYTES
_CHUNK_SUM_BYTES = 16  # enough: the whole result is verified anyway
_APPENDIX = struct.Struct(">Q5s")  # the file's size, magic and version
_APPENDIX_MAGIC = b"dsyn\x01"

_DELTA_MAGIC = b"rs\x026"
_END = b"\0"
_LITERAL, _COPY = (
    0x41,
    0x45,
)  # 1-0x40: a literal of so many bytes; then 4 by width of the length, 16 by two widths

Stop = Callable[[], bool]


class DeltaError(Exception):
    """A signature or a delta is wrong or cannot be made. The text is one line for people."""


class Readable(Protocol):
    """Bytes at offsets, fewer than asked for only at the end. Every ports.Reader is one."""

    def read(self, offset: int, length: int) -> bytes: ...


def available() -> bool:
    """True if librsync is here and works. If not, MISSING is the line for people; DeltaError has it too."""
    return _library() is not None


def block_bytes(size: int) -> int:
    """The block length for a file of `size` bytes: a power of two, about sqrt(size) / 2, at least 1 KiB; more
    if the signature would not fit SIGNATURE_BYTES_MAX. DeltaError above some 100 GiB: no length would do.

    Half the usual root, because signatures mostly wait in a cache and do not travel, and most changes are
    small: 4 KiB (a page) for 64 MiB; 8 KiB for 256 MiB, with a signature of 0.5 % of the file.
    """
    block = limits.SIGNATURE_BLOCK_BYTES_MIN
    while 4 * block * block < size or _signature_bytes(size, block) > limits.SIGNATURE_BYTES_MAX:
        if block == limits.SIGNATURE_BLOCK_BYTES_MAX:
            if _signature_bytes(size, block) > limits.SIGNATURE_BYTES_MAX:
                raise DeltaError(f"too large for a delta: {size} bytes")
            break
        block *= 2
    return block


def signature(reader: Readable, size: int, should_stop: Stop | None = None, *, earlier: bytes | None = None) -> bytes:
    """The signature, with appendix, of the `size` bytes of `reader`.

    `earlier` is the signature of another version of the file, from our own cache: the sums of chunks that are
    in both are taken from it, several times faster than they are made. An unusable one is ignored.
    DeltaError if the file is shorter than `size`, on `should_stop`, and where the library is missing.
    """
    library = _need_library()
    block, known = _reusable(earlier, size, block_bytes(size))
    chunk = block * _CHUNK_BLOCKS
    window = _Window(reader, should_stop)
    sums: list[bytes | int] = []  # in order: sums out of `earlier`, or how many bytes of them are made here
    digests = bytearray()
    made = bytearray()
    with _Job(library, library.rs_sig_begin(block, _STRONG_BYTES, _SIGNATURE_MAGIC)) as job:
        for begin in range(0, size, chunk):
            end = min(begin + chunk, size)
            digest = _chunk_sum(window.forward(begin, end, size))
            digests += digest
            if digest in known:
                sums.append(known[digest])
                continue
            # Blocks are independent, and only the last one of the file may be short: chunks can be left out.
            sums.append(-(-(end - begin) // block) * _BLOCK_SUM_BYTES)
            for piece in job.run(window.data, begin - window.begin, end - begin, end=False):
                made += piece
        for piece in job.run(b"", 0, 0, end=True):
            made += piece
    at = _HEADER.size
    out = [bytes(made[:at])]
    for entry in sums:
        if isinstance(entry, bytes):
            out.append(entry)
        else:
            out.append(bytes(made[at : at + entry]))
            at += entry
    if at != len(made):
        raise DeltaError("librsync made a signature of an unexpected length")
    return b"".join([*out, digests, _APPENDIX.pack(size, _APPENDIX_MAGIC)])


def plain_signature(data: bytes) -> bytes:
    """A signature without our appendix: what librsync and `rdiff` read. DeltaError if `data` is none."""
    sums = _parse(data, None)
    return data[: sums.plain_bytes]


def check_signature(data: bytes, base_size: int | None = None) -> None:
    """DeltaError unless `data` is a signature, plain or with appendix, that is safe to use, and of a file of
    `base_size` bytes if that is known. Looks at magic, lengths, total length and repeated weak sums."""
    sums = _parse(data, base_size)
    words = array("I", data[_HEADER.size : sums.plain_bytes])
    weak = words[:: _BLOCK_SUM_BYTES // words.itemsize]
    if len(weak) - len(set(weak)) < _SAME_WEAK_MAX:
        return
    suspects = {value for value, count in Counter(weak).items() if count > _SAME_WEAK_MAX}
    # Equal blocks (zeros) are common and harmless: the library keeps one of them.
    strong: dict[int, set[bytes]] = {value: set() for value in suspects}
    for number, value in enumerate(weak):
        if value in suspects:
            strong[value].add(sums.strong_sum(number))
            if len(strong[value]) > _SAME_WEAK_MAX:
                raise DeltaError("a signature with too many equal weak sums")


def make_delta(
    base_signature: bytes,
    reader: Readable,
    size: int,
    write: Callable[[bytes], object],
    limit_bytes: int,
    should_stop: Stop | None = None,
) -> int | None:
    """Write the delta that makes the `size` bytes of `reader` out of the base; returns its number of bytes.

    None if it would exceed `limit_bytes` or take too long: send the whole, and forget what was written. The
    signature may be anybody's: it is checked. DeltaError if it is refused, if the file is shorter than `size`,
    on `should_stop`, and where the library is needed and missing. It may take DELTA_CPU_S_MAX and more.

    What kept its place, counted from the front or from the end, is found by plain hashes: of chunks, then of
    blocks around the changes. Only what remains is searched by librsync (below 100 MB/s where nothing
    matches), and a large part not even that if samples of it say that it will not pay.
    """
    sums = _parse(base_signature, None)
    window = _Window(reader, should_stop)
    parts = _unmoved(sums, size, window)
    gaps = list(_gaps(parts, size))
    unknown = sum(end - begin for begin, end in gaps)
    search_bytes_min = _SEARCH_BLOCKS_MIN * sums.block if sums.count else size + 1
    if unknown > limit_bytes and all(end - begin < search_bytes_min for begin, end in gaps):
        return None
    out = _Output(write, limit_bytes)
    try:
        with _Search(sums, window, unknown) as search:
            sampled = {
                begin: (end - begin, search.estimate(begin, end))
                for begin, end in gaps
                if end - begin >= max(search_bytes_min, _SAMPLE_ABOVE_BYTES)
            }
            if sum(needed for _, needed in sampled.values()) > limit_bytes:
                return None
            new = {begin for begin, (length, needed) in sampled.items() if needed > _NEW_ABOVE * length}
            out.put(_DELTA_MAGIC)
            at = 0
            for begin, end, shift in [*parts, _Part(size, size, 0)]:
                if begin - at >= search_bytes_min and at not in new:
                    for piece in search.commands(at, begin):
                        out.put(piece)
                elif begin > at:
                    _put_literal(out, window, at, begin)
                if end > begin:
                    out.put(_copy_command(begin - shift, end - begin))
                at = end
            out.put(_END)
    except _GivenUpError:
        return None
    return out.count


def apply_delta(delta: Reader, base: Reader, out: Writer, size: int, should_stop: Stop | None = None) -> None:
    """Write to `out`, from offset 0, the `size` bytes that `delta` makes out of `base`.

    The delta may be anybody's. DeltaError on anything odd: an unknown or empty command, a copy from beyond the
    end of the base, more or less than `size` bytes of output, no end, bytes after it, more commands than an
    honest delta has; and on `should_stop`. Never writes beyond `size`. DiskError passes through. After an
    error `out` holds something useless, and without one it is not verified: compare its digest.
    """
    commands = _Commands(delta)
    base_size = base.stat().size
    commands_left = 64 + size // 256  # an honest one has two for each block at the most, of 1 KiB or more
    at = 0
    source = held = 0  # a copy not made yet: newer librsync cuts long ones into pieces of 32 KiB
    while True:
        if should_stop is not None and should_stop():
            raise DeltaError("stopped")
        code = commands.byte()
        is_copy = _COPY <= code < _COPY + 16
        offset = commands.number((code - _COPY) // 4) if is_copy else 0
        if held and (not is_copy or offset != source + held):
            _copy(base, out, source, at - held, held, should_stop)
            held = 0
        if code == _END[0]:
            break
        if code < _LITERAL:
            length = code
        elif code < _COPY:
            length = commands.number(code - _LITERAL)
        elif is_copy:
            length = commands.number((code - _COPY) % 4)
        else:
            raise DeltaError(f"a delta with the unknown command {code}")
        if length == 0:
            raise DeltaError("a delta with an empty command")
        if length > size - at:
            raise DeltaError("a delta that makes more bytes than announced")
        commands_left -= 1
        if commands_left < 0:
            raise DeltaError("a delta with too many commands")
        if is_copy:
            if offset + length > base_size:
                raise DeltaError("a delta that copies from beyond the end of its base")
            source = source if held else offset
            held += length
            at += length
        else:
            end = at + length
            while at < end:
                piece = commands.some(end - at)
                out.write(at, piece)
                at += len(piece)
    if at != size:
        raise DeltaError("a delta that makes fewer bytes than announced")
    if commands.at != commands.size:
        raise DeltaError("a delta with bytes after its end")


# --- Signatures ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sums:
    """A signature taken apart."""

    data: bytes
    block: int
    count: int  # blocks
    size: int | None  # of the base; None without the appendix

    @property
    def plain_bytes(self) -> int:
        return _HEADER.size + self.count * _BLOCK_SUM_BYTES

    @property
    def chunk(self) -> int:
        return self.block * _CHUNK_BLOCKS

    def strong_sum(self, block: int) -> bytes:
        begin = _HEADER.size + block * _BLOCK_SUM_BYTES + 4
        return self.data[begin : begin + _STRONG_BYTES]

    def chunk_sum(self, chunk: int) -> bytes:
        begin = self.plain_bytes + chunk * _CHUNK_SUM_BYTES
        return self.data[begin : begin + _CHUNK_SUM_BYTES]

    def block_sums(self, chunk: int) -> bytes:
        """Of all blocks of a chunk."""
        begin = _HEADER.size + chunk * _CHUNK_BLOCKS * _BLOCK_SUM_BYTES
        return self.data[begin : min(begin + _CHUNK_BLOCKS * _BLOCK_SUM_BYTES, self.plain_bytes)]


def _signature_bytes(size: int, block: int) -> int:
    blocks = -(-size // block)
    chunks = -(-blocks // _CHUNK_BLOCKS)
    return _HEADER.size + blocks * _BLOCK_SUM_BYTES + chunks * _CHUNK_SUM_BYTES + _APPENDIX.size


def _parse(data: bytes, base_size: int | None) -> _Sums:
    """Checks everything about a signature that needs no look at single sums."""
    if not _HEADER.size <= len(data) <= limits.SIGNATURE_BYTES_MAX:
        raise DeltaError(f"a signature of {len(data)} bytes")
    magic, block, strong_bytes = _HEADER.unpack_from(data)
    if magic != _SIGNATURE_MAGIC:
        raise DeltaError(f"a signature with the unknown magic {magic:#x}")
    if strong_bytes != _STRONG_BYTES:
        raise DeltaError(f"a signature with strong sums of {strong_bytes} bytes")
    if not limits.SIGNATURE_BLOCK_BYTES_MIN <= block <= limits.SIGNATURE_BLOCK_BYTES_MAX:
        raise DeltaError(f"a signature with blocks of {block} bytes")
    count, rest = divmod(len(data) - _HEADER.size, _BLOCK_SUM_BYTES)
    size = None
    if rest:
        size, ending = _APPENDIX.unpack(data[-_APPENDIX.size :].rjust(_APPENDIX.size, b"\0"))
        if ending != _APPENDIX_MAGIC or size > limits.SIZE_MAX or _signature_bytes(size, block) != len(data):
            raise DeltaError("a signature of an impossible length")
        count = -(-size // block)
    if base_size is not None and (size not in (None, base_size) or count != -(-base_size // block)):
        raise DeltaError("a signature of a file of another size")
    return _Sums(data, block, count, size)


def _reusable(earlier: bytes | None, size: int, block: int) -> tuple[int, dict[bytes, bytes]]:
    """The block length for a file of `size` bytes, `block` or near it, and known sums of blocks by chunk sum."""
    try:
        sums = _parse(earlier or b"", None)
    except DeltaError:
        return block, {}
    near = block // 2 <= sums.block <= block * 2  # a file that grows keeps its block length for a while
    if sums.size is None or not near or _signature_bytes(size, sums.block) > limits.SIGNATURE_BYTES_MAX:
        return block, {}
    chunks = range(-(-sums.count // _CHUNK_BLOCKS))
    return sums.block, {sums.chunk_sum(chunk): sums.block_sums(chunk) for chunk in chunks}


def _chunk_sum(data: bytes | memoryview) -> bytes:
    digest: bytes = blake3(data).digest(_CHUNK_SUM_BYTES)
    return digest


def _strong_sum(data: bytes | memoryview) -> bytes:
    return blake2b(data, digest_size=_STRONG_BYTES).digest()


# --- Finding what did not move ------------------------------------------------------------------------------


class _Part(NamedTuple):
    """Bytes [begin, end) of the new file are those of the base from begin - shift."""

    begin: int
    end: int
    shift: int


class _Window:
    """Reads a file in large pieces. The last one is at hand: `data`, from offset `begin`."""

    def __init__(self, reader: Readable, should_stop: Stop | None) -> None:
        self._reader = reader
        self._should_stop = should_stop
        self.begin = 0
        self.data = b""

    def forward(self, begin: int, end: int, until: int) -> memoryview:
        """Bytes [begin, end). Next will be asked for those behind them, up to `until`."""
        if not self.begin <= begin <= end <= self.begin + len(self.data):
            self._load(begin, max(end, min(begin + _READ_BYTES, until)))
        return memoryview(self.data)[begin - self.begin : end - self.begin]

    def backward(self, begin: int, end: int, until: int) -> memoryview:
        """Bytes [begin, end). Next will be asked for those before them, down to `until`."""
        if not self.begin <= begin <= end <= self.begin + len(self.data):
            self._load(min(begin, max(end - _READ_BYTES, until)), end)
        return memoryview(self.data)[begin - self.begin : end - self.begin]

    def check_stop(self) -> None:
        if self._should_stop is not None and self._should_stop():
            raise DeltaError("stopped")

    def _load(self, begin: int, end: int) -> None:
        self.check_stop()
        self.data = self._reader.read(begin, end - begin)
        self.begin = begin
        if len(self.data) != end - begin:
            raise DeltaError("the file became shorter while it was read")


def _unmoved(sums: _Sums, size: int, window: _Window) -> list[_Part]:
    """What kept its offset, counted from the file's front or (shifted by the growth) from its end: ascending,
    disjoint and joined. Chunks first, then single blocks in the gaps between them."""
    if sums.size is None:
        return []  # to compare all strong sums is no faster than librsync
    parts = _equal_chunks(sums, sums.size, size, window)
    blocks: list[_Part] = []
    for begin, end in _gaps(parts, size):
        growth = size - sums.size if end == size else 0
        blocks += _equal_blocks(sums, sums.size, begin, end, growth, window)
    joined: list[_Part] = []
    for part in sorted(parts + blocks):
        last = joined[-1] if joined else None
        if last is not None and last.end == part.begin and last.shift == part.shift:
            joined[-1] = last._replace(end=part.end)
        else:
            joined.append(part)
    return joined


def _equal_chunks(sums: _Sums, base_size: int, size: int, window: _Window) -> list[_Part]:
    """From the front to the first change, from the end to the last one, and what kept its offset between."""
    chunk, growth = sums.chunk, size - base_size
    count = -(-base_size // chunk)

    def kept(number: int, until: int) -> bool:
        end = min((number + 1) * chunk, base_size)
        if end > until:
            return False
        return _chunk_sum(window.forward(number * chunk, end, until)) == sums.chunk_sum(number)

    front = 0
    while front < count and kept(front, size):
        front += 1
    middle, back = min(front * chunk, base_size), size
    parts = [_Part(0, middle, 0)] if middle else []
    if growth:
        for number in reversed(range(count)):
            begin = number * chunk + growth
            # Parts must not overlap in the new file. In the base they may: a file that was doubled.
            if begin < middle or _chunk_sum(window.backward(begin, back, middle)) != sums.chunk_sum(number):
                break
            back = begin
        if back < size:
            parts.append(_Part(back, size, growth))
    rest = range(front + 1, min(count, back // chunk + 1))
    parts += [_Part(n * chunk, min((n + 1) * chunk, base_size), 0) for n in rest if kept(n, back)]
    return sorted(parts)


def _equal_blocks(sums: _Sums, base_size: int, begin: int, end: int, growth: int, window: _Window) -> list[_Part]:
    """Equal blocks in a gap: from its begin at their offset, then from its end shifted by `growth`; each way
    until many in a row differ."""
    block = sums.block
    parts: list[_Part] = []
    misses = 0
    done = begin
    number = -(-begin // block)
    while misses < _MISSES_MAX and number * block < base_size:
        start, stop = number * block, min((number + 1) * block, base_size)
        if stop > end:
            break
        if _strong_sum(window.forward(start, stop, end)) == sums.strong_sum(number):
            parts.append(_Part(start, stop, 0))
            misses, done = 0, stop
        else:
            misses += 1
        number += 1
    if growth == 0 and misses < _MISSES_MAX:
        return parts  # known here: every block of the gap was compared
    misses = 0
    number = -(-base_size // block) if end - growth >= base_size else (end - growth) // block
    while misses < _MISSES_MAX and number > 0:
        number -= 1
        start, stop = number * block + growth, min((number + 1) * block, base_size) + growth
        if start < done:
            break
        if _strong_sum(window.backward(start, stop, done)) == sums.strong_sum(number):
            parts.append(_Part(start, stop, growth))
            misses = 0
        else:
            misses += 1
    return parts


def _gaps(parts: Iterable[_Part], size: int) -> Iterator[tuple[int, int]]:
    """The ranges of the new file that no part covers."""
    at = 0
    for part in parts:
        if part.begin > at:
            yield at, part.begin
        at = part.end
    if at < size:
        yield at, size


# --- Making a delta -----------------------------------------------------------------------------------------


class _GivenUpError(Exception):
    """The whole file is the better choice."""


class _Output:
    def __init__(self, write: Callable[[bytes], object], limit_bytes: int) -> None:
        self._write = write
        self._limit_bytes = limit_bytes
        self.count = 0

    def put(self, data: bytes) -> None:
        self.count += len(data)
        if self.count > self._limit_bytes:
            raise _GivenUpError
        self._write(data)


def _number(value: int) -> tuple[int, bytes]:
    """A number as commands hold it: the logarithm of its width (1, 2, 4 or 8 bytes), and its bytes."""
    width = next(width for width in range(4) if value < 1 << (8 << width))
    return width, value.to_bytes(1 << width, "big")


def _copy_command(offset: int, length: int) -> bytes:
    offset_width, offset_bytes = _number(offset)
    length_width, length_bytes = _number(length)
    return bytes((_COPY + 4 * offset_width + length_width,)) + offset_bytes + length_bytes


def _put_literal(out: _Output, window: _Window, begin: int, end: int) -> None:
    width, length = _number(end - begin)
    out.put(bytes((_LITERAL + width,)) + length)
    for start in range(begin, end, _READ_BYTES):
        out.put(bytes(window.forward(start, min(start + _READ_BYTES, end), end)))


class _Search:
    """librsync's search for blocks of the base at any offset, in ranges of the new file. The library is given
    the signature at the first use. _GivenUpError when the CPU time granted for `search_bytes` is used up."""

    def __init__(self, sums: _Sums, window: _Window, search_bytes: int) -> None:
        self._sums = sums
        self._window = window
        self._cpu_s = min(limits.DELTA_CPU_S_MAX, _CPU_S_MIN + search_bytes / _CPU_BYTES_PER_S)
        self._cpu_s_end = 0.0
        # The clock cannot be looked at inside the library. A hostile signature makes it hash a block per byte.
        self._step_bytes = max(1, min(_STEP_BYTES_MAX, _STEP_WORK_BYTES // sums.block))
        self._step_bytes_max = max(1, min(_STEP_BYTES_MAX, _STEP_WORK_BYTES_MAX // sums.block))
        self._loaded: ctypes.c_void_p | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._loaded is not None:
            _need_library().rs_free_sumset(self._loaded)
            self._loaded = None

    def commands(self, begin: int, end: int) -> Iterator[bytes]:
        """The commands that make bytes [begin, end) of the new file, in pieces."""
        library = self._load()
        head, tail = len(_DELTA_MAGIC), b""
        with _Job(library, library.rs_delta_begin(self._loaded)) as job:
            start = begin
            clock = time.thread_time()
            while start < end:
                stop = min(start + self._step_bytes, end)
                self._window.forward(start, stop, end)
                offset = start - self._window.begin
                for piece in job.run(self._window.data, offset, stop - start, end=stop == end):
                    # Each search makes a whole delta: its magic and its end must go.
                    data = (tail + piece)[head:]
                    head = max(0, head - len(tail) - len(piece))
                    if len(data) > 1:
                        yield data[:-1]
                    tail = data[-1:]
                start = stop
                self._window.check_stop()
                now = time.thread_time()
                if now > self._cpu_s_end:
                    raise _GivenUpError
                if now - clock < _STEP_CPU_S[0]:
                    self._step_bytes = min(2 * self._step_bytes, self._step_bytes_max)
                elif now - clock > _STEP_CPU_S[1]:
                    self._step_bytes = max(1, self._step_bytes // 2)
                clock = now
        if tail != _END:
            raise DeltaError("librsync made a delta without an end")

    def estimate(self, begin: int, end: int) -> int:
        """How many bytes the commands for this range will need, judged by samples of it."""
        sample_bytes = _SAMPLE_BLOCKS * self._sums.block
        made = sampled = 0
        for start in range(begin, end, max(sample_bytes, (end - begin) // _SAMPLES)):
            stop = min(start + sample_bytes, end)
            made += sum(map(len, self.commands(start, stop)))
            sampled += stop - start
        return made * (end - begin) // sampled

    def _load(self) -> ctypes.CDLL:
        library = _need_library()
        if self._loaded is None:
            self._cpu_s_end = time.thread_time() + self._cpu_s
            check_signature(self._sums.data)
            loaded = ctypes.c_void_p()
            with _Job(library, library.rs_loadsig_begin(ctypes.byref(loaded))) as job:
                self._loaded = loaded
                for _ in job.run(self._sums.data, 0, self._sums.plain_bytes, end=True):
                    raise DeltaError("librsync answered to a signature")
            result = library.rs_build_hash_table(loaded)
            if result != _DONE:
                raise DeltaError(f"librsync failed with {result}")
        return library


# --- Applying a delta ---------------------------------------------------------------------------------------


class _Commands:
    """Reads a delta of `size` bytes; `at` is the offset of the next. Known once made: the magic is right."""

    def __init__(self, delta: Reader) -> None:
        self._delta = delta
        self._begin = 0
        self._data = b""
        self.size = delta.stat().size
        self.at = 0
        if self._take(len(_DELTA_MAGIC)) != _DELTA_MAGIC:
            raise DeltaError("not a delta")

    def byte(self) -> int:
        return self._take(1)[0]

    def number(self, width: int) -> int:
        """A number of 1 << `width` bytes."""
        return int.from_bytes(self._take(1 << width), "big")

    def some(self, length: int) -> bytes:
        """At least one and at most `length` bytes."""
        begin = self.at - self._begin
        if begin == len(self._data):
            self._load(1)
            begin = 0
        data = self._data[begin : begin + length]
        self.at += len(data)
        return data

    def _take(self, length: int) -> bytes:
        begin = self.at - self._begin
        if begin + length > len(self._data):
            self._load(length)
            begin = 0
        self.at += length
        return self._data[begin : begin + length]

    def _load(self, length: int) -> None:
        wanted = min(limits.CHUNK_BYTES, self.size - self.at)
        if wanted < length:
            raise DeltaError("a delta that ends half-way")
        self._data = self._delta.read(self.at, wanted)
        self._begin = self.at
        if len(self._data) != wanted:
            raise DeltaError("the delta became shorter while it was read")


def _copy(base: Reader, out: Writer, source: int, offset: int, length: int, should_stop: Stop | None) -> None:
    for done in range(0, length, _COPY_BYTES):
        if should_stop is not None and should_stop():
            raise DeltaError("stopped")
        wanted = min(_COPY_BYTES, length - done)
        if out.copy_from(base, source + done, offset + done, wanted) != wanted:
            raise DeltaError("the base of a delta became shorter while it was read")


# --- librsync -----------------------------------------------------------------------------------------------

_DONE, _BLOCKED = 0, 1  # rs_result
_OUT_BYTES = 64 * limits.KIB


class _Buffers(ctypes.Structure):
    """rs_buffers_t."""

    _fields_ = (
        ("next_in", ctypes.c_void_p),
        ("avail_in", ctypes.c_size_t),
        ("eof_in", ctypes.c_int),
        ("next_out", ctypes.c_void_p),
        ("avail_out", ctypes.c_size_t),
    )


class _Job:
    """One rs_job_t: bytes in, bytes out. Freed at the end of its `with`."""

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
        """Feed `length` bytes of `data` from `offset`, the last ones if `end`; yields what comes out."""
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
            if result == _DONE:
                return
            if result != _BLOCKED:
                raise DeltaError(f"librsync failed with {result}")
            if buffers.avail_in == 0 and made < _OUT_BYTES and not end:
                return
            if made == 0 and buffers.avail_in == fed:
                raise DeltaError("librsync stopped half-way")


def _need_library() -> ctypes.CDLL:
    library = _library()
    if library is None:
        raise DeltaError(MISSING)
    return library


@functools.cache
def _library() -> ctypes.CDLL | None:
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
        with _Job(library, library.rs_sig_begin(block, _STRONG_BYTES, _SIGNATURE_MAGIC)) as job:
            made = b"".join(job.run(b"\0", 0, 1, end=True))
    except (AttributeError, DeltaError):
        return None
    as_expected = made.startswith(_HEADER.pack(_SIGNATURE_MAGIC, block, _STRONG_BYTES)) and made.endswith(
        _strong_sum(b"\0")
    )
    return library if as_expected else None
