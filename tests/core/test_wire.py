"""Frames: whatever is sent comes out, however it is cut; whatever is not a frame is refused, cheaply."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core import limits, wire
from dir_sync.core.model import PeerError
from dir_sync.core.wire import (
    ATTACHMENT,
    CHUNKS,
    Attachment,
    Buffer,
    Chunks,
    Frame,
    FrameDecoder,
    Json,
    LocalError,
    Piece,
    Unknown,
    encode_message,
    encode_pieces,
)
from tests import strategies
from tests.receiving import frames_in, frames_of

SENDMSG_BUFFERS_MAX = 1024  # IOV_MAX on Linux


def opened() -> FrameDecoder:
    decoder = FrameDecoder()
    decoder.open()
    return decoder


def framed(body: bytes) -> bytes:
    return struct.pack(">Q", len(body)) + body


def message_of(text: str | bytes, level: int = 0) -> bytes:
    """The frame of a message with this text, whatever it is worth."""
    return framed(zlib.compress(text.encode() if isinstance(text, str) else text, level))


def piece_of(key: int, offset: int, length: int, data: bytes) -> bytes:
    return struct.pack(">IQI", key, offset, length) + data


def joined(buffers: list[Buffer]) -> bytes:
    return b"".join(buffers)


def received(decoder: FrameDecoder, data: bytes, at_once: int) -> list[Frame]:
    """The frames of `data` when it is received into the decoder's own buffer, so many bytes at once."""
    frames: list[Frame] = []
    rest = memoryview(data)
    while rest:
        room = decoder.buffer()
        assert len(room) > 0
        n = min(len(room), len(rest), at_once)
        room[:n] = rest[:n]
        rest = rest[n:]
        frames += decoder.frames(n)
    return frames


def refused(data: bytes, decoder: FrameDecoder | None = None) -> str:
    """The one line with which `data` is refused."""
    with pytest.raises(PeerError) as caught:
        frames_in(decoder or opened(), data)
    line = str(caught.value)
    assert line.isprintable()
    assert 0 < len(line) < 200
    return line


def outcome(parts: list[bytes]) -> list[Frame] | str:
    """The frames of `parts`, or the line with which they are refused."""
    decoder = opened()
    got: list[Frame] = []
    try:
        for part in parts:
            got += frames_in(decoder, part)
    except PeerError as error:
        return str(error)
    return got


