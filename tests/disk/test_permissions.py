"""The real disk: modes, and folders of ours that forbid their owner something."""

from __future__ import annotations

import contextlib
import os
import stat as st
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest

from dir_sync.core.attributes import Attributes
from dir_sync.core.model import Stat
from dir_sync.core.preserve import Part
from dir_sync.disk.linux import Kernel
from dir_sync.ports import Disk, DiskError, NewFile, Trouble
from tests.disk.worlds import (
    AS_ROOT,
    T0,
    RealWorld,
    as_nobody,
    fill,
    trouble,
)


def test_no_permission(real: RealWorld) -> None:
    fill(real)
    os.chmod(real.root, 0o755)
    owner = os.stat(real.root).st_uid
    real.chmod(b"file", 0)
    real.chmod(b"folder", 0)
    disk = real.disk
    with as_nobody():
        assert trouble(disk.open, b"file") == Trouble.DENIED
        if os.geteuid() == owner:
            return  # folders of ours are another matter
        assert trouble(disk.stat, b"folder/inner") == Trouble.DENIED
        assert trouble(disk.stat, b"folder/absent") == Trouble.DENIED
        assert trouble(disk.list, b"folder") == Trouble.DENIED
        assert trouble(disk.create, b"folder/x") == Trouble.DENIED
        assert trouble(disk.sync_directory, b"folder") == Trouble.DENIED
    real.chmod(b"folder", 0o744)  # may be read, but not entered: names without anything about them
    with as_nobody():
        assert trouble(disk.list, b"folder") == Trouble.DENIED
    real.chmod(b"folder", 0o555)
    with as_nobody():
        assert trouble(disk.create, b"folder/x") == Trouble.DENIED
        assert trouble(disk.remove_file, b"folder/inner") == Trouble.DENIED
        assert trouble(disk.rename, b"folder/inner", b"folder/x") == Trouble.DENIED
        assert real.read(b"folder/inner") == b"inner content"
    real.chmod(b"folder", 0o755)


@pytest.fixture(params=["new kernel", "old kernel"])
def ours(real: RealWorld, request: pytest.FixtureRequest) -> Iterator[RealWorld]:
    """All in it is of an ordinary user, who is at work."""
    if os.geteuid() == 0:
        os.chown(real.root, 65534, 65534)
    if request.param == "old kernel":
        real.make_kernel_old()
    os.chmod(real.root, 0o755)
    here = os.open(".", os.O_PATH)
    os.chdir(real.root)  # nobody may come here from above
    root, real.root = real.root, b"."
    with as_nobody():
        fill(real)
        real.mkdir(b".dir_sync")
        real.mkdir(b"beside/inner")
        real.write(b"beside/file", b"beside")
        yield real
        notes = [name for name in os.listdir(b".dir_sync") if name.startswith(b"opened-")]
        subprocess.run(["chmod", "-R", "u+rwx", "."], check=True)
    real.root = root
    os.fchdir(here)
    os.close(here)
    assert not notes


def mode_of(path: bytes) -> int:
    return st.S_IMODE(os.stat(path).st_mode)


def sure(found: object) -> None:
    assert found


CHANGES: dict[str, Callable[[Disk], object]] = {
    "create": lambda disk: disk.create(b"folder/x").close(),
    "create_whole": lambda disk: disk.create_whole(b"folder/x", b"x", 0o644, T0, True),
    "create_many": lambda disk: sure(isinstance(disk.create_many(b"folder", [NewFile(b"x", b"x", 0o644, T0)])[0], Stat)),
    "make_directory": lambda disk: disk.make_directory(b"folder/x", 0o555),
    "make_link": lambda disk: disk.make_link(b"folder/x", b"target"),
    "remove_file": lambda disk: disk.remove_file(b"folder/inner"),
    "rename": lambda disk: disk.rename(b"folder/inner", b"folder/x"),
    "rename out": lambda disk: disk.rename(b"folder/inner", b"x"),
    "rename in": lambda disk: disk.rename(b"file", b"folder/x"),
    "rename_many": lambda disk: sure(isinstance(disk.rename_many([(b"file", b"folder/x")])[0], Stat)),
    "exchange": lambda disk: disk.exchange(b"file", b"folder/inner"),
    "exchange a folder": lambda disk: disk.exchange(b"folder", b"beside/file"),
    "exchange with a folder": lambda disk: disk.exchange(b"beside/file", b"folder"),
    "another parent": lambda disk: disk.rename(b"folder", b"beside/x"),
    "set_meta": lambda disk: disk.set_meta(b"folder/inner", 0o600, T0),
    "list": lambda disk: sure(disk.list(b"folder")),
    "stat": lambda disk: sure(disk.stat(b"folder/inner")),
    "read_many": lambda disk: sure(disk.read_many(b"folder", [b"inner"], 99)),
    "open": lambda disk: disk.open(b"folder/inner").close(),
    "sync": lambda disk: disk.sync_directory(b"folder"),
}  # fmt: skip


