"""Looks at the disk: lists folders, reads files.

In:   folders to list, paths to look at.
Out:  listings, and for each path the result of the look (Seen).
Rule: a look is true for one moment only: the content is what was read between two equal stats. A file that cannot be
read is unknown, which is not the same as absent; one to which we are appending ourselves is unstable. Nothing is
changed, stored or decided here.
Used by: `file_sync`.
"""

from __future__ import annotations

from collections.abc import Callable

from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.attributes import fits
from dir_sync.core.ignore import NAME as RULES_NAME
from dir_sync.core.ignore import FolderRules
from dir_sync.core.jobs import Listed, ListJob, Looked
from dir_sync.core.looks import MOUNTED, Folder, Grown, Listing, LookItem, LookOutcome, RuleTexts, Seen
from dir_sync.core.model import CTIME_BYTES, FINGERPRINT_BYTES, Kind, Stat, fingerprint, parent_of
from dir_sync.core.names import LOCAL_RULES
from dir_sync.core.transfers.growth import MARK_BYTES, mark_offsets
from dir_sync.files import fingerprints
from dir_sync.files.growth import GrowingFiles
from dir_sync.files.hashing import digest_of, digest_of_grown
from dir_sync.files.kept import Keeper
from dir_sync.ports import Disk, DiskError, Reader, Trouble, Watch

__all__ = ["list_folders", "look"]

_OURS = limits.RESERVED_NAME
_ROOT_GONE = "the shared folder itself is gone"


def list_folders(
    disk: Disk,
    watch: Watch,
    job: ListJob,
    now_ns: Callable[[], int],
    growing: GrowingFiles,
    keeper: Keeper | None = None,
) -> Listed:
    """Watch each folder, then list it: an entry that appears in between is seen twice, never missed."""
    listings: list[Listing] = []
    room = limits.GIVEN_LOOKS_MAX if job.want_bytes else limits.LISTING_LOOKS_MAX
    for number, folder in enumerate(job.folders):
        if room <= 0:
            return Listed(tuple(listings), tuple(folder.path for folder in job.folders[number:]))
        try:
            if disk.spelled(folder.path) is not None:
                # the watch of another name is on it, so it is not watched either
                listings.append(Listing(folder.path, None))
                continue
            watch(folder.path)
            listing = _list(disk, folder, now_ns, job.want_bytes, growing, keeper)
        except DiskError as error:
            listing = Listing(folder.path, None, str(error))
        room -= 1 + len(listing.seen)
        listings.append(listing)
    return Listed(tuple(listings))


def _list(
    disk: Disk,
    folder: Folder,
    now_ns: Callable[[], int],
    want_bytes: bool,
    growing: GrowingFiles,
    keeper: Keeper | None,
) -> Listing:
    """Entries that differ from the known ones. New small files are looked at immediately, unless there are very
    many."""
    found = disk.list(folder.path)
    if found is None:
        return Listing(folder.path, None)
    if not found and not disk.is_root_here():
        return Listing(folder.path, None, _ROOT_GONE)
    known = dict(folder.known)
    texts = _rule_texts(disk, folder, found)
    ignored: list[tuple[bytes, Stat]] = []
    if folder.rules is not None:
        found, ignored = _shared(folder.rules, found)
    entries: list[tuple[bytes, Stat]] = []
    folders: list[bytes] = []
    new: list[tuple[bytes, Stat]] = []
    for entry in found:
        name, stat = entry
        before = known.pop(name, None)
        if before is None:
            if (
                stat.kind is Kind.FILE
                and stat.size <= limits.INLINE_BYTES_MAX
                and len(new) < limits.LISTING_LOOKS_MAX
                and name != _OURS
            ):
                new.append(entry)
                continue
        elif before == fingerprint(stat):
            if stat.kind is Kind.DIRECTORY:
                folders.append(name)
            continue
        entries.append(entry)
    seen: list[Seen] = []
    if new:
        prefix = folder.path + b"/" if folder.path else b""
        now, grain_ns = now_ns(), disk.grain_ns
        is_growing, keeps = growing.watch(), keeper is not None and keeper.is_on
        files = disk.read_many(folder.path, [name for name, _ in new], limits.INLINE_BYTES_MAX)
        for entry, file in zip(new, files, strict=True):
            small = None
            if file is not None and not is_growing(file[0]):
                small = _seen_small(prefix + entry[0], file, want_bytes, grain_ns, now)
                if keeps and small is not None and keeper is not None:
                    try:
                        small = small._replace(attributes=keeper.seen(small.path, Kind.FILE, None))
                    except DiskError:
                        small = None  # it has vanished, or cannot be read: a look of its own finds out
            if small is not None:
                seen.append(small)
            else:
                entries.append(entry)
    mtime = _mtime_of(disk, folder.path) if want_bytes else None
    others = [entry for entry in entries if entry[1].kind is Kind.OTHER and entry[0] != _OURS]
    mounts = tuple(name for name, stat in others if _is_mount(disk, stat))
    return Listing(
        folder.path, entries, "", tuple(folders), tuple(known), tuple(seen), mtime, mounts, tuple(ignored),
        folder.generation, texts, _differs(folder, keeper),
    )  # fmt: skip


