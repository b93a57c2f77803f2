"""Sealed presence: members hear each other, and nobody else learns anything."""

from __future__ import annotations

import base64
import itertools
import json
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core import limits
from dir_sync.core.keys import Gate
from dir_sync.core.peers.beacon import Beacon, Foreign, OpenPresence, encode_beacon
from dir_sync.core.peers.sealed_beacon import KNOWN_MAX, OLDER_EVERY_MS, SealedPresence

RNG = random.Random(4)
GATES = [Gate(bytes([number]) * 32) for number in range(6)]
AT = "192.168.7.10"
BEACON = Beacon("ab" * 8, "cd" * 8, 6000, True)


def presence(gate: int = 0, older: tuple[int, ...] = (), has_aes: bool = True) -> SealedPresence:
    return SealedPresence(GATES[gate], [GATES[one] for one in older], has_aes, RNG.randbytes)


def sent(by: SealedPresence, beacon: Beacon = BEACON, at: str = AT) -> bytes:
    return by.datagrams(beacon, at, 0)[0]


@given(
    st.text("0123456789abcdef", min_size=1, max_size=32),
    st.text("0123456789abcdef", min_size=1, max_size=16),
    st.integers(1, 65535),
    st.booleans(),
    st.booleans(),
    st.ip_addresses(v=4).map(str),
)
def test_members_hear_what_was_said_and_all_beacons_are_alike(
    node: str, instance: str, port: int, ask: bool, has_aes: bool, at: str
) -> None:
    beacon = Beacon(node, instance, port, ask)
    data = sent(presence(has_aes=has_aes), beacon, at)
    assert len(data) == len(sent(presence()))
    assert len(data) <= limits.BEACON_BYTES_MAX
    listener = presence()
    assert listener.heard(data, at) == beacon
    assert listener.has_aes(at, port) is has_aes
    assert not presence(has_aes=False).has_aes(at, port)


def test_nothing_of_it_can_be_read() -> None:
    data = sent(presence())
    fields = json.loads(data)
    assert set(fields) == {"dir_sync", "mesh", "box"}
    assert fields["mesh"] == "closed"
    box = base64.b64decode(fields["box"])
    assert len(box) == 12 + 192 + 16
    for secret in (b"ab" * 8, b"cd" * 8, b"6000", AT.encode(), b"node", b"ask"):
        assert secret not in data
        assert secret not in box
    assert len(zlib.compress(box)) > len(box)
    assert sent(presence()) != sent(presence()), "two beacons of one machine have nothing in common"


def test_a_folder_is_not_named() -> None:
    data = sent(presence(), BEACON._replace(folders=("01234567",)))
    assert presence().heard(data, AT) == BEACON


def test_a_beacon_from_another_address_was_recorded() -> None:
    data = sent(presence())
    assert presence().heard(data, "192.168.7.11") is None
    assert presence(1, (0,)).heard(data, "192.168.7.11") is None


def test_another_mesh_is_not_heard() -> None:
    assert presence(1).heard(sent(presence(0)), AT) is None


def test_any_bit_that_is_changed_makes_it_nothing() -> None:
    data = bytearray(sent(presence()))
    listener = presence()
    for at, bit in itertools.product(range(len(data)), range(8)):
        data[at] ^= 1 << bit
        said = listener.heard(bytes(data), AT)
        # A bit of the letters of base64 that stands for no bit of the box may differ.
        assert said is None or (at > 300 and said == BEACON)
        data[at] ^= 1 << bit


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"x" * 513,
        b'{"dir_sync":1,"mesh":"closed"}',
        b'{"dir_sync":1,"mesh":"closed","box":5}',
        b'{"dir_sync":1,"mesh":"closed","box":"\xc3\xa9"}',
        b'{"dir_sync":1,"mesh":"closed","box":"!!!"}',
        b'{"dir_sync":1,"mesh":"closed","box":"AAAA"}',
        b'{"dir_sync":1,"mesh":"open"}',
        b'{"dir_sync":1,"mesh":"open","node":"xyz","instance":"1","port":1,"ask":true}',
        b'{"dir_sync":9,"mesh":"closed","box":"AAAA"}',
    ],
)
def test_what_is_no_beacon(data: bytes) -> None:
    assert presence(older=(1, 2)).heard(data, AT) is None


