"""The two fixtures: a disk in each of its ways, and the real one."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disk.worlds import (
    WAYS,
    MemoryWorld,
    RealWorld,
    World,
    open_files,
    refuse,
    without_flags,
)


@pytest.fixture(params=WAYS)
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    before = open_files()
    way = request.param
    if way == "memory":
        yield MemoryWorld()
        return
    world = RealWorld(tmp_path)
    if way == "old kernel":
        world.make_kernel_old()
    elif way in ("no flags", "no links"):
        without_flags(monkeypatch)
        if way == "no links":
            real_link = os.link
            monkeypatch.setattr(
                os, "link", lambda *a, **k: refuse(errno.EPERM)() if "src_dir_fd" in k else real_link(*a, **k)
            )
    with world.real.batch() if way == "batch" else contextlib.nullcontext():
        yield world
    world.close()
    assert open_files() == before, "descriptors left open"


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealWorld]:
    before = open_files()
    world = RealWorld(tmp_path)
    yield world
    world.close()
    assert open_files() == before, "descriptors left open"
