"""Restores files without the engine: a running node, or the next one to start, sees an ordinary change.

In:   a version of the history, or the state of a path before a change. Out: the restored file; ConfigError if that
fails.
Rule: the displaced version goes into the history, and is recorded in the index.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable

from blake3 import blake3

from dir_sync.config import ConfigError
from dir_sync.core import limits
from dir_sync.core.attributes import NOTHING, Attributes
from dir_sync.core.jobs import Applied, ApplyItem, ApplyJob, Before, Cause, Result, TreeOp, Version
from dir_sync.core.model import FINGERPRINT_BYTES, Kind, Stat, fingerprint, show, unstamped
from dir_sync.core.parents import parents_of
from dir_sync.core.preserve import ON_ENTRIES, Part
from dir_sync.disk import RealDisk, truthful
from dir_sync.file_sync import FileSync
from dir_sync.history.codec import packed, text_of
from dir_sync.history.source import Source
from dir_sync.index import Index
from dir_sync.ports import Disk, DiskError

__all__ = ["TEXT_BYTES_MAX", "NoSignatures", "Restorer"]

TEXT_BYTES_MAX = 64 * limits.MIB  # of a file that is compared or merged by hand
_TRIES = 3  # a program may be writing the file at the same time


class Restorer:
    """Restores files in one folder, with `FileSync` for the jobs."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._real = RealDisk(source.folder)
        self.disk: Disk = truthful(self._real)
        tag = f"{random.SystemRandom().getrandbits(32):08x}"
        self._sync = FileSync(self.disk, lambda _: True, NoSignatures(), time.time_ns, tag)

    def close(self) -> None:
        self._real.close()

    def keep(self, parts: Iterable[str]) -> None:
        """What is restored gets these parts of its attributes: those that the node of this folder keeps."""
        self._real.kept.parts = ON_ENTRIES.intersection(map(Part, parts))

    def is_there(self, path: bytes) -> bool:
        try:
            return self.disk.stat(path) is not None
        except DiskError:
            return False

    def begins_with(self, path: bytes, size: int, content: bytes) -> bool:
        """True if the first `size` bytes of a file are that content."""
        try:
            return self._digest(path, size) == (size, content)
        except DiskError:
            return False

    def check(self, path: bytes) -> None:
        """ConfigError if a version cannot be restored because of what is at its path now."""
        for parent in parents_of(path):
            above = self.disk.stat(parent)
            if above is not None and above.kind != Kind.DIRECTORY:
                raise ConfigError(f"{show(parent)} is not a folder any more: restore to another place, with --to FILE")
        there = self.disk.stat(path)
        if there is not None and there.kind in (Kind.DIRECTORY, Kind.OTHER):
            what = "a folder" if there.kind == Kind.DIRECTORY else "not an ordinary file"
            raise ConfigError(f"{show(path)} is {what} now: restore to another place, with --to FILE")

    def restore(self, version: Version, node: str) -> bool:
        """Restore a version of our history. False if exactly this version is there already. `node`: our id."""
        try:
            for _ in range(_TRIES):
                self.check(version.path)
                done = self._restore(version, node)
                if done is not None:
                    return done
        except DiskError as error:
            raise ConfigError(f"{show(version.path)} cannot be restored: {error}") from None
        raise ConfigError(f"{show(version.path)} is being changed by another program: try again")

    def _restore(self, version: Version, node: str) -> bool | None:
        """One try; None if the file changed in between."""
        _, path, kind, size, content, mtime, mode, *_, attributes = version
        if kind == Kind.FILE:
            size, content = self._digest(version.name)
        there = self.disk.stat(path)
        was = b""
        if there is not None and there.kind == Kind.FILE:
            was = self._digest(path)[1]
        elif there is not None and there.kind == Kind.SYMLINK:
            was = self.disk.read_link(path)
        if there is not None and there.kind == kind and was == content:
            return False
        for parent in reversed(parents_of(path)):
            if self.disk.stat(parent) is None:
                self.disk.make_directory(parent, 0o755)
        item = _item(Before(path, kind, size, content, mtime, mode, 0, "", attributes), there)
        known = was if there is not None and there.kind is Kind.FILE else b""
        is_done = self._put(item._replace(copy_path=version.name, known=known), node, was, "restored")
        return True if is_done else None

    def now(self, path: bytes) -> tuple[Stat, bytes] | None:
        """What is at a path, with its content or target; None: nothing. ConfigError if it cannot be read."""
        try:
            there = self.disk.stat(path)
            if there is None:
                return None
            if there.kind == Kind.SYMLINK:
                return there, self.disk.read_link(path)
            if there.kind != Kind.FILE:
                raise ConfigError(f"{show(path)} is not a file now")
            if there.size > TEXT_BYTES_MAX:
                raise ConfigError(f"{show(path)} is too large for that")
            found = self.disk.read_small(path, TEXT_BYTES_MAX)
            if found is None:
                raise ConfigError(f"{show(path)} is being changed by another program: try again")
            return found
        except DiskError as error:
            raise ConfigError(f"{show(path)} cannot be read: {error}") from None

    def attributes(self, path: bytes) -> Attributes:
        """The kept parts of what is at a path; no part if it cannot be read."""
        try:
            return self.disk.read_attributes(path, None) or NOTHING
        except DiskError:
            return NOTHING

    def install(self, path: bytes, expected: bytes, data: bytes, mode: int, node: str) -> None:
        """Replace a file that has the expected content. ConfigError if something else is there. `node`: our id."""
        found = self.now(path)
        if found is not None and found[1] == expected:
            now = Before(path, Kind.FILE, len(data), blake3(data).digest(), time.time_ns(), mode, 0, "")
            was = blake3(expected).digest()
            if self._put(_item(now, found[0])._replace(data=data, known=was), node, was, "changed"):
                return
        raise ConfigError(f"{show(path)} was changed meanwhile: try again")

    def put_back(self, index: Index, one: Before) -> None:
        """Set one path back to its state before a change."""
        self._put_back(one, index.identity.replica, lambda item: _with_content(index, item))

    def put_back_from(self, source: bytes, one: Before, node: str) -> None:
        """`put_back` of a content with which the file `source` begins. `node`: our id."""
        for parent in reversed(parents_of(one.path)):
            if not self.is_there(parent):
                self.disk.make_directory(parent, 0o755)
        self._put_back(one, node, lambda item: item._replace(copy_path=source))

    def _put_back(self, one: Before, node: str, with_content: Callable[[ApplyItem], ApplyItem]) -> None:
        try:
            there = self.disk.stat(one.path)
            if there is None and one.kind == Kind.ABSENT:
                return
            is_done = self._put(with_content(_item(one, there)), node, b"", "changed")
        except DiskError as error:
            raise ConfigError(f"{show(one.path)} cannot be changed: {error}") from None
        if not is_done and one.kind != Kind.ABSENT:
            raise ConfigError(
                f"{show(one.path)} is being changed by another program, or something unknown is in it: try again"
            )

    def _put(self, item: ApplyItem, node: str, was: bytes, verb: str) -> bool:
        """Perform the change, and keep the displaced version with content `was` (b"": unknown). False if something
        other than expected is there; ConfigError, with `verb`, if it fails."""
        self._source.will_displace()
        done = self._sync.perform(ApplyJob((item,)))
        assert isinstance(done, Applied)
        (result,) = done.items
        for rescued in done.rescued:  # a user's file that came in between, and could not have its name back
            self._source.ask({"command": "keep", "version": packed(rescued), "path": text_of(item.path)})
        if result.version is not None:
            kept = result.version._replace(maker=node, content=was or result.version.content)
            if result.is_unread:
                kept = kept._replace(content=b"", why=Cause.RECOVERED)  # nobody knows what it is
            self._source.ask({"command": "keep", "version": packed(kept), "path": text_of(item.path)})
        if result.result in (Result.PROBLEM, Result.REFUSED):
            raise ConfigError(f"{show(item.path)} cannot be {verb}: {result.problem}")
        return result.result == Result.DONE

    def _digest(self, path: bytes, most: int = limits.SIZE_MAX) -> tuple[int, bytes]:
        """Size and digest of a file, or of its first `most` bytes."""
        reader = self.disk.open(path)
        try:
            hasher, offset = blake3(), 0
            while data := reader.read(offset, min(limits.MIB, most - offset)):
                hasher.update(data)
                offset += len(data)
            return offset, hasher.digest()
        finally:
            reader.close()


