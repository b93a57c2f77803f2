"""Handles that a batch keeps: never stale, of one thread, given back at its end."""

from __future__ import annotations

import os
import shutil
import threading

import pytest

from dir_sync.ports import Trouble
from tests.disk.worlds import (
    RealWorld,
    open_files,
    trouble,
)


def test_a_kept_parent_never_hides_what_is_there_now(real: RealWorld) -> None:
    disk = real.disk
    real.mkdir(b"folder")
    real.write(b"folder/old", b"old")
    with disk.batch():
        assert disk.stat(b"folder/old") is not None
        os.rename(real.at(b"folder"), real.at(b"moved"))
        assert disk.stat(b"folder/absent") is None
        os.mkdir(real.at(b"folder"))
        real.write(b"folder/new", b"new")
        assert disk.stat(b"folder/new") is not None
        assert disk.stat(b"folder/old") is None
        shutil.rmtree(real.at(b"folder"))
        assert disk.stat(b"folder/new") is None
        assert trouble(disk.create, b"folder/x") == Trouble.ABSENT
        os.mkdir(real.at(b"folder"))
        disk.create(b"folder/x").close()
        assert os.listdir(real.at(b"folder")) == [b"x"]
        shutil.rmtree(real.at(b"folder"))
        os.symlink(b"moved", real.at(b"folder"))
        assert disk.stat(b"folder/x") is None
        assert trouble(disk.create, b"folder/x") == Trouble.BOUNDARY
        assert trouble(disk.rename, b"moved/old", b"folder/old") == Trouble.BOUNDARY
        os.unlink(real.at(b"folder"))
        os.mkdir(real.at(b"folder"))
        disk.rename(b"moved/old", b"folder/old")
        assert os.listdir(real.at(b"folder")) == [b"old"]


def test_a_batch_is_of_one_thread_and_lets_go(real: RealWorld) -> None:
    for number in range(100):
        real.mkdir(b"%d" % number)
    before = open_files()
    counted: list[int] = []

    def elsewhere() -> None:
        real.disk.create(b"1/elsewhere").close()
        counted.append(open_files())

    def one_batch() -> None:
        with real.disk.batch():
            for number in range(100):
                real.disk.create(b"%d/x" % number).close()
            kept = open_files() - before
            assert 1 <= kept <= 64
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
            assert counted == [before + kept]
            raise KeyError

    with pytest.raises(KeyError):
        one_batch()
    assert open_files() == before
