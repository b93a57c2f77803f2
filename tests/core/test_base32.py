"""Letters that people type: what was spelled comes back, as somebody types it; nothing else is taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core.base32 import grouped, spell, tidied, unspell


@given(st.binary(max_size=80))
def test_what_was_spelled_comes_back(data: bytes) -> None:
    letters = spell(data)
    assert unspell(letters, len(data)) == data
    assert unspell(grouped(letters.lower()), len(data)) == data
    if data:
        assert unspell(letters[1:], len(data)) is None
    assert unspell(letters + "0", len(data)) is None


def test_a_known_value() -> None:
    assert spell(bytes.fromhex("00443214c74254b635cf84653a56d7c675be77df")) == "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    assert spell(b"\xff") == "ZW"


def test_letters_that_look_alike_are_one() -> None:
    assert tidied("oO-iI lL") == "001111"
    assert unspell("ol", 1) is None  # 0 and 1, and the 1 is in what has to be zero
    assert unspell("o0", 1) == b"\0"


@pytest.mark.parametrize("text", ["U0", "00!", "é0", "ZZ", "", "0"])
def test_other_letters_are_refused(text: str) -> None:
    assert unspell(text, 1) is None


def test_groups() -> None:
    assert grouped("ABCDEFGH") == "ABCD-EFGH"
    assert grouped("ABCDE", 2) == "AB-CD-E"
