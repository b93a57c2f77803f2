"""Disks that take a name for another one: on a disk in memory that folds as some file systems do."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from dir_sync.core.jobs import Applied, ApplyItem, ApplyJob, Cause, Looked, LookJob, Result, TreeOp
from dir_sync.core.looks import LookItem, LookOutcome
from dir_sync.core.model import Kind, Record, Stamp, fingerprint
from dir_sync.core.names import STAGING
from dir_sync.disk import Blindness, RealDisk, SpelledDisk, linux, probe, truthful
from dir_sync.file_sync import FileSync
from dir_sync.ports import DiskError, Trouble
from tests.sim.memory_disk import MemoryDisk
from tests.sim.memory_tree import Inode
from tests.sim.node import Signatures

NS = 1_700_000_000 * 10**9
NFC, NFD = "\u00e9".encode(), "e\u0301".encode()


def case(name: bytes) -> bytes:
    return name.decode("utf-8", "surrogateescape").casefold().encode("utf-8", "surrogateescape")


def forms(name: bytes) -> bytes:
    return unicodedata.normalize("NFC", name.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def dots(name: bytes) -> bytes:
    return name.rstrip(b".") or name


class Rewriting(MemoryDisk):
    """New names are changed, as HFS+ does (Unicode), vfat (dots at the end), and some mounts of NTFS (case)."""

    def _listed(self, folder: Inode, name: bytes) -> bytes:
        assert self.fold is not None
        found = super()._listed(folder, name)
        return found if found in folder.entries else self.fold(name)


def make(fold: Callable[[bytes], bytes] | None, kind: type[MemoryDisk] = MemoryDisk) -> MemoryDisk:
    disk = kind(lambda: NS, Random(1), fold=fold)
    disk.mkdir(STAGING)
    return disk


@pytest.mark.parametrize(
    ("fold", "kind", "expected"),
    [
        (None, MemoryDisk, (Blindness.NONE, True)),
        (case, MemoryDisk, (Blindness.ALL, True)),
        (forms, MemoryDisk, (Blindness.ALL, True)),
        (lambda name: case(forms(name)), MemoryDisk, (Blindness.ALL, True)),
        (dots, MemoryDisk, (Blindness.ALL, True)),
        (case, Rewriting, (Blindness.ALL, False)),
        (forms, Rewriting, (Blindness.ALL, False)),
        (dots, Rewriting, (Blindness.ALL, True)),
    ],
)
def test_what_a_disk_takes_for_equal_is_tried_out(
    fold: Callable[[bytes], bytes] | None, kind: type[MemoryDisk], expected: tuple[Blindness, bool]
) -> None:
    disk = make(fold, kind)
    assert probe(disk) == expected
    assert sorted(disk.names(b".dir_sync") or ()) == [b"staging"], "nothing is left of the trial"
    assert (truthful(disk) is disk) == (fold is None)


def test_one_entry_is_made_for_all_questions() -> None:
    """Each start of each folder makes it, and removes it: a disk that is busy keeps it waiting for both."""
    disk, verbs = make(None), list[str]()
    disk.fail = lambda verb, path: verbs.append(verb)  # type: ignore[assignment, func-returns-value]
    assert probe(disk) == (Blindness.NONE, True)
    assert [verb for verb in verbs if verb in ("create", "make_directory")] == ["make_directory"]


@pytest.mark.parametrize("fold", [case, forms, dots, None])
def test_where_no_folder_can_be_made_files_are_tried(fold: Callable[[bytes], bytes] | None) -> None:
    """Or not one with letters in both forms in its name, as on vfat with an alphabet of 256 letters."""
    disk, tried = make(fold), list[bytes]()

    def fail(verb: str, path: bytes) -> Trouble | None:
        if verb == "create":
            tried.append(path)
        return Trouble.NAME if verb == "make_directory" else None

    disk.fail = fail
    assert probe(disk) == (Blindness.ALL if fold else Blindness.NONE, True)
    assert len(tried) == 2
    assert sorted(disk.names(b".dir_sync") or ()) == [b"staging"], "nothing is left of the trial"


def test_a_full_disk_is_still_found_to_be_blind() -> None:
    disk = make(case)
    disk.fail = lambda verb, path: Trouble.FULL if verb in ("create", "make_directory") else None
    assert probe(disk)[0] is Blindness.ALL


def test_a_real_disk_is_healthy_and_stays_itself(tmp_path: Path) -> None:
    (tmp_path / ".dir_sync").mkdir()
    real = RealDisk(os.fsencode(tmp_path))
    try:
        if probe(real)[0] is Blindness.ALL:
            pytest.skip("the disk for temporary files is blind itself")
        assert truthful(real) is real or probe(real)[0] is Blindness.SOME
        assert os.listdir(tmp_path / ".dir_sync") == []
    finally:
        real.close()


def test_one_folder_may_be_blind_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ext4 with the casefold feature: each folder has a flag of its own. Here the kernel is played."""
    (tmp_path / ".dir_sync").mkdir()
    (tmp_path / "plain").mkdir()
    (tmp_path / "folded").mkdir()
    (tmp_path / "folded" / "readme").write_bytes(b"1")
    flags: dict[int, int] = {os.stat(tmp_path / "folded").st_ino: 0x40000000 | 0x80000}

    def set_flags(handle: int, wanted: int) -> None:
        flags[os.fstat(handle).st_ino] = wanted

    listed: list[bytes] = []

    def names(self: RealDisk, path: bytes) -> list[bytes]:
        listed.append(path)
        return [os.fsencode(name) for name in os.listdir(tmp_path / os.fsdecode(path))]

    monkeypatch.setattr(linux, "inode_flags", lambda handle: flags.get(os.fstat(handle).st_ino, 0x80000))
    monkeypatch.setattr(linux, "change_inode_flags", set_flags)
    real = RealDisk(os.fsencode(tmp_path))
    try:
        assert probe(real) == (Blindness.SOME, True)
        disk = truthful(real)
        assert isinstance(disk, SpelledDisk)
        monkeypatch.setattr(RealDisk, "names", names)
        (tmp_path / "plain" / "a").write_bytes(b"1")
        assert disk.stat(b"plain/a") is not None
        assert listed == [], "a folder without the flag need not be listed"
        assert disk.stat(b"folded/readme") is not None
        assert listed == [b"folded"]
        # What the kernel would find by the other spelling
        monkeypatch.setattr(RealDisk, "stat", lambda self, path: os_stat(real, path.lower()))
        assert disk.stat(b"folded/README") is None
        assert disk.spelled(b"folded/README") == b"folded/readme"
    finally:
        real.close()


