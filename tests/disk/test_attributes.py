"""What arrives in a team's folder is as if it had been made there; what is another user's is replaced where that is allowed."""

from __future__ import annotations

import errno
import os
import stat as st
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from blake3 import blake3

from dir_sync.core.jobs import Applied, ApplyItem, ApplyJob, ApplyResult, Cause, Result, StageJob, TreeOp
from dir_sync.core.model import Kind, Record, Stamp, fingerprint
from dir_sync.core.names import HISTORY, STAGING
from dir_sync.disk import RealDisk
from dir_sync.file_sync import FileSync
from dir_sync.ports import Disk, DiskError, Trouble
from tests.disk.worlds import T0, RealWorld, refuse
from tests.lan.lan import make_immutable
from tests.pair import NoSignatures
from tests.sim.memory_disk import MemoryDisk

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to others")
STAMP = Stamp(5, "their node")
MTIME = 1_700_000_000_000_000_000
USER, GROUP = 4321, 2500
DEFAULT, ACCESS = "system.posix_acl_default", "system.posix_acl_access"


def acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY = 2**32 - 1
TEAM_ACL = acl((1, 7, NOBODY), (2, 7, 2600), (4, 5, NOBODY), (16, 7, NOBODY), (32, 5, NOBODY))  # user 2600 may all


