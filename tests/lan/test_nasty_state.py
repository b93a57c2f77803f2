"""Nasty cases: crashes and lost state, time, conflicts. The numbers are those of tests/nasty/catalogue.py."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from .changes import EXACT_NS, SECOND_NS, append, blob, put, set_mtime, write
from .checker import holds, survey, wait_equal, wait_for
from .lan import Lan, Node, faketime_library

pytestmark = pytest.mark.lan

SOON_S = 60.0
HEALED_S = 75.0
DAY_S = 86_400
FAR_S = 15_032_385_535  # 2446, as far as ext4 goes


def pair_with(new_lan: Callable[..., Lan], files: dict[str, bytes], count: int = 2) -> Lan:
    lan = new_lan(count)
    for name, content in files.items():
        write(lan[0].dir / name, content)
    lan.start()
    lan.meet("start")
    wait_equal(lan.roots, SOON_S)
    return lan


# --- state and crashes ---------------------------------------------------------------------------


def cut_short(path: Path, rng: random.Random) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip_bytes(path: Path, rng: random.Random) -> None:
    raw = bytearray(path.read_bytes())
    for _ in range(200):
        raw[rng.randrange(len(raw))] ^= 0xFF
    path.write_bytes(raw)


def zero_its_head(path: Path, rng: random.Random) -> None:
    with path.open("r+b") as file:
        file.write(bytes(4096))


def empty_it(path: Path, rng: random.Random) -> None:
    os.truncate(path, 0)


def make_it_something_else(path: Path, rng: random.Random) -> None:
    path.write_bytes(b"hello, I am a text file\n" * 1000)


def give_it_other_tables(path: Path, rng: random.Random) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table rows (x)")
        database.commit()


DAMAGES = [cut_short, flip_bytes, zero_its_head, empty_it, make_it_something_else, give_it_other_tables]


def test_state_121_a_torn_index(new_lan: Callable[..., Lan]) -> None:
    """However it is damaged: the node starts, nothing is lost or deleted, and edits made meanwhile arrive."""
    lan = pair_with(new_lan, {f"folder/{at}": blob(500, at) for at in range(40)} | {"file": b"0"})
    a, b = lan
    rng = random.Random(121)
    for turn, damage in enumerate(DAMAGES):
        before = set(survey(a.dir))
        b.kill()
        for path in (b.dir / ".dir_sync").glob("index.db-*"):
            path.unlink()
        damage(b.dir / ".dir_sync/index.db", rng)
        write(b.dir / f"made while down {turn}", b"1")
        append(a.dir / "file", f" {turn}".encode())
        b.start()
        lan.meet(f"turn {turn}", HEALED_S)
        final = wait_equal(lan.roots, SOON_S)
        assert before <= final.keys(), f"{damage.__name__}: {sorted(before - final.keys())} deleted"
        assert f"made while down {turn}".encode() in final
        assert (b.dir / "file").read_bytes().endswith(f" {turn}".encode()), damage.__name__


def test_state_125_killed_again_and_again_in_the_first_scan(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    a, b = lan
    for at in range(2500):
        write(a.base / f"tree/{at % 40}/{at}", blob(at % 3000, at))
    (a.base / "tree").rename(a.dir / "tree")
    expected = survey(a.dir)
    b.start()
    for turn in range(4):
        a.start()
        wait_for(lambda: (a.dir / ".dir_sync/index.db").exists(), SOON_S, "it begins")
        holds(lambda: a.running, 0.1 + 0.1 * turn, "it scans")
        a.kill()
    a.start()
    wait_equal(lan.roots, SOON_S, like=expected)


@pytest.mark.parametrize("turns", [5, pytest.param(100, marks=pytest.mark.patient)])
def test_state_124_all_are_killed_at_once(new_lan: Callable[..., Lan], turns: int) -> None:
    lan = pair_with(new_lan, {"file": b"start\n"}, count=3)
    for turn in range(turns):
        for node in lan:
            write(node.dir / f"by {node}/{turn % 30}", blob(20_000, turn))
        append(lan[turn % 3].dir / "file", f"{turn}\n".encode())
        holds(lambda: True, random.Random(turn).uniform(0, 0.3), "they work")
        for node in lan:
            node.kill()
        lan.start()
        if turn % 20 == 4:
            lan.meet(f"turn {turn}", HEALED_S)
    lan.meet("at last", HEALED_S)
    wait_equal(lan.roots, SOON_S)


# --- time ----------------------------------------------------------------------------------------


def test_time_050_a_file_from_beyond_all_stamps_is_edited(new_lan: Callable[..., Lan]) -> None:
    """The first scan finds files of the year 2446: who edits them later is newer all the same, on any node."""
    lan = new_lan(2)
    a, b = lan
    names = [f"far {at}" for at in range(24)]
    for name in names:
        write(a.dir / name, name.encode())
        set_mtime(a.dir / name, FAR_S * SECOND_NS)
        if (a.dir / name).stat().st_mtime_ns != FAR_S * SECOND_NS:
            pytest.skip("this file system does not go so far")
    lan.start()
    lan.meet("start")
    wait_equal(lan.roots, SOON_S)
    for at, name in enumerate(names):
        write(lan[at % 2].dir / name, f"edited at {lan[at % 2]}".encode())
    lan.meet("edited")
    wait_equal(lan.roots, SOON_S)
    for at, name in enumerate(names):
        assert (a.dir / name).read_text() == f"edited at {lan[at % 2]}"
    for node, name in ((a, names[1]), (b, names[0])):
        (node.dir / name).unlink()
    lan.meet("deleted")
    final = wait_equal(lan.roots, SOON_S)
    assert not {names[0].encode(), names[1].encode()} & final.keys()


def test_time_128_the_clock_jumps_while_it_runs(new_lan: Callable[..., Lan]) -> None:
    """A year ahead, two years back: timers go on, the peers stay, edits arrive at once."""
    library = faketime_library()
    if not library:
        pytest.skip("libfaketime is not installed")
    lan = new_lan(2)
    a, b = lan
    clock = write(a.base / "clock", b"+0")
    a.start(
        env={
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": str(Path(__file__).parent / "faketime"),
        }
    )
    b.start()
    lan.meet("start")
    for turn, offset in enumerate(("+365d", "-20000d", "+30000d", "+0")):
        # Replaced in one step: a clock that reads an empty file ends the program.
        write(clock.with_name("next clock"), offset.encode()).rename(clock)
        for node in (a, b, a):
            append(write_once(node.dir / "jumps/file"), f"{turn} {node}\n".encode())
            wait_equal(lan.roots, SOON_S, like=survey(node.dir))
        (b.dir / "jumps/file").unlink()
        wait_equal(lan.roots, SOON_S, like=survey(b.dir))
    assert "lost node" not in b.log()


def write_once(path: Path) -> Path:
    return path if path.exists() else write(path, b"")


def frozen(lan: Lan, for_s: float, *nodes: Node) -> None:
    for node in nodes:
        node.send_signal(signal.SIGSTOP)
    try:
        for turn, node in enumerate(lan):
            write(node.dir / f"while frozen {turn}", b"1")
        holds(lambda: True, for_s, "they sleep")
    finally:
        for node in nodes:
            node.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("for_s", [2.0, pytest.param(40.0, marks=pytest.mark.patient)])
def test_disk_058_one_is_stopped_by_a_signal_and_goes_on(new_lan: Callable[..., Lan], for_s: float) -> None:
    """SIGSTOP; longer than a silent peer is waited for, too: the others work on meanwhile."""
    lan = pair_with(new_lan, {"file": b"0"}, count=3)
    a, b, c = lan
    b.send_signal(signal.SIGSTOP)
    try:
        append(a.dir / "file", b" edited")
        wait_equal([a.dir, c.dir], SOON_S, like=survey(a.dir))
        write(b.dir / "in its sleep", b"1")
        holds(lambda: not (a.dir / "in its sleep").exists(), for_s, "it sleeps")
    finally:
        b.send_signal(signal.SIGCONT)
    lan.meet("awake", HEALED_S)
    wait_equal(lan.roots, SOON_S)
    assert (a.dir / "in its sleep").exists()
    assert (b.dir / "file").read_bytes() == b"0 edited"


@pytest.mark.parametrize("for_s", [2.0, pytest.param(40.0, marks=pytest.mark.patient)])
def test_time_132_all_machines_sleep_and_wake(new_lan: Callable[..., Lan], for_s: float) -> None:
    lan = pair_with(new_lan, {"file": b"0"}, count=3)
    frozen(lan, for_s, *lan.nodes)
    lan.meet("awake", HEALED_S)
    final = wait_equal(lan.roots, SOON_S)
    assert {f"while frozen {turn}".encode() for turn in range(3)} <= final.keys()


def test_conflicts_139_back_after_four_hundred_days(new_lan: Callable[..., Lan]) -> None:
    """What was deleted long ago stays deleted, what was edited by who was away is an edit."""
    library = faketime_library()
    if not library:
        pytest.skip("libfaketime is not installed")
    lan = pair_with(new_lan, {name: name.encode() for name in ("deleted", "edited", "deleted, edited", "kept")})
    a, b = lan
    b.kill()
    a.kill()
    a.start(clock_offset=400 * DAY_S)
    wait_for(lambda: "shares" in a.log(this_run=True), SOON_S, "it starts")
    for name in ("deleted", "deleted, edited"):
        (a.dir / name).unlink()
    put(a.dir / "edited", b"edited 400 days later", time.time_ns() + 400 * DAY_S * SECOND_NS)
    wait_for(lambda: "deleted here" in a.log(this_run=True), SOON_S, "it is noted")
    append(b.dir / "deleted, edited", b", lives")
    set_mtime(b.dir / "kept", EXACT_NS)
    b.start(clock_offset=401 * DAY_S)
    lan.meet("again", HEALED_S)
    final = wait_equal(lan.roots, SOON_S)
    assert b"deleted" not in final
    assert (a.dir / "deleted, edited").read_bytes() == b"deleted, edited, lives"
    assert (b.dir / "edited").read_bytes() == b"edited 400 days later"
    holds(lambda: not (a.dir / "deleted").exists(), 0.5, "what is deleted stays deleted")


def test_conflicts_140_a_loser_of_losers(new_lan: Callable[..., Lan]) -> None:
    """Again and again on one file: all losers are kept, and none of them is ever seen in the folder."""
    lan = pair_with(new_lan, {"file.txt": b"0"})
    a, b = lan
    texts = []
    for turn in range(3):
        for node in lan:
            node.kill()
        for node in lan:
            texts.append(f"turn {turn} by {node}".encode())
            write(node.dir / "file.txt", texts[-1])
        lan.start()
        lan.meet("again")
        wait_equal(lan.roots, SOON_S)
        names = {path.name for path in a.dir.iterdir()}
        assert names == {".dir_sync", "file.txt", "met"}
        winner = (a.dir / "file.txt").read_bytes()
        for text in texts[-2:]:
            assert text == winner or a.keeps(text) or b.keeps(text), f"{text!r} is lost"


def test_conflicts_148_renamed_on_one_and_replaced_by_a_folder_on_the_other(new_lan: Callable[..., Lan]) -> None:
    lan = pair_with(new_lan, {"name": b"a file", "other": b"another"})
    a, b = lan
    for node in lan:
        node.kill()
    (a.dir / "name").rename(a.dir / "renamed")
    (a.dir / "other").rename(a.dir / "name")
    (b.dir / "name").unlink()
    write(b.dir / "name/child", b"a child")
    lan.start()
    lan.meet("again", HEALED_S)
    final = wait_equal(lan.roots, SOON_S)
    assert final[b"name"].kind == "directory"
    assert (a.dir / "name/child").read_bytes() == b"a child"
    assert (b.dir / "renamed").read_bytes() == b"a file"
    assert any(node.keeps(b"another") for node in lan) or b"another" in [
        path.read_bytes() for path in a.dir.rglob("*") if path.is_file()
    ]