def _differs(folder: Folder, keeper: Keeper | None) -> bool:
    """True if the folder itself has other attributes than the known ones. Its fingerprint does not show that."""
    if keeper is None or folder.attributes is None:
        return False
    return not fits(keeper.seen(folder.path, Kind.DIRECTORY, folder.attributes), folder.attributes)


def _shared(
    rules: FolderRules, found: list[tuple[bytes, Stat]]
) -> tuple[list[tuple[bytes, Stat]], list[tuple[bytes, Stat]]]:
    """Entries that are shared, and those that are not."""
    if not rules.is_about_any([name for name, _ in found]):
        return found, []
    rule_for = rules.rule_for
    shared: list[tuple[bytes, Stat]] = []
    ignored: list[tuple[bytes, Stat]] = []
    for entry in found:
        name, stat = entry
        is_ignored = name != _OURS and rule_for(name, stat.kind is Kind.DIRECTORY) is not None
        (ignored if is_ignored else shared).append(entry)
    return shared, ignored


def _rule_texts(disk: Disk, folder: Folder, found: list[tuple[bytes, Stat]]) -> RuleTexts | None:
    """The texts of the files with rules in a folder; None: they cannot be read just now."""
    own: bytes | None = None
    local = b""
    try:
        if any(name == RULES_NAME and stat.kind is Kind.FILE for name, stat in found):
            own = _text(disk, folder.path + b"/" + RULES_NAME if folder.path else RULES_NAME)
            if own is None:  # too large: it says so where it is read
                own = b"#" * (limits.RULES_BYTES_MAX + 1)
        if folder.has_local and disk.stat(LOCAL_RULES) is not None:
            local = _text(disk, LOCAL_RULES) or b""
    except DiskError:
        return None
    return RuleTexts(own, local)


def _text(disk: Disk, path: bytes) -> bytes | None:
    """The content of a small file; None: it is none, or larger."""
    read = disk.read_small(path, limits.RULES_BYTES_MAX)
    return None if read is None else read[1]


def _is_mount(disk: Disk, stat: Stat) -> bool:
    """True if the entry with this stat, which is of kind OTHER, is a mount point."""
    root = disk.stat(b"")
    return root is not None and stat.device != root.device


def _seen_small(path: bytes, file: tuple[Stat, bytes], want_bytes: bool, grain_ns: int, now_ns: int) -> Seen | None:
    """A small file that was read completely; None if it was written so recently that another write might not show.
    `now_ns`: the time before it was read."""
    stat, data = file
    _, size, mtime, ctime, mode, *_ = stat
    if grain_ns and abs(now_ns - ctime) < grain_ns:
        return None
    kept = data if want_bytes else None
    return Seen(path, LookOutcome.FOUND, Kind.FILE, size, blake3(data).digest(), mtime, mode, fingerprint(stat), kept)


