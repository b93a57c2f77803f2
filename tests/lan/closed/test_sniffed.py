"""Somebody listens on the LAN during a whole life of a mesh: what there is to find, open and closed."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable

import pytest

from ..changes import write
from ..checker import wait_equal, wait_for
from ..lan import Lan
from .tools import Sniffer, inflatable, key_file, sniffed

pytestmark = pytest.mark.lan

SOON_S = 30.0
RANDOM = random.Random(9).randbytes(600_000)
TEXT = b"The quick brown fox jumps over the lazy dog, and says nothing of it. " * 3_000
SECRETS = {
    "a file's name": b"quarterly-report",
    "another one": b"renamed-report",
    "a folder's name": b"salaries-of-all",
    "a host's name": b"accounting-desk",
    "the shared folder's name": b"board-of-directors",
    "a text": TEXT[100:140],
}


def whole_life(lan: Lan, *args: str) -> list[str]:
    """Start, meet, sync, edit, rename, delete, stop, start again. Returns the ids of the nodes."""
    a, b = lan.nodes
    for node in lan:
        node.start("--name", f"accounting-desk{node.index}", "--folder", "board-of-directors", *args)
    write(a.dir / "salaries-of-all/quarterly-report.txt", TEXT)
    write(a.dir / "salaries-of-all/random", RANDOM)
    write(b.dir / "small", b"small " + SECRETS["a file's name"])
    wait_equal([a.dir, b.dir], SOON_S)
    (b.dir / "salaries-of-all/quarterly-report.txt").rename(b.dir / "renamed-report.txt")
    write(a.dir / "salaries-of-all/random", RANDOM[:300_000] + b"!" + RANDOM[300_000:])
    wait_equal([a.dir, b.dir], SOON_S)
    (a.dir / "small").unlink()
    shutil.rmtree(b.dir / "salaries-of-all")
    wait_equal([a.dir, b.dir], SOON_S)
    ids = []
    for node in lan:
        said = json.loads(node.run_to_end("status", node.dir, "--json").out)
        ids += [said["node"], said["replica"]]
    b.stop()
    b.start("--name", "accounting-desk1", "--folder", "board-of-directors", *args)
    wait_for(lambda: "found accounting-desk0" in b.log(this_run=True), SOON_S, "they meet again")
    wait_equal([a.dir, b.dir], SOON_S)
    lan.stop()
    return ids


def windows(sniffer: Sniffer) -> int:
    """How many of 300 pieces of 16 bytes of the random file passed."""
    heard = sniffer.everything()
    return sum(RANDOM[at : at + 16] in heard for at in range(0, len(RANDOM) - 16, len(RANDOM) // 300))


def test_an_open_mesh_is_read_by_who_listens(new_lan: Callable[..., Lan]) -> None:
    """Otherwise the test below would find nothing because it looks in a wrong way."""
    lan = new_lan(2)
    with sniffed(lan[0]) as sniffer:
        ids = whole_life(lan)
    texts = b"".join(inflatable(sniffer.everything()))
    for what, secret in SECRETS.items():
        assert secret in texts + sniffer.everything(), what
    for node in ids:
        assert node.encode() in texts
    assert windows(sniffer) > 290


def test_a_closed_mesh_tells_a_listener_nothing(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    with sniffed(lan[0]) as sniffer:
        ids = whole_life(lan, "--key-file", str(key_file(lan)))
    heard = sniffer.everything()
    assert len(heard) > len(RANDOM), "something was sent"
    assert inflatable(heard) == []
    for what, secret in [*SECRETS.items(), *(("an id", node.encode()) for node in ids)]:
        assert secret not in heard, what
        assert secret.hex().encode() not in heard, what
    assert windows(sniffer) == 0
    beacons = [payload for _, payload in sniffer.udp if b"dir_sync" in payload]
    assert len(beacons) > 3
    assert len({len(payload) for payload in beacons}) == 1
    assert len(set(beacons)) > 3
    for payload in beacons:
        assert set(json.loads(payload)) == {"dir_sync", "mesh", "box"}
    for node in lan:
        assert "closed mesh" in node.log()
        assert "dsk1-" not in node.log()
