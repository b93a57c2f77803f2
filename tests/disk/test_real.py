"""The real disk: what else may be in the way."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import socket
import stat as st
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dir_sync.core.model import Kind
from dir_sync.disk import RealDisk
from dir_sync.disk.unlocked import Unlocked
from dir_sync.ports import DiskError, Trouble
from tests.disk.worlds import (
    RealWorld,
    refuse,
    trouble,
    within,
)

ROOT = Path(__file__).resolve().parents[2]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert trouble(RealDisk, tmp_path.joinpath("absent").__fspath__()) == Trouble.ABSENT
    tmp_path.joinpath("file").touch()
    assert trouble(RealDisk, os.fsencode(tmp_path / "file")) == Trouble.ABSENT


def test_the_root_that_went_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "x").touch()
    (tmp_path / "link").symlink_to("root")
    monkeypatch.chdir(tmp_path)
    disk = RealDisk("link")
    monkeypatch.chdir("/")
    assert disk.is_root_here()
    root.rename(tmp_path / "moved")
    assert not disk.is_root_here()
    assert disk.stat(b"x") is not None
    disk.create(b"y").close()
    assert (tmp_path / "moved" / "y").exists()
    root.mkdir()
    assert not disk.is_root_here()
    root.rmdir()
    root.touch()
    assert not disk.is_root_here()
    root.unlink()
    (tmp_path / "moved").rename(root)
    assert disk.is_root_here()
    disk.close()
    disk.close()


def test_each_errno_has_its_trouble(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    real.write(b"file", b"x")
    expected = {
        errno.EIO: Trouble.IO,
        errno.ESTALE: Trouble.IO,
        errno.ETXTBSY: Trouble.IO,
        errno.EACCES: Trouble.DENIED,
        errno.EPERM: Trouble.DENIED,
        errno.EROFS: Trouble.READ_ONLY,
        errno.ENOSPC: Trouble.FULL,
        errno.EDQUOT: Trouble.FULL,
        errno.EMFILE: Trouble.LIMIT,
        errno.ENFILE: Trouble.LIMIT,
        errno.ENAMETOOLONG: Trouble.NAME,
        errno.EILSEQ: Trouble.NAME,
        errno.EINVAL: Trouble.NAME,
        errno.EXDEV: Trouble.BOUNDARY,
        errno.EBUSY: Trouble.BOUNDARY,
    }
    for number, wanted in expected.items():
        with monkeypatch.context() as patch:
            patch.setattr(Unlocked, "stat_at", refuse(number))
            assert trouble(real.disk.stat, b"file") == wanted, errno.errorcode[number]
            assert trouble(real.disk.open, b"file") == wanted


def test_trouble_with_an_entry_is_not_absence(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be looked at must never look deleted, and what vanishes meanwhile must not stop the rest."""
    for name in (b"a", b"b", b"c"):
        real.write(name, name)
    look = os.stat

    def stat(path: Any, *arguments: Any, **keywords: Any) -> os.stat_result:
        if path == b"b" and "dir_fd" in keywords:
            refuse(number)()
        return look(path, *arguments, **keywords)

    monkeypatch.setattr(os, "stat", stat)
    number = errno.EIO
    assert trouble(real.disk.list, b"") == Trouble.IO
    number = errno.EACCES
    assert trouble(real.disk.list, b"") == Trouble.DENIED
    assert trouble(real.disk.stat, b"b") == Trouble.DENIED
    number = errno.ENOENT
    assert sorted(name for name, _ in real.disk.list(b"") or []) == [b"a", b"c"]


def test_too_many_open_files(real: RealWorld) -> None:
    real.mkdir(b"folder")
    real.write(b"folder/x", b"x")
    lowest = os.dup(0)
    os.close(lowest)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        for act in (real.disk.stat, real.disk.open, real.disk.list, real.disk.create):
            assert trouble(act, b"folder/x") == Trouble.LIMIT
        assert trouble(real.disk.open, b"folder") == Trouble.WRONG_TYPE
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert real.disk.stat(b"folder/x") is not None


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "no room on the disk (or no free inodes)"),
        (errno.EDQUOT, "no room on the disk (Disk quota exceeded)"),
        (errno.EMFILE, "too many open files"),
        (errno.EACCES, "no permission"),
        (errno.EPERM, "no permission (Operation not permitted)"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EIO, "input/output error"),
        (errno.ENAMETOOLONG, "this file system cannot hold such a name (File name too long)"),
    ],
)
def test_a_trouble_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, text: str) -> None:
    disk = RealDisk(tmp_path)

    def fails(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "mkdir", fails)
    with pytest.raises(DiskError) as caught:
        disk.make_directory(b"folder", 0o755)
    assert str(caught.value) == text
    disk.close()


