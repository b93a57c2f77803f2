"""Machines join a closed mesh with a code; whoever has none, or a wrong one, gets nothing."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable

import pytest

from dir_sync.core.invitations import encode_invitation
from tests.lan.changes import write
from tests.lan.checker import wait_equal, wait_for
from tests.lan.lan import NETWORK, Lan, Node

from .mesh import SOON_S, has, inviting, join, key_of, let_in, members, start

pytestmark = pytest.mark.lan


def test_an_open_mesh_is_closed_while_it_runs(new_lan: Callable[..., Lan]) -> None:
    """Two nodes share openly; one closes the mesh and invites, the other joins; a third machine joins without a node. No
    process was started anew."""
    lan = new_lan(3)
    host, guest, late = lan
    write(host.dir / "from the open time", b"1")
    start(host, guest)
    wait_equal([host.dir, guest.dir], SOON_S)
    pids = (host.pid, guest.pid)
    refused = host.run_to_end("invite", host.dir)
    assert refused.code == 1
    assert f"{guest.name}, which shares it openly now, gets nothing more until it joins" in refused.err
    assert not key_of(host)
    with inviting(host, "--yes") as invitation:
        write(host.dir / "secret", b"2")
        wait_for(lambda: "it belongs to a closed mesh now" in guest.log(), SOON_S, "the guest is told")
        assert not has(guest, "secret")
        done = join(guest, invitation.code)
        assert done.code == 1
        assert "has 1 file, which the 1 member of n0's mesh will get" in done.err
        assert not key_of(guest)
        done = join(guest, invitation.code, "--yes")
        assert done.code == 0, done.err
        assert "the node that runs goes over to it" in done.out
        code, out, err = invitation.end()
        still_open = f"{guest.name} still shares this folder openly with anyone on this LAN until it joins"
        assert (code, err) == (0, f"{still_open}: invite it, or stop its node\n")
        assert f"{guest.name} has joined ({key_of(host)}, 2 members)" in out
    wait_equal([host.dir, guest.dir], SOON_S)
    let_in(guest, late)
    start(late)
    wait_equal(lan.roots, SOON_S)
    assert pids == (host.pid, guest.pid)
    wait_for(lambda: members(host)["count"] == 3, SOON_S, "the host knows all three")
    assert sorted(one["name"] for one in members(late)["members"]) == ["n0", "n1", "n2"]
    assert "generation 1, read-write, 3 members" in late.run_to_end("status", late.dir).out


def test_a_node_that_runs_joins_by_its_name_and_says_only_what_is_new(new_lan: Callable[..., Lan]) -> None:
    """`join` is typed without --name: the node has one. Later it is removed: its peers say that the key has changed, not that
    somebody stopped, and it says itself that it was removed."""
    lan = new_lan(3)
    host, guest, stranger = lan
    start(host, guest, stranger)
    with inviting(host, "--yes") as invitation:
        done = guest.run_to_end("join", guest.dir, invitation.code, "--yes", limit_s=SOON_S)
        assert done.code == 0, done.err
        assert f"{guest.name} has joined" in invitation.end()[1]
    wait_for(lambda: members(guest)["members"][1]["on"], SOON_S, "they meet")
    wait_for(lambda: "without the key" in host.log() and "without the key" in guest.log(), SOON_S, "both warn")
    done = host.run_to_end("remove", host.dir, guest.name, "--yes", limit_s=SOON_S)
    assert done.code == 0, done.err

    def status() -> str:
        return guest.run_to_end("status", guest.dir).out

    wait_for(
        lambda: f"was REMOVED from the closed mesh {key_of(guest)}, said {host.name}" in status(), SOON_S, "it says so"
    )
    assert "firewall" not in status()
    for node in lan:
        assert node.log().count("TCP port") == 1, node.log()
        assert node.log().count("the folder holds") == 1, node.log()
        assert "it stopped" not in node.log()
    assert stranger.log().count("belongs to a closed mesh, and this node is open") == 1
    assert host.log().count("without the key") == 1
    assert "it goes over to a new key" in guest.log()


def test_without_nodes(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    host, guest = lan
    write(host.dir / "file", b"1")
    let_in(host, guest)
    start(host, guest)
    wait_equal(lan.roots, SOON_S)
    assert "found" in guest.log()


def test_three_wrong_codes_end_the_invitation(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(2)
    host, guest = lan
    write(host.dir / "secret", b"1")
    start(host)
    with inviting(host, "--yes") as invitation:
        wrong = invitation.code[:2] + "".join(
            "0" if one != "0" else "1" for one in invitation.code[2:].replace("-", "")
        )
        for _ in range(3):
            done = join(guest, wrong)
            assert done.code == 1
            assert "the code is wrong" in done.err
        code, out, err = invitation.end()
        assert code == 1
        assert "somebody tried a wrong code" in out
        assert "3 wrong codes were tried" in err
        assert join(guest, invitation.code, "--peer", host.address).code == 1
    assert not key_of(guest)
    start(guest)
    wait_for(lambda: "belongs to a closed mesh" in guest.log(), SOON_S, "the open node says why it is alone")
    assert not has(guest, "secret")


def test_a_fake_inviter_learns_nothing_and_the_true_one_is_found(new_lan: Callable[..., Lan]) -> None:
    """Another machine says that it invites under the same letters, and answers."""
    lan = new_lan(3)
    host, guest, fake = lan
    start(host)
    heard: list[bytes] = []
    with inviting(host, "--yes") as invitation, Fake(fake, invitation.code[:2], heard):
        wait_for(lambda: heard or join(guest, invitation.code).code == 0, SOON_S, "the guest has joined")
        if not key_of(guest):
            assert join(guest, invitation.code).code == 0
        assert invitation.end()[0] == 0
    secret = invitation.code.replace("-", "")[2:].encode()
    assert all(secret not in data and secret.lower() not in data for data in heard)
    assert all(len(data) <= 8 + 36 + 8 + 48 for data in heard), "a question, and a proof that fits no other answer"


class Fake:
    """Says that it invites, and answers whoever comes with bytes of its own."""

    def __init__(self, node: Node, channel: str, heard: list[bytes]) -> None:
        self.heard = heard
        self.is_over = threading.Event()
        with node.inside():
            self.server = socket.create_server((node.address, 6000))
            self.out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.datagram = encode_invitation(channel, 6000)
        self.threads = [threading.Thread(target=self.speak), threading.Thread(target=self.answer)]

    def __enter__(self) -> Fake:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.server.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.server.close()
        self.out.close()

    def speak(self) -> None:
        while not self.is_over.wait(0.01):
            self.out.sendto(self.datagram, (f"{NETWORK}.255", 5000))

    def answer(self) -> None:
        while True:
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            with sock:
                sock.settimeout(5)
                data = sock.recv(4096)
                # A point of the curve, as SPAKE2 sends one: that of the test vector.
                y = bytes.fromhex("42ddfd010afeaa2343352a58062f48a378e8fcec132403184daffd7bd368237fc4")
                try:
                    sock.sendall(len(y).to_bytes(8, "big") + y)
                    data += sock.recv(4096)
                    sock.sendall((736).to_bytes(8, "big") + os.urandom(736))
                    data += sock.recv(4096)
                except OSError:
                    pass
                self.heard.append(data)
