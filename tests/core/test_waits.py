"""Each wait has a sentence, and crosses the control socket unchanged."""

from __future__ import annotations

import string

import pytest

from dir_sync.core.waits import SENTENCES, Wait, Waiting, from_json, to_json

FIELDS = {"peer", "other", "text", "when", "until", "percent", "size"}


def test_each_wait_has_a_sentence_of_its_own() -> None:
    assert set(SENTENCES) == set(Wait)
    said = [text for text in SENTENCES.values() if text != "{text}"]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("wait", Wait)
def test_a_sentence_names_only_what_a_wait_has(wait: Wait) -> None:
    fields = {field for _, field, _, _ in string.Formatter().parse(SENTENCES[wait]) if field}
    assert fields <= FIELDS
    assert not SENTENCES[wait].endswith(".")


@pytest.mark.parametrize("wait", Wait)
def test_a_wait_crosses_the_socket(wait: Wait) -> None:
    one = Waiting(wait, "bob", b"d/e", "no room", 2.5, 1, 10, True)
    assert from_json(to_json(one)) == one
    assert from_json(to_json(Waiting(wait))) == Waiting(wait)


def test_a_wait_of_a_later_version_is_refused() -> None:
    with pytest.raises(ValueError, match="weather"):
        from_json({"wait": "weather"})