def _item(one: Before, there: Stat | None) -> ApplyItem:
    """The change that sets a path back. `there`: the present entry. It has no source for the content yet."""
    path, kind, size, content, mtime, mode, _, _, attributes = one
    expect = b"" if there is None else fingerprint(there)
    target = unstamped(path, kind, size, content, mtime, mode)._replace(attributes=attributes)
    if kind == Kind.ABSENT:
        return ApplyItem(path, TreeOp.REMOVE, target, expect, Cause.DELETED)
    if kind == Kind.DIRECTORY and there is not None and there.kind == Kind.DIRECTORY:
        return ApplyItem(path, TreeOp.META, target, expect, Cause.REPLACED, mode=mode)
    return ApplyItem(path, TreeOp.INSTALL, target, expect, Cause.REPLACED)


def _with_content(index: Index, item: ApplyItem) -> ApplyItem:
    """The same change, with a source for the file's content."""
    path, target = item.path, item.target
    if target.kind != Kind.FILE:
        return item
    if target.size == 0:
        return item._replace(data=b"")
    row = next((row for row in index.rows.by_content(target.content) if len(row.fp) == FINGERPRINT_BYTES), None)
    version = index.versions.with_content(target.content)
    if row is not None and row.record.path == path:
        return item._replace(act=TreeOp.META, mode=target.mode, mtime=target.mtime)
    if row is not None:
        return item._replace(copy_path=row.record.path, copy_fp=row.fp)
    if version is not None:
        return item._replace(copy_path=version.name)
    return item._replace(copy_path=path, copy_fp=item.expect)  # the present file begins with the wanted content


class NoSignatures:
    """Signatures for who makes no differences."""

    def get(self, digest: bytes) -> bytes | None:
        return None

    def put(self, digest: bytes, signature: bytes) -> None:
        """Stores nothing."""
