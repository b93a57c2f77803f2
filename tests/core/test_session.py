"""Sessions: what is legal when, what belongs together, and that a wrong peer loses its connection and no more."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core import limits
from dir_sync.core.forecast import Fate
from dir_sync.core.messages import (
    PROTOCOL,
    Acknowledge,
    Brake,
    Change,
    Chunks,
    Close,
    Decision,
    Delta,
    DeltaRequest,
    FolderIndex,
    Folders,
    Forecast,
    ForecastRequest,
    Have,
    HaveRequest,
    Held,
    Hello,
    History,
    HistoryRequest,
    Lacks,
    Loser,
    Lost,
    MemberRow,
    Members,
    Message,
    ModificationUpdate,
    NeedSignature,
    Piece,
    Ping,
    Pong,
    ProtocolVersion,
    Pull,
    PullItem,
    Refuse,
    Rejected,
    Rows,
    RowsRequest,
    Settle,
    Signature,
    State,
    StateRequest,
    VerifyReport,
    VerifyRequest,
    encode,
)
from dir_sync.core.mode import Mode
from dir_sync.core.model import Kind, PeerError, Record, Stamp
from dir_sync.core.session import LEGAL, LocalError, Phase, Session
from dir_sync.core.wire import (
    ATTACHMENT,
    Attachment,
    Buffer,
    Json,
    Unknown,
    encode_message,
    encode_pieces,
)
from tests import strategies
from tests.receiving import feed

HELLO = Hello(PROTOCOL, "ab", "n", "cd", 1, (FolderIndex("docs", "ef", 3),))
REQUEST = StateRequest("docs", "ef", 0)
CLOSE = Close("bye", "")
RECORD = Record(b"a", Kind.FILE, 3, b"d" * 32, 1, 0o644, Stamp(1, "ab"), (("ab", 1),))
ONE = RECORD._replace(size=1)
EMPTY = RECORD._replace(size=0)

ONE_OF_EACH: list[Message] = [
    HELLO,
    REQUEST,
    State("docs", 1, True, (RECORD,)),
    Acknowledge("docs", 1, ((b"a", Stamp(1, "ab")),)),
    ModificationUpdate("docs", 1, (Change("create", RECORD, None, True, None, b"abc"),), (), True),
    Pull("docs", (PullItem(1, b"a", b"d" * 32, None, 0, 3),)),
    Refuse("docs", ((1, "gone"),)),
    DeltaRequest("docs", 1, b"a", b"d" * 32, b"e" * 32),
    NeedSignature("docs", 1),
    Signature("docs", 1, b"sig"),
    Delta("docs", 1, 5),
    HistoryRequest("docs", 1, b"a", 5),
    History("docs", 1, True, ()),
    HaveRequest("docs", 1, (b"d" * 32,)),
    Have("docs", 1, (0,)),
    Brake("docs", (Held("ab", 1, 2, b"a"),)),
    Decision("docs", "ab", 1, False),
    Rejected("docs", "ab", (b"a",)),
    Lacks("docs", 12, 3, 700, 1),
    Settle("docs", (Loser(b"a", Kind.FILE, b"d" * 32),)),
    Lost("docs", RECORD._replace(size=4), "ab", b"text"),
    Members((MemberRow("ab" * 16, "nas", "rw", 5, ""),)),
    Folders((), False),
    RowsRequest("docs", 1),
    Rows("docs", "ab", Mode.TWO_WAY, True, 1, True, (RECORD,)),
    ForecastRequest("docs", "ab", (RECORD,)),
    Forecast("docs", ((Fate.TAKE, ""),)),
    VerifyRequest("docs", 1, b"", b""),
    VerifyReport("docs", 1, (), 0, True),
    Ping(1),
    Pong(1),
    Chunks((Piece(1, 0, b"abc"),)),
    CLOSE,
]


def name_of(message: Message) -> str:
    return type(message).__name__


def joined(buffers: list[Buffer]) -> bytes:
    return b"".join(buffers)


def at(phase: Phase) -> Session:
    """A session in which both directions have come to `phase`."""
    session = Session()
    if phase is not Phase.HELLO:
        session.send(HELLO)
        assert feed(session, joined(encode(HELLO))) == [HELLO]
    if phase is Phase.ASKED:
        session.send(REQUEST)
        assert feed(session, joined(encode(REQUEST))) == [REQUEST]
    if phase is Phase.CLOSED:
        session.send(CLOSE)
    assert session.their_phase is session.our_phase is phase
    return session


def refused(data: bytes, session: Session | None = None) -> str:
    session = session or at(Phase.ASKED)
    with pytest.raises(PeerError) as caught:
        feed(session, data)
    assert str(caught.value).isprintable()
    assert feed(session, joined(encode(Ping(1)))) == []  # it is not listened to any more
    return str(caught.value)


def raw_message(**fields: Any) -> bytes:
    return encode_message(fields)


# What is legal when: the table of the protocol, written by hand.

ALWAYS_ONCE_OPEN = {
    *(Folders, Members, StateRequest, Pull, DeltaRequest, Signature, Ping, Pong, Close),
    *(RowsRequest, Rows, ForecastRequest, Forecast),
}
EXPECTED = {
    Phase.HELLO: {Hello, Close},
    Phase.OPEN: ALWAYS_ONCE_OPEN,
    Phase.ASKED: {type(message) for message in ONE_OF_EACH} - {Hello},
    Phase.CLOSED: set(),
}


def test_the_table_is_the_protocols() -> None:
    assert {phase: set(legal) for phase, legal in LEGAL.items()} == EXPECTED
    assert len({type(message) for message in ONE_OF_EACH}) == len(ONE_OF_EACH) == 33


@pytest.mark.parametrize("message", ONE_OF_EACH, ids=name_of)
@pytest.mark.parametrize("phase", [Phase.HELLO, Phase.OPEN, Phase.ASKED])
def test_only_what_is_legal_is_received(phase: Phase, message: Message) -> None:
    session = at(phase)
    data = joined(encode(message))
    if type(message) in EXPECTED[phase]:
        (got,) = feed(session, data)
        assert got == message
        assert type(got) is type(message)
    else:
        refused(data, session)


@pytest.mark.parametrize("message", ONE_OF_EACH, ids=name_of)
@pytest.mark.parametrize("phase", [Phase.HELLO, Phase.OPEN, Phase.ASKED])
def test_only_what_is_legal_is_sent(phase: Phase, message: Message) -> None:
    session = at(phase)
    if type(message) in EXPECTED[phase]:
        assert joined(session.send(message)) == joined(encode(message))
    else:
        with pytest.raises(LocalError):
            session.send(message)
        assert session.our_phase is phase


@pytest.mark.parametrize("message", ONE_OF_EACH, ids=name_of)
def test_nothing_goes_out_and_nothing_comes_out_after_a_close(message: Message) -> None:
    said, heard = at(Phase.ASKED), at(Phase.ASKED)
    assert said.send(CLOSE) != []
    assert feed(heard, joined(encode(CLOSE)) + joined(encode(message))) == [CLOSE]
    for session in (said, heard):
        assert session.closed
        assert session.send(message) == []
        assert feed(session, joined(encode(message))) == []
        assert feed(session, b"\xff" * 100) == []


def test_each_direction_has_its_own_phase() -> None:
    mine, theirs = Session(), Session()
    assert feed(theirs, joined(mine.send(HELLO))) == [HELLO]
    assert (mine.our_phase, mine.their_phase) == (Phase.OPEN, Phase.HELLO)
    assert (theirs.our_phase, theirs.their_phase) == (Phase.HELLO, Phase.OPEN)
    assert theirs.hello == HELLO
    assert mine.hello is None
    feed(theirs, joined(mine.send(REQUEST)))
    assert mine.our_phase is theirs.their_phase is Phase.OPEN
    feed(mine, joined(theirs.send(HELLO)))
    assert mine.their_phase is theirs.our_phase is Phase.ASKED  # they answer a request they have not made
    theirs.send(State("docs", 0, True, ()))
    with pytest.raises(LocalError):
        mine.send(State("docs", 0, True, ()))
    feed(mine, joined(theirs.send(REQUEST)))
    feed(theirs, joined(mine.send(State("docs", 0, True, ()))))


def test_what_could_not_be_encoded_changes_nothing() -> None:
    session = Session()
    with pytest.raises(LocalError):
        session.send(Hello(1, "ab", "n", "cd", 1, (FolderIndex("f", "ef", 3),) * 65))
    assert session.our_phase is Phase.HELLO


def test_a_hello_that_is_too_long_for_a_stranger_is_our_fault() -> None:
    noise = [f"{pow(7, 1000 + number, 2**256):064x}" for number in range(64)]
    long = Hello(1, "ab", "n", "cd", 1, tuple(FolderIndex(each, each[::-1], 2**61) for each in noise))
    with pytest.raises(LocalError):
        encode(long)


def test_what_was_encoded_once_goes_to_many() -> None:
    update = ONE_OF_EACH[4]
    encoded = encode(update)
    for _ in range(3):
        assert at(Phase.ASKED).send(update, encoded) is encoded
        assert feed(at(Phase.ASKED), joined(encoded)) == [update]


# HELLO


@pytest.mark.parametrize("version", [0, 1, 77])
def test_another_version_is_told(version: int) -> None:
    session = Session()
    with pytest.raises(ProtocolVersion) as caught:
        feed(session, raw_message(type="HELLO", protocol=version))
    assert caught.value.version == version
    assert session.hello is None
    assert session.send(Close("protocol-version", str(caught.value))) != []  # that can still be said


def test_the_cap_rises_with_the_hello_in_the_same_read() -> None:
    large = Chunks((Piece(1, 0, b"x" * 60_000),))
    session = Session()
    session.send(HELLO)
    session.send(REQUEST)
    assert feed(session, joined(encode(HELLO)) + joined(encode(large))) == [HELLO, large]
    stranger = Session()
    stranger.send(HELLO)
    stranger.send(REQUEST)
    assert "60017" in refused(joined(encode(large)), stranger)


@pytest.mark.parametrize(
    "data",
    [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"SSH-2.0-OpenSSH_9.2\r\n"],
)
def test_strangers_are_refused(data: bytes) -> None:
    if data:
        refused(data, Session())
    else:
        assert feed(Session(), data) == []


def test_what_is_unknown_is_skipped_but_not_before_hello() -> None:
    unknown = raw_message(type="WEATHER", sunny=True)
    reserved = struct.pack(">Q", 3) + b"\x03ab"
    for phase in (Phase.OPEN, Phase.ASKED):
        assert feed(at(phase), unknown + reserved + joined(encode(Ping(1)))) == [Ping(1)]
    refused(unknown, Session())
    refused(reserved, Session())


# Attachments


def update_of(*records: tuple[Record, bytes | None]) -> ModificationUpdate:
    changes = tuple(Change("create", record, None, data is not None, None, data) for record, data in records)
    return ModificationUpdate("docs", 1, changes, (), any(data is not None for _, data in records))


def bare(message: Message) -> bytes:
    """Its first frame."""
    return encode_message(message.to_wire())


def attachment(*pieces: tuple[int, int, bytes]) -> bytes:
    return joined(encode_pieces(ATTACHMENT, [Piece(*each) for each in pieces]))


UPDATE = update_of((RECORD, b"abc"), (RECORD, None), (EMPTY, b""), (ONE, b"x"))


def test_an_update_comes_with_its_contents() -> None:
    data = bare(UPDATE) + attachment((0, 0, b"abc"), (2, 0, b""), (3, 0, b"x"))
    assert data == joined(encode(UPDATE))
    session = at(Phase.ASKED)
    assert feed(session, data[:-1]) == []
    (got,) = feed(session, data[-1:] + joined(encode(Ping(1))))[:1]
    assert got == UPDATE
    assert isinstance(got, ModificationUpdate)
    assert [type(change.content) for change in got.changes] == [bytes, type(None), bytes, bytes]


@pytest.mark.parametrize(
    "pieces",
    [
        [(0, 0, b"abc"), (2, 0, b"")],
        [(0, 0, b"abc"), (2, 0, b""), (3, 0, b"x"), (4, 0, b"x")],
        [(0, 0, b"abc"), (2, 0, b""), (3, 0, b"x"), (3, 0, b"x")],
        [(0, 0, b"abc"), (1, 0, b"abc"), (2, 0, b""), (3, 0, b"x")],
        [(0, 0, b"abc"), (3, 0, b"x"), (2, 0, b"")],
        [(0, 0, b"abc"), (1, 0, b""), (3, 0, b"x")],
        [(0, 0, b"ab"), (2, 0, b""), (3, 0, b"x")],
        [(0, 0, b"abcd"), (2, 0, b""), (3, 0, b"x")],
        [(0, 0, b"abc"), (2, 0, b"x"), (3, 0, b"x")],
        [(0, 1, b"abc"), (2, 0, b""), (3, 0, b"x")],
        [(0, 0, b"a"), (0, 1, b"bc"), (2, 0, b""), (3, 0, b"x")],
        [(2**32 - 1, 0, b"abc"), (2, 0, b""), (3, 0, b"x")],
    ],
)
def test_an_attachment_of_other_contents_is_refused(pieces: list[tuple[int, int, bytes]]) -> None:
    refused(bare(UPDATE) + attachment(*pieces))


@pytest.mark.parametrize(
    "pieces", [[(2, 0, b"sig")], [(1, 1, b"sig")], [(1, 0, b"sig"), (1, 3, b"more")], [(1, 0, b""), (2, 0, b"")]]
)
def test_an_attachment_of_another_signature_is_refused(pieces: list[tuple[int, int, bytes]]) -> None:
    refused(bare(Signature("docs", 1, b"")) + attachment(*pieces))


def test_a_signature_is_bounded() -> None:
    longest = Signature("docs", 1, bytes(limits.SIGNATURE_BYTES_MAX))
    assert feed(at(Phase.ASKED), joined(encode(longest))) == [longest]
    with pytest.raises(LocalError):
        encode(Signature("docs", 1, bytes(limits.SIGNATURE_BYTES_MAX + 1)))
    refused(bare(Signature("docs", 1, b"")) + attachment((1, 0, bytes(limits.SIGNATURE_BYTES_MAX + 1))))


@pytest.mark.parametrize("message", [UPDATE, Signature("docs", 1, b"s")], ids=name_of)
@pytest.mark.parametrize(
    "instead",
    [
        joined(encode(Ping(1))),
        joined(encode(CLOSE)),
        joined(encode(Chunks((Piece(0, 0, b"abc"),)))),
        struct.pack(">Q", 1) + b"\x03",
        bare(UPDATE),
        raw_message(type="WEATHER"),
    ],
    ids=["ping", "close", "chunks", "reserved", "update", "unknown"],
)
def test_an_attachment_must_follow_at_once(message: Message, instead: bytes) -> None:
    assert "without its attachment" in refused(bare(message) + instead)


def test_an_attachment_to_nothing_is_refused() -> None:
    lonely = attachment((0, 0, b"abc"))
    for before in (b"", joined(encode(Ping(1))), bare(update_of((RECORD, None))), joined(encode(UPDATE))):
        assert "to nothing" in refused(before + lonely)
    refused(lonely, at(Phase.OPEN))
    refused(lonely, Session())


def test_what_is_attached_to_what_we_do_not_know_is_skipped() -> None:
    for fields in ({"type": "WEATHER", "attached": True}, {"type": "WEATHER", "attached": True, "token": 1}):
        session = at(Phase.OPEN)
        data = raw_message(**fields) + attachment((9, 9, b"abc"), (9, 9, b"abc"))
        assert feed(session, data + joined(encode(Ping(1)))) == [Ping(1)]
    ping = raw_message(type="PING", token=5, attached=True) + attachment((9, 9, b"abc"))
    assert feed(at(Phase.OPEN), ping + joined(encode(Ping(6)))) == [Ping(5), Ping(6)]
    assert feed(at(Phase.OPEN), raw_message(type="PING", token=5, attached="yes")) == [Ping(5)]


@pytest.mark.parametrize(
    "change",
    [
        Change("create", RECORD, None, True),
        Change("create", RECORD, None, False, None, b"abc"),
        Change("create", RECORD, None, True, None, b"ab"),
        Change("create", RECORD, None, True, None, b""),
        Change("create", RECORD._replace(kind=Kind.DIRECTORY, size=0, content=b""), None, True, None, b""),
    ],
)
def test_contents_that_do_not_fit_their_records_are_our_fault(change: Change) -> None:
    with pytest.raises(LocalError):
        encode(ModificationUpdate("docs", 1, (change,), (), change.attached))


def test_frames_can_be_given_one_by_one() -> None:
    session = at(Phase.ASKED)
    assert session.receive(Json(Ping(3).to_wire())) == [Ping(3)]
    assert session.receive(Unknown(3)) == []
    assert session.receive(Chunks((Piece(1, 0, b"x"),))) == [Chunks((Piece(1, 0, b"x"),))]
    assert session.receive(Json(json.loads(json.dumps(UPDATE.to_wire())))) == []
    pieces = (Piece(0, 0, b"abc"), Piece(2, 0, b""), Piece(3, 0, b"x"))
    assert session.receive(Attachment(pieces)) == [UPDATE]
    with pytest.raises(PeerError):
        session.receive(Attachment(pieces))
    assert session.receive(Json(Ping(3).to_wire())) == []


# Whole conversations


@given(strategies.hellos(), st.lists(strategies.messages(), max_size=3), strategies.closes(), st.data())
def test_what_is_sent_is_received_however_it_is_cut(
    hello: Hello, middle: list[Message], close: Close, data: st.DataObject
) -> None:
    mine, theirs = Session(), at(Phase.HELLO)
    theirs.send(HELLO)
    theirs.send(REQUEST)
    feed(mine, joined(encode(HELLO)) + joined(encode(REQUEST)))
    sent: list[Message] = [hello, *middle, close]
    stream = b"".join(joined(mine.send(message)) for message in sent)
    got: list[Message] = []
    for part in data.draw(strategies.cuts(stream)):
        while part:
            room = theirs.buffer()
            n = min(len(room), len(part))
            room[:n] = part[:n]
            part = part[n:]
            got += theirs.filled(n)
    assert got == sent
    assert [type(message) for message in got] == [type(message) for message in sent]
    assert mine.closed
    assert theirs.closed


@given(strategies.messages())
def test_messages_come_out_one_byte_at_a_time(message: Message) -> None:
    session = at(Phase.ASKED)
    data = joined(encode(message))
    tail = data[-300:]
    assert feed(session, data[:-300]) == []
    got = [feed(session, tail[number : number + 1]) for number in range(len(tail))]
    assert not any(got[:-1])
    assert got[-1] == [message]


@given(strategies.messages(), st.data())
def test_a_message_that_is_cut_off_does_not_come_out(message: Message, data: st.DataObject) -> None:
    raw = joined(encode(message))
    assert feed(at(Phase.ASKED), raw[: data.draw(st.integers(0, len(raw) - 1))]) == []


@given(strategies.messages(), st.data())
def test_a_mutated_message_is_another_one_or_the_end(message: Message, data: st.DataObject) -> None:
    """Whatever comes out could have been sent so."""
    session = at(Phase.ASKED)
    try:
        got = feed(session, data.draw(strategies.mutated(joined(encode(message)))))
    except PeerError as error:
        line = str(error)
    else:
        line = "taken"
        for each in got:
            assert feed(at(Phase.ASKED), joined(encode(each))) == [each]
    assert line.isprintable()


@given(strategies.messages().filter(lambda message: type(message) is not Chunks), st.data())
def test_a_mutated_text_is_another_message_or_the_end(message: Message, data: st.DataObject) -> None:
    """As above, but behind zlib, whose check sum finds nearly all mutations of its own."""
    text = json.dumps(message.to_wire()).encode()
    body = zlib.compress(data.draw(strategies.mutated(text)), 0)
    session = at(Phase.ASKED)
    try:
        got = feed(session, struct.pack(">Q", len(body)) + body)
    except PeerError as error:
        line = str(error)
    else:
        line = "taken"
        for each in got:
            assert feed(at(Phase.ASKED), joined(encode(each))) == [each]
    assert line.isprintable()


def test_the_worst_page_stays_below_a_bound() -> None:
    """Vector entries are the most that a message can make us hold. A quarter of a message of them, to save time."""
    vector = [[f"{number:x}", 2**40 + number] for number in range(0x1000, 0x1000 + limits.VECTOR_ENTRIES_MAX)]
    row = ["a", 1, 1, "0" * 64, 0, 0, 0, 1, "a", vector]
    count = limits.MESSAGE_BYTES_MAX // 4 // len(json.dumps(row, separators=(",", ":")))
    fields = {"type": "STATE", "folder": "f", "sequence": 1, "last": True, "records": [row] * count}
    data = encode_message(fields)
    session = at(Phase.ASKED)
    tracemalloc.start()
    try:
        (page,) = feed(session, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(page, State)
    assert len(page.records) == count
    assert peak < 100 * limits.MIB // 4
