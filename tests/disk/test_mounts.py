"""The real disk: mounts inside and below the folder, file systems that are full, layered or read-only (root only)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dir_sync.core.model import Kind
from dir_sync.disk import RealDisk
from dir_sync.ports import Trouble
from tests.disk.worlds import (
    AS_ROOT,
    T0,
    RealWorld,
    fill,
    mounted,
    trouble,
)


@AS_ROOT
@pytest.mark.parametrize("kernel", ["new", "old"])
def test_a_mount_in_the_folder_is_a_boundary(real: RealWorld, tmp_path: Path, kernel: str) -> None:
    disk = real.disk
    real.kernel.has_openat2 &= kernel == "new"
    (tmp_path / "nested" / "deep").mkdir(parents=True)
    (tmp_path / "file").touch()
    with mounted("-t", "tmpfs", "-o", "size=1m", "none", tmp_path / "nested"):
        (tmp_path / "nested" / "inner").mkdir()
        (tmp_path / "nested" / "x").touch()
        assert real.seen(b"nested").kind == Kind.OTHER
        assert dict(disk.list(b"") or [])[b"nested"].kind == Kind.OTHER
        for path in (b"nested/x", b"nested/absent", b"nested/inner/x"):
            assert trouble(disk.stat, path) == Trouble.BOUNDARY
            assert trouble(disk.create, path) == Trouble.BOUNDARY
            assert trouble(disk.open, path) == Trouble.BOUNDARY
            assert trouble(disk.remove_file, path) == Trouble.BOUNDARY
            assert trouble(disk.rename, b"file", path) == Trouble.BOUNDARY
            assert trouble(disk.rename, path, b"y") == Trouble.BOUNDARY
        for path in (b"nested", b"nested/inner"):
            assert trouble(disk.list, path) == Trouble.BOUNDARY
            assert trouble(disk.sync_directory, path) == Trouble.BOUNDARY
        assert trouble(disk.rename, b"nested", b"y") == Trouble.BOUNDARY
        assert trouble(disk.exchange, b"file", b"nested") == Trouble.BOUNDARY
        assert trouble(disk.remove_directory, b"nested") == Trouble.BOUNDARY
        assert trouble(disk.set_meta, b"nested", 0o700, None) == Trouble.WRONG_TYPE
        assert sorted(os.listdir(tmp_path / "nested")) == ["inner", "x"]
    assert real.seen(b"nested").kind == Kind.DIRECTORY
    assert real.seen(b"nested/deep").kind == Kind.DIRECTORY


@AS_ROOT
def test_a_bind_mount_is_a_boundary(real: RealWorld, tmp_path: Path) -> None:
    if not real.kernel.has_openat2:
        pytest.skip("this kernel cannot tell")
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x").touch()
    (tmp_path / "y").touch()
    with mounted("--bind", tmp_path / "there", tmp_path / "here"):
        assert trouble(real.disk.list, b"here") == Trouble.BOUNDARY
        assert trouble(real.disk.stat, b"here/x") == Trouble.BOUNDARY
        assert trouble(real.disk.create, b"here/z") == Trouble.BOUNDARY
        assert trouble(real.disk.rename, b"y", b"here/y") == Trouble.BOUNDARY


@AS_ROOT
def test_a_mount_over_a_file_is_a_boundary(real: RealWorld, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with mounted("--bind", "/proc/version", tmp_path / "file"):
        assert real.seen(b"file").kind == Kind.OTHER
        assert dict(real.disk.list(b"") or [])[b"file"].kind == Kind.OTHER
        assert trouble(real.disk.open, b"file") == Trouble.WRONG_TYPE
        assert trouble(real.disk.remove_file, b"file") == Trouble.BOUNDARY
    assert real.seen(b"file").kind == Kind.FILE


@AS_ROOT
def test_an_unmounted_root_is_gone(tmp_path: Path) -> None:
    with mounted("-t", "tmpfs", "-o", "size=1m", "none", tmp_path):
        disk = RealDisk(os.fsencode(tmp_path))
        assert disk.is_root_here()
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)
        assert not disk.is_root_here()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)], check=True)
        assert not disk.is_root_here()
        disk.close()


@AS_ROOT
def test_a_layered_file_system_is_one(tmp_path: Path) -> None:
    """overlayfs gives files the device of their layer: they are no boundary for that."""
    lower, over = tmp_path / "lower", tmp_path / "over"
    lower.mkdir()
    over.mkdir()
    (tmp_path / "layer").mkdir()
    (lower / "folder").mkdir()
    (lower / "folder" / "below").write_bytes(b"below")
    with mounted("-t", "tmpfs", "-o", "size=1m", "none", tmp_path / "layer"):
        upper, work = tmp_path / "layer" / "upper", tmp_path / "layer" / "work"
        upper.mkdir()
        work.mkdir()
        with mounted("-t", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", "none", over):
            world = RealWorld(over)
            assert world.seen(b"folder").kind == Kind.DIRECTORY
            assert world.read(b"folder/below") == b"below"
            world.disk.create(b"folder/above").close()
            assert {stat.kind for _, stat in world.disk.list(b"folder") or []} == {Kind.FILE}
            world.disk.rename(b"folder/below", b"folder/moved")
            assert world.read(b"folder/moved") == b"below"
            world.close()


@AS_ROOT
def test_a_full_disk(tmp_path: Path) -> None:
    with mounted("-t", "tmpfs", "-o", "size=64k", "none", tmp_path):
        world = RealWorld(tmp_path)
        disk = world.disk
        writer = disk.create(b"file")
        assert trouble(writer.write, 0, b"x" * 100_000) == Trouble.FULL
        assert disk.free_bytes() == 0
        writer.close()
        other = disk.create(b"other")
        assert trouble(other.write, 0, b"x") == Trouble.FULL
        reader = disk.open(b"file")
        assert trouble(other.copy_from, reader, 0, 0, 4096) == Trouble.FULL
        reader.close()
        other.close()
        disk.remove_file(b"file")
        assert disk.free_bytes() > 0
        world.close()


@AS_ROOT
def test_a_disk_without_inodes(tmp_path: Path) -> None:
    with mounted("-t", "tmpfs", "-o", "nr_inodes=4", "none", tmp_path):
        disk = RealDisk(os.fsencode(tmp_path))
        for number in range(3):
            disk.create(b"%d" % number).close()
        assert trouble(disk.create, b"x") == Trouble.FULL
        assert trouble(disk.make_directory, b"x", 0o755) == Trouble.FULL
        assert trouble(disk.make_link, b"x", b"y") == Trouble.FULL
        disk.rename(b"0", b"3")
        disk.close()


@AS_ROOT
def test_a_read_only_disk(tmp_path: Path) -> None:
    with mounted("-t", "tmpfs", "-o", "size=1m", "none", tmp_path):
        world = RealWorld(tmp_path)
        disk = world.disk
        fill(world)
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        assert trouble(disk.create, b"x") == Trouble.READ_ONLY
        assert trouble(disk.reopen, b"file") == Trouble.READ_ONLY
        assert trouble(disk.make_directory, b"x", 0o755) == Trouble.READ_ONLY
        assert trouble(disk.make_link, b"x", b"y") == Trouble.READ_ONLY
        assert trouble(disk.remove_file, b"file") == Trouble.READ_ONLY
        assert trouble(disk.remove_directory, b"folder") == Trouble.READ_ONLY
        assert trouble(disk.rename, b"file", b"x") == Trouble.READ_ONLY
        assert trouble(disk.exchange, b"file", b"link") == Trouble.READ_ONLY
        assert trouble(disk.set_meta, b"file", 0o600, None) == Trouble.READ_ONLY
        assert trouble(disk.set_meta, b"file", None, T0) == Trouble.READ_ONLY
        disk.keep_attributes(b"file", b"fifo")
        assert world.read(b"file") == b"content"
        world.close()
