"""Which names belong together, so that a rename is announced as one change, and a save never as a deletion.

In:   renames that the watcher saw or a listing revealed, names that vanished, names that appeared; the time.
Out:  for a path: the new name of its file, the old names of its file, how long a missing file does not count as
deleted.
Rule: both names of a rename are looked at together and recorded in one turn. While the new name cannot be looked at
yet, nothing is recorded for the old one; after HOLD_MS the old name is handled alone.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.model import parent_of

__all__ = ["Renames", "likely_originals", "says_nothing"]

_LIVELY_FOLDERS_MAX = 1_000
_VANISHED_MAX = 10_000


_SUFFIXES = (b"___jb_tmp___", b"___jb_old___", b"~")


def likely_originals(path: bytes) -> list[bytes]:
    """Names in the same folder of which `path` may be a new version, written beside the old one: `.f.Xy12`, `f.tmp` and
    `f~` are written for `f`."""
    folder, slash, name = path.rpartition(b"/")
    found: dict[bytes, None] = {}
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            found[name[: -len(suffix)]] = None
    bare = name.lstrip(b".~#")
    for each in (name, bare, bare.rpartition(b".")[0], name.rpartition(b".")[0]):
        found[each] = None
    return [folder + slash + each for each in found if each not in (name, b"")]


def says_nothing(path: bytes) -> bool:
    """True for a typical name of a temporary file that replaces another file when it is complete:
    `.goutputstream-X2Q3`, `.b7Xq3k`, `lu8f2.tmp`, `~WRD0001`."""
    name = path.rpartition(b"/")[2]
    return name.startswith((b".", b"~", b"#")) or name.endswith((b".tmp", b".TMP"))


class Renames:
    """Open renames, by old and by new name; and folders in which a program seems to be saving a file."""

    def __init__(self) -> None:
        self.targets: dict[bytes, tuple[bytes, int]] = {}  # old name -> new name, since when (ms)
        self._sources: dict[bytes, dict[bytes, None]] = {}  # new name -> old names
        self._lively: dict[bytes, tuple[bytes, int]] = {}  # folder -> the new name last written in it, and when (ms)
        self._vanished: dict[int, bytes] = {}  # inode -> its vanished name, for files whose new name is not known yet
        self._appeared: dict[
            int, bytes
        ] = {}  # inode -> name under which a listing found it; the event of the old name may follow

    def __bool__(self) -> bool:
        return bool(self.targets)

    def open(self, source: bytes, target: bytes, now_ms: int) -> None:
        """The file at `source` is now at `target`. Files that were renamed to `source` before have moved on with it."""
        earlier = self._sources.pop(source, {})
        for old in [*earlier, source]:
            self._leave(old)
            if old != target:
                self.targets[old] = target, now_ms
                self._sources.setdefault(target, {})[old] = None

    def _leave(self, source: bytes) -> None:
        known = self.targets.pop(source, None)
        if known is not None and (sources := self._sources.get(known[0])) is not None:
            sources.pop(source, None)
            if not sources:
                del self._sources[known[0]]

    def close(self, path: bytes, is_there: bool = True) -> tuple[bytes, ...]:
        """The file at `path` was recorded. Returns the old names that waited for it. If nothing is there, they keep
        waiting: the file was probably renamed once more."""
        self._leave(path)
        if not is_there:
            return ()
        sources = tuple(self._sources.pop(path, ()))
        for source in sources:
            self.targets.pop(source, None)
        return sources

    def target_of(self, source: bytes, now_ms: int, is_read: bool = False) -> bytes | None:
        """The new name for which this old one waits. `is_read`: a large file is being read there."""
        known = self.targets.get(source)
        if known is None:
            return None
        target, since = known
        if now_ms - since > (5 if is_read else 1) * limits.RENAME_HOLD_MS:
            self._leave(source)
            return None
        return target

    def may_have_gone_on(self, source: bytes, now_ms: int) -> bool:
        """True for a moment after a rename: if nothing is at the new name either, the event of a further rename is
        about to come."""
        known = self.targets.get(source)
        return known is not None and now_ms - known[1] <= limits.TRUE_NAME_MS

    def sources_of(self, target: bytes) -> tuple[bytes, ...]:
        return tuple(self._sources.get(target, ()))

    def group_of(self, path: bytes) -> list[bytes]:
        """All names to look at together with `path`: new names before the old ones that wait for them."""
        target = path
        if path in self.targets:
            target = self.targets[path][0]
        elif path not in self._sources:
            return [path]
        sources = self._sources.get(target, {})
        if len(sources) == 1 and target not in self.targets:
            (source,) = sources
            if source not in self._sources:
                return [target, source]  # one rename, as nearly always
        seen: dict[bytes, None] = {}
        ahead = [path]
        while ahead:
            each = ahead.pop()
            if each not in seen:
                seen[each] = None
                ahead += self._sources.get(each, ())
                if each in self.targets:
                    ahead.append(self.targets[each][0])
        order: dict[bytes, None] = {}
        for each in seen:
            chain = []
            while each in seen and each not in order and each not in chain:
                chain.append(each)
                each = self.targets.get(each, (b"", 0))[0]
            order.update(dict.fromkeys(reversed(chain)))
        return list(order)

    # --- how programs save -------------------------------------------------------------------------------------------

    def written(self, path: bytes, is_new: bool, now_ms: int) -> None:
        """A program writes at `path`. `is_new`: the name is unknown."""
        folder = parent_of(path)
        if is_new:
            if len(self._lively) >= _LIVELY_FOLDERS_MAX:
                self._lively.clear()
            self._lively[folder] = path, now_ms
        elif folder in self._lively:
            last, when = self._lively[folder]
            if last == path and now_ms - when <= limits.RENAME_HOLD_MS:
                self._lively[folder] = path, now_ms  # it is still being written, not edited later

    def grace_ms(self, path: bytes, moved_to: bytes | None, now_ms: int) -> int:
        """How long (ms) a file that has just left its name does not count as deleted. Many programs save by moving the
        old file aside and a new one to its place. Either the new one was written beside it before, or the name of the
        old one shows that it is a backup."""
        folder = parent_of(path)
        if moved_to is not None and parent_of(moved_to) == folder:
            prefix = folder + b"/" if folder else b""
            name, other = path[len(prefix) :], moved_to[len(prefix) :]
            if other.startswith((name, b"." + name, b"#" + name, b"~" + name)):
                return limits.SAVE_GRACE_MS
        written, when = self._lively.get(folder, (path, 0))
        if written != path and now_ms - when <= limits.RENAME_HOLD_MS:
            return limits.SAVE_GRACE_MS
        return 0

    # --- names that vanished -----------------------------------------------------------------------------------------

    def vanished(self, path: bytes, inode: int) -> None:
        """A file left its name, and no event named the new one."""
        if len(self._vanished) >= _VANISHED_MAX:
            self._vanished.clear()
        if inode:
            self._vanished[inode] = path

    def appeared(self, path: bytes, inode: int) -> None:
        """A listing found a file under a new name; if the file is known under another name, an event about that has not
        come yet."""
        if len(self._appeared) >= _VANISHED_MAX:
            self._appeared.clear()
        self._appeared[inode] = path

    def appeared_as(self, inode: int) -> bytes | None:
        """The new name under which a listing found this file recently."""
        return self._appeared.pop(inode, None)

    def name_of(self, inode: int) -> bytes | None:
        """The former name of a file that vanished recently."""
        return self._vanished.pop(inode, None)
