"""Attributes that are kept on demand, on the real disk: owner, POSIX ACLs, extended attributes."""

from __future__ import annotations

import errno
import os
import pwd
import struct
from pathlib import Path

import pytest

from dir_sync.core.attributes import NOTHING, Attributes, Owner
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.names import STAGING, STATE
from dir_sync.core.preserve import ON_ENTRIES, Part
from dir_sync.disk import RealDisk, kept
from dir_sync.files.kept import Keeper
from dir_sync.files.staging import Staging
from dir_sync.ports import DiskError, Trouble
from tests.disk.worlds import RealWorld, as_nobody, refuse

NOBODY_ID = 2**32 - 1
FOR_2600 = ((1, 6, "", 0), (2, 4, "", 2600), (4, 4, "", 0), (16, 4, "", 0), (32, 0, "", 0))
RAW_2600 = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, bits, number) for tag, bits, number in
    ((1, 6, NOBODY_ID), (2, 4, 2600), (4, 4, NOBODY_ID), (16, 4, NOBODY_ID), (32, 0, NOBODY_ID))
)  # fmt: skip
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"


def keeping(world: RealWorld, *parts: Part) -> RealDisk:
    world.write(b"probe", b"")
    refused = world.real.kept.begin(parts or ON_ENTRIES, b"probe")
    if refused:
        pytest.skip(f"not here: {refused}")
    return world.real


@pytest.fixture
def real(tmp_path: Path) -> RealWorld:
    return RealWorld(tmp_path)


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK])
def test_what_is_set_is_read(real: RealWorld, kind: Kind) -> None:
    disk = keeping(real)
    real.make(b"x", kind)
    if kind is not Kind.SYMLINK:
        real.chmod(b"x", 0o640)
    mode = real.seen(b"x").mode
    wanted = Attributes(
        Owner("", 4321, "", 2500),
        (FOR_2600, FOR_2600 if kind is Kind.DIRECTORY else ()),
        ((b"user.a", b"1"), (b"user.\xff", b"\0\1")),
    )
    disk.set_attributes(b"x", wanted)
    expected = wanted if kind is not Kind.SYMLINK else Attributes(wanted.owner)
    assert disk.read_attributes(b"x", None) == expected
    assert disk.read_attributes(b"x", wanted) == expected
    if kind is not Kind.SYMLINK:
        assert real.seen(b"x").mode == mode, "an ACL does not change the mode of the version"
        disk.set_attributes(b"x", Attributes(None, ((), ()), ((b"user.a", b"2"),)))
        assert disk.read_attributes(b"x", None) == Attributes(wanted.owner, ((), ()), ((b"user.a", b"2"),))
        assert os.listxattr(real.at(b"x")) == ["user.a"]


def test_names_count_before_numbers(real: RealWorld) -> None:
    disk = keeping(real, Part.OWNER, Part.ACLS)
    user = next(one for one in pwd.getpwall() if one.pw_uid and one.pw_uid != 2600)
    real.write(b"x", b"")
    known = Attributes(
        Owner(user.pw_name, 77_777, "no such group", 88_888),
        (((1, 6, "", 0), (2, 4, user.pw_name, 77_777), (4, 4, "", 0), (16, 4, "", 0), (32, 0, "", 0)), ()),
    )
    disk.set_attributes(b"x", known)
    found = os.stat(real.at(b"x"))
    assert (found.st_uid, found.st_gid) == (user.pw_uid, 88_888)
    assert struct.pack("<HHI", 2, 4, user.pw_uid) in os.getxattr(real.at(b"x"), ACCESS)
    assert disk.read_attributes(b"x", known) == known, "said as in the version: nothing has changed"
    fresh = disk.read_attributes(b"x", None)
    assert fresh is not None
    assert fresh.owner == Owner(user.pw_name, user.pw_uid, "", 88_888)


def test_what_no_version_says_is_nothing_unless_there_is_more(real: RealWorld) -> None:
    disk = keeping(real)
    real.write(b"x", b"")
    assert disk.read_attributes(b"x", NOTHING) is None
    os.setxattr(real.at(b"x"), ACCESS, RAW_2600)
    assert disk.read_attributes(b"x", NOTHING) == Attributes(None, (FOR_2600, ()), None)