@given(st.binary(max_size=520))
def test_whatever_comes_is_nothing(data: bytes) -> None:
    assert presence(older=(1,)).heard(data, AT) is None


def test_open_nodes_and_closed_ones_say_once_why_they_do_not_meet() -> None:
    said = presence().heard(encode_beacon(BEACON), AT)
    assert isinstance(said, Foreign)
    assert AT in said.words
    assert "invite" in said.words
    heard = OpenPresence().heard(sent(presence()), AT)
    assert isinstance(heard, Foreign)
    assert "closed mesh" in heard.words
    other = OpenPresence().heard(sent(presence(), at="192.168.7.11"), "192.168.7.11")
    assert isinstance(other, Foreign)
    assert heard.who == other.who, "one line for a closed mesh, however many members it has"
    third = presence().heard(encode_beacon(BEACON), "192.168.7.11")
    assert isinstance(third, Foreign)
    assert third.who != said.who, "each open node is one that somebody may want to let in"
    assert OpenPresence().heard(encode_beacon(BEACON), AT) == BEACON
    assert OpenPresence().datagrams(BEACON, AT, 0) == [encode_beacon(BEACON)]


def test_every_ten_seconds_one_goes_out_under_an_older_gate_in_turn() -> None:
    speaker = presence(0, (1, 2, 3, 4, 5))
    heard = []
    for now_ms in range(0, 6 * OLDER_EVERY_MS, 2_500):
        _, *extra = speaker.datagrams(BEACON, AT, now_ms)
        heard += [(now_ms, one) for one in extra]
    assert [now_ms for now_ms, _ in heard] == [number * OLDER_EVERY_MS for number in range(6)]
    for number, (_, data) in enumerate(heard):
        under = 1 + number % 4  # the last four of the older ones
        assert presence(under).heard(data, AT) == BEACON
        assert presence(0).heard(data, AT) is None
    assert len(speaker.datagrams(BEACON, "10.0.0.1", 1)) == 2, "from each address"


def test_who_is_heard_under_an_older_gate_is_known_to_be_found_there() -> None:
    listener = presence(0, (1, 2))
    for gate, older in ((2, 1), (1, 0), (0, None)):
        assert listener.heard(sent(presence(gate)), AT) == BEACON
        assert listener.older_gate(AT, BEACON.port) == older
    assert listener.older_gate("10.0.0.1", BEACON.port) is None
    assert listener.heard(sent(presence(2)), "10.0.0.1") is None, "it comes from elsewhere than it says"


def test_who_has_our_key_is_called_at_our_door_whatever_else_it_says() -> None:
    listener, speaker = presence(0, (1, 2)), presence(0, (1, 2))
    for data in speaker.datagrams(BEACON, AT, 0):
        assert listener.heard(data, AT) == BEACON
    assert listener.older_gate(AT, BEACON.port) is None
    behind = presence(0, (1, 2))
    behind.heard(sent(presence(2)), AT)
    assert behind.older_gate(AT, BEACON.port) == 1
    behind.heard(sent(presence(0)), AT)
    assert behind.older_gate(AT, BEACON.port) is None


def test_what_is_remembered_of_addresses_is_bounded() -> None:
    listener = presence()
    speaker = presence()
    for number in range(KNOWN_MAX + 10):
        at = f"10.0.{number // 256}.{number % 256}"
        listener.heard(sent(speaker, at=at), at)
    assert len(listener._aes) == len(listener._gates) == KNOWN_MAX
    assert listener.has_aes(at, BEACON.port)
    assert not listener.has_aes("10.0.0.0", BEACON.port)