def look(
    disk: Disk,
    items: tuple[LookItem, ...],
    now_ns: Callable[[], int],
    stopping: Callable[[], bool],
    on_file: Callable[[LookItem, Reader, Seen], Seen],
    growing: GrowingFiles,
    keeper: Keeper | None = None,
) -> Looked:
    """Look at each path. `on_file` may add to the result while the file is open and verified not to have changed
    since."""
    found = []
    for item in items:
        seen = _look(disk, item, now_ns, stopping, on_file, growing.watch(), keeper)
        if seen.look == LookOutcome.ABSENT and not disk.is_root_here():
            seen = Seen(item.path, LookOutcome.UNKNOWN, problem=_ROOT_GONE)
        if item.want_bytes and seen.look in (LookOutcome.FOUND, LookOutcome.ABSENT):
            seen = seen._replace(folder_mtime=_mtime_of(disk, parent_of(item.path)))
        found.append(seen)
    return Looked(tuple(found))


def _mtime_of(disk: Disk, path: bytes) -> int | None:
    try:
        stat = disk.stat(path)
    except DiskError:
        return None
    return None if stat is None else stat.mtime


def _look(
    disk: Disk,
    item: LookItem,
    now_ns: Callable[[], int],
    stopping: Callable[[], bool],
    on_file: Callable[[LookItem, Reader, Seen], Seen],
    is_growing: Callable[[Stat], bool],
    keeper: Keeper | None,
) -> Seen:
    path = item.path

    def with_attributes(seen: Seen) -> Seen:
        return seen if keeper is None else seen._replace(attributes=keeper.seen(path, seen.kind, item.attributes))

    if keeper is not None and not keeper.is_on:
        keeper = None
    try:
        if not item.fp and item.hint is None:
            seen = _look_at_small_file(disk, path, item.want_bytes, now_ns, is_growing)
            if seen is not None and seen.size >= max(item.open_below, item.cut_below):
                return with_attributes(seen)
        stat = disk.stat(path)
        if stat is None:
            return Seen(path, LookOutcome.ABSENT, taken_for=disk.spelled(path))
        fp = fingerprint(stat) if item.fp or stat.kind != Kind.FILE or item.hint is not None else b""
        is_same = bool(fp) and fp == item.fp
        if stat.kind == Kind.DIRECTORY and (keeper is not None or not is_same):
            seen = with_attributes(Seen(path, LookOutcome.FOUND, stat.kind, 0, b"", stat.mtime, stat.mode, fp))
            is_same = is_same and fits(seen.attributes, item.attributes)
            if not is_same:
                return seen
        if is_same:
            return Seen(path, LookOutcome.SAME, stat.kind, mtime=stat.mtime)
        if stat.kind == Kind.SYMLINK:
            target = disk.read_link(path)
            seen = Seen(path, LookOutcome.FOUND, stat.kind, 0, target, stat.mtime, 0o777, fp, links=stat.links)
            seen = with_attributes(seen)
            return seen if disk.stat(path) == stat else Seen(path, LookOutcome.UNSTABLE)
        if is_growing(stat):
            return Seen(path, LookOutcome.UNSTABLE, size=stat.size)
        if stat.kind == Kind.OTHER:
            return Seen(path, LookOutcome.FOUND, stat.kind, problem=MOUNTED if _is_mount(disk, stat) else "")
        if item.hint is not None and _is_hinted(stat, fp, item):
            _, size, content, _ = item.hint
            seen = Seen(path, LookOutcome.FOUND, stat.kind, size, content, stat.mtime, stat.mode, fp, links=stat.links)
            return with_attributes(seen)
        if _is_half(disk, item, stat.size):
            return Seen(path, LookOutcome.OPEN, size=stat.size)
        if stat.size >= limits.LARGE_FILE_BYTES and not item.may_be_large:
            return Seen(path, LookOutcome.TOO_BIG, size=stat.size)
        return _look_at_file(disk, item, now_ns, stopping, on_file, is_growing, keeper)
    except DiskError as error:
        if error.trouble in (Trouble.ABSENT, Trouble.WRONG_TYPE):
            return Seen(path, LookOutcome.UNSTABLE)  # it was replaced between two steps
        return Seen(path, LookOutcome.UNKNOWN, problem=str(error))