@pytest.mark.parametrize("mode", [0o555, 0o2070, 0o311])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("way", ["alone", "batch"])
def test_a_folder_of_ours_is_opened_for_the_moment(ours: RealWorld, change: str, mode: int, way: str) -> None:
    os.chmod(b"folder", mode)
    mode = mode_of(b"folder")  # nobody's group may not be this one's
    inode = os.stat(b"folder").st_ino
    with ours.disk.batch() if way == "batch" else contextlib.nullcontext():
        CHANGES[change](ours.disk)
    (there,) = [
        found
        for path in (b"folder", b"beside/x", b"beside/file")
        if os.path.exists(path) and (found := os.stat(path)).st_ino == inode
    ]
    assert st.S_IMODE(there.st_mode) == mode


def test_an_empty_folder_in_a_read_only_one_is_removed(ours: RealWorld) -> None:
    os.chmod(b"beside/inner", 0o555)
    os.chmod(b"beside", 0o555)
    ours.disk.remove_directory(b"beside/inner")
    assert os.listdir(b"beside") == [b"file"]
    assert mode_of(b"beside") == 0o555


def test_folders_in_each_other_are_opened_from_above(ours: RealWorld) -> None:
    ours.mkdir(b"a/b/c")
    for path in (b"a/b/c", b"a/b", b"a"):
        os.chmod(path, 0)
    with ours.disk.batch():
        ours.disk.create_whole(b"a/b/c/x", b"x", 0o644, T0, False)
    assert ours.disk.list(b"a/b/c") == [(b"x", ours.seen(b"a/b/c/x"))]
    for path in (b"a", b"a/b", b"a/b/c"):
        assert ours.seen(path).mode == mode_of(path) == 0
        os.chmod(path, 0o700)


