"""Renames and exchanges of the real disk where a file system has no flags for them, and between threads."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from dir_sync.disk import RealDisk, steps
from dir_sync.ports import DiskError, Trouble
from tests.disk.worlds import RealWorld, fill, picture, refuse, trouble, without_flags


def test_of_two_threads_that_give_one_name_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system that has neither flags nor hard links, and may take two names for one (exFAT by FUSE)."""
    world = RealWorld(tmp_path)
    without_flags(monkeypatch)
    monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    both = threading.Barrier(2, timeout=0.5)
    look = steps.is_taken

    def slow_look(parent: int, leaf: bytes) -> bool:
        taken = look(parent, leaf)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait()
        return taken

    monkeypatch.setattr(steps, "is_taken", slow_look)
    ended: list[Trouble | None] = []

    def give(source: bytes) -> None:
        try:
            world.real.rename(source, b"name")
            ended.append(None)
        except DiskError as error:
            ended.append(error.trouble)

    for source in (b"one", b"two"):
        world.write(source, source)
    threads = [threading.Thread(target=give, args=(source,)) for source in (b"one", b"two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert set(ended) == {None, Trouble.EXISTS}
    assert len(os.listdir(tmp_path)) == 2
    world.close()


def test_supports_exchange(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    assert real.real.supports_exchange
    assert real.disk.list(b"") == []
    real.mkdir(b".dir_sync")
    assert real.real.supports_exchange
    assert real.disk.list(b".dir_sync") == []
    other = RealDisk(real.root)
    without_flags(monkeypatch)
    assert not other.supports_exchange
    assert other.list(b".dir_sync") == []
    other.close()


def test_steps_keep_a_file_saved_meanwhile(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without flags: a program that saves while a name is linked away keeps what it saved."""
    without_flags(monkeypatch)
    real.write(b"file", b"old")
    link = os.link

    def link_and_save(*arguments: Any, **keywords: Any) -> None:
        link(*arguments, **keywords)
        real.write(b"other", b"saved")
        os.replace(real.at(b"other"), real.at(b"file"))

    monkeypatch.setattr(os, "link", link_and_save)
    real.disk.rename(b"file", b"moved")
    assert real.read(b"moved") == b"old"
    assert real.read(b"file") == b"saved"


def test_steps_that_fail_leave_all_as_it_was(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    without_flags(monkeypatch)
    fill(real)
    before = picture(real)
    rename = os.rename
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse(errno.EIO))
        patch.setattr(os, "unlink", lambda *a, **k: refuse(errno.EIO)() if a == (b"file",) else os.remove(*a, **k))
        for act in (real.disk.rename, real.disk.exchange):
            assert trouble(act, b"folder", b"fifo" if act == real.disk.exchange else b"x") == Trouble.IO
        assert trouble(real.disk.exchange, b"file", b"folder/inner") == Trouble.IO
        assert trouble(real.disk.rename, b"file", b"x") == Trouble.IO

    def rename_once(*arguments: Any, **keywords: Any) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            refuse(errno.EIO)()
        rename(*arguments, **keywords)

    for mine, theirs in ((b"folder", b"file"), (b"file", b"folder"), (b"link", b"folder")):
        calls: list[Any] = []
        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", rename_once)
            assert trouble(real.disk.exchange, mine, theirs) == Trouble.IO
    assert picture(real) == before
