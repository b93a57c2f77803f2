"""Stamps, sequences and counters at their limits: no path is frozen by them, and nobody answers anybody without end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from ..changes import write
from ..checker import wait_equal, wait_for
from ..lan import Lan
from ..stranger import ABSENT, FILE
from .attacker import Attacker
from .victims import SOON_S, Victims

pytestmark = pytest.mark.lan

STAMP_MAX, COUNTER_MAX = 2**63 - 1, 2**62
QUIET_BYTES = 60_000  # of keep-alives, beacons and a few messages in a second
ENTRIES_MAX = 1_024


def knowing(record: list[Any] | None, *more: tuple[str, int]) -> list[list[Any]]:
    """A vector above that of a record that was heard of."""
    entries = dict(record[9]) if record else {}
    return [[maker, counter] for maker, counter in sorted((entries | dict(more)).items())]


def attack(victims: Victims, attacker: Attacker, records: dict[str, Any], node_of: dict[str, str]) -> None:
    """Each path is attacked in a way of its own: edited, deleted and made."""
    me, evil = attacker.replica, b"evil"
    crowd = [(f"{number:04x}", COUNTER_MAX) for number in range(ENTRIES_MAX - 6)]
    ways: dict[str, dict[str, Any]] = {
        "largest stamp": {"vector": knowing(records["largest stamp"], (me, 1))},
        "largest counter": {"vector": knowing(records["largest counter"], (me, COUNTER_MAX))},
        "counter of a": {"vector": knowing(records["counter of a"], (me, 2), (node_of["a"], COUNTER_MAX))},
        "counters of both": {
            "vector": knowing(None, (me, COUNTER_MAX), (node_of["a"], COUNTER_MAX), (node_of["b"], COUNTER_MAX))
        },
        "a crowd of makers": {"vector": knowing(records["a crowd of makers"], (me, 3), *crowd)},
        "made by a": {"stamp_node": node_of["a"], "vector": knowing(None, (node_of["a"], COUNTER_MAX))},
        "all of it": {
            "stamp_node": "0",
            "vector": knowing(None, ("0", 1), (node_of["a"], COUNTER_MAX), (node_of["b"], COUNTER_MAX), *crowd),
        },
    }
    for path, way in ways.items():
        attacker.update(("modify", attacker.record(path, FILE, evil, stamp_ns=STAMP_MAX, **way), evil))
        gone = attacker.record("gone " + path, ABSENT, stamp_ns=STAMP_MAX, **way)
        attacker.update(("delete", gone, None))
        fresh = attacker.record("new " + path, FILE, evil, stamp_ns=STAMP_MAX, **way)
        attacker.update(("create", fresh, evil))


NAMES = [
    *("largest stamp", "largest counter", "counter of a", "counters of both", "a crowd of makers", "made by a"),
    "all of it",
]


def rests(victims: Victims) -> None:
    """Both say next to nothing for a second."""

    def quiet() -> bool:
        before = victims.lan.wire_bytes()[:2]
        time.sleep(1.0)
        after = victims.lan.wire_bytes()[:2]
        return sum(after) - sum(before) < QUIET_BYTES

    wait_for(quiet, SOON_S, "they come to rest")


def everybody_edits(victims: Victims, turn: str) -> None:
    """Each path is edited on one node, deleted on the other one, made again and edited where it was attacked first."""
    paths = [prefix + name for name in NAMES for prefix in ("", "gone ", "new ")]
    for node, other in ((victims.a, victims.b), (victims.b, victims.a)):
        for path in paths:
            write(node.dir / path, f"{turn} {node} {path}".encode())
        wait_equal(victims.roots, SOON_S)
        for path in paths:
            assert (other.dir / path).read_bytes() == f"{turn} {node} {path}".encode(), path
        for path in paths:
            (other.dir / path).unlink()
        wait_for(lambda: not any((node.dir / path).exists() for path in paths), SOON_S, "all is deleted")  # noqa: B023
        wait_equal(victims.roots, SOON_S)
        for path in paths:
            write(other.dir / path, f"{turn} again {path}".encode())
        wait_equal(victims.roots, SOON_S)
        assert all((node.dir / path).exists() for path in paths)


def test_no_number_freezes_a_path(new_lan: Callable[..., Lan]) -> None:
    victims = Victims(new_lan(3))
    for name in NAMES:
        write(victims.a.dir / name, b"of a user")
        write(victims.a.dir / f"gone {name}", b"of a user, too")
    victims.start("--brake-files", "0")
    with Attacker(victims.place, victims.b) as other:
        node_of = {"b": other.open().their_replica}
    with Attacker(victims.place, victims.a) as attacker:
        attacker.open()
        node_of["a"] = attacker.their_replica
        records = attacker.state()
        attack(victims, attacker, records, node_of)
        attacker.listen()
        wait_for((victims.b.dir / "new all of it").exists, SOON_S, "what the attacker makes")
        rests(victims)
        wait_equal(victims.roots, SOON_S)
        everybody_edits(victims, "while it is here")
    rests(victims)
    everybody_edits(victims, "after it went")
    for node in victims.pair:
        node.stop()
        node.start("--brake-files", "0")
    victims.work()
    rests(victims)
    everybody_edits(victims, "after a restart")
    rests(victims)


def test_sequences_at_their_limit(new_lan: Callable[..., Lan]) -> None:
    """Nobody is made to believe that it has lost its end more than once, and everything arrives."""
    victims = Victims(new_lan(3))
    victims.start()
    for _ in range(5):
        with Attacker(victims.place, victims.a) as attacker:
            attacker.send(attacker.my_hello(folders=[["default", attacker.replica, COUNTER_MAX]]))
            hello = attacker.expect("HELLO")
            replica = hello["folders"][0][1]
            attacker.ask_for_state(replica, COUNTER_MAX)
            said = {"type": "STATE", "folder": "default", "sequence": COUNTER_MAX, "last": True, "records": []}
            attacker.send(said)
            attacker.listen()
            write(victims.a.dir / "meanwhile", os.urandom(100))
            attacker.gone.wait(1.0)
        victims.work()
    taken = victims.a.log().count("this node takes a new identity")
    assert taken <= 2, f"it took new ids {taken} times"
    rests(victims)