def test_an_acl_says_what_the_mode_says(real: RealWorld) -> None:
    """A node that keeps no ACLs has changed the mode alone."""
    disk = keeping(real, Part.ACLS)
    real.write(b"x", b"")
    real.chmod(b"x", 0o600)
    known = Attributes(None, (FOR_2600, ()), None)
    disk.set_attributes(b"x", known)
    assert real.seen(b"x").mode == 0o600
    assert struct.pack("<HHI", 16, 0, NOBODY_ID) in os.getxattr(real.at(b"x"), ACCESS), "the mask is the mode's"
    assert disk.read_attributes(b"x", known) == known


@pytest.mark.parametrize("name", ["trusted.x", "security.x", "user.dir_sync"])
def test_only_attributes_of_users_are_kept(real: RealWorld, name: str) -> None:
    disk = keeping(real, Part.XATTRS)
    real.write(b"x", b"")
    try:
        os.setxattr(real.at(b"x"), name, b"1")
    except OSError as error:
        pytest.skip(f"not here: {error}")
    found = disk.read_attributes(b"x", None)
    assert found == Attributes(None, None, ((b"user.dir_sync", b"1"),) if name.startswith("user") else ())
    disk.set_attributes(b"x", Attributes(None, None, ()))
    assert (name in os.listxattr(real.at(b"x"))) == (not name.startswith("user"))


