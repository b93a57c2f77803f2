"""Listening to a LAN, and a relay that changes what passes."""

from __future__ import annotations

import socket
import struct
import threading
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dir_sync.core.keys import MeshKey
from dir_sync.security import files

from ..lan import Lan, Node

Flow = tuple[str, int, str, int]

_ALL = 0x0003  # ETH_P_ALL
_IPV4 = 0x0800
_PACKETS_MAX = 200_000


def key_file(lan: Lan, name: str = "key", seed: bytes = b"k") -> Path:
    """A key that the tests know."""
    path = lan.work / name
    if not path.exists():
        files.create_file(str(path), MeshKey.made_of(seed * 32).text.encode() + b"\n")
    return path


class Sniffer:
    """All that passes the interface of one node, while it listens."""

    def __init__(self, node: Node) -> None:
        self.tcp: dict[Flow, dict[int, bytes]] = defaultdict(dict)  # by flow: sequence number and payload
        self.udp: list[tuple[str, bytes]] = []  # source, payload
        self._ends = False
        with node.inside():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE
        self._socket.bind(("eth0", 0))
        self._socket.settimeout(0.1)
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not self._ends:
            try:
                frame, address = self._socket.recvfrom(1 << 17)
            except TimeoutError:
                continue
            if address[1] == _IPV4:
                self._note(frame[14:])

    def _note(self, packet: bytes) -> None:
        head = (packet[0] & 15) * 4
        size = struct.unpack(">H", packet[2:4])[0] or len(packet)
        source, target = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
        body = packet[head:size]
        if packet[9] == socket.IPPROTO_UDP:
            self.udp.append((source, body[8:]))
        elif packet[9] == socket.IPPROTO_TCP:
            from_port, to_port, sequence = struct.unpack(">HHI", body[:8])
            payload = body[(body[12] >> 4) * 4 :]
            if payload:
                self.tcp[source, from_port, target, to_port].setdefault(sequence, payload)

    def streams(self) -> Iterator[bytes]:
        """What each side of each connection has sent, in order."""
        for pieces in self.tcp.values():
            yield b"".join(pieces[sequence] for sequence in sorted(pieces))

    def everything(self) -> bytes:
        return b"\n".join([*self.streams(), *(payload for _, payload in self.udp)])

    def close(self) -> None:
        self._ends = True
        self._thread.join()
        missed = struct.unpack("II", self._socket.getsockopt(263, 6, 8))[1]  # SOL_PACKET, PACKET_STATISTICS
        self._socket.close()
        assert not missed, f"the sniffer missed {missed} packets"


@contextmanager
def sniffed(node: Node) -> Iterator[Sniffer]:
    sniffer = Sniffer(node)
    try:
        yield sniffer
    finally:
        sniffer.close()


def inflatable(data: bytes) -> list[bytes]:
    """What anybody can inflate of it: zlib streams that are whole."""
    found = []
    for header in (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"):
        at = data.find(header)
        while at >= 0:
            inflater = zlib.decompressobj()
            try:
                text = inflater.decompress(data[at : at + (1 << 20)], 1 << 20)
            except zlib.error:
                text = b""
            if inflater.eof and text:
                found.append(text)
            at = data.find(header, at + 1)
    return found


class Relay:
    """Stands between two nodes: takes connections at `place`, and passes them on to `target`, changed."""

    def __init__(self, place: Node, target: Node, change: Callable[[bytes, int, bool], bytes]) -> None:
        """`change(data, at, is_back)`: what to pass on instead of `data`, which begins `at` bytes after the beginning of what
        one side sends; `is_back`: it comes from `target`. b"" hangs up."""
        self.place, self.target = place, target
        self.change = change
        self.passed = 0  # connections
        self.heard: list[bytes] = []
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        with place.inside():
            self._listener = socket.create_server((place.address, 7000))
        self._start(self._accept)

    def _start(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._socks.append(sock)
            try:
                with self.place.inside():
                    on = socket.create_connection((self.target.address, self.target.port), 5)
            except OSError:
                sock.close()
                continue
            on.settimeout(None)
            self._socks.append(on)
            self.passed += 1
            self._start(self._pass, sock, on, False)
            self._start(self._pass, on, sock, True)

    def _pass(self, source: socket.socket, target: socket.socket, is_back: bool) -> None:
        at = 0
        try:
            while data := source.recv(1 << 16):
                self.heard.append(data)
                changed = self.change(data, at, is_back)
                at += len(data)
                if not changed:
                    break
                target.sendall(changed)
        except OSError:
            pass
        for sock in (source, target):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(10)
        for sock in self._socks:
            sock.close()


def answers(place: Node, target: Node, said: bytes) -> bytes:
    """All that a node says to a stranger until it hangs up."""
    with place.inside():
        sock = socket.create_connection((target.address, target.port), timeout=10)
    data = b""
    with sock:
        try:
            sock.sendall(said)
            while more := sock.recv(65536):
                data += more
        except (ConnectionResetError, BrokenPipeError):
            pass
    return data
