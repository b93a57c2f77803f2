"""Keeps large files open that have no signature yet.

Why: a program may replace such a file at any moment, and the delta then needs a signature of the old content.
In:   a file that was hashed a moment ago, and its digest; later, that digest.
Out:  the signature of that content, made when it is first needed, even if the file has no name any more.
Rule: only few files, for a limited time: the space of a removed file is free only after it is closed. A file that was
written to since gives no signature.
Used by: `batches`, `appends`, `deltas`, `file_sync`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from blake3 import blake3

from dir_sync import delta
from dir_sync.core import limits
from dir_sync.core.model import FINGERPRINT_BYTES, fingerprint
from dir_sync.ports import Disk, DiskError, Reader, Signatures

__all__ = ["Unsigned"]

_FILES_MAX = 16
_READ_BYTES = limits.MIB
_KEEP_NS = 30 * 1_000_000_000


class _Held:
    """A file kept open. `lock`: for reading and closing it."""

    def __init__(self, reader: Reader, fp: bytes, size: int, earlier: bytes, since_ns: int) -> None:
        self.reader: Reader | None = reader
        self.fp = fp
        self.size = size
        self.earlier = earlier
        self.since_ns = since_ns
        self.lock = threading.Lock()

    def release(self) -> None:
        """Close it; if a thread is reading it, that thread closes it."""
        if self.lock.acquire(blocking=False):
            try:
                self.close()
            finally:
                self.lock.release()

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None


class Unsigned:
    """The files kept open, by digest. All methods may be called from any thread."""

    def __init__(
        self, disk: Disk, cache: Signatures, now_ns: Callable[[], int], stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._disk = disk
        self._cache = cache
        self._now_ns = now_ns
        self._stopping = stopping
        self._held: dict[bytes, _Held] = {}
        self._lock = threading.Lock()

    def hold(self, path: bytes, fp: bytes, digest: bytes, size: int, earlier: bytes = b"") -> None:
        """`digest` was installed at `path` just now. `earlier`: a content that is probably similar."""
        if not self._is_wanted(digest, size):
            return
        try:
            reader = self._disk.open(path)
        except DiskError:
            return
        try:
            is_it = fingerprint(reader.stat()) == fp[:FINGERPRINT_BYTES]
        except DiskError:
            is_it = False
        if not is_it:
            reader.close()
            return
        self._keep(reader, fp, digest, size, earlier)

    def hold_open(self, reader: Reader, fp: bytes, digest: bytes, size: int, earlier: bytes = b"") -> None:
        """`digest` was read from `reader` just now; a program may have renamed the file meanwhile."""
        if not self._is_wanted(digest, size):
            return
        try:
            again = reader.again()
        except DiskError:
            return
        self._keep(again, fp, digest, size, earlier)

    def _is_wanted(self, digest: bytes, size: int) -> bool:
        return size >= limits.LARGE_FILE_BYTES and digest not in self._held and delta.available()

    def _keep(self, reader: Reader, fp: bytes, digest: bytes, size: int, earlier: bytes) -> None:
        now_ns = self._now_ns()
        with self._lock:
            surplus = [self._held.pop(digest)] if digest in self._held else []
            while len(self._held) >= _FILES_MAX:
                surplus.append(self._held.pop(next(iter(self._held))))
            self._held[digest] = _Held(reader, fp, size, earlier, now_ns)
        for held in surplus:
            held.release()

    def signature(self, digest: bytes, earlier: bytes = b"") -> bytes | None:
        """The signature from the cache or from a file kept open; None if there is neither. `earlier`: a content that is
        probably similar, as the one that the file was kept with."""
        held = self._held.get(digest)
        if held is None:
            return self._cache.get(digest)
        with held.lock:  # a second thread waits, and then finds it in the cache
            try:
                found = self._cache.get(digest)
                if found is None and held.reader is not None:
                    found = self._sign(held, held.reader, digest, earlier)
            finally:
                held.close()
        self._forget(digest, held)
        return found

    def _sign(self, held: _Held, reader: Reader, digest: bytes, earlier: bytes) -> bytes | None:
        similar = [content for content in (held.earlier, earlier) if content]
        sums = next((known for content in similar if (known := self._cache.get(content)) is not None), None)
        try:
            made = delta.signature(reader, held.size, self._stopping, earlier=sums)
            # A rename or a new hard link changes the fingerprint as well, so the content decides.
            if fingerprint(reader.stat()) != held.fp and self._digest_of(reader, held.size) != digest:
                return None
        except (delta.DeltaError, DiskError):
            return None
        self._cache.put(digest, made)
        return made

    def _digest_of(self, reader: Reader, size: int) -> bytes:
        hasher = blake3()
        for offset in range(0, size, _READ_BYTES):
            if self._stopping():
                return b""
            hasher.update(reader.read(offset, min(_READ_BYTES, size - offset)))
        return hasher.digest()

    def release(self, digest: bytes) -> None:
        held = self._held.get(digest)
        if held is not None:
            self._forget(digest, held)
            held.release()

    def release_all(self) -> None:
        with self._lock:
            every = list(self._held.values())
            self._held.clear()
        for held in every:
            held.release()

    def release_old(self) -> None:
        """Close files that have been open for long, because this node is never idle."""
        if not self._held:
            return
        since_ns = self._now_ns() - _KEEP_NS
        with self._lock:
            old = [digest for digest, held in self._held.items() if held.since_ns < since_ns]
        for digest in old:
            self.release(digest)

    def _forget(self, digest: bytes, held: _Held) -> None:
        with self._lock:
            if self._held.get(digest) is held:
                del self._held[digest]
