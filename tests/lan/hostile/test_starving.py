"""Floods: an honest neighbour's small changes arrive soon, whatever somebody else pours in; who floods is sent away.

Each flood is a process of its own (floods.py). The figures are printed; docs/testing.md has those of all floods. What is
asserted is generous: a busy machine must not make these fail, and without shares they take seconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..changes import write
from ..checker import wait_equal, wait_for
from ..lan import Lan, Node
from .attacker import cpu_s, measured
from .victims import SOON_S, Victims, more_addresses

pytestmark = pytest.mark.lan

ROOT = Path(__file__).resolve().parents[3]
FLOOD_S = 6.0
P95_MS = 1_500.0  # on a busy machine; the figures say what it is on an idle one
LOG_LINES = 60

GARBAGE_LINES = 5  # one a minute, one that its address is kept away

QUESTIONS = ("have", "settle", "history", "states")
ANNOUNCEMENTS = ("tombstones", "records", "files", "held")
NONSENSE = ("bombs",)
OTHERS = ("repeats", "vectors", "pulls", "garbage", "chaff", "pings", "summaries", "lacks", "decisions", "brakes")
OTHERS += (
    "mixture",
    "page_renames",
    "update_renames",
    "long_names",
    "dear_text",
    "pulls_in_vain",
    "deaf",
    "before_hello",
    "signatures",
    "big_chunks",
    "refuses",
    "verifies",
    "times",
)


@contextmanager
def flooded(
    kind: str, place: Node, victim: Node, seconds: float = FLOOD_S, sources: tuple[str, ...] = ()
) -> Iterator[None]:
    """While this lasts, `victim` is flooded from `place`."""
    args = (sys.executable, "-m", "tests.lan.hostile.floods", kind, victim.address, str(victim.port), str(seconds))
    process = subprocess.Popen(
        place.within(*args, *([",".join(sources)] if sources else [])),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield
        out, err = process.communicate(timeout=seconds + 30)
        assert process.returncode == 0, err.decode(errors="replace")
        numbers = json.loads(out)
        print(kind, numbers)
        assert numbers["connections"] > 0
    finally:
        process.kill()
        process.wait()


def started(lan: Lan, files: int = 1_000) -> Victims:
    victims = Victims(lan)
    for number in range(files):
        write(victims.a.dir / f"d{number % 20}/f{number}", b"%d" % number * 50)
    victims.start()
    return victims


def honest_work(victims: Victims, kind: str, log_lines: int = LOG_LINES, sources: tuple[str, ...] = ()) -> None:
    lines = victims.b.log().count("\n")
    with (
        flooded(kind, victims.place, victims.b, sources=sources),
        measured(victims.a, victims.b) as figures,
    ):
        wait_for(lambda: figures.duration_s or len(figures.latencies_ms) >= 15, 3 * SOON_S, "15 honest changes")
    print(kind, figures)
    assert not figures.late
    assert figures.percentile_ms(95) < P95_MS, str(figures)
    said = [line for line in victims.b.log().splitlines()[lines:] if "honest" not in line and "received" not in line]
    assert len(said) < log_lines, said[:20]


def test_questions_without_end(new_lan: Callable[..., Lan]) -> None:
    victims = started(new_lan(3))
    for kind in QUESTIONS:
        honest_work(victims, kind)
    wait_equal(victims.roots, SOON_S)


@pytest.mark.parametrize("kind", ANNOUNCEMENTS + NONSENSE)
def test_announcements_without_end(new_lan: Callable[..., Lan], kind: str) -> None:
    honest_work(started(new_lan(3)), kind)


def test_three_machines_that_flood_together(new_lan: Callable[..., Lan]) -> None:
    victims = started(new_lan(3))
    honest_work(victims, "three_machines", sources=more_addresses(victims.place, 3))


@pytest.mark.patient
@pytest.mark.parametrize("kind", OTHERS)
def test_other_floods(new_lan: Callable[..., Lan], kind: str) -> None:
    honest_work(started(new_lan(3)), kind)


def test_who_breaks_the_protocol_over_and_over_is_kept_away_and_fills_no_log(new_lan: Callable[..., Lan]) -> None:
    victims = started(new_lan(3), 50)
    lines = victims.b.log().count("\n")
    with flooded("garbage", victims.place, victims.b, 4.0):
        wait_for(
            lambda: "it floods this node with messages that are none" in victims.b.log(), SOON_S, "it is kept away"
        )
    said = [line for line in victims.b.log().splitlines()[lines:] if victims.place.address in line]
    assert len(said) <= GARBAGE_LINES, said
    victims.work()


def test_who_asks_without_end_is_sent_away_and_may_not_come_back_at_once(new_lan: Callable[..., Lan]) -> None:
    victims = started(new_lan(3), 50)
    with flooded("pings", victims.place, victims.b, 14.0):
        wait_for(lambda: "floods this node with pings" in victims.b.log(), 20, "it is sent away")
        victims.work()
    lines = [line for line in victims.b.log().splitlines() if "floods" in line]
    assert len(lines) == 1, lines
    assert "it may come back in 10 s" in lines[0]


def test_many_links_of_one_machine_keep_no_neighbour_out(new_lan: Callable[..., Lan]) -> None:
    victims = started(new_lan(3), 50)
    with flooded("links", victims.place, victims.b, 10.0):
        wait_for(lambda: victims.b.log().count("found stranger") >= 30, SOON_S, "the links are there")
        victims.a.stop()
        victims.a.start()
        wait_for(lambda: "found" in victims.a.log(this_run=True), SOON_S, "the neighbour is connected again")
        victims.work()
    assert victims.b.log().count("found stranger") < 254


def test_strangers_from_many_addresses_keep_no_newcomer_out(new_lan: Callable[..., Lan]) -> None:
    victims = started(new_lan(4), 50)
    newcomer = victims.lan.nodes[3]
    with flooded("strangers", victims.place, victims.b, 8.0, more_addresses(victims.place, 80)):
        newcomer.start()
        wait_equal([*victims.roots, newcomer.dir], SOON_S)
        victims.work()


def test_costly_deltas_end_when_their_sender_has_gone(new_lan: Callable[..., Lan]) -> None:
    """Signatures that make the search as dear as it gets: bounded, and not gone on with for nobody."""
    victims = started(new_lan(3), 50)
    write(victims.a.dir / "zeros", bytes(6 << 20))
    wait_equal(victims.roots, SOON_S)
    with flooded("deltas", victims.place, victims.b, 6.0), measured(victims.a, victims.b) as figures:
        write(victims.a.dir / "large", bytes(range(256)) * (6 << 12))
        wait_for(lambda: (victims.b.dir / "large").exists(), SOON_S, "a neighbour's large file")
        wait_for(lambda: len(figures.latencies_ms) >= 10, SOON_S, "10 honest changes")
    print("deltas", figures)

    used = cpu_s(victims.b)
    wait_for(lambda: _calm(victims.b), SOON_S, "the processors are free again")
    assert cpu_s(victims.b) - used < 5.0


def _calm(node: Node) -> bool:
    """True if a quarter of a second costs next to no CPU time."""

    before = cpu_s(node)
    end = time.monotonic() + 0.25
    wait_for(lambda: time.monotonic() > end, 5, "a quarter of a second")
    return cpu_s(node) - before <= 0.05
