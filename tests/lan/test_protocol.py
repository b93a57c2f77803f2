"""Somebody else's implementation, written from docs/protocol.md, as a member of the mesh."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable

import pytest

from .changes import append, blob, put, write
from .checker import survey, wait_equal, wait_for
from .lan import Lan
from .stranger import ABSENT, CHUNKS, DIRECTORY, FILE, LINK, Stranger, digest_of, encoded, frame, new_id, pieces_frame

pytestmark = pytest.mark.lan

SOON_S = 30.0
OLD_NS = 1_600_000_000_123_456_789


@pytest.fixture
def lan(new_lan: Callable[..., Lan]) -> Lan:
    """Two nodes with some files; a third place for the stranger."""
    lan = new_lan(3)
    a, b = lan.nodes[:2]
    put(a.dir / "folder/file", b"content", OLD_NS)
    write(a.dir / "large", blob(1 << 20))
    os.symlink("dangling", a.dir / "link")
    (a.dir / "folder").chmod(0o750)
    (a.dir / "folder/file").chmod(0o640)
    with open(os.fsencode(a.dir) + b"/odd\xff", "wb") as file:
        file.write(b"odd")
    a.start()
    b.start()
    wait_equal(lan.roots[:2], SOON_S, like=survey(a.dir))
    return lan


def test_it_is_told_everything(lan: Lan) -> None:
    with Stranger(lan[2], lan[0]) as stranger:
        stranger.open()
        hello = stranger.hello
        assert (hello["protocol"], hello["port"]) == (2, 6000)
        assert 1 <= len(hello["name"]) <= 64
        records = stranger.state()
    assert set(records) == {"folder", "folder/file", "large", "link", "odd\udcff"}
    path, kind, size, content, mtime_s, mtime_ns, mode, stamp_ns, _, vector = records["folder/file"]
    assert (path, kind, size, content) == ("folder/file", FILE, 7, digest_of(b"content"))
    assert (mtime_s, mtime_ns, mode) == (OLD_NS // 10**9, OLD_NS % 10**9, 0o640)
    assert stamp_ns == OLD_NS
    assert len(vector) == 1
    assert (records["folder"][1], records["folder"][6]) == (DIRECTORY, 0o750)
    assert (records["link"][1], records["link"][3], records["link"][6]) == (LINK, "dangling", 0o777)
    assert records["odd\udcff"][3] == digest_of(b"odd")


def test_it_pulls_what_it_likes(lan: Lan) -> None:
    content = blob(1 << 20)
    with Stranger(lan[2], lan[0]) as stranger:
        stranger.open().state()
        digest = digest_of(content)
        pulls = [
            [1, "large", digest, None, 0, 300_000],
            [2, "large", digest, None, 1_000_000, (1 << 20) - 1_000_000],
            [3, "folder/file", digest_of(b"content"), None, 0, 7],
            [4, "large", digest_of(b"never seen"), None, 0, 7],
            [5, "large", digest, None, 1 << 20, 1],
        ]
        stranger.send({"type": "PULL", "folder": "default", "pulls": pulls})
        got: dict[int, bytes] = {1: b"", 2: b"", 3: b""}
        start = {1: 0, 2: 1_000_000, 3: 0}
        refused: list[list[object]] = []
        for frame_in in stranger.frames(SOON_S):
            if frame_in.message.get("type") == "REFUSE":
                refused += frame_in.message["refused"]
            elif frame_in.kind == CHUNKS:
                for key, offset, part in frame_in.pieces:
                    assert offset == start[key] + len(got[key]), "ascending, without holes"
                    got[key] += part
            if len(refused) == 2 and (len(got[1]), len(got[2]), len(got[3])) == (300_000, (1 << 20) - 1_000_000, 7):
                break
    assert sorted(refused) == [[4, "gone"], [5, "gone"]]
    assert got == {1: content[:300_000], 2: content[1_000_000:], 3: b"content"}


def test_it_changes_things(lan: Lan) -> None:
    """What it makes, edits, renames and deletes through one node is so on the other one too."""
    a, b, place = lan
    with Stranger(place, a) as stranger:
        records = stranger.open().state()
        large = blob(700_000, "by a stranger")
        stranger.update(
            ("create", stranger.record("made", DIRECTORY), None),
            ("create", stranger.record("made/small", FILE, b"hello", mode=0o600, mtime_s=10**9), b"hello"),
            ("create", stranger.record("made/empty", FILE, b""), b""),
            ("create", stranger.record("made/link", LINK, b"../large"), None),
            ("create", stranger.record("made/large", FILE, large), None),
        )
        there = b.dir / "made/large"
        stranger.serve({digest_of(large): large}, lambda: there.exists())
        assert stranger.served < 1.5 * len(large), "asked for once"
        wait_equal(lan.roots[:2], SOON_S)
        assert (b.dir / "made/small").read_bytes() == b"hello"
        info = (b.dir / "made/small").stat()
        assert (info.st_mode & 0o777, info.st_mtime_ns // 10**9) == (0o600, 10**9)
        assert os.readlink(b.dir / "made/link") == "../large"
        assert there.read_bytes() == large

        old = records["folder/file"]
        vector = sorted([*old[9], [stranger.node, stranger.sequence + 1]])
        stranger.update(("modify", stranger.record("folder/file", FILE, b"edited", vector=vector), b"edited"))
        wait_for(lambda: (b.dir / "folder/file").read_bytes() == b"edited", SOON_S, "the edit")
        old = records["large"]
        vector = sorted([*old[9], [stranger.node, stranger.sequence + 1]])
        stranger.update(("delete", stranger.record("large", ABSENT, vector=vector), None))
        wait_for(lambda: not (b.dir / "large").exists(), SOON_S, "the delete")
        assert a.keeps(blob(1 << 20))
        wait_equal(lan.roots[:2], SOON_S)


def test_it_hears_of_changes(lan: Lan) -> None:
    a, b, place = lan
    with Stranger(place, a) as stranger:
        stranger.open().state()
        write(a.dir / "new", b"fresh content")

        def about(path: str) -> Callable[[dict[str, object]], object]:
            return lambda message: any(change["record"][0] == path for change in message["changes"])  # type: ignore

        update = stranger.expect("MODIFICATION_UPDATE", that=about("new"))
        change = next(change for change in update["changes"] if change["record"][0] == "new")
        assert change["action"] == "create"
        assert change["record"][3] == digest_of(b"fresh content")
        assert change["content"] == "attached"
        attachment = stranger.receive()
        assert [part for _, _, part in attachment.pieces] == [b"fresh content"]
        (a.dir / "new").unlink()
        update = stranger.expect("MODIFICATION_UPDATE", that=about("new"))
        assert update["changes"][0]["action"] == "delete"
        assert update["changes"][0]["record"][1] == ABSENT
        # What another node has made is an offer: the record, without content.
        write(b.dir / "by b", b"from afar")
        for frame_in in stranger.frames(SOON_S):
            message = frame_in.message
            records = message.get("records") or [change["record"] for change in message.get("changes", [])]
            if any(record[0] == "by b" for record in records):
                break
        assert message["type"] in ("STATE", "MODIFICATION_UPDATE")


def test_only_what_is_new_is_told_the_next_time(lan: Lan) -> None:
    with Stranger(lan[2], lan[0]) as stranger:
        stranger.open().state()
        seen = stranger.hello["folders"][0][2]
    append(lan[0].dir / "folder/file", b", edited")
    wait_equal(lan.roots[:2], SOON_S)
    with Stranger(lan[2], lan[0]) as again:
        again.node, again.replica = stranger.node, stranger.replica
        again.send(again.my_hello())
        _, replica, sequence = again.expect("HELLO")["folders"][0]
        assert replica == stranger.their_replica, "the same replica as before"
        assert sequence > seen
        again.ask_for_state(replica, seen)
        records = again.state()
    assert "folder/file" in records
    assert "link" not in records


def test_what_it_does_not_know_is_skipped(lan: Lan) -> None:
    """Messages, fields and frames of the future; and a PING is answered."""
    with Stranger(lan[2], lan[0]) as stranger:
        stranger.open(weather="sunny").state()
        stranger.send({"type": "WEATHER", "sunny": True, "attached": True})
        stranger.send_bytes(pieces_frame(2, [(9, 9, b"warm")]))
        stranger.send_bytes(frame(b"\x03future"))
        stranger.send({"type": "PING", "token": 2**62, "more": None})
        assert stranger.expect("PONG")["token"] == 2**62


def test_it_says_good_bye(lan: Lan) -> None:
    """A daemon that ends tells why; another version, another folder and a second link are told why too."""
    a, _, place = lan
    with Stranger(place, a) as stranger:
        stranger.send(stranger.my_hello(protocol=1, folders="in another way"))
        assert stranger.closed(10) == "protocol-version"
    with Stranger(place, a) as stranger:
        stranger.send(stranger.my_hello(folders=[["music", stranger.replica, 0]]))
        assert stranger.closed(10) == "no-common-folder"
    with Stranger(place, a) as first:
        first.open().state()
        with Stranger(place, a) as second:
            second.node, second.replica = first.node, first.replica
            second.instance = "f" * 16
            second.send(second.my_hello())
            assert second.closed(10) == "duplicate", "the first one lives"
        first.expect("PING")
        a.stop()
        assert first.closed(10) == "bye"


@pytest.mark.parametrize(("version", "where"), [(99, "here"), (1, "there")])
def test_another_version_costs_one_clear_line(lan: Lan, version: int, where: str) -> None:
    """On each side: the daemon writes one into its log, and CLOSE brings one for the other side's."""
    a, _, place = lan
    before = len(a.log().splitlines())
    for _ in range(5):
        with Stranger(place, a) as stranger:
            stranger.send(stranger.my_hello(protocol=version))
            close = stranger.expect("CLOSE")
            assert close["reason"] == "protocol-version"
            assert f"it speaks protocol 2, this node speaks protocol {version}; upgrade dir_sync" in close["text"]

    def told() -> list[str]:
        said = a.log().splitlines()[before:]
        return [line for line in said if f"it speaks protocol {version}, this node speaks protocol 2" in line]

    wait_for(told, SOON_S, "a line of the log")
    (line,) = told()
    assert line.endswith(f"upgrade dir_sync {where}")
    assert place.address in line


def test_a_node_of_another_version_that_is_only_heard_is_told_so(lan: Lan) -> None:
    """Its beacon is all that it says: it is dialled, so that both sides have a line."""
    a, _, place = lan
    with place.inside():
        ear = socket.create_server((place.address, 6000))
        mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with ear, mouth:
        mouth.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        said = {"dir_sync": 1, "mesh": "open", "node": new_id(), "instance": new_id(), "port": 6000, "ask": False}
        mouth.sendto(json.dumps(said).encode(), (a.address, 5000))
        ear.settimeout(10)
        with Stranger(place, None, accepted=ear.accept()[0]) as stranger:
            stranger.send(stranger.my_hello(node=said["node"], protocol=1))
            close = stranger.expect("CLOSE")
    assert (close["reason"], close["text"][-4:]) == ("protocol-version", "here")


def test_it_may_say_a_little_at_a_time(lan: Lan) -> None:
    """Byte by byte is still the protocol."""
    with Stranger(lan[2], lan[0]) as stranger:
        raw = encoded(stranger.my_hello())
        for at in range(len(raw)):
            stranger.send_bytes(raw[at : at + 1])
        assert stranger.expect("HELLO")["protocol"] == 2