def peak_of(act: Callable[[], object]) -> int:
    """The most bytes that were held at any time while acting."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# Round trips


def frames() -> st.SearchStrategy[tuple[Frame, bytes]]:
    """Any frame, and its bytes."""
    fields = st.dictionaries(st.text(max_size=5), strategies.json_values(), max_size=4)
    pieces = st.lists(strategies.pieces(), min_size=1, max_size=3).map(tuple)
    reserved = st.binary(min_size=1, max_size=9).filter(lambda body: body[0] & 15 != 8 and body[0] not in (1, 2))
    return st.one_of(
        fields.map(lambda found: (Json(strategies.as_json(found)), encode_message(found))),
        pieces.map(lambda found: (Chunks(found), joined(encode_pieces(CHUNKS, found)))),
        pieces.map(lambda found: (Attachment(found), joined(encode_pieces(ATTACHMENT, found)))),
        reserved.map(lambda body: (Unknown(body[0]), framed(body))),
    )


@given(st.lists(frames(), max_size=5), st.data())
def test_frames_come_out_however_they_are_cut(sent: list[tuple[Frame, bytes]], data: st.DataObject) -> None:
    expected = [frame for frame, _ in sent]
    stream = b"".join(raw for _, raw in sent)

    decoder = opened()
    got = [frame for part in data.draw(strategies.cuts(stream)) for frame in frames_in(decoder, part)]
    assert got == expected

    at_once = data.draw(st.integers(1, 100) if len(stream) < 10_000 else st.integers(1000, 100_000))
    assert received(opened(), stream, at_once) == expected
    assert all(type(one) is type(other) for one, other in zip(got, expected, strict=True))


@given(frames())
def test_frames_come_out_one_byte_at_a_time(sent: tuple[Frame, bytes]) -> None:
    frame, raw = sent
    decoder = opened()
    tail = raw[-300:]  # the bulk of a large one at once, to save time
    assert frames_in(decoder, raw[: len(raw) - len(tail)]) == []
    got = [frames_in(decoder, tail[at : at + 1]) for at in range(len(tail))]
    assert got[:-1] == [[]] * (len(tail) - 1)
    assert got[-1] == [frame]


def test_many_small_frames_are_parsed_from_one_read() -> None:
    stream = b"".join(encode_message({"type": "PING", "token": token}) for token in range(500))
    decoder = opened()
    assert len(decoder.buffer()) >= 64 * limits.KIB
    assert len(stream) <= len(decoder.buffer())
    decoder.buffer()[: len(stream)] = stream
    assert list(decoder.frames(len(stream))) == [Json({"type": "PING", "token": token}) for token in range(500)]


def test_a_large_body_is_received_where_its_pieces_point() -> None:
    data = bytes(range(256)) * 1024
    raw = joined(encode_pieces(CHUNKS, [Piece(1, 0, data)]))
    decoder = opened()
    assert frames_in(decoder, raw[:100]) == []
    room = decoder.buffer()
    assert len(room) == len(raw) - 100  # exactly the rest: nothing of the next frame can get into it
    room[:] = raw[100:]
    (frame,) = decoder.frames(len(room))
    assert frame == Chunks((Piece(1, 0, data),))
    room[-1] ^= 0xFF
    assert frame.pieces[0].data[-1] == data[-1] ^ 0xFF  # no copy was made
    assert frame.pieces[0].data.readonly


def test_pieces_stay_as_they_are_while_more_is_received() -> None:
    decoder = opened()
    kept: list[Frame] = []
    expected = []
    for key in range(40):
        pieces = (Piece(key, 0, bytes([key]) * 9000),)
        kept += frames_in(decoder, joined(encode_pieces(CHUNKS, pieces)))
        expected.append(Chunks(pieces))
    assert kept == expected


def test_content_is_sent_without_a_copy() -> None:
    content = bytes(200_000)
    view = memoryview(content)[5:150_000]
    buffers = encode_pieces(CHUNKS, [Piece(1, 2, content), Piece(3, 4, b"small"), Piece(5, 6, view)])
    assert any(each is content for each in buffers)
    assert any(each is view for each in buffers)
    assert frames_in(opened(), joined(buffers)) == [
        Chunks((Piece(1, 2, content), Piece(3, 4, b"small"), Piece(5, 6, view)))
    ]


@pytest.mark.parametrize("size", [0, 1, 900, 1000])
def test_pieces_go_into_one_sendmsg(size: int) -> None:
    pieces = [Piece(key, 0, b"x" * size) for key in range(limits.PULLS_MAX)]
    buffers = encode_pieces(ATTACHMENT, pieces)
    assert len(buffers) < SENDMSG_BUFFERS_MAX
    assert frames_in(opened(), joined(buffers)) == [Attachment(tuple(pieces))]


def test_pieces_go_into_one_sendmsg_at_the_worst_size() -> None:
    for size in (16_000, 16_383, 16_384, 16_400):
        pieces = [Piece(key, 0, b"x" * size) for key in range((limits.FRAME_BYTES_MAX - 1) // (size + 16))]
        assert len(encode_pieces(CHUNKS, pieces)) < SENDMSG_BUFFERS_MAX


# Lengths


@pytest.mark.parametrize("opens", [False, True])
@pytest.mark.parametrize("length", [0, limits.FRAME_BYTES_MAX + 1, 2**31, 2**32 + 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_a_length_out_of_bounds_is_refused_before_anything_is_reserved(length: int, opens: bool) -> None:
    decoder = opened() if opens else FrameDecoder()
    head = struct.pack(">Q", length)
    assert frames_in(decoder, head[:7]) == []
    peak = peak_of(lambda: refused(head[7:], decoder))
    assert peak < 100_000


def test_the_cap_is_low_until_the_hello() -> None:
    longest = framed(b"\xf0" * limits.HELLO_FRAME_BYTES_MAX)
    too_long = framed(b"\xf0" * (limits.HELLO_FRAME_BYTES_MAX + 1))
    assert frames_in(FrameDecoder(), longest) == [Unknown(0xF0)]
    refused(too_long, FrameDecoder())
    assert frames_in(opened(), too_long) == [Unknown(0xF0)]


def test_opening_counts_for_the_very_next_frame() -> None:
    large = framed(b"\xf0" * 100_000)
    decoder = FrameDecoder()
    got = []
    for frame in frames_of(decoder, framed(b"\xf1") + large):
        decoder.open()
        got.append(frame)
    assert got == [Unknown(0xF1), Unknown(0xF0)]


def test_the_longest_frame_is_taken() -> None:
    longest = framed(b"\xf0" * limits.FRAME_BYTES_MAX)
    assert frames_in(opened(), longest) == [Unknown(0xF0)]
    assert received(opened(), longest, 100_001) == [Unknown(0xF0)]


def test_memory_follows_what_arrives() -> None:
    announced = struct.pack(">Q", limits.FRAME_BYTES_MAX) + b"\xf0" * 1000

    def wait() -> FrameDecoder:
        decoder = opened()
        frames_in(decoder, announced)
        decoder.buffer()
        return decoder

    assert peak_of(wait) < limits.PULL_BYTES_MAX + 256 * limits.KIB
    whole = framed(b"\xf0" * limits.FRAME_BYTES_MAX)
    assert peak_of(lambda: received(opened(), whole, 65_536)) < 3 * limits.FRAME_BYTES_MAX + limits.MIB


def test_decoding_chunks_takes_their_size_once() -> None:
    raw = joined(encode_pieces(CHUNKS, [Piece(1, 0, bytes(limits.CHUNK_BYTES))]))
    assert peak_of(lambda: received(opened(), raw, 10**6)) < limits.CHUNK_BYTES * 1.75


# Zlib


def test_zlib_must_end_with_the_frame() -> None:
    body = zlib.compress(b'{"type":"PING","token":1}')
    assert frames_in(opened(), framed(body)) == [Json({"type": "PING", "token": 1})]
    for length in range(1, len(body)):
        refused(framed(body[:length]))
    refused(framed(body + b"\0"))
    refused(framed(body + body))
    broken = bytearray(body)
    broken[-1] ^= 1  # its check sum
    refused(framed(bytes(broken)))


def test_zlib_with_a_dictionary_is_refused() -> None:
    stream = zlib.compressobj(zdict=b'{"type":"PING","token":')
    refused(framed(stream.compress(b'{"type":"PING","token":1}') + stream.flush()))


@pytest.mark.parametrize("first", [b"\x08", b"\x18", b"\x78", b"\xf8"])
def test_whatever_looks_like_zlib_must_be_zlib(first: bytes) -> None:
    refused(framed(first))
    refused(framed(first + b"\xff" * 30))


def blanks_deflated(length: int) -> bytes:
    return zlib.compress(b'{"type":"' + b" " * length + b'"}', 9)


def endless(room: int) -> bytes:
    """As much of a stream as goes into `room`, of blocks that inflate to a thousand times their length."""
    stream = zlib.compressobj(9)
    head = stream.compress(b" " * 10**6) + stream.flush(zlib.Z_FULL_FLUSH)
    block = stream.compress(b" " * 10**6) + stream.flush(zlib.Z_FULL_FLUSH)
    return (head + block * (room // len(block)))[:room]


@pytest.mark.parametrize(
    ("opens", "body"),
    [
        (False, blanks_deflated(300_000)),
        (True, blanks_deflated(300_000)),
        (True, blanks_deflated(5_000_000)),
        (False, endless(limits.HELLO_FRAME_BYTES_MAX)),
        (True, endless(limits.HELLO_FRAME_BYTES_MAX)),
        (True, endless(limits.FRAME_BYTES_MAX)),
    ],
    ids=["early", "small", "large", "early endless", "small endless", "large endless"],
)
def test_bombs_stay_small(opens: bool, body: bytes) -> None:
    decoder = opened() if opens else FrameDecoder()
    peak = peak_of(lambda: refused(framed(body), decoder))
    assert peak < (24 * limits.MIB if opens else limits.MIB)  # the frame as sent, as received; the text


def test_one_read_cannot_make_more_json_than_one_message_may() -> None:
    """Frames of less than 5 KiB, each of which would inflate to 4 MiB of brackets: some 100 MB of lists."""
    text = b"[" + b"[]," * (limits.MESSAGE_BYTES_MAX // 3 - 1) + b"[]]"
    body = zlib.compress(text, 9)
    assert len(body) < 5000
    assert peak_of(lambda: refused(framed(body) * 13)) < 2 * limits.MIB


def test_the_largest_message_is_taken_and_one_more_byte_is_not() -> None:
    noise = "".join(f"{(n * 2654435761) % 2**32:08x}" for n in range(30_000))  # or it would deflate too well
    text = '{"t":"' + noise
    text += "x" * (limits.MESSAGE_BYTES_MAX - len(text) - 2)
    (frame,) = frames_in(opened(), message_of(text + '"}', 1))
    assert frame == Json({"t": text[6:]})
    assert "inflates" in refused(message_of(text + 'x"}', 1))


def test_what_deflates_too_well_is_sent_so_that_it_is_believed() -> None:
    fields = {"type": "x" * 1_000_000}
    refused(message_of(json.dumps(fields), 1))
    assert frames_in(opened(), encode_message(fields)) == [Json(fields)]


# JSON


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"PING","token":1,"type":"PONG"}',
        '{"type":"PING","inner":{"key":1,"key":1}}',
        '{"type":"PING","inner":[[{"":1,"":2}]]}',
        '{"a":1,"\\u0061":2}',
        '{"a":1,"a" :2,"b":":"}',
        '{"type":"x","changes":[{"a":1},{"a":1,"a":2,"b":":"}]}',
        '{"token":NaN}',
        '{"token":Infinity}',
        '{"token":-Infinity}',
        '{"token":[1,NaN]}',
        '{"token":' + "9" * 5000 + "}",
        '{"token":-' + "9" * 5000 + "}",
        "",
        " ",
        "[]",
        '["type"]',
        '"type"',
        "1",
        "null",
        "true",
        "{",
        "{}}",
        "{} {}",
        '{"type":"PING"},',
        '{"type":"PING",}',
        "{'type':'PING'}",
        '{"type":"PI\nNG"}',
        '{"type":"PI\0NG"}',
        '{"type":"\\x41"}',
        '{"type":"\\ud8',
        '{"token":01}',
        '{"token":+1}',
        '{"token":0x10}',
        '{"token":1.}',
        '{"token":.5}',
        '{"token":1_000}',
        "\ufeff{}",
        "{}\0",
    ],
)
def test_what_is_not_strict_json_is_refused(text: str) -> None:
    refused(message_of(text))


@pytest.mark.parametrize(
    "raw",
    [
        '{"type":"PING"}'.encode("utf-16"),
        '{"type":"PING"}'.encode("utf-16-le"),
        '{"type":"PING"}'.encode("utf-32"),
        b'{"type":"\xff"}',
        b'{"type":"\xc3"}',
        b'{"type":"\xc0\xaf"}',
        b'{"type":"\xed\xb2\x80"}',
        b'{"type":"\xf5\x80\x80\x80"}',
    ],
)
def test_what_is_not_utf8_is_refused(raw: bytes) -> None:
    refused(message_of(raw))


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("{}", {}),
        (' {"a" : 1 }\n', {"a": 1}),
        ('{"a":"\u00e9\U0001f600"}', {"a": "\u00e9\U0001f600"}),
        ('{"a":"\\u00e9\\ud83d\\ude00\\udcff"}', {"a": "\u00e9\U0001f600\udcff"}),
        ('{"a":1e2,"b":1.5,"c":-0}', {"a": 100.0, "b": 1.5, "c": 0}),
        ('{"a":[true,false,null]}', {"a": [True, False, None]}),
    ],
)
def test_other_ways_to_write_json_are_taken(text: str, fields: dict[str, Any]) -> None:
    assert frames_in(opened(), message_of(text)) == [Json(fields)]


def nested(depth: int, arrays: int, filler: list[str]) -> str:
    """A JSON object with containers `depth` deep, itself counted; of every `arrays` + 1 one is an object."""
    text = "1"
    for level in range(depth - 1, 0, -1):
        extra = "".join("," + json.dumps(each) for each in filler)
        text = f'{{"k":{text}}}' if level % (arrays + 1) == 0 else f"[{text}{extra}]"
    return f'{{"k":{text}}}'


@given(
    st.integers(1, 90),
    st.integers(0, 3),
    st.lists(st.text('"[]{}\\,:ab', max_size=4), max_size=2),
    st.booleans(),
)
def test_depth_is_bounded_whatever_strings_say(depth: int, arrays: int, filler: list[str], plain: bool) -> None:
    filler = [each.replace("\\", "").replace('"', "") for each in filler] if plain else filler
    raw = message_of(nested(depth, arrays, filler))
    if depth > 64:
        assert "deep" in refused(raw)
    else:
        (frame,) = frames_in(opened(), raw)
        assert type(frame) is Json
        assert strategies.as_json(frame.fields) == json.loads(nested(depth, arrays, filler))


@pytest.mark.parametrize(
    "around",
    [
        ("[", "]"),
        ('["]",', ',"["]'),
        ('{"]":', ',"[":1}'),
        ('{"\\"":', "}"),
        ('["\\"]","\\"",', ',"\\"[","\\""]'),
    ],
)
@pytest.mark.parametrize("depth", [63, 64])
def test_depth_is_counted_and_not_guessed(around: tuple[str, str], depth: int) -> None:
    left, right = around
    raw = message_of('{"k":' + left * depth + "1" + right * depth + "}")
    if depth == 64:
        assert "deep" in refused(raw)
    else:
        assert len(frames_in(opened(), raw)) == 1


@pytest.mark.parametrize("pair", ["[]", "{}"])
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("depth", [1100, 5_000, 600_000])
def test_nested_bombs_are_refused(depth: int, closed: bool, pair: str) -> None:
    left = '{"":' if pair == "{}" else "["
    text = '{"type":' + left * depth + "1" + (pair[1] * depth if closed else "") + "}"
    assert peak_of(lambda: refused(message_of(text))) < 24 * limits.MIB


@pytest.mark.parametrize("item", ["[1]", "1", '""', '"ab"', "1.5", '{"a":1}', '"\\\\"', '"\\"["'])
def test_more_values_than_any_node_sends_are_refused_before_they_are_parsed(item: str) -> None:
    text = '{"type":"WEATHER","x":[' + ",".join([item] * 700_000)[: 3 << 20].rpartition(",")[0] + "]}"
    assert "too many values" in refused(framed(zlib.compress(text.encode(), 0)))


DEAR = {
    "keys": '{"type":"WEATHER",' + ",".join(f'"{number}":""' for number in range(80_000)) + "}",
    "objects": '{"type":"WEATHER","x":[' + ",".join(f'{{"{number}":1}}' for number in range(60_000)) + "]}",
    "lists": '{"type":"WEATHER","x":[' + ",".join(["[1,[2]]"] * 30_000) + "]}",
    "fractions": '{"type":"WEATHER","x":[' + ",".join(["1.5e3"] * 100_000) + "]}",
    "text": '{"type":"WEATHER","x":["' + "\\u1234\u00e9," * 100_000 + '"]}',
}


@pytest.mark.parametrize("text", DEAR.values(), ids=DEAR)
def test_what_is_dear_to_parse_is_parsed_step_by_step(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder in C would keep all other threads waiting until it is done."""
    monkeypatch.setattr(wire, "_json_value", None)
    (frame,) = frames_in(opened(), framed(zlib.compress(text.encode(), 0)))
    assert type(frame) is Json
    assert frame.fields == json.loads(text)


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', '{"x":[{"a":{"b":[]},"a":1}]}', '{"x":NaN}', "[1]", '{"x":1'])
def test_step_by_step_the_same_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = refused(message_of(text))
    monkeypatch.setattr(wire, "is_quick", lambda text: False)
    assert refused(message_of(text)) == before
    assert "deep" in refused(message_of(nested(65, 1, [])))


def test_a_full_page_is_parsed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Honest pages are up to 512 KiB or 2,000 records long."""
    row = ["folder %d/file", 1, 5, "0" * 64, 1, 2, 420, 3, "a" * 16, [["a" * 16, 4], ["b" * 16, 5], ["c" * 16, 6]]]
    text = json.dumps({"type": "STATE", "records": [row] * 2_000}, separators=(",", ":"))
    assert len(text) > 350 * limits.KIB
    monkeypatch.setattr(wire, "_json_value_slowly", None)
    assert len(frames_in(opened(), framed(zlib.compress(text.encode(), 0)))) == 1


@pytest.mark.parametrize("name", ["," * 250, "[{" * 120, '\\"[,' * 60, "\\\\" + "{" * 200])
def test_names_may_be_full_of_brackets(name: str) -> None:
    text = '{"type":"WEATHER","x":[' + ",".join([f'"{name}"'] * 4_000) + "]}"
    assert len(frames_in(opened(), framed(zlib.compress(text.encode(), 0)))) == 1


# Pieces


@pytest.mark.parametrize(
    "body",
    [
        b"\x01",
        b"\x02",
        b"\x01" + piece_of(1, 0, 3, b"abc")[:15],
        b"\x01" + piece_of(1, 0, 4, b"abc"),
        b"\x01" + piece_of(1, 0, 3, b"abc") + b"\0",
        b"\x01" + piece_of(1, 0, 3, b"abc") + piece_of(1, 3, 1, b""),
        b"\x01" + piece_of(1, 0, 2**32 - 1, b"abc"),
        b"\x02" + piece_of(1, 2**60 + 1, 0, b""),
        b"\x02" + piece_of(1, 2**64 - 1, 0, b""),
        b"\x01" + piece_of(1, 0, 0, b"") * (limits.PULLS_MAX + 1),
    ],
)
def test_broken_pieces_are_refused(body: bytes) -> None:
    refused(framed(body))


def test_pieces_at_their_bounds_are_taken() -> None:
    body = b"\x01" + piece_of(2**32 - 1, 2**60, 0, b"") + piece_of(0, 0, 1, b"z")
    assert frames_in(opened(), framed(body)) == [Chunks((Piece(2**32 - 1, 2**60, b""), Piece(0, 0, b"z")))]


def test_a_frame_full_of_empty_pieces_stays_small() -> None:
    body = b"\x01" + piece_of(1, 0, 0, b"") * (limits.FRAME_BYTES_MAX // 16 - 1)
    assert peak_of(lambda: refused(framed(body))) < 16 * limits.MIB


# Garbage


@given(st.binary(max_size=60))
def test_garbage_gives_frames_or_one_line(data: bytes) -> None:
    got = outcome([data])
    if isinstance(got, str):
        assert got.isprintable()
    else:
        assert not any(type(each) is Json for each in got)  # a zlib stream does not come by chance


@given(st.binary(min_size=1, max_size=60), st.sampled_from([b"", b"\x78\x01", b"\x01", b"\x02\0\0\0\1"]))
def test_garbage_in_a_frame_gives_a_frame_or_one_line(data: bytes, head: bytes) -> None:
    got = outcome([framed(head + data) + framed(b"\xf3")])
    if isinstance(got, str):
        assert got.isprintable()
    else:
        assert len(got) == 2
        assert got[1] == Unknown(0xF3)  # what comes behind it is not touched


@given(frames(), st.data())
def test_mutated_frames_are_judged_alike_however_they_are_cut(sent: tuple[Frame, bytes], data: st.DataObject) -> None:
    raw = data.draw(strategies.mutated(sent[1]))
    small = len(raw) < 1000
    at_once, cut = outcome([raw]), outcome([raw[at : at + 1] for at in range(len(raw))] if small else [raw])
    assert at_once == cut
    assert not isinstance(at_once, str) or at_once.isprintable()


# Our own faults


def test_what_no_peer_would_take_is_our_fault() -> None:
    with pytest.raises(LocalError):
        encode_message({"type": "x" * limits.MESSAGE_BYTES_MAX})
    with pytest.raises(LocalError):
        encode_pieces(CHUNKS, [])
    with pytest.raises(LocalError):
        encode_pieces(CHUNKS, [Piece(1, 0, bytes(limits.FRAME_BYTES_MAX - 16))])
    with pytest.raises(LocalError):
        encode_pieces(CHUNKS, [Piece(1, 0, b"")] * (limits.PULLS_MAX + 1))
    longest = encode_pieces(CHUNKS, [Piece(1, 0, bytes(limits.FRAME_BYTES_MAX - 17))])
    assert len(frames_in(opened(), joined(longest))) == 1


def test_only_finite_numbers_are_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_message({"token": float("nan")})