@pytest.mark.parametrize("verb", ["open", "reopen"])
def test_what_takes_the_name_of_a_file_is_not_opened(
    real: RealWorld, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """The look before the open says file, and then something else is there."""
    real.write(b"file", b"x")
    file = real.seen(b"file")
    fill_later = [b"fifo", b"link", b"socket"]
    os.mkfifo(real.at(b"fifo"))
    os.symlink(b"file", real.at(b"link"))
    with socket.socket(socket.AF_UNIX) as listener:
        cwd = os.getcwdb()
        os.chdir(real.root)  # the address of a socket is short
        try:
            listener.bind(b"socket")
        finally:
            os.chdir(cwd)
        if os.geteuid() == 0:
            os.mknod(real.at(b"zero"), st.S_IFCHR | 0o666, os.makedev(1, 5))
            fill_later.append(b"zero")
        for lying in (False, True):
            with monkeypatch.context() as patch, within(5):
                if lying:
                    patch.setattr(Unlocked, "stat_at", lambda *_: file)
                for path in fill_later:
                    assert trouble(getattr(real.disk, verb), path) == Trouble.WRONG_TYPE, path
    assert all(real.seen(path).kind == Kind.OTHER for path in fill_later if path != b"link")


def test_copy_where_the_kernel_does_not(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    real.write(b"source", b"0123456789" * 1000)
    for number in (errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        monkeypatch.setattr(os, "copy_file_range", refuse(number))
        reader, writer = real.disk.open(b"source"), real.disk.create(b"copy-%d" % number)
        assert writer.copy_from(reader, 5, 0, 20_000) == 9_995
        assert writer.read(0, 7) == b"5678901"
        reader.close()
        writer.close()
    monkeypatch.setattr(os, "copy_file_range", lambda *_: 0)  # as for some files of FUSE
    reader, writer = real.disk.open(b"source"), real.disk.create(b"copy")
    assert writer.copy_from(reader, 0, 0, 10_000) == 10_000
    monkeypatch.setattr(os, "copy_file_range", refuse(errno.ENOSPC))
    assert trouble(writer.copy_from, reader, 0, 0, 10) == Trouble.FULL
    reader.close()
    writer.close()


def test_short_reads_and_writes_are_gone_on_with(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    pread, pwrite = os.pread, os.pwrite
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: pread(fd, min(length, 3), offset))
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, memoryview(data)[:4], offset))
    writer = real.disk.create(b"file")
    writer.write(2, b"0123456789")
    assert writer.read(0, 11) == b"\0\x000123456780"[:10] + b"8"
    assert writer.read(0, 99) == b"\0\x000123456789"
    writer.close()


def test_who_reads_a_file_does_not_have_it_open_for_writing(real: RealWorld) -> None:
    real.write(b"log", b"x")
    reader = real.disk.open(b"log")
    assert real.disk.is_closed(b"log")
    writer = real.disk.append(b"log")
    assert not writer.lock()
    reader.close()
    assert writer.lock()
    writer.close()
    assert real.disk.is_closed(b"log")


@pytest.mark.parametrize("reason", [errno.EACCES, errno.EINVAL])
def test_whether_a_file_is_open_is_not_known_without_a_lease(
    real: RealWorld, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    """It belongs to another user, or the file system has no leases."""
    real.write(b"log", b"x")

    def refuse(*_: object) -> int:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    assert not real.disk.is_closed(b"log")
    assert not real.disk.is_open(b"log")


@pytest.mark.parametrize("utf8", [True, False])
def test_names_do_not_depend_on_the_locale(real: RealWorld, utf8: bool) -> None:
    names = [b"\xff\xfe", b"caf\xc3\xa9", b"caf\xe9", b"new\nline", b"\xed\xa0\x80"]
    for name in names:
        real.write(name, name)
    program = """
import sys
from dir_sync.disk import RealDisk
disk = RealDisk(sys.argv[1])
for name, stat in sorted(disk.list(b"")):
    assert disk.stat(name) == stat
    print(name.hex(), disk.open(name).read(0, 99).hex(), stat.kind.name)
disk.make_link(b"\\xfflink", b"\\xff\\xfetarget")
print(disk.read_link(b"\\xfflink").hex())
"""
    environment = {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": str(int(utf8))}
    done = subprocess.run(
        [sys.executable, "-c", program, real.root],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines == [f"{name.hex()} {name.hex()} FILE" for name in sorted(names)] + [b"\xff\xfetarget".hex()]
    assert b"\xfflink" in os.listdir(real.root)
