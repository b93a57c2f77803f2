"""Strangers near a closed mesh: they connect, repeat, stand in the way, and come in crowds."""

from __future__ import annotations

import random
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest

from ..changes import write
from ..checker import wait_equal, wait_for
from ..hostile.attacker import measured
from ..hostile.test_starving import flooded
from ..hostile.victims import Victims, more_addresses
from ..lan import Lan
from .tools import Relay, answers, inflatable, key_file, sniffed

pytestmark = pytest.mark.lan

SOON_S = 30.0


def closed(lan: Lan, count: int = 2) -> None:
    """The first nodes belong to a mesh, and are in sync."""
    for node in lan.nodes[:count]:
        write(node.dir / f"from {node}", node.name.encode())
        node.start("--key-file", key_file(lan))
    wait_equal([node.dir for node in lan.nodes[:count]], SOON_S)


def test_probes_get_no_byte_and_members_are_served(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    closed(lan)
    rng = random.Random(1)
    hello = zlib.compress(b'{"type":"HELLO","protocol":2,"node":"00","name":"x","instance":"1","port":1,"folders":[]}')
    probes = [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\xf1\x01\x00\x00\xed\x03\x03" + bytes(300),
        b"SSH-2.0-x\r\n",
        struct.pack(">Q", len(hello)) + hello,
        bytes(1000),
        struct.pack(">Q", 2**63),
        struct.pack(">QB", 49, 0x10) + rng.randbytes(48),
        struct.pack(">QB", 49, 0x11) + rng.randbytes(48),
        struct.pack(">QB", 36, 0x12) + rng.randbytes(35),
        *(rng.randbytes(rng.randrange(1, 2_000)) for _ in range(30)),
    ]
    before = lan[0].memory_bytes()
    lines = lan[0].log().count("\n")
    for said in probes:
        begun = time.monotonic()
        assert answers(lan[2], lan[0], said) == b"", said[:60]
        assert time.monotonic() - begun < 5
    write(lan[1].dir / "after", b"the probes")
    wait_equal([lan[0].dir, lan[1].dir], SOON_S)
    assert lan[0].memory_bytes() < before + (16 << 20)
    assert lan[0].log().count("\n") - lines < 10


def test_open_and_closed_nodes_do_not_connect_and_both_say_why(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    closed(lan)
    stranger = lan[2]
    write(stranger.dir / "from a stranger", b"x")
    stranger.start("--peer", lan[0].address)
    wait_for(
        lambda: "belongs to a closed mesh, and this node is open" in stranger.log(), SOON_S, "the open one says it"
    )
    wait_for(lambda: "closed the connection without a word" in stranger.log(), SOON_S, "and what a dial came to")
    for node in lan.nodes[:2]:
        wait_for(
            partial(lambda node: "runs dir_sync without the key" in node.log(), node), SOON_S, "a closed one says it"
        )
    assert "found" not in stranger.log()
    lan[1].stop()
    lan[1].start("--peer", stranger.address)
    wait_for(lambda: "it is open, and this node belongs to a closed mesh" in lan[1].log(), SOON_S, "a dial from inside")
    assert sorted(path.name for path in stranger.dir.iterdir()) == [".dir_sync", "from a stranger"]
    assert not (lan[0].dir / "from a stranger").exists()


def test_another_key_is_another_mesh(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    closed(lan)
    lan[2].start("--key-file", key_file(lan, "other", b"o"), "--peer", lan[0].address)
    wait_for(lambda: "without a word" in lan[2].log(), SOON_S, "it gets no answer")
    assert "found" not in lan[2].log()
    assert [path.name for path in lan[2].dir.iterdir()] == [".dir_sync"]


def test_a_beacon_that_is_sent_again_from_elsewhere_calls_nobody(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(3)
    with sniffed(lan[0]) as sniffer:
        closed(lan)
        wait_for(lambda: len(sniffer.udp) > 4, SOON_S, "beacons")
    recorded = [payload for _, payload in sniffer.udp]
    with lan[2].inside():
        listener = socket.create_server((lan[2].address, 6000))
        speaker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with closing(listener), closing(speaker):
        speaker.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        listener.settimeout(2.0)
        for payload in recorded:
            speaker.sendto(payload, (lan[0].address.rpartition(".")[0] + ".255", 5000))
        with pytest.raises(TimeoutError):
            listener.accept()
    write(lan[0].dir / "later", b"x")
    wait_equal([lan[0].dir, lan[1].dir], SOON_S)


def flips(at: int, is_back: bool) -> Callable[[bytes, int, bool], bytes]:
    """A relay that turns one bit of one byte."""

    def change(data: bytes, begin: int, back: bool) -> bytes:
        if back is is_back and begin <= at < begin + len(data):
            changed = bytearray(data)
            changed[at - begin] ^= 1
            return bytes(changed)
        return data

    return change


@pytest.fixture
def parted(new_lan: Callable[..., Lan]) -> Iterator[Lan]:
    """Two nodes that do not reach each other, and a place between them."""
    lan = new_lan(3)
    lan.cut(lan[0], lan[1])
    return lan


def test_whatever_is_changed_on_the_way_breaks_the_link_and_nothing_else(parted: Lan) -> None:
    a, b, place = parted.nodes
    write(a.dir / "large", random.Random(2).randbytes(200_000))
    # In each frame of the handshake, and in the first record of each side.
    changes = [flips(at, back) for at, back in ((9, False), (20, True), (70, False), (400, False), (380, True))]
    relay = Relay(place, a, changes[0])
    try:
        a.start("--key-file", key_file(parted))
        b.start("--key-file", key_file(parted), "--peer", f"{place.address}:7000")
        for change in changes:
            relay.change = change
            count = relay.passed
            wait_for(lambda count=count: relay.passed > count, SOON_S, "the link broke, and came again")  # type: ignore[misc]
            assert not (b.dir / "large").exists() or (b.dir / "large").read_bytes() == (a.dir / "large").read_bytes()
        relay.change = lambda data, at, back: data
        wait_equal([a.dir, b.dir], SOON_S)
        assert inflatable(b"".join(relay.heard)) == []
    finally:
        relay.close()


def test_nobody_talks_a_member_into_plain_words(parted: Lan) -> None:
    """A relay that turns the suite over, that strips the handshake, and that answers as an open node would."""
    a, b, place = parted.nodes
    write(b.dir / "secret-name", b"secret content")
    hello = zlib.compress(b'{"type":"HELLO","protocol":2,"node":"00","name":"x","instance":"1","port":1,"folders":[]}')
    plain = struct.pack(">Q", len(hello)) + hello

    def turns_over(data: bytes, at: int, back: bool) -> bytes:
        return data if at or len(data) < 9 else data[:8] + bytes([data[8] ^ 1]) + data[9:]

    def strips(data: bytes, at: int, back: bool) -> bytes:
        return data[57:] or plain if at == 0 and not back else data

    def answers_plain(data: bytes, at: int, back: bool) -> bytes:
        return plain if back else data

    relay = Relay(place, a, turns_over)
    try:
        a.start("--key-file", key_file(parted))
        b.start("--key-file", key_file(parted), "--peer", f"{place.address}:7000")
        for change in (turns_over, strips, answers_plain):
            relay.change = change
            count = relay.passed
            wait_for(lambda count=count: relay.passed > count, SOON_S, "it was tried again")  # type: ignore[misc]
        heard = b"".join(relay.heard)
        assert inflatable(heard) == []
        assert b"secret" not in heard
        assert "found" not in b.log()
        relay.change = lambda data, at, back: data
        wait_equal([a.dir, b.dir], SOON_S)
    finally:
        relay.close()


def test_a_crowd_of_strangers_keeps_no_member_out(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(4)
    victims = Victims(lan)
    victims.start("--key-file", str(key_file(lan)))
    newcomer = lan.nodes[3]
    memory = victims.b.memory_bytes()
    with flooded("strangers", victims.place, victims.b, 6.0, more_addresses(victims.place, 80)):
        newcomer.start("--key-file", key_file(lan))
        wait_equal([*victims.roots, newcomer.dir], SOON_S)
        victims.work()
    assert victims.b.memory_bytes() < memory + (16 << 20)


@pytest.mark.parametrize("kind", ["first_frames", "beacons"])
def test_floods_before_any_proof_disturb_no_member(new_lan: Callable[..., Lan], kind: str) -> None:
    """What a stranger can send most of. A member that comes meanwhile gets in; the figures are printed."""
    lan = new_lan(4)
    victims = Victims(lan)
    victims.start("--key-file", str(key_file(lan)))
    newcomer = lan.nodes[3]
    memory, lines = victims.b.memory_bytes(), victims.b.log().count("\n")
    with (
        flooded(kind, victims.place, victims.b, 5.0, more_addresses(victims.place, 40)),
        measured(victims.a, victims.b) as figures,
    ):
        newcomer.start("--key-file", key_file(lan))
        wait_for(lambda: "found" in newcomer.log(), SOON_S, "a member gets in")
        wait_for(lambda: len(figures.latencies_ms) >= 10, 3 * SOON_S, "10 honest changes")
    print(kind, figures)
    assert not figures.late
    assert victims.b.memory_bytes() < memory + (16 << 20)
    said = [line for line in victims.b.log().splitlines()[lines:] if "honest" not in line and "received" not in line]
    assert len(said) < 30, said[:10]
    wait_equal([*victims.roots, newcomer.dir], SOON_S)
    victims.work()


def test_a_folder_that_lost_its_key_sends_nothing(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    a, b = lan.nodes
    a.start("--key-file", key_file(lan))
    wait_for(lambda: "closed mesh" in a.log(), SOON_S, "it runs")
    a.stop()
    with sniffed(b) as sniffer, sniffed(a) as own:
        other = {"XDG_STATE_HOME": str(lan.work / "another home")}
        ended = a.run_to_end(a.dir, env=other)
        assert ended.code == 1
        (line,) = ended.errors
        assert "its key is not on this machine" in line
        ended = a.run_to_end(a.dir, "--key-file", key_file(lan, "other", b"o"))
        assert ended.code == 1
        (a.home / ".local/state/dir_sync/keys").chmod(0o755)
        ended = a.run_to_end(a.dir)
        assert ended.code == 1
        assert "chmod 700" in ended.err
    assert not sniffer.udp
    assert not own.udp
    assert not own.tcp
    (a.home / ".local/state/dir_sync/keys").chmod(0o700)
    (a.dir / ".dir_sync/closed").unlink()
    a.start()
    wait_for(lambda: "closed mesh" in a.log(this_run=True), SOON_S, "it is closed without its mark, too")
    key = key_file(lan).read_text().strip()
    assert key not in a.log()
    for process in ("cmdline", "environ"):
        with open(f"/proc/{a.pid}/{process}", "rb") as file:
            assert key.encode() not in file.read()
