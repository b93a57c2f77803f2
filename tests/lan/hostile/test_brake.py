"""A disaster that a hostile machine announces is held, whatever it says about it and in whose name."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from ..changes import write
from ..checker import holds, wait_equal, wait_for
from ..lan import Lan
from ..stranger import ABSENT, new_id
from .attacker import Attacker, index_bytes, measured
from .victims import SOON_S, Victims

pytestmark = pytest.mark.lan

FILES = 400
LEFT_MIN = 320  # of 400: some go before it looks like anything


def count(victims: Victims) -> list[int]:
    return [len(list((node.dir / "tree").iterdir())) for node in victims.pair]


def is_held(victims: Victims) -> bool:
    return bool(json.loads(victims.a.run_to_end("status", victims.a.dir, "--json").out)["held"])


def announce(attacker: Attacker, records: dict[str, Any], makers: Iterable[str]) -> None:
    """All files are gone, in knowledge of what was there; the makers by turns."""
    changes = []
    named = list(makers)
    for at in range(FILES):
        path, maker = f"tree/{at}", named[at % len(named)]
        entries = dict(records[path][9])
        entries[maker] = max(entries.get(maker, 0), 2**50) + at
        vector = [[one, number] for one, number in sorted(entries.items())]
        changes.append(("delete", attacker.record(path, ABSENT, stamp_node=maker, vector=vector), None))
    attacker.update(*changes)


def approve(attacker: Attacker, makers: Iterable[str]) -> None:
    for maker in makers:
        attacker.send({"type": "DECISION", "folder": "default", "maker": maker, "counter": 2**62, "approve": True})


def test_the_brake_is_not_outwitted(new_lan: Callable[..., Lan]) -> None:
    victims = Victims(new_lan(4))
    for at in range(FILES):
        write(victims.a.dir / f"tree/{at}", b"content %d" % at)
    victims.start()
    crowd = [new_id() for _ in range(20)]
    for attack in ("approved at once", "approved before", "approved when held", "many makers", "the victim", "two"):
        with Attacker(victims.place, victims.a) as attacker, Attacker(victims.lan.nodes[3], victims.a) as other:
            attacker.open()
            records = attacker.state()
            other.open().listen()
            attacker.listen()
            makers = {"many makers": crowd, "the victim": [attacker.their_replica]}.get(attack, [attacker.replica])
            if attack == "approved before":
                approve(attacker, makers)
            announce(attacker, records, makers)
            if attack == "approved at once":
                approve(attacker, makers)
            wait_for(lambda: is_held(victims), SOON_S, f"{attack}: held")
            for one in (attacker, other) if attack == "two" else (attacker,):
                approve(one, makers)
            victims.work()
            holds(lambda: min(count(victims)) >= LEFT_MIN, 0.5, f"{attack}: it goes through")
        assert victims.a.run_to_end("reject", victims.a.dir).code == 0
        wait_for(lambda: count(victims) == [FILES, FILES], SOON_S, f"{attack}: all is back after a rejection")
        wait_equal(victims.roots, SOON_S)


def test_tombstones_of_what_was_never_here_leave_little(new_lan: Callable[..., Lan]) -> None:
    """Under several ids; a neighbour goes on meanwhile."""
    victims = Victims(new_lan(3))
    victims.start()
    before = index_bytes(victims.a)
    with measured(victims.b, victims.a) as figures:
        for turn in range(2):
            with Attacker(victims.place, victims.a) as attacker:
                attacker.open().state()
                attacker.listen()
                for page in range(10):
                    records = [attacker.record(f"never {turn} {page} {at}", ABSENT) for at in range(2_000)]
                    said = {"type": "STATE", "folder": "default", "sequence": attacker.sequence, "last": False}
                    attacker.send(said | {"records": records})
                    if attacker.gone.is_set():
                        break  # dropped for the flood
                begun = time.monotonic()
                wait_for(
                    lambda: attacker.gone.is_set() or attacker.heard["ACKNOWLEDGE"] or time.monotonic() > begun + 5,  # noqa: B023
                    SOON_S,
                    "it is dealt with",
                )
    victims.work()
    growth = index_bytes(victims.a) - before
    assert growth < 16 << 20, f"the index has grown by {growth >> 20} MiB ({figures})"
    assert figures.late == 0, str(figures)