os_stat = RealDisk.stat


@pytest.mark.parametrize(
    ("fold", "listed", "asked"),
    [
        (case, b"readme", b"README"),
        (case, "stra\u00dfe".encode(), b"STRASSE"),
        (forms, NFC, NFD),
        (forms, NFD, NFC),
        (dots, b"name", b"name.."),
    ],
)
def test_what_is_listed_otherwise_is_not_there(fold: Callable[[bytes], bytes], listed: bytes, asked: bytes) -> None:
    raw = make(fold)
    raw.mkdir(b"folder")
    raw.write(b"folder/" + listed, b"content")
    disk = SpelledDisk(raw, True, True)
    here, other = b"folder/" + listed, b"folder/" + asked
    assert raw.stat(other) is not None
    with disk.batch():
        for _ in range(2):
            assert disk.stat(here) is not None
            assert disk.stat(other) is None
    assert disk.spelled(here) is None
    assert disk.spelled(other) == here
    assert disk.spelled(b"folder/nothing") is None
    verbs: list[Callable[[], object]] = [
        lambda: disk.open(other),
        lambda: disk.read_small(other, 100),
        lambda: disk.remove_file(other),
        lambda: disk.set_meta(other, 0o600, None),
        lambda: disk.rename(other, b"elsewhere"),
        lambda: disk.exchange(b".dir_sync/staging", other),
    ]
    for verb in verbs:
        with pytest.raises(DiskError) as caught:
            verb()
        assert caught.value.trouble is Trouble.ABSENT
    for making in (lambda: disk.create(other), lambda: disk.make_directory(other, 0o755)):
        with pytest.raises(DiskError) as caught:
            making()
        assert caught.value.trouble is Trouble.EXISTS
    assert raw.content(here) == b"content"


