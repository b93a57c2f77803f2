"""HELLO, FOLDERS, MEMBERS, PING, PONG, CLOSE."""

from __future__ import annotations

import pytest

from dir_sync.core import limits
from dir_sync.core.messages import (
    PROTOCOL,
    Close,
    FolderIndex,
    Folders,
    Hello,
    LocalError,
    MemberRow,
    Members,
    Ping,
    Pong,
    ProtocolVersion,
)
from dir_sync.core.model import PeerError
from tests.core.messages.bench import (
    Arrays,
    Examples,
    Fields,
    over_the_wire,
    refused,
)

# What each message is on the wire, written by hand, and what it means.
EXAMPLES: Examples = [
    (
        {
            "type": "HELLO",
            "protocol": 2,
            "node": "ab",
            "name": "k\u00fcche",
            "instance": "01",
            "port": 4711,
            "folders": [["docs", "cd", 12]],
        },
        Hello(2, "ab", "k\u00fcche", "01", 4711, (FolderIndex("docs", "cd", 12),)),
    ),
    (
        {"type": "FOLDERS", "folders": [["docs", "cd", 12], ["photos", "ef", 3, True]], "answer": True},
        Folders((FolderIndex("docs", "cd", 12), FolderIndex("photos", "ef", 3, paused=True)), True),
    ),
    (
        {"type": "FOLDERS", "folders": [["docs", "cd", 12]], "answer": False, "closed": ["photos"]},
        Folders((FolderIndex("docs", "cd", 12),), False, ("photos",)),
    ),
    (
        {"type": "MEMBERS", "members": [["ab" * 16, "nas", "rw", 5, ""], ["cd" * 16, "tv", "ro", 0, "ab" * 16]]},
        Members((MemberRow("ab" * 16, "nas", "rw", 5, ""), MemberRow("cd" * 16, "tv", "ro", 0, "ab" * 16))),
    ),
    ({"type": "PING", "token": 1}, Ping(1)),
    ({"type": "PONG", "token": 1}, Pong(1)),
    ({"type": "CLOSE", "reason": "bye", "text": "see you"}, Close("bye", "see you")),
]
# Where a value of each kind stands: the type of the message, the way into it, the kind of value (see BAD and GOOD).
FIELDS: Fields = [
    ("HELLO", ("node",), "id"),
    ("HELLO", ("name",), "name"),
    ("HELLO", ("instance",), "id"),
    ("HELLO", ("port",), "port"),
    ("HELLO", ("folders", 0, 0), "name"),
    ("HELLO", ("folders", 0, 1), "id"),
    ("HELLO", ("folders", 0, 2), "sequence"),
    ("FOLDERS", ("folders", 0, 0), "name"),
    ("FOLDERS", ("folders", 0, 1), "id"),
    ("FOLDERS", ("folders", 0, 2), "sequence"),
    ("FOLDERS", ("answer",), "boolean"),
    ("FOLDERS", ("closed", 0), "name"),
    ("MEMBERS", ("members", 0, 1), "name"),
    ("PING", ("token",), "sequence"),
    ("PONG", ("token",), "sequence"),
    ("CLOSE", ("reason",), "name"),
    ("CLOSE", ("text",), "text"),
]
# Which arrays are bounded: the type of the message, the way to it, its least and its greatest length.
ARRAYS: Arrays = [
    ("HELLO", ("folders", 0), 3, 3),
    ("HELLO", ("folders",), 0, 64),
    ("FOLDERS", ("folders", 0), 3, 3),
    ("FOLDERS", ("folders",), 0, 64),
    ("FOLDERS", ("closed",), 1, 64),
    ("MEMBERS", ("members", 0), 5, 5),
    ("MEMBERS", ("members",), 0, 1024),
]
WIRE = {fields["type"]: fields for fields, _ in EXAMPLES}


@pytest.mark.parametrize("version", [0, 1, 3, 2**62])
def test_another_version_is_told_whatever_else_the_hello_says(version: int) -> None:
    for fields in ({**WIRE["HELLO"], "protocol": version}, {"type": "HELLO", "protocol": version, "node": 5}):
        with pytest.raises(ProtocolVersion) as caught:
            over_the_wire(fields)
        assert caught.value.version == version
        assert isinstance(caught.value, PeerError)
        ours, theirs = ("there", "here") if version < PROTOCOL else ("here", "there")
        assert str(caught.value) == (
            f"it speaks protocol {version}, this node speaks protocol {PROTOCOL}; upgrade dir_sync {ours}"
        )
        assert caught.value.said_there == (
            f"it speaks protocol {PROTOCOL}, this node speaks protocol {version}; upgrade dir_sync {theirs}"
        )
    assert PROTOCOL == 2


def test_a_folder_comes_once_in_a_hello() -> None:
    refused({**WIRE["HELLO"], "folders": [["docs", "ab", 1], ["docs", "cd", 2]]})


@pytest.mark.parametrize("word", [False, 1, "true", None, [], [True]])
def test_the_word_that_a_folder_is_paused_is_true_or_is_not_there(word: object) -> None:
    refused({**WIRE["FOLDERS"], "folders": [["docs", "ab", 1, word]]})


def test_a_replica_is_of_one_folder() -> None:
    refused({**WIRE["HELLO"], "folders": [["docs", "ab", 1], ["music", "ab", 2]]})


def test_more_folders_than_a_hello_may_name_are_our_fault() -> None:
    with pytest.raises(LocalError):
        Hello(2, "a", "n", "b", 1, (FolderIndex("f", "a", 1),) * (limits.FOLDERS_MAX + 1)).to_wire()


@pytest.mark.parametrize("text", ["x" * 1000, "\ud800" * 3, "\udcff", "\U0001f600" * 401])
def test_a_last_word_is_always_fit_to_be_heard(text: str) -> None:
    got = over_the_wire(Close("protocol-error", text).to_wire())
    assert isinstance(got, Close)
    assert len(got.text) == min(len(text), limits.TEXT_CHARS_MAX)


@pytest.mark.parametrize(
    "row",
    [
        ["ab" * 15, "nas", "rw", 5, ""],
        ["AB" * 16, "nas", "rw", 5, ""],
        [5, "nas", "rw", 5, ""],
        ["ab" * 16, "nas", "root", 5, ""],
        ["ab" * 16, "nas", [], 5, ""],
        ["ab" * 16, "nas", "rw", -1, ""],
        ["ab" * 16, "nas", "rw", True, ""],
        ["ab" * 16, "nas", "rw", 5, "x"],
        ["ab" * 16, "nas", "rw", 5, None],
    ],
)
def test_a_member_that_is_none(row: list[object]) -> None:
    refused({"type": "MEMBERS", "members": [row]})


def test_a_program_says_its_version_in_its_hello() -> None:
    hello = Hello(2, "ab", "n", "01", 1, (FolderIndex("docs", "cd", 3),), version="1.2.3")
    assert hello.to_wire()["version"] == "1.2.3"
    assert over_the_wire(hello.to_wire()) == hello
    assert hello.with_folders(()).version == "1.2.3"
    with pytest.raises(PeerError, match="version"):
        over_the_wire(hello.to_wire() | {"version": 5})
    assert "version" not in Hello(2, "ab", "n", "01", 1, ()).to_wire(), "an older one says none"
