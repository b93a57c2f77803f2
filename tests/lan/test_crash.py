"""kill -9, at bad moments: nothing half made is ever seen under its name, and the next start makes it whole."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .changes import blob, put, write
from .checker import sha256_of, survey, wait_equal, wait_for
from .lan import Lan, Node, free_bytes

pytestmark = [pytest.mark.lan, pytest.mark.long]

SOON_S = 60.0
MIB = 1 << 20
SIZE = 48 * MIB
RATE = "100mbit"  # 12 MB/s: slow enough to meet the middle of a transfer, also where a look takes half a second
OLD_NS = 1_600_000_000 * 10**9


class Watcher:
    """Looks at a name without rest: whatever is there must be one of the known versions, whole."""

    def __init__(self, path: Path, versions: list[bytes], *, may_be_absent: bool) -> None:
        self.path, self.may_be_absent = path, may_be_absent
        self.known = {(len(content), hashlib.sha256(content).hexdigest()) for content in versions}
        self.wrong: list[str] = []
        self.looks = 0
        self._hashed: set[tuple[int, int, int, int]] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._end.wait(0.001):
            self._look()

    def _look(self) -> None:
        self.looks += 1
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            if not self.may_be_absent:
                self.wrong.append("it is absent")
            return
        with open(handle, "rb", buffering=0) as file:
            info = os.fstat(handle)
            if not any(info.st_size == size for size, _ in self.known):
                self.wrong.append(f"{info.st_size} bytes")
                return
            identity = (info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
            if identity not in self._hashed:
                self._hashed.add(identity)
                found = (info.st_size, hashlib.file_digest(file, "sha256").hexdigest())  # type: ignore[arg-type]
                if found not in self.known:
                    self.wrong.append(f"{info.st_size} bytes with wrong content")

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()
        self._look()
        assert self.looks > 10
        assert not self.wrong, f"{self.path}: {len(self.wrong)} looks went wrong, such as {self.wrong[:5]}"


def test_the_watcher_sees_what_is_half_made(tmp_path: Path) -> None:
    path, old, new = tmp_path / "file", blob(1000, 1), blob(2000, 2)

    def watch(*steps: Callable[[], object], absent: bool = False) -> None:
        path.write_bytes(old)
        with Watcher(path, [old, new], may_be_absent=absent) as watcher:
            for step in steps:
                seen = watcher.looks
                wait_for(lambda seen=seen: watcher.looks > seen + 5, 5, "some looks")
                step()
                seen = watcher.looks
                wait_for(lambda seen=seen: watcher.looks > seen + 5, 5, "some looks")

    beside = tmp_path / "beside"
    watch(lambda: beside.write_bytes(new), lambda: beside.rename(path))
    with pytest.raises(AssertionError, match="999 bytes"):
        watch(lambda: os.truncate(path, 999), lambda: path.write_bytes(new))
    with pytest.raises(AssertionError, match="wrong content"):
        watch(lambda: path.write_bytes(bytes(2000)), lambda: path.write_bytes(new))
    with pytest.raises(AssertionError, match="absent"):
        watch(path.unlink, lambda: path.write_bytes(new))
    watch(path.unlink, absent=True)


@contextmanager
def slow(node: Node) -> Iterator[None]:
    node.limit_rate(RATE)
    try:
        yield
    finally:
        node.limit_rate(None)


def sent_since(node: Node, before: int) -> int:
    return node.wire_bytes() - before


def running(new_lan: Callable[..., Lan], files: dict[str, bytes], count: int = 2) -> Lan:
    lan = new_lan(count)
    if free_bytes(lan.work) < 4 << 30:
        pytest.skip("less than 4 GiB free")
    for name, content in files.items():
        put(lan[0].dir / name, content, OLD_NS)
    lan.start()
    wait_equal(lan.roots, SOON_S, like=survey(lan[0].dir))
    lan.meet("start")
    return lan


@pytest.mark.parametrize(
    ("kind", "victim"), [("new", "receiver"), ("new", "sender"), ("edit", "receiver"), ("edit", "both")]
)
def test_killed_in_the_middle_of_a_large_file(new_lan: Callable[..., Lan], kind: str, victim: str) -> None:
    old, new = blob(SIZE // 2, "old"), blob(SIZE, "new")
    lan = running(new_lan, {"file": old} if kind == "edit" else {"other": b"0"})
    a, b = lan
    victims = {"receiver": [b], "sender": [a], "both": [a, b]}[victim]
    versions = [old, new] if kind == "edit" else [new]
    with Watcher(b.dir / "file", versions, may_be_absent=kind == "new") as watcher, slow(a):
        before = a.wire_bytes()
        put(a.dir / "file", new, OLD_NS + 1)
        wait_for(lambda: sent_since(a, before) > 0.6 * SIZE, SOON_S, "the middle of the transfer")
        for node in victims:
            node.kill()
        assert not (b.dir / "file").exists() or sha256_of(b.dir / "file") == hashlib.sha256(old).hexdigest()
        for node in victims:
            node.start()
        wait_equal(lan.roots, SOON_S, like=survey(a.dir, only="file"), only="file")
        total = sent_since(a, before)
    assert watcher.looks > 100
    assert (b.dir / "file").stat().st_mtime_ns == OLD_NS + 1
    # What had arrived is not sent again: it would be 1.6 times the size, and more.
    assert total < 1.4 * SIZE, f"{total / SIZE:.2f} times its size was sent"
    lan.meet("again")
    wait_equal(lan.roots, SOON_S)


def test_cut_off_in_the_middle_of_a_large_file(new_lan: Callable[..., Lan]) -> None:
    new = blob(SIZE, "new")
    lan = running(new_lan, {"other": b"0"})
    a, b = lan
    with Watcher(b.dir / "file", [new], may_be_absent=True), slow(a):
        before = a.wire_bytes()
        put(a.dir / "file", new, OLD_NS + 1)
        wait_for(lambda: sent_since(a, before) > 0.6 * SIZE, SOON_S, "the middle of the transfer")
        a.isolate()
        write(b.dir / "meanwhile", b"1")
        b.stop()  # so that the connection is gone, not just interrupted
        a.heal()
        b.start()
        lan.meet("healed")
        wait_equal(lan.roots, SOON_S)
        total = sent_since(a, before)
    assert sha256_of(a.dir / "file") == hashlib.sha256(new).hexdigest()
    assert total < 1.4 * SIZE, f"{total / SIZE:.2f} times its size was sent"


def test_the_file_changes_again_while_it_is_sent(new_lan: Callable[..., Lan]) -> None:
    first, second = blob(SIZE // 2, "first"), blob(SIZE // 2, "second")
    lan = running(new_lan, {"other": b"0"})
    a, b = lan
    with Watcher(b.dir / "file", [first, second], may_be_absent=True), slow(a):
        before = a.wire_bytes()
        put(a.dir / "file", first, OLD_NS + 1)
        wait_for(lambda: sent_since(a, before) > 0.3 * len(first), SOON_S, "the middle of the transfer")
        put(a.dir / "file", second, OLD_NS + 2)
        wait_equal(lan.roots, SOON_S, like=survey(a.dir))
    assert sha256_of(b.dir / "file") == hashlib.sha256(second).hexdigest()


def test_the_folder_is_renamed_and_the_file_deleted_while_it_is_sent(new_lan: Callable[..., Lan]) -> None:
    one, two = blob(SIZE // 3, "one"), blob(SIZE // 3, "two")
    lan = running(new_lan, {"other": b"0"})
    a, _ = lan
    with slow(a):
        before = a.wire_bytes()
        (a.dir / "folder").mkdir()
        put(a.dir / "folder/renamed", one, OLD_NS + 1)
        put(a.dir / "deleted", two, OLD_NS + 1)
        wait_for(lambda: sent_since(a, before) > 0.3 * len(one), SOON_S, "the middle of the transfer")
        (a.dir / "folder").rename(a.dir / "folder2")
        (a.dir / "deleted").unlink()
        write(a.dir / "last", b"1")
        wait_equal(lan.roots, SOON_S, like=survey(a.dir))


def count_below(folder: Path) -> int:
    return len(survey(folder, contents=False)) if folder.exists() else 0


def test_all_are_killed_in_a_storm_of_small_files(new_lan: Callable[..., Lan]) -> None:
    """Three times: thousands of files come, all daemons die on their way, the next ones go on."""
    lan = running(new_lan, {"other": b"0"}, count=3)
    expected = set(survey(lan[0].dir, contents=False))
    for turn in range(3):
        tree = lan[turn].base / "tree"
        for at in range(400):
            write(tree / f"{at % 7}" / f"{at}", blob(at * 13 % 9000, (turn, at)))
        made = survey(tree)
        tree.rename(lan[turn].dir / f"tree{turn}")
        expected |= {f"tree{turn}".encode()} | {f"tree{turn}/".encode() + path for path in made}
        other = lan[(turn + 1) % 3]
        arrived = other.dir / f"tree{turn}"
        enough = (1, 20, 150)[turn]
        wait_for(lambda arrived=arrived, enough=enough: count_below(arrived) >= enough, SOON_S, "some have come")
        for node in lan:
            node.kill()
        for node in lan:
            for path, entry in survey(node.dir).items():
                part = path.partition(b"/")[2]
                if path.startswith(f"tree{turn}/".encode()) and entry.kind == "file":
                    assert entry.sha256 == made[part].sha256, f"{path!r} is half made on {node}"
        lan.start()
        final = wait_equal(lan.roots, SOON_S)
        lan.meet(f"turn {turn}")
        expected |= set(survey(lan[0].dir, only="met"))
        final = wait_equal(lan.roots, SOON_S)
        assert set(final) == expected


def test_killed_again_and_again(new_lan: Callable[..., Lan]) -> None:
    """A daemon that never lives long still gets somewhere, and loses no edit."""
    lan = running(new_lan, {"log": b"start\n"})
    a, b = lan
    lines = ["start\n"]
    for turn in range(12):
        victim = lan[turn % 2]
        lines.append(f"line {turn}\n")
        write(a.dir / "log", "".join(lines).encode())
        write(victim.dir / f"made before death {turn}", blob(5000, turn))
        victim.kill()
        write(victim.dir / f"made after death {turn}", blob(5000, turn))
        victim.start()
    lan.meet("at last")
    final = wait_equal(lan.roots, SOON_S)
    assert (b.dir / "log").read_text() == "".join(lines)
    names = {f"made {when} death {turn}".encode() for when in ("before", "after") for turn in range(12)}
    assert names <= final.keys()