def test_what_is_too_large_for_a_record_is_left_out(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = keeping(real, Part.XATTRS)
    real.write(b"x", b"")
    for name, size in (("user.small", 5), ("user.large", 600)):
        os.setxattr(real.at(b"x"), name, b"v" * size)
    monkeypatch.setattr(kept.limits, "XATTRS_BYTES_MAX", 100)
    assert disk.read_attributes(b"x", None) == Attributes(None, None, ((b"user.small", b"vvvvv"),))
    disk.set_attributes(b"x", Attributes(None, None, ((b"user.other", b"v"),)))
    assert sorted(os.listxattr(real.at(b"x"))) == ["user.large", "user.other"], (
        "no version can have named the large one"
    )
    disk.set_attributes(b"x", Attributes(None, None, ((b"user.large", b"v"),)))
    assert disk.read_attributes(b"x", None) == Attributes(None, None, ((b"user.large", b"v"),))


def test_what_cannot_be_kept_is_said_and_nothing_is_read(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    real.write(b"probe", b"")
    os.chown(real.at(b"probe"), 65534, 65534) if os.geteuid() == 0 else None
    monkeypatch.setattr(os, "setxattr", refuse(errno.EOPNOTSUPP))
    with as_nobody():
        refused = real.real.kept.begin(ON_ENTRIES, b"probe")
    assert refused[Part.OWNER] == "that needs root"
    assert refused[Part.ACLS] == refused[Part.XATTRS] == "the file system says: Operation not supported"
    assert real.disk.keeps == frozenset()
    monkeypatch.setattr(os, "listxattr", refuse(errno.EIO))
    assert real.disk.read_attributes(b"probe", None) is None
    real.disk.set_attributes(b"probe", Attributes(Owner("", 1, "", 1), ((), ()), ()))


def keeper_of(disk: RealDisk) -> Keeper:
    for path in (STATE, STAGING):
        disk.make_directory(path, 0o700)
    return Keeper(disk, Staging(disk, b"tag"))


def test_what_the_file_system_cannot_hold_is_no_change(real: RealWorld) -> None:
    """It stays in the version, though it is not on the disk. What a user changes beside it is a change."""
    disk = keeping(real, Part.XATTRS)
    keeper = keeper_of(disk)
    real.write(b"x", b"")
    large = ((b"user.a", b"1"), (b"user.b", b"v" * 200_000))  # more than any file system takes
    record = Record(b"x", Kind.FILE, 0, b"", 0, 0o644, Stamp(1, "aa"), (), (), Attributes(None, None, large))
    keeper.give(b"x", record)
    assert os.listxattr(real.at(b"x")) == ["user.a"]
    assert keeper.seen(b"x", Kind.FILE, record.attributes) == record.attributes
    os.setxattr(real.at(b"x"), "user.a", b"2")
    assert keeper.seen(b"x", Kind.FILE, record.attributes) == Attributes(None, None, ((b"user.a", b"2"),))
    assert disk.list(STAGING) == []


SOME = ((b"user.a", b"1"), (b"user.b", b"2"))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOMEM, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("call", ["setxattr", "removexattr", "getxattr", "listxattr", "chown"])
def test_what_cannot_be_set_just_now_is_said(
    real: RealWorld, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """Otherwise it would count as set, and a look would announce that a user has removed it."""
    disk = keeping(real)
    real.write(b"x", b"")
    os.setxattr(real.at(b"x"), "user.old", b"1")
    wanted = Attributes(Owner("", 4321, "", 2500), (FOR_2600, ()), SOME)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse(number))
        with pytest.raises(DiskError):
            disk.set_attributes(b"x", wanted)
    disk.set_attributes(b"x", wanted)
    assert disk.read_attributes(b"x", wanted) == wanted


@pytest.mark.parametrize("call", ["getxattr", "listxattr"])
def test_what_cannot_be_read_is_not_read_as_nothing(
    real: RealWorld, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    disk = keeping(real, Part.XATTRS)
    real.write(b"x", b"")
    disk.set_attributes(b"x", Attributes(None, None, SOME))
    monkeypatch.setattr(os, call, refuse(errno.EIO))
    with pytest.raises(DiskError):
        disk.read_attributes(b"x", Attributes(None, None, SOME))


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.E2BIG, errno.EINVAL])
def test_what_can_never_be_set_here_is_no_error(real: RealWorld, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    disk = keeping(real)
    real.write(b"x", b"")
    for call in ("setxattr", "chown"):
        monkeypatch.setattr(os, call, refuse(number))
    disk.set_attributes(b"x", Attributes(Owner("", 4321, "", 2500), (FOR_2600, ()), SOME))
    assert disk.read_attributes(b"x", NOTHING) is None


@pytest.mark.parametrize("is_full", [False, True])
def test_a_full_disk_is_another_thing_than_no_place_in_the_inode(
    real: RealWorld, monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    """The system reports both with one errno."""
    disk = keeping(real, Part.XATTRS)
    real.write(b"x", b"")
    found = os.statvfs(real.at(b"x"))
    values = list(found)
    values[4] = 10 if is_full else 1_000_000  # f_bavail
    monkeypatch.setattr(os, "fstatvfs", lambda _: os.statvfs_result(values))
    monkeypatch.setattr(os, "setxattr", refuse(errno.ENOSPC))
    if is_full:
        with pytest.raises(DiskError) as caught:
            disk.set_attributes(b"x", Attributes(None, None, SOME))
        assert caught.value.trouble is Trouble.FULL
    else:
        disk.set_attributes(b"x", Attributes(None, None, SOME))


@pytest.mark.parametrize(("kind", "mode"), [(Kind.FILE, 0o444), (Kind.FILE, 0o000), (Kind.DIRECTORY, 0o555)])
def test_what_its_owner_may_not_write_gets_extended_attributes_too(real: RealWorld, kind: Kind, mode: int) -> None:
    """The kernel refuses them by the mode. Root may do anything."""
    disk = keeping(real, Part.XATTRS)
    real.make(b"x", kind)
    if os.geteuid() == 0:
        for path in (real.root, real.at(b"x")):
            os.chown(path, 65534, 65534)
    real.chmod(b"x", mode)
    with as_nobody():
        disk.set_attributes(b"x", Attributes(None, None, SOME))
        assert disk.read_attributes(b"x", Attributes(None, None, SOME)) in (None, Attributes(None, None, SOME))
    assert sorted(os.listxattr(real.at(b"x"))) == ["user.a", "user.b"]
    assert real.seen(b"x").mode == mode


def test_what_is_copied_from_a_displaced_file_is_tried_again_too(
    real: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping(real, Part.XATTRS)
    real.write(b"old", b"")
    real.write(b"new", b"")
    os.setxattr(real.at(b"old"), "user.note", b"kept")
    with monkeypatch.context() as patch:
        patch.setattr(os, "setxattr", refuse(errno.EMFILE))
        with pytest.raises(DiskError):
            real.disk.keep_attributes(b"old", b"new")
    real.disk.keep_attributes(b"old", b"new")
    assert os.getxattr(real.at(b"new"), "user.note") == b"kept"
