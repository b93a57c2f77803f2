"""The door of a closed mesh on real sockets (loopback): members come in, strangers get not one byte."""

from __future__ import annotations

import os
import queue
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator

import pytest

from dir_sync.core import limits
from dir_sync.core.invitations import QUESTION_BYTES
from dir_sync.core.keys import MeshKey, Role
from dir_sync.core.link_handshake import (
    FIRST_BYTES,
    HEAD_BYTES,
    SECOND_BYTES,
    Another,
    Calling,
    Credentials,
    Door,
    Member,
)
from dir_sync.core.noise import HandshakeError, Suite
from dir_sync.core.overload.guard import Guard, place_among
from dir_sync.core.sealed import Opener, Sealer
from dir_sync.network import gate as gate_module
from dir_sync.network.gate import Gate
from dir_sync.network.sealed_channel import AnotherKey, SealedChannel, Silent, call

LOCAL = "127.0.0.1"
KEY = MeshKey.made_of(b"m" * 32)
OTHER = MeshKey.made_of(b"o" * 32)


def machine(name: str, key: MeshKey = KEY) -> Credentials:
    return Credentials(key, name.encode().ljust(32, b"."))


class Host:
    """Takes in whom the gate lets in."""

    def __init__(self, credentials: Credentials) -> None:
        self.came: queue.SimpleQueue[tuple[SealedChannel, Member]] = queue.SimpleQueue()
        self.refused: list[str] = []
        self.has_room = True
        self.admitted = True
        self.guard = Guard()
        self.socks: list[socket.socket] = []
        self.listener = socket.create_server((LOCAL, 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.others: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.gate = Gate(self.listener, Door(credentials), self, self)
        self.gate.start()

    def admits(self, address: str) -> bool:
        return self.admitted

    def gives_way(self, strangers: dict[int, str], address: str) -> tuple[bool, int | None]:
        return place_among(strangers, address, self.guard.calls_left)

    def came_in(self, sock: socket.socket, address: str, channel: SealedChannel, member: Member) -> bool:
        if self.has_room:
            sock.setblocking(True)
            self.socks.append(sock)
            self.came.put((channel, member))
        return self.has_room

    def was_refused(self, address: str, text: str) -> None:
        self.refused.append(text)

    def has_code(self, sock: socket.socket, first: bytes) -> None:
        sock.close()
        self.others.put(first)

    def has_another_key(self, sock: socket.socket, sealer: Sealer, opener: Opener, peer: Another) -> None:
        sock.close()
        self.others.put(peer)

    def connect(self) -> socket.socket:
        return socket.create_connection((LOCAL, self.port), timeout=10)

    def close(self) -> None:
        self.gate.stop()
        self.listener.close()
        for sock in self.socks:
            sock.close()


@pytest.fixture
def host() -> Iterator[Host]:
    one = Host(machine("ben"))
    yield one
    one.close()
    assert not any(thread.name == "gate" for thread in threading.enumerate())


def answer(sock: socket.socket) -> bytes:
    """All that it says until it hangs up."""
    data = b""
    try:
        while more := sock.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data


@pytest.mark.parametrize("suite", ["AESGCM", "ChaChaPoly"])
def test_a_member_comes_in_and_both_can_talk_at_once(host: Host, suite: Suite) -> None:
    with host.connect() as sock:
        ours, member = call(sock, machine("anna"), suite)
        sock.settimeout(10)
        theirs, caller = host.came.get(timeout=10)
        assert member == Member(machine("ben").identity, Role.READ_WRITE)
        assert caller == Member(machine("anna").identity, Role.READ_WRITE)
        size = 3_000_000
        got: dict[str, bytes] = {}

        def read(name: str, channel: SealedChannel) -> None:
            data, buffer = b"", bytearray(100_000)
            while len(data) < size:
                n = channel.recv_into(memoryview(buffer))
                assert n
                data += buffer[:n]
            got[name] = data

        content = os.urandom(size)
        threads = [
            threading.Thread(target=read, args=("ours", ours)),
            threading.Thread(target=read, args=("theirs", theirs)),
            threading.Thread(target=ours.send_all, args=([content[:10], content[10:]], lambda: None)),
            threading.Thread(target=theirs.send_all, args=([content], lambda: None)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert got == {"ours": content, "theirs": content}


def test_what_a_sealed_link_sends_at_once_is_in_order_with_the_rest(host: Host) -> None:
    """The peer reads nothing at first: the socket fills, and what it did not take is sealed already, so it goes first."""
    with host.connect() as sock:
        ours, _ = call(sock, machine("anna"), "AESGCM")
        sock.settimeout(None)  # as a link has it
        theirs, _ = host.came.get(timeout=10)
        sent = [bytes([number % 256]) * 10_000 for number in range(2_000)]
        count = next(n for n, data in enumerate(sent, 1) if not ours.send_now([data[:100], data[100:]]))
        assert ours.has_rest
        rest = threading.Thread(target=ours.send_all, args=([b"end"], lambda: None))
        rest.start()
        expected = b"".join(sent[:count]) + b"end"
        data, buffer = b"", bytearray(100_000)
        while len(data) < len(expected):
            n = theirs.recv_into(memoryview(buffer))
            assert n
            data += buffer[:n]
        rest.join(30)
        assert data == expected
        assert not ours.has_rest


HELLO = zlib.compress(b'{"type":"HELLO"}')
PROBES = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 5,
    "tls": bytes.fromhex("16030100f1010000ed0303") + bytes(240),
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n".ljust(100),
    "our own hello": struct.pack(">Q", len(HELLO)) + HELLO,
    "zeros": bytes(600),
    "random": bytes(range(256)) * 3,
    "a length of 2^63": struct.pack(">Q", 2**63) + bytes(100),
    "a length of 513": struct.pack(">Q", 513) + bytes(513),
    "another mesh": Calling(machine("eve", OTHER), "AESGCM", b"e" * 32).first(),
    "one bit wrong": bytes([*Calling(machine("anna"), "AESGCM", b"f" * 32).first()[:-1], 0x55]),
    "pairing that nobody asked for": struct.pack(">Q", 36) + b"\x12" + bytes(35),
    "a first frame of zeros": struct.pack(">Q", 49) + b"\x11" + bytes(48),
}


@pytest.mark.parametrize("name", PROBES)
def test_a_stranger_gets_no_byte(host: Host, name: str) -> None:
    with host.connect() as sock:
        sock.sendall(PROBES[name])
        assert answer(sock) == b""
    assert host.refused == [], "and nobody is told of each"


@pytest.mark.parametrize("size", [0, 1, HEAD_BYTES, HEAD_BYTES + FIRST_BYTES - 1])
def test_a_stranger_that_says_too_little_gets_no_byte_and_little_time(
    host: Host, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_module, "FIRST_S", 0.3)
    with host.connect() as sock:
        sock.sendall(Calling(machine("anna"), "AESGCM", b"g" * 32).first()[:size])
        assert answer(sock) == b""


def test_a_first_frame_that_was_recorded_is_not_answered(host: Host) -> None:
    first = Calling(machine("anna"), "AESGCM", b"h" * 32).first()
    with host.connect() as sock:
        sock.sendall(first)
        assert len(sock.recv(HEAD_BYTES + SECOND_BYTES, socket.MSG_WAITALL)) == HEAD_BYTES + SECOND_BYTES
    with host.connect() as sock:
        sock.sendall(first)
        assert answer(sock) == b""


def test_who_has_only_the_key_of_the_door_gets_no_further(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with host.connect() as sock:
        sock.sendall(Calling(machine("anna"), "AESGCM", b"i" * 32).first())
        sock.recv(HEAD_BYTES + SECOND_BYTES, socket.MSG_WAITALL)
        sock.sendall(struct.pack(">Q", 321) + b"\x11" + bytes(320))
        assert answer(sock) == b""
    assert len(host.refused) == 1
    monkeypatch.setattr(gate_module, "HANDSHAKE_S", 0.3)
    with host.connect() as sock:
        sock.sendall(Calling(machine("anna"), "AESGCM", b"j" * 32).first())
        assert len(answer(sock)) == HEAD_BYTES + SECOND_BYTES, "it is dropped after a while"


def test_members_come_in_while_half_of_strangers_wait(host: Host) -> None:
    strangers = []
    try:
        for number in range(3 * limits.UNFINISHED_MAX):
            sock = host.connect()
            sock.sendall(struct.pack(">Q", FIRST_BYTES)[: number % 9])
            strangers.append(sock)
        with host.connect() as sock:
            begun = time.monotonic()
            call(sock, machine("anna"), "ChaChaPoly")
            assert host.came.get(timeout=5)[1].identity == machine("anna").identity
            assert time.monotonic() - begun < 2
        assert len(host.gate._callers) <= limits.UNFINISHED_PER_ADDRESS_MAX
    finally:
        for sock in strangers:
            sock.close()


def test_when_all_places_are_taken_the_oldest_stranger_gives_way(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNFINISHED_PER_ADDRESS_MAX", 10_000)
    monkeypatch.setattr(limits, "UNFINISHED_MAX", 4)
    socks = [host.connect() for _ in range(5)]
    try:
        assert answer(socks[0]) == b"", "the first one was dropped"
        call(socks[4], machine("anna"), "ChaChaPoly")
        assert host.came.get(timeout=5)
    finally:
        for sock in socks:
            sock.close()


def test_who_is_not_admitted_or_has_no_place_is_dropped(host: Host) -> None:
    host.admitted = False
    with host.connect() as sock, pytest.raises((HandshakeError, OSError)):
        call(sock, machine("anna"), "ChaChaPoly")
    host.admitted, host.has_room = True, False
    with host.connect() as sock:
        call(sock, machine("anna"), "ChaChaPoly")
        sock.settimeout(10)
        assert answer(sock) == b""


def test_a_removed_machine_is_turned_away() -> None:
    anna = machine("anna")
    host = Host(Credentials(KEY, machine("ben").static, frozenset({anna.identity})))
    try:
        with host.connect() as sock:
            call(sock, anna, "ChaChaPoly")
            sock.settimeout(10)
            assert answer(sock) == b""
        assert host.came.empty()
        assert host.refused == ["it was removed from this mesh"]
    finally:
        host.close()


def test_no_descriptors_left_is_no_end(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    fails = iter([OSError(24, "Too many open files")])

    class Listener:
        def __init__(self, listener: socket.socket) -> None:
            self.listener = listener

        def accept(self) -> tuple[socket.socket, tuple[str, int]]:
            for error in fails:
                raise error
            return self.listener.accept()

        def fileno(self) -> int:
            return self.listener.fileno()

    monkeypatch.setattr(host.gate, "_listener", Listener(host.listener))
    with host.connect() as sock:
        call(sock, machine("anna"), "ChaChaPoly")
        assert host.came.get(timeout=5)


# --- the side that dials -------------------------------------------------------------------------------------------------


def dialled(said: bytes, ends: bool = True) -> str:
    """Why a member that has dialled somebody who says that hangs up."""
    with socket.create_server((LOCAL, 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(HEAD_BYTES + FIRST_BYTES, socket.MSG_WAITALL)
                sock.sendall(said)
                try:
                    while not ends and sock.recv(1):
                        pass
                except ConnectionResetError:
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            sock = socket.create_connection(listener.getsockname(), timeout=10)
            with sock, pytest.raises(HandshakeError) as caught:
                call(sock, machine("anna"), "AESGCM")
        finally:
            thread.join(10)
        return str(caught.value)


def test_why_a_dial_ends() -> None:
    assert "without a word" in dialled(b"")
    assert "it is open" in dialled(struct.pack(">Q", len(HELLO)) + HELLO, ends=False)
    assert "no node of this mesh" in dialled(b"HTTP/1.1 400 Bad Request\r\n", ends=False)
    assert "does not know the key" in dialled(struct.pack(">Q", SECOND_BYTES) + b"\x11" + bytes(range(176)) * 2)


def test_a_member_with_another_key_is_told_nothing(host: Host) -> None:
    with host.connect() as sock, pytest.raises(HandshakeError, match="without a word"):
        call(sock, machine("anna", OTHER), "AESGCM")


def test_what_was_changed_on_the_way_breaks_the_link(host: Host) -> None:
    with host.connect() as sock:
        call(sock, machine("anna"), "AESGCM")
        theirs, _ = host.came.get(timeout=10)
        sock.sendall(struct.pack(">I", 40) + bytes(40))
        with pytest.raises(OSError, match="changed on the way"):
            theirs.recv_into(memoryview(bytearray(100)))


def test_who_has_a_code_is_handed_over_with_its_first_frame(host: Host) -> None:
    first = b"\x12K7" + bytes(QUESTION_BYTES - 3)
    with host.connect() as sock:
        sock.sendall(len(first).to_bytes(HEAD_BYTES, "big") + first)
        assert host.others.get(timeout=10) == first
        assert answer(sock) == b""


def test_who_has_another_key_is_handed_over_on_a_sealed_link() -> None:
    new = MeshKey.made_of(b"n" * 32, 2)
    ahead = Credentials(new, b"ahead".ljust(32, b"."), older=((KEY.id, KEY.gate),))
    one = Host(ahead)
    try:
        with one.connect() as sock, pytest.raises(AnotherKey) as met:
            call(sock, machine("behind"), "ChaChaPoly")
        assert met.value.peer == Another(ahead.identity, new.id, 2, KEY.id)
        assert one.others.get(timeout=10) == Another(machine("behind").identity, KEY.id, 1, KEY.id)
        with one.connect() as sock, pytest.raises(Silent):
            call(sock, machine("eve", OTHER), "ChaChaPoly")
        assert not one.refused
    finally:
        one.close()
