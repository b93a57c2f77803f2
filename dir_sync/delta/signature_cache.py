"""The cache of block signatures: the folder named by `-s`.

What: signatures by the digest of the content that they describe, kept for the next change of that content.
In: 32-byte digests and signatures, as bytes. Out: the same bytes, or None.
Rule: it is only a cache. It may lose anything at any time, and no error of it ever reaches the caller. The default
folder has a well-known name in /tmp, so nothing in it is trusted: the folder must be ours and private, all access goes
through its descriptor, and an invalid entry is removed.

An entry is a file named by the digest in hex: magic and version (8 bytes), the digest (32), the BLAKE3 of the signature
and the digest (32), the signature. It is written under another name and renamed, so several processes of one user share
the folder without locks.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
import time

from blake3 import blake3

from dir_sync.core import limits

__all__ = ["SignatureCache"]

_BYTES_MAX = 256 * limits.MIB  # /tmp may be RAM; enough for 7 GB of small files, 50 GB of large ones
_DIGEST_BYTES = 32
_MAGIC = b"dsynsig\x01"
_HEADER_BYTES = len(_MAGIC) + _DIGEST_BYTES + _DIGEST_BYTES
_ENTRY_BYTES_MAX = _HEADER_BYTES + limits.SIGNATURE_BYTES_MAX
_TOUCH_EVERY_S = 60  # a frequently used entry is not touched each time
_STALE_S = 3600  # a partial entry this old has no writer any more
_REOPEN_EVERY_S = 10  # after the folder was removed
_ODD = (errno.ELOOP, errno.ENXIO, errno.EACCES)  # a link, a socket, not readable by us: not an entry that we wrote
_NAME = re.compile(r"[0-9a-f]{64}")
_HALF_WRITTEN = re.compile(r"\.[0-9a-f]{64}\.[0-9a-f]{16}")


class _UnusableError(Exception):
    """This folder must not or cannot be used. The text is one line for people."""


class SignatureCache:
    """One folder of signatures. All methods may be called from any thread, except `close`, which comes last."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        fallback: str | os.PathLike[str] | None = None,
        bytes_max: int = _BYTES_MAX,
    ) -> None:
        """Make or open `folder`. If it is not ours or cannot be used, `fallback` is used (the user's state folder if
        None), and if that fails, no cache at all. Then `warning` is one line for people, otherwise None."""
        self.warning: str | None = None
        self.folder: str | None = None
        self._bytes_max = bytes_max
        self._lock = threading.Lock()  # of the fields below; never held while a file is read or written
        self._unlisted_bytes = bytes_max  # bytes added since the folder was listed; the first `put` lists it
        self._reopen_after = 0.0
        self._directory = -1
        wanted = os.path.abspath(folder)  # without a trailing slash, which would follow a link
        try:
            self._directory = _open_folder(wanted)
            self.folder = wanted
        except _UnusableError as trouble:
            try:
                second = os.path.abspath(_state_folder() if fallback is None else fallback)
                self._directory = _open_folder(second)
                self.folder = second
                self.warning = f"block signatures are kept in {second!r}: {trouble}"
            except _UnusableError as other:
                self.warning = f"block signatures are not kept, so deltas take longer: {trouble}; {other}"

    def close(self) -> None:
        directory, self._directory = self._directory, -1
        if directory >= 0:
            os.close(directory)

    def get(self, digest: bytes) -> bytes | None:
        """The signature of the content with this digest, exactly as it was stored; None if there is none."""
        if self._directory < 0:
            return None
        name = digest.hex()
        try:
            data = self._read(name)
        except OSError as trouble:
            if trouble.errno not in _ODD:
                return None  # absent, or an error that is not the entry's fault
            data = None
        signature = None if data is None else _unpack(digest, data)
        if signature is None:
            self._remove(name)
        return signature

    def put(self, digest: bytes, signature: bytes) -> None:
        """Store a signature, if there is room for it. `digest` has 32 bytes."""
        assert len(digest) == _DIGEST_BYTES
        if self._directory < 0 or len(signature) > min(limits.SIGNATURE_BYTES_MAX, self._bytes_max // 16):
            return
        entry = _pack(digest, signature)
        self._make_room(len(entry))
        try:
            self._write(digest.hex(), entry)
        except FileNotFoundError:
            self._reopen()  # a cleaner of /tmp removed the folder: the next signature will be stored
        except OSError:
            pass

    def _read(self, name: str) -> bytes | None:
        """The bytes of an entry; None if it is not ours or too large. OSError passes through."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a fifo must not block
        descriptor = os.open(name, flags, dir_fd=self._directory)
        try:
            status = os.fstat(descriptor)
            ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
            if not ours or status.st_mode & 0o022 or status.st_size > _ENTRY_BYTES_MAX:
                return None
            data = bytearray()
            while len(data) < status.st_size and (piece := os.read(descriptor, status.st_size - len(data))):
                data += piece
            if time.time() - status.st_mtime > _TOUCH_EVERY_S:
                _touch(descriptor)
            return bytes(data)
        finally:
            os.close(descriptor)

    def _write(self, name: str, entry: bytes) -> None:
        """Write a whole entry. OSError passes through, and leaves nothing behind."""
        half = f".{name}.{os.urandom(8).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(half, flags, 0o600, dir_fd=self._directory)
        try:
            try:
                rest = memoryview(entry)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            finally:
                os.close(descriptor)
            os.rename(half, name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except OSError:
            self._remove(half)
            raise

    def _remove(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self._directory)
        except OSError:
            pass

    def _make_room(self, length: int) -> None:
        """Remove the least recently used entries, when needed. The folder is listed again after each sixteenth of the
        limit, so the total stays below the limit, except for entries of other processes."""
        with self._lock:
            self._unlisted_bytes += _room(length)
            if self._unlisted_bytes <= self._bytes_max // 16:
                return
            self._unlisted_bytes = 0
        entries: list[tuple[float, int, str]] = []
        try:
            with os.scandir(self._directory) as found:
                for item in found:
                    if not _is_ours(item.name):
                        continue  # the user may have named a folder with other files in it
                    try:
                        status = item.stat(follow_symlinks=False)
                    except OSError:
                        continue  # removed meanwhile
                    if item.name.startswith(".") and time.time() - status.st_mtime > _STALE_S:
                        self._remove(item.name)
                    else:
                        entries.append((status.st_mtime, _room(status.st_size), item.name))
        except OSError:
            return
        total = sum(size for _, size, _ in entries) + _room(length)
        if total <= self._bytes_max - self._bytes_max // 16:
            return
        for _, size, name in sorted(entries):
            if total <= self._bytes_max * 3 // 4:
                break
            self._remove(name)
            total -= size

    def _reopen(self) -> None:
        now = time.monotonic()
        with self._lock:
            if now < self._reopen_after or self.folder is None:
                return
            self._reopen_after = now + _REOPEN_EVERY_S
        try:
            directory = _open_folder(self.folder)
        except _UnusableError:
            return
        os.dup2(directory, self._directory, inheritable=False)  # atomic: other threads see the old or the new
        os.close(directory)


def _open_folder(folder: str) -> int:
    """The descriptor of a directory that is ours, has mode 0700 and can be written."""
    try:
        os.makedirs(os.path.dirname(folder), 0o700, exist_ok=True)
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            pass
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (OSError, ValueError) as trouble:
        raise _UnusableError(_reason(folder, trouble)) from None
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid():
            raise _UnusableError(f"{folder!r} belongs to another user")
        if status.st_mode & 0o077:
            if not all(_is_ours(name) for name in os.listdir(descriptor)):  # it may be /tmp itself
                raise _UnusableError(f"{folder!r} is open to others and holds other things")
            os.fchmod(descriptor, 0o700)
        probe = f".{'0' * 64}.{os.urandom(8).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(probe, flags, 0o600, dir_fd=descriptor))
        os.unlink(probe, dir_fd=descriptor)
    except OSError as trouble:
        os.close(descriptor)
        raise _UnusableError(_reason(folder, trouble)) from None
    except _UnusableError:
        os.close(descriptor)
        raise
    return descriptor


def _touch(descriptor: int) -> None:
    """Mark an entry as used, by mtime, because many systems do not update atime."""
    try:
        os.utime(descriptor)
    except OSError:
        pass


def _reason(folder: str, trouble: OSError | ValueError) -> str:
    return f"{folder!r} cannot be used: {getattr(trouble, 'strerror', None) or trouble}"


def _state_folder() -> str:
    """The folder for data that should survive a reboot, by the XDG base directory specification."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.local/state")
    if not os.path.isabs(base):
        raise _UnusableError("the user has no home folder")
    return os.path.join(base, "dir_sync", "signatures")


def _is_ours(name: str) -> bool:
    return _NAME.fullmatch(name) is not None or _HALF_WRITTEN.fullmatch(name) is not None


def _room(length: int) -> int:
    """The approximate space of a file of this length on a disk."""
    return -(-length // 4096) * 4096 + 4096


def _checksum(digest: bytes, signature: bytes) -> bytes:
    value: bytes = blake3(digest + signature).digest()
    return value


def _pack(digest: bytes, signature: bytes) -> bytes:
    return _MAGIC + digest + _checksum(digest, signature) + signature


def _unpack(digest: bytes, entry: bytes) -> bytes | None:
    signature = entry[_HEADER_BYTES:]
    whole = len(entry) >= _HEADER_BYTES and entry == _pack(digest, signature)
    return signature if whole else None
