"""Records as rows of JSON: what is refused, what is taken at its bounds, and how large they become."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core import limits
from dir_sync.core.messages import (
    LocalError,
    State,
    page_size,
)
from dir_sync.core.model import Kind, PathError, Record, Stamp, check_path
from tests import strategies
from tests.core.messages.bench import (
    DIGEST,
    FILE,
    FILE_RECORD,
    FOLDER,
    GONE,
    LINK,
    NOT_INTEGERS,
    NOT_STRINGS,
    SURROGATES,
    changed,
    over_the_wire,
    refused,
)

STATE = {"type": "STATE", "folder": "docs", "sequence": 5, "last": True, "records": [FILE, FOLDER, LINK, GONE]}


def test_kinds_come_back_as_kinds() -> None:
    got = over_the_wire(STATE)
    assert isinstance(got, State)
    assert [type(record.kind) for record in got.records] == [Kind] * 4
    assert [type(record) for record in got.records] == [Record] * 4
    assert {type(record.stamp) for record in got.records} == {Stamp}
    assert all(type(each) is int for row in got.to_wire()["records"] for each in (row[1], row[2]))


@pytest.mark.parametrize(
    ("row", "position", "values"),
    [
        (FILE, 1, [*NOT_INTEGERS, -1, 0, 2, 3, 4, 9, 2**70]),
        (FOLDER, 1, [*NOT_INTEGERS, -1, 1, 3, 4, 9]),
        (LINK, 1, [*NOT_INTEGERS, -1, 0, 1, 2, 4, 9]),
        (GONE, 1, [*NOT_INTEGERS, -1, 1, 3, 4, 9]),
        (FOLDER, 2, [*NOT_INTEGERS, 1, -1]),
        (LINK, 2, [*NOT_INTEGERS, 1, -1]),
        (GONE, 2, [*NOT_INTEGERS, 1, -1]),
        (FOLDER, 3, [*NOT_STRINGS, "a", DIGEST]),
        (GONE, 3, [*NOT_STRINGS, "a", DIGEST]),
        (LINK, 3, [*NOT_STRINGS, *SURROGATES, "", "\0", "a\0b", "t" * 4096, "\udcc3\udca9", "\u00e9" * 2048]),
        (FILE, 6, [*NOT_INTEGERS, -1, 0o1000, 0o4755]),
        (FOLDER, 6, [*NOT_INTEGERS, -1, 0o1000, 0o1777]),
        (LINK, 6, [*NOT_INTEGERS, -1, 0, 0o755, 0o776, 0o1777]),
        (GONE, 6, [*NOT_INTEGERS, -1, 1, 0o644]),
        (FILE, 9, [[["b", 1], ["a", 1]], [["a", 1], ["a", 1]], [["a", 1], ["a", 2]], [["=a", 1], ["0", 1]]]),
        (FILE, 9, [["ab", 3], [["ab"]], [["ab", 3, 4]], [{"ab": 3}], [[3, "ab"]], [None], [[["ab"], 3]]]),
    ],
)
def test_records_of_each_kind_are_checked(row: list[Any], position: int, values: list[Any]) -> None:
    for value in values:
        wrong = [*row[:position], value, *row[position + 1 :]]
        refused({**STATE, "records": [FILE, wrong]})


@pytest.mark.parametrize(
    ("row", "position", "values"),
    [
        (FILE, 6, [0, 0o777]),
        (FOLDER, 6, [0, 0o777]),
        (LINK, 3, ["/", "..", "t" * 4095, "\udcff", "a//b", "\u00e9" * 2047 + "e", "\n"]),
        (FILE, 9, [[["0", 1], ["=a", 1], ["a", 1]], [["a", 1], ["aa", 1], ["b", 1]]]),
    ],
)
def test_records_at_their_bounds_are_taken(row: list[Any], position: int, values: list[Any]) -> None:
    for value in values:
        fields = {**STATE, "records": [[*row[:position], value, *row[position + 1 :]]]}
        got = over_the_wire(fields)
        assert got is not None
        assert got.to_wire() == fields


@given(
    st.one_of(
        strategies.paths(),
        st.lists(st.sampled_from([b"/", b".", b"..", b"a", b".dir_sync", b"\0", b"n" * 127]), max_size=6).map(b"".join),
    )
)
def test_paths_are_those_that_the_model_takes(path: bytes) -> None:
    try:
        expected = check_path(path)
    except PathError:
        refused(changed(STATE, ("records", 0, 0), path.decode("utf-8", "surrogateescape")))
    else:
        got = over_the_wire(changed(STATE, ("records", 0, 0), path.decode("utf-8", "surrogateescape")))
        assert isinstance(got, State)
        assert got.records[0].path == expected


def test_makers_of_a_page_are_shared() -> None:
    got = over_the_wire({**STATE, "records": [FILE] * 3})
    assert isinstance(got, State)
    assert len({id(record.stamp.maker) for record in got.records}) == 1
    assert {id(record.vector[0][0]) for record in got.records} == {id(got.records[0].stamp.maker)}


def test_a_record_of_what_cannot_be_shared_is_our_fault() -> None:
    with pytest.raises(LocalError):
        State("docs", 1, True, (FILE_RECORD._replace(kind=Kind.OTHER),)).to_wire()


@given(strategies.records())
def test_page_size_is_never_far_from_the_truth(record: Record) -> None:
    row = State("f", 1, True, (record,)).to_wire()["records"][0]
    true = len(json.dumps(row, separators=(",", ":")))
    assert true <= 8 * page_size(record)
    assert page_size(record) <= 8 * true + 200


def test_page_size_is_about_right_for_ordinary_records() -> None:
    nodes = [f"{number:032x}" for number in range(3)]
    vector = tuple((node, 1_000_000) for node in nodes)
    path = b"projects/dir_sync/tests/core/test_messages.py"
    record = FILE_RECORD._replace(path=path, stamp=Stamp(1_700_000_000_000_000_000, nodes[0]), vector=vector)
    row = State("f", 1, True, (record,)).to_wire()["records"][0]
    true = len(json.dumps(row, separators=(",", ":")))
    assert 0.8 * true < page_size(record) < 1.5 * true


def test_a_page_filled_by_page_size_is_a_message_that_may_be_sent() -> None:
    """Even if every path is made of what JSON must escape."""
    record = FILE_RECORD._replace(path=b"\x01" * 255)
    count = limits.PAGE_BYTES_MAX // page_size(record) + 1
    page = State("f", 1, True, (record,) * min(count, limits.PAGE_RECORDS_MAX))
    assert len(json.dumps(page.to_wire())) < limits.MESSAGE_BYTES_MAX
