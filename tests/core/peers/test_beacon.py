"""Beacons as values and as bytes: what the protocol says, and nothing that arrives raises."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core.messages import PROTOCOL
from dir_sync.core.peers.beacon import FOLDER_TAGS_MAX, Beacon, Foreign, OpenPresence, encode_beacon, folder_tags
from tests.core.peers.roster_tools import LARGER, PORT, beacon


def decoded(data: bytes) -> Beacon | Foreign | None:
    return OpenPresence().heard(data, "10.0.0.9")


ids = st.text("0123456789abcdef", min_size=1, max_size=64)
tags = st.none() | st.lists(st.text(max_size=64), max_size=FOLDER_TAGS_MAX).map(folder_tags)
beacons = st.builds(Beacon, ids, ids, st.integers(1, 65535), st.booleans(), tags)


@given(beacons)
def test_a_beacon_survives_the_way(sent: Beacon) -> None:
    data = encode_beacon(sent)
    assert len(data) <= 512
    assert decoded(data) == sent


def test_the_beacon_is_what_the_protocol_says() -> None:
    assert json.loads(encode_beacon(beacon(ask=True))) == {
        "dir_sync": 2,
        "mesh": "open",
        "node": LARGER,
        "instance": "aa",
        "port": PORT,
        "ask": True,
    }


GOOD = {"dir_sync": 2, "mesh": "open", "node": "ab", "instance": "cd", "port": 1, "ask": False}


@pytest.mark.parametrize(
    "change",
    [
        {"dir_sync": -1},
        {"dir_sync": True},
        {"dir_sync": 2.0},
        {"dir_sync": "2"},
        {"mesh": "other"},
        {"mesh": 1},
        {"node": ""},
        {"node": "AB"},
        {"node": "x"},
        {"node": "a" * 65},
        {"node": "٣"},
        {"node": "ab\n"},
        {"node": 5},
        {"node": ["ab"]},
        {"instance": ""},
        {"instance": None},
        {"port": 0},
        {"port": 65536},
        {"port": -1},
        {"port": True},
        {"port": "80"},
        {"port": 80.0},
        {"ask": 1},
        {"ask": "true"},
        {"folders": "0123abcd"},
        {"folders": [1]},
        {"folders": ["0123ABCD"]},
        {"folders": ["0123abc"]},
        {"folders": [f"{number:08x}" for number in range(FOLDER_TAGS_MAX + 1)]},
    ],
)
def test_a_wrong_field_is_no_beacon(change: dict[str, object]) -> None:
    assert decoded(json.dumps(GOOD).encode()) is not None
    assert decoded(json.dumps(GOOD | change).encode()) is None


@pytest.mark.parametrize("version", [0, 1, 3, 2**62])
def test_a_beacon_of_another_version_counts(version: int) -> None:
    """Its sender is dialled: only a connection tells both sides which of them is to be upgraded."""
    assert decoded(json.dumps(GOOD | {"dir_sync": version}).encode()) == decoded(json.dumps(GOOD).encode())


@pytest.mark.parametrize("field", sorted(GOOD))
def test_a_missing_field_is_no_beacon(field: str) -> None:
    assert decoded(json.dumps({k: v for k, v in GOOD.items() if k != field}).encode()) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"1",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b"[" * 512,
        b'{"a":' * 100,
        json.dumps(GOOD).encode() + b" {}",
        json.dumps(GOOD).encode("utf-16"),
        json.dumps(GOOD).encode("utf-8-sig"),
        json.dumps(GOOD).encode()[:-1] + b', "port": 2}',
        json.dumps(GOOD).encode()[:-1] + b', "x": NaN}',
        json.dumps(GOOD).encode()[:-1] + b', "x": 1e999}',
        json.dumps(GOOD).encode()[:-1] + b', "x": ' + b"9" * 400 + b"9" * 100 + b"}",
        json.dumps(GOOD).encode() + b" " * 512,
    ],
)
def test_other_bytes_are_no_beacon(data: bytes) -> None:
    assert decoded(data) is None


def test_the_advice_about_a_closed_mesh_is_that_of_the_moment() -> None:
    """The folder that it names may have gone over to that mesh."""
    folders = ["first", "second"]
    presence = OpenPresence(lambda: f"join {folders[0]}")
    closed = json.dumps({"dir_sync": PROTOCOL, "mesh": "closed", "box": "x"}).encode()
    for folder in ("first", "second"):
        found = presence.heard(closed, "10.0.0.9")
        assert isinstance(found, Foreign)
        assert found.words.endswith(f"; join {folder}")
        del folders[0]


def test_unknown_fields_are_skipped() -> None:
    assert decoded(json.dumps(GOOD | {"later": [1, {"x": None}]}).encode()) is not None


@given(st.binary(max_size=600) | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(
    lambda value: json.dumps(value).encode()
))  # fmt: skip
def test_nothing_that_arrives_raises(data: bytes) -> None:
    decoded(data)