def _is_half(disk: Disk, item: LookItem, size: int) -> bool:
    """True if a program has truncated this file and has not written it anew yet."""
    if size < item.open_below:
        return not disk.is_closed(item.path)
    return size < item.cut_below and disk.is_open(item.path)


def _look_at_small_file(
    disk: Disk, path: bytes, want_bytes: bool, now_ns: Callable[[], int], is_growing: Callable[[Stat], bool]
) -> Seen | None:
    """A fast path for unknown files, most of which are small; None: use the general one."""
    now = now_ns()
    try:
        found = disk.read_small(path, limits.INLINE_BYTES_MAX)
    except DiskError:
        return None
    if found is None or is_growing(found[0]):
        return None
    return _seen_small(path, found, want_bytes, disk.grain_ns, now)


def _is_hinted(stat: Stat, fp: bytes, item: LookItem) -> bool:
    hint = item.hint
    assert hint is not None
    if fp == hint.fp:
        return True
    # A rename changes ctime, but not mode, inode, size and mtime.
    return hint.relaxed and len(hint.fp) == FINGERPRINT_BYTES and fp[:-CTIME_BYTES] == hint.fp[:-CTIME_BYTES]


def _look_at_file(
    disk: Disk,
    item: LookItem,
    now_ns: Callable[[], int],
    stopping: Callable[[], bool],
    on_file: Callable[[LookItem, Reader, Seen], Seen],
    is_growing: Callable[[Stat], bool],
    keeper: Keeper | None,
) -> Seen:
    reader = disk.open(item.path)
    try:
        before = reader.stat()
        # abs: ctime is in the future if the clock was set back since
        is_racy = abs(now_ns() - before.ctime) < disk.grain_ns
        data: bytes | None = None
        marks: tuple[bytes, ...] | None = None
        if before.size <= limits.INLINE_BYTES_MAX:
            data = reader.read(0, before.size)
            digest = blake3(data).digest()
            whole = len(data) == before.size
            if whole and 0 < item.was_size < before.size and blake3(data[: item.was_size]).digest() == item.was:
                offsets = mark_offsets(item.was_size, before.size)
                marks = tuple(blake3(data[:offset]).digest(MARK_BYTES) for offset in offsets)
            if not item.want_bytes:
                data = None
        else:
            digest, whole, marks = digest_of_grown(reader, before.size, stopping, item.was_size, item.was)
        is_changed = item.open_below > 0 and item.was != b"" and marks is None and digest != item.was
        is_rewritten = _is_half(disk, item, before.size)
        if is_changed and before.size > limits.INLINE_BYTES_MAX:
            is_rewritten = is_rewritten or not disk.is_closed(item.path)
        attributes = None if keeper is None else keeper.seen(item.path, Kind.FILE, item.attributes)
        # After these questions: what somebody wrote before a close that they have seen shows here.
        after = reader.stat()
        if is_growing(before):
            return Seen(item.path, LookOutcome.UNSTABLE, size=after.size)
        fp = fingerprint(before)
        if not whole or after != before:
            if not (item.growing and whole and after.size > before.size):
                return Seen(item.path, LookOutcome.UNSTABLE, size=after.size)
            # The file is longer than before. If its earlier part reads the same twice, bytes were only appended.
            if digest_of(reader, before.size, stopping) != (digest, True):
                return Seen(item.path, LookOutcome.UNSTABLE, size=after.size)
            is_racy = True
        if is_rewritten:
            return Seen(item.path, LookOutcome.OPEN, size=before.size)
        seen = Seen(
            item.path, LookOutcome.FOUND, Kind.FILE, before.size, digest, before.mtime, before.mode,
            fp + fingerprints.RACY if is_racy else fp, data,
            grown=None if marks is None else Grown(item.was, item.was_size, marks), links=after.links,
            attributes=attributes,
        )  # fmt: skip
        return on_file(item, reader, seen)
    finally:
        reader.close()
