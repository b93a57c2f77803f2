"""Events as JSON: each kind there and back, with names that nobody should give to a file."""

from __future__ import annotations

import json
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core.live_notes import Event
from dir_sync.core.note_json import KINDS, from_json, kind_of, to_json
from dir_sync.core.notes import ChangedHere, InSync, NotTakenThere, ReceivedMany

PATHS = [b"a.txt", b"", b"\xff\xfe", b"two\nlines", b"back\\slash", "ä b\u202e".encode(), b"x" * 4_000, b"\\xff"]
VALUES: dict[Any, list[Any]] = {
    bytes: PATHS,
    int: [0, 1, 2**40],
    str: ["anna", "", "no \x1b[2J way"],
    bool: [True, False],
    str | None: [None, "bob"],
    tuple[NotTakenThere, ...]: [(), (NotTakenThere("anna", "ignored", 1, 2, 3, 0),)],
    tuple[str, ...]: [(), ("anna", "bob")],
    tuple[tuple[bytes, int], ...]: [(), tuple((path, 7) for path in PATHS)],
}


def samples(kind: type[Event]) -> list[Event]:
    """Some events of a kind: in each, all fields have a value of their type."""
    hints = get_type_hints(kind)
    choices = {field: VALUES[hints[field]] for field in kind._fields}
    longest = max((len(some) for some in choices.values()), default=1)
    return [kind(**{field: some[at % len(some)] for field, some in choices.items()}) for at in range(longest)]


@pytest.mark.parametrize("kind", get_args(Event), ids=kind_of)
def test_each_kind_there_and_back(kind: type[Event]) -> None:
    for event in samples(kind):
        line = json.dumps(to_json(event))
        assert line.isascii()
        assert from_json(json.loads(line)) == event


def test_no_two_kinds_have_one_name() -> None:
    assert len(KINDS) == len(get_args(Event))


@given(st.binary(min_size=1, max_size=200))
def test_any_path(path: bytes) -> None:
    event = ChangedHere(path, 1)
    found = to_json(event)["path"]
    assert found.isprintable()
    assert from_json(json.loads(json.dumps(to_json(event)))) == event


def test_what_a_program_reads() -> None:
    assert to_json(InSync(("anna", "bob"))) == {"event": "in_sync", "peers": ["anna", "bob"], "apart": []}
    assert to_json(ReceivedMany("bob", ((b"a", 1),), 1)) == {
        "event": "received_many",
        "peer": "bob",
        "files": [{"path": "a", "size": 1}],
        "size": 1,
    }


def test_names_that_are_no_text_can_be_written() -> None:
    json.dumps(to_json(InSync(("\ud800", "\udcff")))).encode()


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"event": "of a later version"},
        {"event": "received"},
        {"event": "received", "path": 3, "peer": "", "size": 0},
    ],
)
def test_what_is_not_known_is_none(event: dict[str, Any]) -> None:
    assert from_json(event) is None


def test_what_is_apart_comes_back_as_it_was() -> None:
    note = InSync(("anna",), (NotTakenThere("anna", "ignored", 1, 2, 3, 0),))
    assert from_json(json.loads(json.dumps(to_json(note)))) == note
    assert from_json({"event": "in_sync", "peers": ["anna"]}) == InSync(("anna",)), "of an older node"