def test_a_batch_opens_a_folder_once_and_nobody_is_told(ours: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chmod(b"folder", 0o555)
    modes: list[int] = []
    change = type(ours.kernel).change_mode

    def changed(kernel: Kernel, fd: int, mode: int) -> None:
        modes.append(mode)
        change(kernel, fd, mode)

    monkeypatch.setattr(type(ours.kernel), "change_mode", changed)
    with ours.disk.batch():
        for number in range(9):
            ours.disk.create(b"folder/%d" % number).close()
            assert mode_of(b"folder") == 0o755
            assert ours.seen(b"folder").mode == 0o555
            assert dict(ours.disk.list(b"") or [])[b"folder"].mode == 0o555
            ours.disk.set_meta(b"folder", None, T0)
        assert len(os.listdir(b".dir_sync")) == 1
    assert modes == [0o755, 0o555]


def test_a_mode_that_comes_while_it_is_open_is_what_it_gets(ours: RealWorld) -> None:
    os.chmod(b"folder", 0o555)
    with ours.disk.batch():
        ours.disk.create(b"folder/x").close()
        ours.disk.set_meta(b"folder", 0o511, None)
        assert ours.seen(b"folder").mode == 0o511
        ours.disk.create(b"folder/y").close()
    assert ours.seen(b"folder").mode == mode_of(b"folder") == 0o511
    with ours.disk.batch():
        ours.disk.create(b"folder/z").close()
        ours.disk.set_meta(b"folder", 0o711, None)
    assert ours.seen(b"folder").mode == mode_of(b"folder") == 0o711


def test_an_acl_that_comes_while_it_is_open_leaves_its_mode(ours: RealWorld) -> None:
    ours.write(b"probe", b"")
    if refused := ours.real.kept.begin({Part.ACLS}, b"probe"):
        pytest.skip(f"not here: {refused}")
    os.chmod(b"folder", 0o500)
    acl = ((1, 7, "", 0), (2, 4, "", 2600), (4, 4, "", 0), (16, 4, "", 0), (32, 0, "", 0))
    with ours.disk.batch():
        ours.disk.create(b"folder/x").close()
        assert mode_of(b"folder") == 0o700
        ours.disk.set_attributes(b"folder", Attributes(None, (acl, acl), None))
        assert (mode_of(b"folder"), ours.seen(b"folder").mode) == (0o700, 0o500)
    assert mode_of(b"folder") == 0o500
    assert "system.posix_acl_access" in os.listxattr(b"folder")


def test_a_mode_that_a_user_gives_it_meanwhile_stays(ours: RealWorld) -> None:
    os.chmod(b"folder", 0o555)
    with ours.disk.batch():
        ours.disk.create(b"folder/x").close()
        os.chmod(b"folder", 0o770)
        assert ours.seen(b"folder").mode == 0o770
    assert mode_of(b"folder") == 0o770
    os.chmod(b"folder", 0o555)
    with ours.disk.batch():
        ours.disk.create(b"folder/y").close()
        os.chmod(b"folder", 0o500)
        ours.disk.create(b"folder/z").close()
        assert ours.seen(b"folder").mode == 0o500
    assert mode_of(b"folder") == 0o500


def test_a_folder_that_is_moved_while_it_is_open_is_shut_where_it_is(ours: RealWorld) -> None:
    os.chmod(b"folder", 0o555)
    with ours.disk.batch():
        ours.disk.create(b"folder/x").close()
        os.rename(b"folder", b"beside/other")
        os.mkdir(b"folder", 0o755)
    assert mode_of(b"beside/other") == 0o555
    assert mode_of(b"folder") == 0o755


def test_whoever_looks_meanwhile_sees_the_mode_it_will_have(ours: RealWorld) -> None:
    """Several work in it at once, several look: the last one shuts it, and no look sees it open."""
    os.chmod(b"folder", 0o555)
    wrong: list[object] = []
    over = threading.Event()

    def work(number: int) -> None:
        try:
            for turn in range(150):
                with ours.disk.batch() if turn % 3 else contextlib.nullcontext():
                    ours.disk.create(b"folder/%d" % number).close()
                    ours.disk.remove_file(b"folder/%d" % number)
        except Exception as error:
            wrong.append(error)

    def look() -> None:
        while not over.is_set():
            modes = ours.seen(b"folder").mode, dict(ours.disk.list(b"") or [])[b"folder"].mode
            if modes != (0o555, 0o555):
                wrong.append(modes)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    lookers = [threading.Thread(target=look) for _ in range(2)]
    for thread in workers + lookers:
        thread.start()
    for thread in workers:
        thread.join()
    over.set()
    for thread in lookers:
        thread.join()
    assert not wrong
    assert mode_of(b"folder") == 0o555


def test_the_next_start_shuts_what_was_left_open(ours: RealWorld) -> None:
    for path in (b"a/b", b"changed", b"moved"):
        ours.mkdir(path)
        os.chmod(path, 0o555)
    os.chmod(b"a", 0o444)
    child = os.fork()
    if not child:
        ours.disk.batch().__enter__()
        for path in (b"a/b/x", b"changed/x", b"moved/x"):
            ours.disk.create(path).close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert [mode_of(path) for path in (b"a", b"a/b", b"changed", b"moved")] == [0o744, 0o755, 0o755, 0o755]
    os.chmod(b"changed", 0o750)
    os.rename(b"moved", b"elsewhere")
    os.mkdir(b"moved", 0o755)
    ours.real.shut_all()
    assert mode_of(b"a") == 0o444
    os.chmod(b"a", 0o755)
    assert mode_of(b"a/b") == 0o555
    assert [mode_of(path) for path in (b"changed", b"moved", b"elsewhere")] == [0o750, 0o755, 0o755]


@AS_ROOT
def test_a_folder_of_another_or_with_a_bit_we_could_not_give_back_is_left_alone(ours: RealWorld) -> None:
    os.seteuid(0)
    os.chmod(b"folder", 0o555)
    os.chown(b"folder", 12, 34)
    os.chown(b"beside", -1, 34)
    os.chmod(b"beside", 0o2555)
    os.seteuid(65534)
    try:
        for folder in (b"folder", b"beside"):
            mode = mode_of(folder)
            assert trouble(ours.disk.create, folder + b"/x") == Trouble.DENIED
            assert trouble(ours.disk.make_directory, folder + b"/x", 0o755) == Trouble.DENIED
            assert mode_of(folder) == mode
    finally:
        os.seteuid(0)
        os.chown(b"folder", 65534, 65534)
        os.seteuid(65534)


def test_the_shared_folder_itself_is_left_as_it_is(ours: RealWorld) -> None:
    os.chmod(b".", 0o555)
    assert trouble(ours.disk.create, b"x") == Trouble.DENIED
    os.chmod(b".", 0o755)


def test_no_room_for_a_note(ours: RealWorld) -> None:
    os.rmdir(b".dir_sync")
    os.chmod(b"folder", 0o555)
    ours.disk.remove_file(b"folder/inner")
    assert mode_of(b"folder") == 0o555
    os.mkdir(b".dir_sync")


@pytest.mark.parametrize("kernel", ["new", "old"])
def test_a_link_that_takes_the_name_keeps_its_target_from_a_chmod(
    real: RealWorld, monkeypatch: pytest.MonkeyPatch, kernel: str
) -> None:
    """The look before the chmod says file, and then a link is there."""
    real.kernel.has_fchmodat2 &= kernel == "new"
    real.write(b"file", b"x")
    real.symlink(b"link", b"file")
    file = os.stat(real.at(b"file"))
    look = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **rest: file if path == b"link" else look(path, **rest))
    with contextlib.suppress(DiskError):
        real.disk.set_meta(b"link", 0o123, None)
    monkeypatch.undo()
    assert real.seen(b"file").mode == st.S_IMODE(file.st_mode)