def test_a_folder_that_is_listed_otherwise_has_nothing_in_it() -> None:
    raw = make(case)
    raw.mkdir(b"docs/more")
    raw.write(b"docs/more/a", b"1")
    disk = SpelledDisk(raw, True, True)
    for path in (b"Docs", b"Docs/more", b"docs/MORE", b"Docs/more/a", b"docs/more/A"):
        assert disk.stat(path) is None, path
        assert disk.list(path) is None, path
        assert disk.spelled(path) == path.lower(), path
    with pytest.raises(DiskError) as caught:
        disk.create_whole(b"Docs/new", b"", 0o644, NS, False)
    assert caught.value.trouble is Trouble.ABSENT


def test_our_own_folder_has_one_name_only() -> None:
    """A peer may announce .DIR_SYNC/index.db: that must never be our index."""
    raw = make(case)
    raw.write(b".dir_sync/index.db", b"ours")
    disk = SpelledDisk(raw, True, True)
    assert disk.stat(b".dir_sync/index.db") is not None
    for path in (b".DIR_SYNC", b".Dir_Sync/index.db", b".dir_SYNC/staging"):
        assert disk.stat(path) is None
        assert disk.spelled(path) == path.lower()
    with pytest.raises(DiskError) as caught:
        disk.create(b".DIR_SYNC/new")
    assert caught.value.trouble is Trouble.ABSENT
    with pytest.raises(DiskError) as caught:
        disk.make_directory(b".DIR_SYNC", 0o755)
    assert caught.value.trouble is Trouble.EXISTS


def test_a_batch_sees_what_it_has_changed_itself() -> None:
    raw = make(case)
    raw.mkdir(b"d")
    raw.write(b"d/a", b"1")
    disk = SpelledDisk(raw, True, True)
    with disk.batch():
        assert disk.stat(b"d/a") is not None
        disk.rename(b"d/a", STAGING + b"/x")
        disk.rename(STAGING + b"/x", b"d/A")
        assert disk.stat(b"d/a") is None
        assert disk.stat(b"d/A") is not None
        raw.write(b"d/b", b"2")  # by a user, since the folder was listed
        assert disk.stat(b"d/b") is not None


@pytest.mark.parametrize(
    ("fold", "name"), [(case, b"README"), (forms, NFD), (dots, b"name."), (lambda name: name.rstrip(b" "), b"name ")]
)
def test_a_name_that_the_disk_would_change_is_taken_back(fold: Callable[[bytes], bytes], name: bytes) -> None:
    raw = make(fold, Rewriting)
    _, keeps = probe(raw)
    disk = SpelledDisk(raw, True, keeps)
    disk.create_whole(STAGING + b"/new", b"content", 0o644, NS, False)
    with pytest.raises(DiskError) as caught:
        disk.rename(STAGING + b"/new", name)
    assert caught.value.trouble is Trouble.NAME
    assert raw.content(STAGING + b"/new") == b"content"
    (moved,) = disk.rename_many([(STAGING + b"/new", name)])
    assert isinstance(moved, DiskError)
    assert moved.trouble is Trouble.NAME
    with pytest.raises(DiskError) as caught:
        disk.make_directory(name, 0o755)
    assert caught.value.trouble is Trouble.NAME
    assert raw.names(b"") == [b".dir_sync"]


