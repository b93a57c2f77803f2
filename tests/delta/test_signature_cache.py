"""The cache of signatures: what is put comes back, and whatever somebody else does to its folder does no harm."""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core import limits
from dir_sync.delta import signature_cache
from dir_sync.delta.signature_cache import SignatureCache

OTHER_USER = 54321
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")

Open = Callable[..., SignatureCache]


def digest_of(number: int) -> bytes:
    return blake3(b"%d" % number).digest()


def name_of(number: int) -> str:
    return digest_of(number).hex()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "signatures"


@pytest.fixture
def fallback(tmp_path: Path) -> Path:
    return tmp_path / "state" / "dir_sync" / "signatures"


@pytest.fixture
def opened(folder: Path, fallback: Path) -> Iterator[Open]:
    """Makes caches on `folder` that are closed at the end."""
    caches: list[SignatureCache] = []

    def open_cache(where: Path | str = folder, **options: int) -> SignatureCache:
        caches.append(SignatureCache(where, fallback=fallback, **options))
        return caches[-1]

    yield open_cache
    for cache in caches:
        cache.close()


# --- What it is for -----------------------------------------------------------------------------------------


def test_what_is_put_comes_back_also_after_a_restart(opened: Open, folder: Path) -> None:
    cache = opened()
    assert (cache.warning, cache.folder) == (None, str(folder))
    assert cache.get(digest_of(1)) is None
    assert cache.get(digest_of(1)) is None
    cache.put(digest_of(1), b"one")
    cache.put(digest_of(2), b"")
    cache.put(digest_of(1), b"another one")
    for again in (cache, opened()):
        assert again.get(digest_of(1)) is not None
        assert again.get(digest_of(1)) == b"another one"
        assert again.get(digest_of(2)) == b""
        assert again.get(digest_of(3)) is None
    assert sorted(os.listdir(folder)) == sorted([name_of(1), name_of(2)])


def test_the_largest_signature_is_kept_and_a_larger_one_is_not(opened: Open) -> None:
    cache = opened()
    largest = bytes(limits.SIGNATURE_BYTES_MAX)
    cache.put(digest_of(1), largest)
    cache.put(digest_of(2), largest + b"\0")
    assert cache.get(digest_of(1)) == largest
    assert cache.get(digest_of(2)) is None


def test_only_the_user_can_read_it(opened: Open, folder: Path) -> None:
    before = os.umask(0)
    try:
        opened().put(digest_of(1), b"one")
    finally:
        os.umask(before)
    assert mode_of(folder) == 0o700
    assert mode_of(folder / name_of(1)) == 0o600


def test_a_closed_cache_is_empty(opened: Open) -> None:
    cache = opened()
    cache.put(digest_of(1), b"one")
    cache.close()
    cache.close()
    cache.put(digest_of(2), b"two")
    assert cache.get(digest_of(1)) is None
    assert cache.get(digest_of(1)) is None


# --- The folder ---------------------------------------------------------------------------------------------


def assert_fell_back(cache: SignatureCache, fallback: Path, reason: str) -> None:
    assert cache.folder == str(fallback)
    assert cache.warning is not None
    assert reason in cache.warning
    assert "\n" not in cache.warning
    cache.put(digest_of(1), b"one")
    assert cache.get(digest_of(1)) == b"one"
    assert os.listdir(fallback) == [name_of(1)]


@pytest.mark.parametrize("ending", ["", "/", "/.", "//"])
def test_a_planted_link_is_not_followed(opened: Open, folder: Path, fallback: Path, ending: str) -> None:
    home = folder.parent / "home"
    home.mkdir()
    folder.symlink_to(home)
    assert_fell_back(opened(f"{folder}{ending}"), fallback, "cannot be used")
    assert os.listdir(home) == []


def test_a_dangling_link_is_not_followed(opened: Open, folder: Path, fallback: Path) -> None:
    folder.symlink_to(folder.parent / "home")
    assert_fell_back(opened(), fallback, "cannot be used")
    assert not (folder.parent / "home").exists()


@needs_root
def test_a_folder_of_another_user_is_not_used(opened: Open, folder: Path, fallback: Path) -> None:
    folder.mkdir(mode=0o777)
    os.chown(folder, OTHER_USER, OTHER_USER)
    assert_fell_back(opened(), fallback, "another user")
    assert os.listdir(folder) == []


