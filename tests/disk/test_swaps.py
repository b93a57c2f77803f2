"""The real disk: folders that others swap."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dir_sync.disk import Kernel, RealDisk
from dir_sync.ports import DiskError, Trouble
from tests.disk.worlds import (
    T0,
)


@pytest.mark.parametrize("batch", [False, True], ids=["single", "batch"])
@pytest.mark.parametrize("kernel", ["new", "old"])
def test_nothing_outside_is_touched_while_a_parent_is_swapped(tmp_path: Path, batch: bool, kernel: str) -> None:
    root, canary = tmp_path / "root", tmp_path / "canary"
    root.mkdir()
    canary.mkdir()
    for name in ("x", "y", "inner"):
        (canary / name).write_bytes(b"canary")
    os.utime(canary, ns=(T0, T0))
    before = {entry.name: entry.stat() for entry in os.scandir(canary)} | {"": canary.stat()}
    disk = RealDisk(os.fsencode(root), Kernel.found() if kernel == "new" else Kernel(False, False))
    swapper = RealDisk(os.fsencode(root))
    disk.make_directory(b"folder", 0o755)
    disk.make_directory(b"folder/deeper", 0o755)
    disk.make_link(b"link", os.fsencode(canary))
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            swapper.exchange(b"folder", b"link")

    thread = threading.Thread(target=swap)
    thread.start()
    ends = time.monotonic() + 0.5
    results = {True: 0, False: 0}
    troubles: set[Trouble] = set()

    def attempt(act: Callable[..., Any], *arguments: object) -> None:
        try:
            done = act(*arguments)
        except DiskError as error:
            troubles.add(error.trouble)
            results[False] += 1
        else:
            results[True] += 1
            if done is not None:
                assert done.read(0, 6) != b"canary"
                done.close()

    try:
        number = 0
        while time.monotonic() < ends:
            number += 1
            with disk.batch() if batch else contextlib.nullcontext():
                path = b"folder/%d" % number
                attempt(disk.create, path)
                attempt(disk.set_meta, path, 0o600, T0 + number)
                attempt(disk.rename, path, b"folder/x")
                attempt(disk.set_meta, b"folder/y", 0o600, T0 + number)
                attempt(disk.open, b"folder/inner")
                attempt(disk.reopen, b"folder/x")
                attempt(disk.exchange, b"folder/x", b"folder/deeper")
                attempt(disk.exchange, b"folder/x", b"folder/deeper")
                attempt(disk.make_directory, b"folder/deeper/z", 0o755)
                attempt(disk.remove_directory, b"folder/deeper/z")
                attempt(disk.remove_file, b"folder/x")
                attempt(disk.remove_file, b"folder/inner")
                attempt(disk.make_link, b"folder/inner", b"nowhere")
                assert not {b"y"} & {entry for entry, _ in disk.list(b"folder") or []}
                attempt(disk.sync_directory, b"folder") if number % 50 == 0 else None
    finally:
        stop.set()
        thread.join()
    after = {entry.name: entry.stat() for entry in os.scandir(canary)} | {"": canary.stat()}
    same = ("st_mode", "st_ino", "st_nlink", "st_size", "st_mtime_ns", "st_ctime_ns", "st_atime_ns")
    assert after.keys() == before.keys()
    for name, stat in before.items():
        wanted = same if name else same[:-1]  # the folder was read just now, by this test
        assert [getattr(after[name], field) for field in wanted] == [getattr(stat, field) for field in wanted]
    assert results[True]
    assert results[False]
    assert troubles <= {Trouble.ABSENT, Trouble.BOUNDARY, Trouble.EXISTS, Trouble.WRONG_TYPE}
    disk.close()
    swapper.close()