def test_a_name_is_told_that_has_the_place_also_where_inodes_do_not_tell() -> None:
    raw = make(case)
    raw.write(b"readme", b"1")
    raw.write(b"other", b"1")
    disk = SpelledDisk(raw, True, True)
    stat = raw.stat
    raw.stat = lambda path: (found := stat(path)) and found._replace(inode=hash(path) & 0xFFFF)  # type: ignore[method-assign]
    assert disk.spelled(b"README") == b"readme"
    raw.fold = lambda name: b"readme" if name in (b"readme", b"READ~1") else name  # an alias that no rule explains
    assert disk.spelled(b"READ~1") == b"READ~1", "something has it, and nobody can tell what"


# --- jobs on such a disk ---------------------------------------------------------------------------------------------


def jobs(raw: MemoryDisk) -> FileSync:
    sync = FileSync(SpelledDisk(raw, True, True), lambda path: True, Signatures(), lambda: NS, "t")
    sync.prepare()
    return sync


def record(path: bytes, kind: Kind = Kind.FILE, size: int = 0, content: bytes = b"") -> Record:
    return Record(path, kind, size, content, NS, 0o644, Stamp(NS, "a"), (("a", 1),))


def test_a_look_tells_what_has_the_place() -> None:
    raw = make(case)
    raw.write(b"readme", b"1")
    items = (LookItem(b"README", b"", b"", None, True, True), LookItem(b"readme", b"", b"", None, True, True))
    answer = jobs(raw).perform(LookJob(items))
    assert isinstance(answer, Looked)
    other, there = answer.items
    assert (other.look, other.taken_for) == (LookOutcome.ABSENT, b"readme")
    assert (there.look, there.data) == (LookOutcome.FOUND, b"1")


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.DIRECTORY])
def test_a_name_gets_another_spelling_without_a_copy(kind: Kind) -> None:
    raw = make(case)
    if kind is Kind.FILE:
        raw.write(b"readme", b"content", NS)
    else:
        raw.mkdir(b"readme/in")
        raw.write(b"readme/in/file", b"content")
        raw.touch(b"readme", NS)
    before = raw.stat(b"readme")
    assert before is not None
    item = ApplyItem(
        b"README", TreeOp.MOVE, record(b"README", kind)._replace(mode=before.mode), b"", Cause.REPLACED,
        copy_path=b"readme", copy_fp=fingerprint(before),
    )  # fmt: skip
    answer = jobs(raw).perform(ApplyJob((item,)))
    assert isinstance(answer, Applied)
    assert [result.result for result in answer.items] == [Result.DONE]
    assert [name for name in raw.names(b"") or () if name != b".dir_sync"] == [b"README"]
    after = raw.stat(b"README")
    assert after is not None
    assert after.inode == before.inode
    assert raw.names(STAGING) == []


def test_a_spelling_is_not_changed_where_somebody_takes_the_name_meanwhile() -> None:
    raw = make(case)
    raw.write(b"readme", b"content", NS)
    before = raw.stat(b"readme")
    assert before is not None

    def meddle(verb: str, path: bytes) -> None:
        if verb == "rename" and path.startswith(STAGING + b"/swap-") and raw.content(path) is not None:
            raw.before = lambda verb, path: None
            raw.write(b"ReadMe", b"saved just now")

    raw.before = meddle
    item = ApplyItem(
        b"README", TreeOp.MOVE, record(b"README"), b"", Cause.REPLACED, copy_path=b"readme", copy_fp=fingerprint(before)
    )
    answer = jobs(raw).perform(ApplyJob((item,)))
    assert isinstance(answer, Applied)
    assert [result.result for result in answer.items] == [Result.CHANGED]
    assert raw.content(b"ReadMe") == b"saved just now"
    (kept,) = raw.names(b".dir_sync/versions/2023-11-14") or ()
    assert raw.content(b".dir_sync/versions/2023-11-14/" + kept) == b"content"
    assert raw.names(STAGING) == []