def as_for(mode: int) -> bytes:
    """What a file of this mode has where TEAM_ACL is the default."""
    return acl(
        *((1, mode >> 6, NOBODY), (2, 7, 2600), (4, 5, NOBODY), (16, mode >> 3 & 7, NOBODY), (32, mode & 7, NOBODY))
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


@pytest.fixture
def disk(root: Path) -> Iterator[RealDisk]:
    disk = RealDisk(str(root))
    yield disk
    disk.close()


def file_sync(disk: Disk) -> FileSync:
    sync = FileSync(disk, lambda _: True, NoSignatures(), time.time_ns, "test")
    sync.prepare()
    return sync


def file(path: str, data: bytes, mode: int = 0o664, mtime: int = MTIME) -> Record:
    return Record(path.encode(), Kind.FILE, len(data), blake3(data).digest(), mtime, mode, STAMP, ())


def item(disk: Disk, act: TreeOp, record: Record, data: bytes | None = None, staged: bytes | None = None) -> ApplyItem:
    """To be done with whatever is there now."""
    there = disk.stat(record.path)
    expect = b"" if there is None else fingerprint(there)
    return ApplyItem(record.path, act, record, expect, Cause.REPLACED, data, staged=staged)


def apply(sync: FileSync, *items: ApplyItem) -> tuple[ApplyResult, ...]:
    done = sync.perform(ApplyJob(items))
    assert isinstance(done, Applied)
    assert [result.result for result in done.items] == [Result.DONE] * len(items), done
    return done.items


def attribute(path: Path, name: str) -> bytes:
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError:
        return b""


def one_by_one(sync: FileSync, disk: Disk, folder: str) -> list[str]:
    apply(sync, item(disk, TreeOp.INSTALL, file(f"{folder}/single", b"1"), b"1"))
    return ["single"]


def many_at_once(sync: FileSync, disk: Disk, folder: str) -> list[str]:
    names = [f"many {number}" for number in range(6)]
    apply(sync, *(item(disk, TreeOp.INSTALL, file(f"{folder}/{name}", name.encode()), name.encode()) for name in names))
    return names


def downloaded(sync: FileSync, disk: Disk, folder: str) -> list[str]:
    data = b"large" * 1000
    record, part = file(f"{folder}/large", data), STAGING + b"/part-1"
    sync.perform(StageJob(1, part, ((0, data),), record.size, record.content))
    apply(sync, item(disk, TreeOp.INSTALL, record, staged=part))
    return ["large"]


def copied(sync: FileSync, disk: Disk, folder: str) -> list[str]:
    data = b"a copy"
    apply(sync, item(disk, TreeOp.INSTALL, file("source", data), data))
    copy = item(disk, TreeOp.INSTALL, file(f"{folder}/copy", data))
    apply(sync, copy._replace(copy_path=b"source"))
    return ["copy"]


def in_place_of_a_link(sync: FileSync, disk: Disk, folder: str) -> list[str]:
    disk.make_link(f"{folder}/was a link".encode(), b"nowhere")
    apply(sync, item(disk, TreeOp.INSTALL, file(f"{folder}/was a link", b"1"), b"1"))
    return ["was a link"]


WAYS: list[Callable[[FileSync, Disk, str], list[str]]] = [
    one_by_one,
    many_at_once,
    downloaded,
    copied,
    in_place_of_a_link,
]


def give_default_acl(folder: Path) -> None:
    try:
        os.setxattr(folder, DEFAULT, TEAM_ACL)
    except OSError as error:
        pytest.skip(f"no ACLs here: {error}")


@AS_ROOT
@pytest.mark.parametrize("way", WAYS)
def test_the_group_of_a_setgid_folder(root: Path, disk: RealDisk, way: Callable[..., list[str]]) -> None:
    (root / "team").mkdir()
    os.chown(root / "team", 0, GROUP)
    (root / "team").chmod(0o2775)
    for name in way(file_sync(disk), disk, "team"):
        found = (root / "team" / name).stat()
        assert (found.st_gid, st.S_IMODE(found.st_mode), found.st_mtime_ns) == (GROUP, 0o664, MTIME)


@pytest.mark.parametrize("way", WAYS)
def test_the_default_acl_of_a_folder(root: Path, disk: RealDisk, way: Callable[..., list[str]]) -> None:
    (root / "team").mkdir()
    give_default_acl(root / "team")
    for name in way(file_sync(disk), disk, "team"):
        path = root / "team" / name
        assert attribute(path, ACCESS) == as_for(0o664)
        assert st.S_IMODE(path.stat().st_mode) == 0o664


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOMEM])
@pytest.mark.parametrize("call", ["getxattr", "setxattr"])
def test_what_cannot_be_inherited_just_now_is_tried_again(
    root: Path, disk: RealDisk, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """Otherwise the team could not read the file, and nobody would know why."""
    (root / "team").mkdir()
    give_default_acl(root / "team")
    (root / "new").write_bytes(b"")
    (root / "new").chmod(0o664)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse(number))
        with pytest.raises(DiskError):
            disk.inherit(b"team", [b"new"])
    disk.inherit(b"team", [b"gone", b"new"])
    assert attribute(root / "new", ACCESS) == as_for(0o664)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_what_can_never_be_inherited_here_is_no_error(
    root: Path, disk: RealDisk, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (root / "team").mkdir()
    give_default_acl(root / "team")
    (root / "new").write_bytes(b"")
    monkeypatch.setattr(os, "setxattr", refuse(number))
    disk.inherit(b"team", [b"new"])
    assert attribute(root / "new", ACCESS) == b""


@AS_ROOT
@pytest.mark.parametrize("way", WAYS)
def test_a_plain_folder_in_a_teams_folder(root: Path, disk: RealDisk, way: Callable[..., list[str]]) -> None:
    """The shared folder is the team's, and so our own folder in it was made: what passes through it gets nothing of that."""
    (root / "plain").mkdir()
    give_default_acl(root)
    os.chown(root, 0, GROUP)
    root.chmod(0o2775)
    (root / ".dir_sync").mkdir(0o700)
    for name in way(file_sync(disk), disk, "plain"):
        path = root / "plain" / name
        assert (path.stat().st_gid, attribute(path, ACCESS)) == (os.getegid(), b"")
        assert st.S_IMODE(path.stat().st_mode) == 0o664


@AS_ROOT
def test_folders_and_links(root: Path, disk: RealDisk) -> None:
    """A new folder; a folder in the place of a file; a link."""
    (root / "team").mkdir()
    give_default_acl(root / "team")
    os.chown(root / "team", 0, GROUP)
    (root / "team").chmod(0o2775)
    sync = file_sync(disk)
    apply(sync, item(disk, TreeOp.INSTALL, file("team/was a file", b"1"), b"1"))
    for name in ("new", "was a file"):
        record = Record(f"team/{name}".encode(), Kind.DIRECTORY, 0, b"", MTIME, 0o750, STAMP, ())
        apply(sync, item(disk, TreeOp.INSTALL, record))
        path = root / "team" / name
        assert (path.stat().st_gid, st.S_IMODE(path.stat().st_mode)) == (GROUP, 0o2750)
        assert attribute(path, DEFAULT) == TEAM_ACL
        assert attribute(path, ACCESS) == as_for(0o750)
    apply(sync, item(disk, TreeOp.INSTALL, Record(b"team/link", Kind.SYMLINK, 0, b"to", MTIME, 0, STAMP, ())))
    assert (root / "team/link").lstat().st_gid == GROUP


# --- what is another user's ------------------------------------------------------------------------------------------


@contextmanager
def as_user() -> Iterator[None]:
    os.setegid(USER)
    os.seteuid(USER)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@AS_ROOT
@pytest.mark.parametrize("what", ["mode", "time", "link"])
def test_what_is_another_users_is_replaced(root: Path, disk: RealDisk, what: str) -> None:
    root.chmod(0o777)
    path = root / "theirs"
    if what == "link":
        path.symlink_to("to")
        record = Record(b"theirs", Kind.SYMLINK, 0, b"to", MTIME, 0, STAMP, ())
    else:
        path.write_bytes(b"content")
        path.chmod(0o644)
        os.utime(path, ns=(MTIME, MTIME))
        record = file("theirs", b"content", *((0o755, MTIME) if what == "mode" else (0o644, MTIME + 10**9)))
    with as_user():
        sync = file_sync(disk)
        (result,) = apply(sync, item(disk, TreeOp.META, record))
    found = path.lstat()
    assert found.st_uid == USER
    assert found.st_mtime_ns == record.mtime
    assert result.version is not None, "what was there is kept"
    kept = (root / os.fsdecode(result.version.name)).lstat()
    assert kept.st_uid == 0
    if what != "link":
        assert path.read_bytes() == b"content"
        assert st.S_IMODE(found.st_mode) == record.mode
    assert os.listdir(root / ".dir_sync/staging") == []


def denied(path: bytes, mode: int | None, mtime: int | None) -> None:
    raise DiskError(Trouble.DENIED, path)


@AS_ROOT
@pytest.mark.parametrize("why", ["sticky", "not writable", "a folder", "ours, and immutable", "immutable"])
def test_what_may_not_be_replaced_stays(root: Path, disk: RealDisk, why: str) -> None:
    """And nothing is copied to find that out."""
    (root / "in").mkdir()
    path = root / "in/theirs"
    record = file("in/theirs", b"content", 0o755)
    if why == "a folder":
        path.mkdir(0o711)
        record = Record(b"in/theirs", Kind.DIRECTORY, 0, b"", MTIME, 0o755, STAMP, ())
    else:
        path.write_bytes(b"content")
    root.chmod(0o777)
    (root / "in").chmod({"sticky": 0o1777, "not writable": 0o755}.get(why, 0o777))
    if why == "ours, and immutable":
        os.chown(path, USER, USER)
        disk.set_meta = denied  # type: ignore[method-assign]
    if why == "immutable" and (reason := make_immutable(path)):
        pytest.skip(reason)
    before = path.stat()
    with as_user():
        sync = file_sync(disk)
        created = disk.create
        disk.create = lambda path: pytest.fail("copied")  # type: ignore[method-assign]
        wish = item(disk, TreeOp.META, record)._replace(mode=record.mode if record.kind == Kind.DIRECTORY else None)
        done = sync.perform(ApplyJob((wish,)))
        disk.create = created  # type: ignore[method-assign]
    if why == "immutable":
        subprocess.run(["chattr", "-i", path], check=True)
    assert isinstance(done, Applied)
    assert done.items[0].result != Result.DONE
    assert path.stat()[:9] == before[:9]
    assert os.listdir(root / ".dir_sync/staging") == []


def test_trouble_while_it_is_replaced_leaves_it_as_it_was() -> None:
    """At each verb, one after the other; then it is done."""
    for number in range(60):
        disk = MemoryDisk(time.time_ns, Random(1))
        sync = file_sync(disk)
        disk.write(b"theirs", b"content")
        disk.others.add(disk.stat(b"theirs").inode)  # type: ignore[union-attr]
        verbs = iter(range(1000))
        disk.fail = lambda verb, path, verbs=verbs, number=number: Trouble.IO if next(verbs) == number else None  # type: ignore[misc]
        done = sync.perform(ApplyJob((item_of(disk, file("theirs", b"content", 0o755)),)))
        disk.fail = None
        assert isinstance(done, Applied)
        assert disk.content(b"theirs") == b"content"
        kept = [name for day, _ in disk.list(HISTORY) or [] for name, _ in disk.list(HISTORY + b"/" + day) or []]
        if done.items[0].result == Result.DONE and next(verbs) <= number:
            assert disk.stat(b"theirs").mode == 0o755  # type: ignore[union-attr]
            assert len(kept) == 1
            assert disk.list(STAGING) == []
            return
    pytest.fail("it never ends")


def item_of(disk: MemoryDisk, record: Record) -> ApplyItem:
    fail, disk.fail = disk.fail, None
    try:
        return item(disk, TreeOp.META, record)
    finally:
        disk.fail = fail


def test_attributes_are_kept(real: RealWorld) -> None:
    real.write(b"old", b"old")
    real.write(b"new", b"new")
    real.disk.set_meta(b"new", 0o640, T0)
    try:
        os.setxattr(real.at(b"old"), "user.note", b"kept")
    except OSError as error:
        pytest.skip(f"no user xattrs here: {error}")
    if os.geteuid() == 0:
        os.chown(real.at(b"old"), 12, 34)
        os.setxattr(real.at(b"old"), "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    real.disk.keep_attributes(b"old", b"new")
    assert os.getxattr(real.at(b"new"), "user.note") == b"kept"
    assert os.listxattr(real.at(b"new")) == ["user.note"]
    assert (real.seen(b"new").mode, real.seen(b"new").mtime) == (0o640, T0)
    found, wanted = os.stat(real.at(b"new")), os.stat(real.at(b"old"))
    assert (found.st_uid, found.st_gid) == (wanted.st_uid, wanted.st_gid)


def test_an_acl_is_kept(real: RealWorld) -> None:
    real.write(b"old", b"old")
    real.write(b"new", b"new")
    # user::rw- user:12:rwx group::r-- mask::rwx other::---
    acl = bytes.fromhex(
        "02000000" "01000600ffffffff" "020007000c000000" "04000400ffffffff" "10000700ffffffff" "20000000ffffffff"
    )  # fmt: skip
    try:
        os.setxattr(real.at(b"old"), "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"no ACLs here: {error}")
    real.disk.set_meta(b"new", 0o640, T0)
    real.disk.keep_attributes(b"old", b"new")
    kept = os.getxattr(real.at(b"new"), "system.posix_acl_access")
    assert bytes.fromhex("020007000c000000") in kept
    assert real.seen(b"new").mode == 0o640
