"""A few thousand inputs; and whether the fuzzer would notice if something were wrong."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from dir_sync.core import pairing
from dir_sync.core.link_handshake import Answering, Door
from dir_sync.core.noise import HandshakeError
from dir_sync.core.pairing import JoinerRun
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import Targets, Wrong

INPUTS = 4_000


def feed(inputs: int) -> Counter[tuple[str, bool]]:
    targets = Targets(7)
    return Counter(targets.one() for _ in range(inputs))


def test_strangers_get_nothing_and_break_nothing() -> None:
    read = feed(INPUTS)
    names = {name for name, _ in read}
    assert {"Targets.beacon", "Targets.first_message", "Targets.second_message", "Targets.third_message"} <= names
    assert read["Targets.beacon", True], "some reach the end"
    assert read["Targets.payload_of_who_calls", True]


def test_a_seed_is_a_course() -> None:
    assert feed(200) == feed(200)


def test_valid_bytes_are_changed_in_many_ways() -> None:
    rng = random.Random(1)
    made = {mutated(rng, b'{"a":1,"b":[2]}') for _ in range(2_000)}
    assert len(made) > 1_000
    assert len({len(one) for one in made}) > 20


def test_a_reader_that_breaks_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes what comes for an object in JSON."""
    monkeypatch.setattr(pairing, "_object", json.loads)
    with pytest.raises((ValueError, AttributeError)):
        feed(INPUTS)


def test_a_door_that_answers_strangers_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Door.knock

    class Polite(Answering):
        def second(self) -> bytes:
            return b"whoever you are"

    def open_to_all(door: Door, first: bytes, ephemeral: bytes) -> Answering:
        try:
            return honest(door, first, ephemeral)
        except HandshakeError:
            return Polite.__new__(Polite)

    monkeypatch.setattr(Door, "knock", open_to_all)
    with pytest.raises(Wrong, match="nobody with the key"):
        feed(INPUTS)


def test_a_joiner_that_believes_anybody_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = JoinerRun.on_proof

    def believes(run: JoinerRun, frame: bytes) -> pairing.Host:
        try:
            return honest(run, frame)
        except pairing.PairingError:
            return pairing.Host("x", 1, "y")

    monkeypatch.setattr(JoinerRun, "on_proof", believes)
    with pytest.raises(Wrong, match="nobody with the code"):
        feed(INPUTS)
