"""What holds for every message: each one comes back as it was; each wrong field is refused, each bound taken."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core.messages import (
    HANDLERS,
    SAID_IN,
    Chunks,
    JsonMessage,
    Lost,
    Message,
    ModificationUpdate,
    Signature,
    Taker,
    from_wire,
    handlers,
)
from dir_sync.core.model import PeerError
from dir_sync.daemon.links import Neighbours
from dir_sync.daemon.observers import Observers
from dir_sync.engine.router import MessageRouter
from dir_sync.network.reader import Reader
from dir_sync.node import Node
from tests import strategies
from tests.core.messages import (
    test_brake,
    test_history,
    test_link,
    test_observe,
    test_state,
    test_transfer,
    test_update,
    test_verify,
)
from tests.core.messages.bench import (
    BAD,
    GOOD,
    NOT_ARRAYS,
    Way,
    changed,
    over_the_wire,
    refused,
)

TOPICS = (test_link, test_state, test_update, test_transfer, test_history, test_brake, test_observe, test_verify)
EXAMPLES = [each for topic in TOPICS for each in topic.EXAMPLES]
FIELDS = [each for topic in TOPICS for each in topic.FIELDS]
ARRAYS = [each for topic in TOPICS for each in topic.ARRAYS]
WIRE = {fields["type"]: fields for fields, _ in EXAMPLES}
# What is wrong elsewhere and right here: the shared folder itself; no base; nobody knows who. Both are in the examples, too.
ALSO_GOOD: list[tuple[Way, Any]] = [
    (("times", 1, 0), ""),
    (("pulls", 1, 3), None),
    (("path",), ""),
    (("after",), ""),
    (("until",), ""),
    (("kept", 0, 10), ""),
]


def test_every_message_is_defined_in_its_class_and_has_an_example() -> None:
    kinds = get_args(JsonMessage)
    for kind in kinds:
        assert {"TYPE", "SAID_IN", "HANDLER", "to_wire", "from_wire"} <= set(vars(kind)), kind
    assert sorted(kind.TYPE for kind in kinds) == sorted(WIRE)
    assert {type(message) for _, message in EXAMPLES} == set(kinds)
    assert set(SAID_IN) == set(HANDLERS) == {*kinds, Chunks}


TAKERS = {Taker.CONNECTION: Reader, Taker.LINKS: Neighbours, Taker.ENGINE: MessageRouter, Taker.OBSERVERS: Observers}


def test_every_message_has_a_handler_that_takes_it() -> None:
    assert set(TAKERS) == set(Taker)
    for kind, (taker, method) in HANDLERS.items():
        *_, (_, taken) = [
            each for each in get_type_hints(getattr(TAKERS[taker], method)).items() if each[0] != "return"
        ]
        assert taken is kind, f"{method} of {taker.value} takes {taken}"


def test_every_handler_has_a_message() -> None:
    for taker in (Taker.CONNECTION, Taker.ENGINE, Taker.OBSERVERS):
        found = sorted(name for name in vars(TAKERS[taker]) if name.startswith("on_"))
        assert found == sorted(handler.method for handler in HANDLERS.values() if handler.taker is taker)
    for taker in Taker:
        assert f"{TAKERS[taker].__module__}.{TAKERS[taker].__name__}" == f"dir_sync.{taker.value}"


def test_a_message_without_a_handler_is_found_at_import() -> None:
    with pytest.raises(AttributeError, match="on_"):
        handlers(Taker.ENGINE, Node)


def without_data(message: Message) -> Message:
    """`message` without what travels as attachment."""
    match message:
        case Signature(folder, number, _):
            return Signature(folder, number, b"")
        case Lost(folder, record, to, _):
            return Lost(folder, record, to, b"")
        case ModificationUpdate(folder, sequence, changes, times, attached):
            bare = tuple(change._replace(content=None) for change in changes)
            return ModificationUpdate(folder, sequence, bare, times, attached)
        case _:
            return message


@pytest.mark.parametrize(("fields", "message"), EXAMPLES, ids=[fields["type"] for fields, _ in EXAMPLES])
def test_examples_mean_what_they_should(fields: dict[str, Any], message: Message) -> None:
    got = over_the_wire(fields)
    assert got == message
    assert type(got) is type(message)
    assert message.to_wire() == fields


@given(
    st.one_of(strategies.messages().filter(lambda m: type(m) is not Chunks), strategies.hellos(), strategies.closes())
)
def test_every_message_comes_back_as_it_was(message: Message) -> None:
    fields = message.to_wire()
    assert strategies.as_json(fields) == fields  # plain types only
    got = over_the_wire(fields)
    assert got == without_data(message)
    assert type(got) is type(message)


def test_unknown_types_are_none_and_unknown_fields_are_skipped() -> None:
    assert over_the_wire({"type": "WEATHER", "sunny": True}) is None
    assert over_the_wire({"type": "ping", "token": 1}) is None
    for fields, message in EXAMPLES:
        assert over_the_wire({**fields, "zzz": [[{}]], "": 1.5}) == message


@pytest.mark.parametrize("kind", [None, 1, True, [], {}, ["PING"]])
def test_a_message_has_a_type(kind: object) -> None:
    refused({"type": kind, "token": 1})
    refused({"token": 1})


@pytest.mark.parametrize(("kind", "way", "what"), FIELDS, ids=lambda each: str(each))
def test_fields_are_checked(kind: str, way: Way, what: str) -> None:
    for value in BAD[what]:
        if (way, value) not in ALSO_GOOD:
            assert kind in refused(changed(WIRE[kind], way, value)), value
    for value in GOOD[what]:
        fields = changed(WIRE[kind], way, value)
        got = over_the_wire(fields)
        assert got is not None
        assert got.to_wire() == fields


def test_every_field_is_in_the_table() -> None:
    for kind, fields in WIRE.items():
        listed = {way[0] for other, way, _ in FIELDS if other == kind}
        assert listed | {"type", "protocol"} >= set(fields)


OPTIONAL = [("ROWS", "room"), ("LACKS", "declined"), ("FOLDERS", "closed")]


@pytest.mark.parametrize("kind", list(WIRE))
def test_no_field_may_be_missing(kind: str) -> None:
    for name in WIRE[kind]:
        if (kind, name) in OPTIONAL:
            continue
        fields = {other: value for other, value in WIRE[kind].items() if other != name}
        refused(fields)


@pytest.mark.parametrize(("kind", "name"), OPTIONAL)
def test_a_field_that_older_nodes_do_not_send_may_be_missing(kind: str, name: str) -> None:
    fields = {other: value for other, value in WIRE[kind].items() if other != name}
    got = over_the_wire(fields)
    assert got is not None
    assert got.to_wire() == fields


def of_length(kind: str, way: Way, length: int) -> dict[str, Any]:
    """The example with an array made as long, of entries that differ where they must."""
    here: Any = WIRE[kind]
    for step in way:
        here = here[step]
    entries = (here * (length // len(here) + 1))[:length]
    if way == ("folders",):
        entries = [[f"folder {number}", f"{number:x}", 1] for number in range(length)]
    if way[-1] == 9:
        entries = [[f"{number:04x}", 1] for number in range(length)]
    if way == ("changes",):
        entries = [WIRE[kind]["changes"][1]] * length
    return changed(WIRE[kind], way, entries)


@pytest.mark.parametrize(("kind", "way", "least", "most"), ARRAYS, ids=lambda each: str(each))
def test_arrays_are_bounded(kind: str, way: Way, least: int, most: int) -> None:
    for value in NOT_ARRAYS:
        refused(changed(WIRE[kind], way, value))
    refused(of_length(kind, way, most + 1))
    if least:
        refused(of_length(kind, way, least - 1))
    for length in {least, most}:
        fields = of_length(kind, way, length)
        got = over_the_wire(fields)
        assert got is not None
        assert got.to_wire() == fields


@given(strategies.json_values(), st.sampled_from(FIELDS))
def test_any_value_anywhere_is_taken_as_it_is_or_refused(value: Any, where: tuple[str, Way, str]) -> None:
    kind, way, _ = where
    fields = strategies.as_json(changed(WIRE[kind], way, value))
    try:
        got = from_wire(fields)
    except PeerError as error:
        line = str(error)
    else:
        assert got is not None
        assert got.to_wire() == fields
        line = "taken"
    assert line.isprintable()


@given(
    st.dictionaries(
        st.sampled_from(sorted({name for each in WIRE.values() for name in each})), strategies.json_values()
    )
)
def test_any_object_is_a_message_or_refused(fields: dict[str, Any]) -> None:
    for kind in WIRE:
        try:
            from_wire({**fields, "type": kind})
        except PeerError as error:
            line = str(error)
        else:
            line = "taken"
        assert line.isprintable()
