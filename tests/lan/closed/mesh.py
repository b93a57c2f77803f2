"""What tests of closed meshes do on a LAN: invite, join, remove, and look who has which key."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dir_sync.core.keys import MeshKey
from dir_sync.core.link_handshake import PROLOGUE
from dir_sync.core.noise import Handshake
from dir_sync.core.sealed import Opener, Sealer
from tests.lan.checker import wait_for
from tests.lan.lan import Ended, Node

SOON_S = 60.0


class Invitation:
    """An `invite` that waits for somebody."""

    def __init__(self, node: Node, process: subprocess.Popen[str], code: str) -> None:
        self.node = node
        self.process = process
        self.code = code

    def end(self) -> tuple[int, str, str]:
        """When it has come to its end by itself: exit code, the rest of what it said, its complaint."""
        out, err = self.process.communicate(timeout=SOON_S)
        return self.process.returncode, out, err


@contextmanager
def inviting(node: Node, *args: str) -> Iterator[Invitation]:
    """`invite` runs on that node."""
    process = subprocess.Popen(
        node.within(sys.executable, node.main, "invite", node.dir, "--name", node.name, *args),
        env=node.environment(),
        cwd=node.base,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        code = re.search(r"join DIR (\w{4}-\w{4}) ", line)
        assert code, f"{node}: no code, but: {line}{process.communicate(timeout=SOON_S)[1] if not line else ''}"
        yield Invitation(node, process, code[1])
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def join(node: Node, code: str, *args: str) -> Ended:
    return node.run_to_end("join", node.dir, code, "--name", node.name, *args, limit_s=SOON_S)


def let_in(host: Node, *guests: Node, role: str = "") -> None:
    """They join one after the other, whether their nodes run or not."""
    for guest in guests:
        guest.make_folders()
        with inviting(host, "--yes", *([role] if role else [])) as invitation:
            done = join(guest, invitation.code, "--yes")
            assert done.code == 0, done.err
            code, out, err = invitation.end()
            assert code == 0, err
            assert f"{guest.name} has joined" in out


def start(*nodes: Node) -> None:
    """Start them, and wait until commands reach them."""
    for node in nodes:
        node.start("--name", node.name)
    for node in nodes:
        wait_for(lambda node=node: "TCP port" in node.log(this_run=True), SOON_S, f"{node} runs")


def members(node: Node) -> dict[str, Any]:
    done = node.run_to_end("members", node.dir, "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def key_of(node: Node) -> str:
    """The key that its node has, by its mark."""
    marker = node.dir / ".dir_sync" / "closed"
    return marker.read_text().strip() if marker.exists() else ""


def on_one_key(*nodes: Node, but: str = "") -> None:
    """Wait until they all have the same key, and another one than `but`."""

    def is_so() -> bool:
        keys = {key_of(node) for node in nodes}
        return len(keys) == 1 and keys.isdisjoint({but, ""})

    wait_for(is_so, SOON_S, f"{nodes} have one key: {[key_of(node) for node in nodes]}")


def has(node: Node, name: str) -> bool:
    return (node.dir / name).exists()


def stolen_key(node: Node) -> tuple[MeshKey, bytes]:
    """The key and the identity of a machine, from its files, as a thief reads them."""
    (path,) = (node.home / ".local/state/dir_sync/keys").glob("*.json")
    fields = json.loads(path.read_bytes())
    return MeshKey.from_text(fields["key"]), bytes.fromhex(fields["static"])


def demand(
    thief: Node, target: Node, key: MeshKey, static: bytes, claimed: str, message: dict[str, Any] | None = None
) -> bytes | None:
    """A thief calls a member by a door that it knows, as that identity, says that it has the key `claimed`, and then, if there
    is one, that message. All that it is told on the sealed link; None: it is not even told who is there."""
    with thief.inside(), socket.create_connection((target.address, target.port), 5) as sock:
        sock.settimeout(3)
        noise = Handshake("XXpsk0", True, PROLOGUE, static, os.urandom(32), [key.gate.psk])
        frame = b"\x10" + noise.write()
        sock.sendall(len(frame).to_bytes(8, "big") + frame)
        answer = sock.recv(4096)
        if not answer:
            return None
        noise.read(answer[9:])
        fields = {"role": "rw", "proof": key.sign(b"dir_sync 1 role").hex(), "generation": 9, "key": claimed}
        frame = b"\x10" + noise.write(json.dumps(fields, separators=(",", ":")).encode().ljust(256))
        sock.sendall(len(frame).to_bytes(8, "big") + frame)
        sending, receiving = noise.split()
        if message is not None:
            body = json.dumps(message).encode()
            for record in Sealer(sending).records([len(body).to_bytes(8, "big"), body]):
                sock.sendall(record)
            sock.shutdown(socket.SHUT_WR)
        opener, told, room = Opener(receiving), b"", memoryview(bytearray(65536))
        try:
            while n := sock.recv_into(opener.buffer()):
                opener.filled(n)
                while n := opener.open_into(room):
                    told += room[:n]
        except OSError:
            pass
        return told
