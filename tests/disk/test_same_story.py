"""Both disks, the same story: whatever is done to them in whatever order, they answer alike."""

from __future__ import annotations

import contextlib
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from dir_sync.core.model import Kind
from dir_sync.ports import DiskError
from tests.disk.worlds import T0, MemoryWorld, RealWorld, World, picture, without_flags

_NAMES = [b"a", b"b", b"a/a", b"a/b", b"b/a", b"a/a/a"]


_STEPS = some.lists(
    some.tuples(
        some.sampled_from(
            [
                *("create", "make_directory", "make_link", "remove_file", "remove_directory", "rename", "exchange"),
                *("rename", "exchange", "make_directory", "create", "set_meta", "write", "truncate", "mkfifo"),
            ]
        ),
        some.sampled_from(_NAMES),
        some.sampled_from(_NAMES),
        some.integers(0, 3),
    ),
    max_size=25,
)


def _step(world: World, verb: str, path: bytes, other: bytes, number: int) -> object:
    disk = world.disk
    try:
        match verb:
            case "create":
                disk.create(path).close()
            case "make_directory":
                disk.make_directory(path, 0o700 + number)
            case "make_link":
                disk.make_link(path, other)
            case "rename" | "exchange":
                getattr(disk, verb)(path, other)
            case "set_meta":
                disk.set_meta(path, 0o700 + number, T0 + number)
            case "write" | "truncate":
                writer = disk.reopen(path)
                if verb == "write":
                    writer.write(number, b"written")
                else:
                    writer.truncate(number)
                writer.set_meta(0o600, T0 + number)
                writer.close()
            case "mkfifo":
                if disk.stat(path) is None and disk.stat(path.rpartition(b"/")[0] or b"") is not None:
                    parent = world.seen(path.rpartition(b"/")[0])
                    if parent.kind == Kind.DIRECTORY:
                        world.mkfifo(path)
            case _:
                getattr(disk, verb)(path)
    except DiskError as error:
        return error.trouble
    return None


@pytest.mark.parametrize("way", ["real", "batch", "old kernel", "no flags"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=settings().max_examples // 2)
@given(steps=_STEPS)
def test_both_disks_tell_the_same_story(
    tmp_path_factory: pytest.TempPathFactory, way: str, steps: list[tuple[str, bytes, bytes, int]]
) -> None:
    root = tmp_path_factory.mktemp("story")
    one, other = RealWorld(root), MemoryWorld()
    with pytest.MonkeyPatch.context() as monkeypatch:
        if way == "old kernel":
            one.make_kernel_old()
        elif way == "no flags":
            without_flags(monkeypatch)
        with one.real.batch() if way == "batch" else contextlib.nullcontext():
            for verb, path, target, number in steps:
                assert _step(one, verb, path, target, number) == _step(other, verb, path, target, number), verb
            assert picture(one) == picture(other)
    one.close()
    shutil.rmtree(root)