def test_a_folder_of_somebody_else_is_not_used(
    opened: Open, folder: Path, fallback: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    folder_inode, fstat = folder.stat().st_ino, os.fstat

    def as_if_foreign(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        if status.st_ino != folder_inode:
            return status
        return os.stat_result((*status[:4], OTHER_USER, *status[5:10]))

    monkeypatch.setattr(os, "fstat", as_if_foreign)
    assert_fell_back(opened(), fallback, "another user")


def test_a_folder_open_to_others_is_closed(opened: Open, folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    cache = opened()
    assert (cache.warning, cache.folder) == (None, str(folder))
    assert mode_of(folder) == 0o700


def test_a_folder_for_other_things_is_left_as_it_is(opened: Open, folder: Path, fallback: Path) -> None:
    """It may be /tmp itself: nobody else could use it after a chmod."""
    folder.mkdir()
    folder.chmod(0o1777)
    (folder / "of somebody").touch()
    assert_fell_back(opened(), fallback, "holds other things")
    assert mode_of(folder) == 0o1777


def test_a_file_in_its_place(opened: Open, folder: Path, fallback: Path) -> None:
    folder.write_bytes(b"a file")
    assert_fell_back(opened(), fallback, "cannot be used")
    assert folder.read_bytes() == b"a file"


@not_as_root
def test_a_folder_that_cannot_be_written(opened: Open, folder: Path, fallback: Path) -> None:
    folder.mkdir(mode=0o500)
    assert_fell_back(opened(), fallback, "cannot be used")


def test_a_folder_on_a_disk_that_cannot_be_written(
    opened: Open, folder: Path, fallback: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file = os.open
    refused: list[object] = []

    def read_only(path: str, flags: int, *rest: int, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT and not refused:
            refused.append(path)
            raise OSError(errno.EROFS, "Read-only file system")
        return open_file(path, flags, *rest, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", read_only)
    assert_fell_back(opened(), fallback, "Read-only file system")


def test_without_any_folder_nothing_is_kept(folder: Path) -> None:
    folder.write_bytes(b"")
    cache = SignatureCache(folder, fallback=folder / "below a file")
    assert cache.folder is None
    assert cache.warning is not None
    assert "not kept" in cache.warning
    cache.put(digest_of(1), b"one")
    assert cache.get(digest_of(1)) is None
    assert cache.get(digest_of(1)) is None
    cache.close()


def test_a_name_that_cannot_be_one(fallback: Path) -> None:
    cache = SignatureCache("a\0b", fallback=fallback)
    assert cache.folder == str(fallback)
    cache.close()


@pytest.mark.parametrize(("state", "expected"), [("", ".local/state"), ("relative", ".local/state"), ("{home}/s", "s")])
def test_the_fallback_is_the_users_state_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, expected: str
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", state.format(home=home))
    folder.write_bytes(b"")
    cache = SignatureCache(folder)
    assert cache.folder == str(home / expected / "dir_sync" / "signatures")
    assert mode_of(Path(cache.folder)) == 0o700
    cache.close()


def test_a_user_without_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    folder.write_bytes(b"")
    cache = SignatureCache(folder)
    assert cache.folder is None
    cache.close()


def test_a_folder_that_a_cleaner_removed_is_made_anew(opened: Open, folder: Path) -> None:
    cache = opened()
    cache.put(digest_of(1), b"one")
    for entry in folder.iterdir():
        entry.unlink()
    folder.rmdir()
    assert cache.get(digest_of(1)) is None
    cache.put(digest_of(2), b"two")
    cache.put(digest_of(3), b"three")
    assert cache.get(digest_of(3)) == b"three"
    assert mode_of(folder) == 0o700


def test_a_folder_that_was_replaced_by_a_link_is_not_used(opened: Open, folder: Path) -> None:
    cache = opened()
    home = folder.parent / "home"
    home.mkdir()
    folder.rmdir()
    folder.symlink_to(home)
    for number in range(3):
        cache.put(digest_of(number), b"x")
    assert os.listdir(home) == []
    assert cache.get(digest_of(1)) is None


# --- The entries --------------------------------------------------------------------------------------------


def assert_refused_and_removed(cache: SignatureCache, folder: Path) -> None:
    assert cache.get(digest_of(1)) is None
    assert not os.path.lexists(folder / name_of(1))
    cache.put(digest_of(1), b"anew")
    assert cache.get(digest_of(1)) == b"anew"


@given(what=st.sampled_from(["replace", "insert", "cut"]), where=st.floats(0, 1), new=st.binary(min_size=1, max_size=4))
def test_a_damaged_entry_is_removed(
    tmp_path_factory: pytest.TempPathFactory, what: str, where: float, new: bytes
) -> None:
    folder = tmp_path_factory.mktemp("damaged") / "signatures"
    cache = SignatureCache(folder)
    cache.put(digest_of(1), b"a signature")
    entry = folder / name_of(1)
    good = entry.read_bytes()
    at = int(where * (len(good) - 1))
    rest = {"replace": good[at + len(new) :], "insert": good[at:], "cut": b""}[what]
    bad = good[:at] + (b"" if what == "cut" else new) + rest
    if bad != good:
        entry.write_bytes(bad)
        assert_refused_and_removed(cache, folder)
    cache.close()


def test_an_entry_under_another_name_is_removed(opened: Open, folder: Path) -> None:
    cache = opened()
    cache.put(digest_of(2), b"two")
    os.rename(folder / name_of(2), folder / name_of(1))
    assert_refused_and_removed(cache, folder)


def test_an_entry_of_another_version_is_removed(opened: Open, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = opened()
    with monkeypatch.context() as later:
        later.setattr(signature_cache, "_MAGIC", b"dsynsig\x02")
        cache.put(digest_of(1), b"one")
    assert_refused_and_removed(cache, folder)


def test_a_planted_link_is_removed_and_its_target_is_not(opened: Open, folder: Path) -> None:
    cache = opened()
    cache.put(digest_of(2), b"two")
    outside = folder.parent / "outside"
    os.rename(folder / name_of(2), outside)
    (folder / name_of(1)).symlink_to(outside)
    assert cache.get(digest_of(1)) is None
    assert_refused_and_removed(cache, folder)
    assert outside.exists()
    assert not outside.is_symlink()


def test_a_put_replaces_a_planted_link(opened: Open, folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.write_bytes(b"precious")
    cache = opened()
    (folder / name_of(1)).symlink_to(outside)
    cache.put(digest_of(1), b"one")
    assert cache.get(digest_of(1)) == b"one"
    assert outside.read_bytes() == b"precious"


def test_a_fifo_does_not_block(opened: Open, folder: Path) -> None:
    cache = opened()
    os.mkfifo(folder / name_of(1))
    assert_refused_and_removed(cache, folder)


def test_a_socket(opened: Open, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = opened()
    monkeypatch.chdir(folder)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name_of(1))
        assert_refused_and_removed(cache, folder)


def test_a_folder_in_place_of_an_entry(opened: Open, folder: Path) -> None:
    cache = opened()
    (folder / name_of(1)).mkdir()
    assert cache.get(digest_of(1)) is None
    cache.put(digest_of(1), b"one")
    assert cache.get(digest_of(1)) is None
    assert os.listdir(folder) == [name_of(1)]


def test_an_entry_that_others_may_write_is_removed(opened: Open, folder: Path) -> None:
    cache = opened()
    cache.put(digest_of(1), b"one")
    (folder / name_of(1)).chmod(0o666)
    assert_refused_and_removed(cache, folder)


@needs_root
def test_an_entry_of_another_user_is_removed(opened: Open, folder: Path) -> None:
    cache = opened()
    cache.put(digest_of(1), b"one")
    os.chown(folder / name_of(1), OTHER_USER, OTHER_USER)
    assert_refused_and_removed(cache, folder)


def test_a_huge_entry_is_not_read(opened: Open, folder: Path) -> None:
    cache = opened()
    with open(folder / name_of(1), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.truncate(2**40)
    assert_refused_and_removed(cache, folder)


# --- Troubles -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_is_no_trouble_of_the_callers(
    opened: Open, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    cache = opened()
    cache.put(digest_of(1), b"one")

    def full(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(os, "write", full)
        cache.put(digest_of(1), b"more")
        cache.put(digest_of(2), b"two")
    assert os.listdir(folder) == [name_of(1)]
    assert cache.get(digest_of(1)) == b"one"


def test_too_many_open_files_lose_no_entry(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = opened()
    cache.put(digest_of(1), b"one")

    def no_more(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(os, "open", no_more)
        meanwhile.setattr(os, "scandir", no_more)
        assert cache.get(digest_of(1)) is None
        cache.put(digest_of(2), b"two")
    assert cache.get(digest_of(1)) == b"one"


def test_an_entry_that_cannot_be_touched_is_still_read(
    opened: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = opened()
    cache.put(digest_of(1), b"one")
    os.utime(folder / name_of(1), (0, 0))

    def refused(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "utime", refused)
    assert cache.get(digest_of(1)) == b"one"


# --- Room ---------------------------------------------------------------------------------------------------


def used_bytes(folder: Path) -> int:
    return sum(-(-entry.stat().st_size // 4096) * 4096 for entry in folder.iterdir())


def test_the_total_stays_below_its_limit(opened: Open, folder: Path) -> None:
    bytes_max = 1024 * 1024
    cache = opened(bytes_max=bytes_max)
    for number in range(150):
        cache.put(digest_of(number), bytes(10_000))
        assert used_bytes(folder) <= bytes_max
    assert used_bytes(folder) > bytes_max // 2
    assert cache.get(digest_of(149)) is not None
    assert cache.get(digest_of(0)) is None


def test_the_least_recently_used_go_first(opened: Open, folder: Path) -> None:
    cache = opened(bytes_max=1024 * 1024)
    long_ago = time.time() - 10_000
    for number in range(60):
        cache.put(digest_of(number), bytes(10_000))
        os.utime(folder / name_of(number), (long_ago + number, long_ago + number))
    assert cache.get(digest_of(3)) is not None  # used now
    again = opened(bytes_max=1024 * 1024)
    for number in range(100, 130):
        again.put(digest_of(number), bytes(10_000))
    left = {number for number in range(60) if again.get(digest_of(number)) is not None}
    assert 3 in left
    assert len(left) < 60
    assert left - {3} == set(range(60 - len(left) + 1, 60))


def test_what_is_read_often_is_not_written_often(opened: Open, folder: Path) -> None:
    cache = opened()
    cache.put(digest_of(1), b"one")
    a_moment_ago = time.time() - 20
    os.utime(folder / name_of(1), (a_moment_ago, a_moment_ago))
    before = (folder / name_of(1)).stat().st_mtime_ns
    assert cache.get(digest_of(1)) == b"one"
    assert (folder / name_of(1)).stat().st_mtime_ns == before


def test_what_a_dead_process_left_is_removed_and_what_is_not_ours_is_left(opened: Open, folder: Path) -> None:
    folder.mkdir(mode=0o700)
    old, young = f".{name_of(1)}.{'0' * 16}", f".{name_of(2)}.{'0' * 16}"
    for name in (old, young, "notes.txt", ".hidden"):
        (folder / name).write_bytes(bytes(100_000))
    os.utime(folder / old, (0, 0))
    os.utime(folder / "notes.txt", (0, 0))
    cache = opened(bytes_max=1024 * 1024)
    for number in range(100):
        cache.put(digest_of(number), bytes(20_000))
    names = os.listdir(folder)
    assert old not in names
    assert {"notes.txt", ".hidden"} <= set(names)


def test_a_signature_too_large_for_a_small_cache_is_not_kept(opened: Open) -> None:
    cache = opened(bytes_max=160_000)
    cache.put(digest_of(1), bytes(10_001))
    assert cache.get(digest_of(1)) is None


# --- Several at once ----------------------------------------------------------------------------------------


def test_two_caches_race_on_one_folder(opened: Open, folder: Path) -> None:
    bytes_max = 512 * 1024
    wrong: list[object] = []

    def work(cache: SignatureCache, seed: int) -> None:
        try:
            for step in range(150):
                number = (step * 7 + seed) % 40
                cache.put(digest_of(number), b"%d" % number * 5000)
                found = cache.get(digest_of((number + step) % 40))
                if found is not None and found != b"%d" % ((number + step) % 40) * 5000:
                    wrong.append(found[:20])
                if step % 11 == 0:  # somebody damages entries meanwhile
                    (folder / name_of(number)).write_bytes(b"damaged")
        except Exception as trouble:
            wrong.append(trouble)

    caches = [opened(bytes_max=bytes_max), opened(bytes_max=bytes_max)]
    threads = [threading.Thread(target=work, args=(caches[seed % 2], seed)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    assert not [name for name in os.listdir(folder) if name.startswith(".")]
    assert used_bytes(folder) <= bytes_max * 5 // 4
