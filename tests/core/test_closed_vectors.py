"""The test vectors of docs/protocol.md, sections 5.1 to 5.3: read out of the document, and run."""

from __future__ import annotations

import re
from pathlib import Path

from dir_sync.core.keys import MeshKey
from dir_sync.core.link_handshake import HEAD_BYTES, Calling, Credentials, Door
from dir_sync.core.peers.beacon import Beacon
from dir_sync.core.peers.sealed_beacon import SealedPresence

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text("utf-8")


def vector(name: str) -> dict[str, str]:
    """The values of a block; a value goes on in lines that are indented."""
    found = re.search(rf"^```{name}\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert found is not None
    values: dict[str, str] = {}
    last = ""
    for line in found[1].splitlines():
        if not line.startswith(" "):
            last, line = line.split(maxsplit=1)
            values[last] = ""
        values[last] += line.strip()
    return values


KEYS = vector("keys")
KEY = MeshKey.made_of(bytes.fromhex(KEYS["K"]), 3)


def test_keys() -> None:
    found = {
        "K": KEY.secret.hex(),
        "P_rw": KEY.writers.hex(),
        "R": KEY.read_only().secret.hex(),
        "P_ro": KEY.readers.hex(),
        "G": KEY.gate.secret.hex(),
        "psk": KEY.gate.psk.hex(),
        "beacon": KEY.gate.beacon.hex(),
        "id": KEY.id,
        "name": KEY.fingerprint,
        "rw": KEY.text,
        "ro": KEY.read_only().text,
    }
    assert found == KEYS
    assert MeshKey.from_text(KEYS["rw"]) == KEY
    assert MeshKey.from_text(KEYS["ro"]) == KEY.read_only()


def test_beacon() -> None:
    presence = SealedPresence(KEY.gate, [], True, lambda size: b"\x01" * size)
    beacon = Beacon("a1b2c3d4a1b2c3d4", "0011223300112233", 6000, True)
    (datagram,) = presence.datagrams(beacon, "192.168.7.10", 0)
    assert datagram.decode() == vector("beacon")["datagram"]
    assert presence.heard(datagram, "192.168.7.10") == beacon


def test_handshake_and_records() -> None:
    frames = vector("handshake")
    calling = Calling(Credentials(KEY, b"\x6a" * 32), "AESGCM", b"\x66" * 32)
    first = calling.first()[HEAD_BYTES:]
    answering = Door(Credentials(KEY, b"\x69" * 32)).knock(first, b"\x65" * 32)
    second = answering.second()[HEAD_BYTES:]
    third = calling.third(second)[0][HEAD_BYTES:]
    answering.finish(third)
    assert {"1": first.hex(), "2": second.hex(), "3": third.hex()} == frames
    records = {
        "caller": b"".join(map(bytes, calling.streams()[0].records([b"hello, ", b"world"]))).hex(),
        "answerer": b"".join(map(bytes, answering.streams()[0].records([b"hello"]))).hex(),
    }
    assert records == vector("records")
