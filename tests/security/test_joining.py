"""A machine joins by a code over real sockets: what both keep, what wrong codes cost, what is said."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from dir_sync.config import ConfigError
from dir_sync.core.invitations import decode_invitation, encode_invitation
from dir_sync.core.keys import MeshKey, identity_of
from dir_sync.core.membership import MEMBERS_MAX, Charter, Member, Membership
from dir_sync.core.messages import PROTOCOL, Hello, encode
from dir_sync.core.noise import Handshake, public_of
from dir_sync.core.pairing import FRAME_BYTES_MAX, HANDSHAKE_BYTES_MAX, RUN_S, Code, Host, JoinerRun
from dir_sync.security import admission, files, joining, store
from dir_sync.security.frames import Frames
from dir_sync.security.inviting import Inviting
from dir_sync.security.joining import Declined, inviters, join
from dir_sync.security.keeper import Keeper

KEY = MeshKey.made_of(b"k" * 32)
FOLDERS = "shared"
HELLO = b"".join(encode(Hello(PROTOCOL, "a1", "kitchen", "0f", 6_000, ())))


@pytest.fixture
def keeper(state: Path, folder: str) -> Keeper:
    """Of the machine that invites."""
    static = os.urandom(32)
    kept = store.begin(KEY, identity_of(public_of(static)))
    store.save(folder, kept)
    return Keeper(folder, kept, static, "kitchen", lambda: None)


@pytest.fixture
def other(tmp_path: Path) -> str:
    """The folder of the machine that joins."""
    (tmp_path / "other" / ".dir_sync").mkdir(parents=True)
    return str(tmp_path / "other")


@contextmanager
def inviting(keeper: Keeper, role: str = "rw", lasts_s: float = 60.0) -> Iterator[tuple[Inviting, tuple[str, int]]]:
    """An invitation and where it is."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        invitation = Inviting(keeper, role, lasts_s, FOLDERS, lambda data: None, port)

        def accept() -> None:
            while True:
                try:
                    sock, _ = server.accept()
                except OSError:
                    return
                try:
                    first = Frames(sock, RUN_S).receive(HANDSHAKE_BYTES_MAX)
                except OSError:
                    sock.close()
                    continue
                invitation.serve(sock, first)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield invitation, ("127.0.0.1", port)
        finally:
            invitation.stop()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def wrong(code: Code) -> Code:
    return code._replace(secret="".join("0" if letter != "0" else "1" for letter in code.secret))


def test_who_has_joined_is_counted_when_that_is_said(
    keeper: Keeper, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks in the moment in which the newcomer is being written down hears nothing yet."""
    seen: list[tuple[str, object]] = []
    note = keeper.met

    def met(peer: Member) -> None:
        seen.append((invitation.over(), invitation.joined))
        note(peer)

    monkeypatch.setattr(keeper, "met", met)
    with inviting(keeper) as (invitation, at):
        join(other, invitation.code, "laptop", iter([at]), None)
        until = time.monotonic() + 20
        while not invitation.over() and time.monotonic() < until:
            time.sleep(0.005)
        assert invitation.joined is not None
    assert seen == [("", None)]


def crowded(keeper: Keeper, count: int) -> Keeper:
    """The same mesh with so many other members, all with the longest of names."""
    me = keeper.membership.me
    rows = [Member(f"{number:032x}", "\U0001f600" * 64, "rw", 2**40, me) for number in range(count)]
    charter = Charter(
        1, KEY.id, {one.identity: one for one in rows}, frozenset(f"{n:032x}" for n in range(5_000, 6_024))
    )
    mine = Membership(me, "rw", charter, (), {one.identity: one for one in rows})
    return Keeper(keeper.folder, store.Kept(KEY, mine, keeper.static), keeper.static, "k" * 64, lambda: None)


def test_a_machine_joins_the_largest_mesh(keeper: Keeper, other: str) -> None:
    large = crowded(keeper, MEMBERS_MAX - 2)
    with inviting(large) as (invitation, at):
        kept, host = join(other, invitation.code, "\U0001f600" * 64, iter([at]), None)
    assert host.members == MEMBERS_MAX - 1
    assert kept.membership.count == MEMBERS_MAX
    assert store.load(other) == kept


def test_where_there_is_no_room_nobody_is_invited(keeper: Keeper) -> None:
    full = crowded(keeper, MEMBERS_MAX - 1)
    with pytest.raises(ConfigError, match="no room"), inviting(full):
        pass


@pytest.mark.parametrize("role", ["rw", "ro"])
def test_both_know_each_other_afterwards(keeper: Keeper, other: str, role: str) -> None:
    asked: list[Host] = []
    with inviting(keeper, role) as (invitation, at):
        kept, host = join(other, invitation.code, "laptop", iter([at]), lambda one: not asked.append(one))
        until = time.monotonic() + 20
        while not invitation.over() and time.monotonic() < until:
            time.sleep(0.005)
        assert invitation.joined is not None
        assert invitation.over() == "it has been used"
    assert asked == [Host("kitchen", 1, FOLDERS, role)]
    assert host == asked[0]
    assert store.load(other) == kept
    assert kept.key == (KEY if role == "rw" else KEY.read_only())
    assert files.marker_of(other) == KEY.fingerprint
    laptop = keeper.membership.met[kept.membership.me]
    assert (laptop.name, laptop.role, laptop.by) == ("laptop", role, keeper.membership.me)
    assert abs(kept.membership.since_s - laptop.since_s) < 60, "both note when it joined, each by its clock"
    assert kept.membership.met[keeper.membership.me].since_s == keeper.membership.since_s, (
        "that of the founder came along"
    )
    assert store.load(keeper.folder) == keeper.kept
    mesh = admission.admit(other, None) if role == "rw" else None
    assert mesh is None or mesh.credentials.identity == kept.membership.me


def test_three_wrong_codes_and_then_the_right_one(keeper: Keeper, other: str) -> None:
    with inviting(keeper) as (invitation, at):
        for left in (2, 1, 0):
            with pytest.raises(ConfigError, match=r"the code is wrong.*: type it again"):
                join(other, wrong(invitation.code), "laptop", iter([at]), None)
            assert invitation.guesses == left
        with pytest.raises(ConfigError, match="nobody is being invited"):
            join(other, invitation.code, "laptop", iter([at]), None)
        assert invitation.joined is None
    assert store.load(other) is None
    assert files.marker_of(other) is None


def test_who_says_no_has_left_no_trace(keeper: Keeper, other: str) -> None:
    with inviting(keeper) as (invitation, at):
        with pytest.raises(Declined):
            join(other, invitation.code, "laptop", iter([at]), lambda host: False)
        assert store.load(other) is None
        assert not keeper.membership.met
        assert invitation.guesses == 3
        join(other, invitation.code, "laptop", iter([at]), None)


def test_a_key_that_cannot_be_kept_is_not_taken(keeper: Keeper, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: str, kept: store.Kept) -> None:
        raise ConfigError("the disk is full")

    with inviting(keeper) as (invitation, at):
        with monkeypatch.context() as patch:
            patch.setattr(joining.store, "save", full)
            with pytest.raises(ConfigError, match="full"):
                join(other, invitation.code, "laptop", iter([at]), None)
        assert invitation.joined is None


def test_an_address_that_does_not_answer_is_passed_by(keeper: Keeper, other: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        dead = nobody.getsockname()[:2]
    with inviting(keeper) as (invitation, at):
        join(other, invitation.code, "laptop", iter([dead, at]), None)
    with pytest.raises(ConfigError, match="no machine invites"):
        join(other, Code("AA", "BBBBBB"), "laptop", iter([]), None)


@pytest.mark.parametrize("says", [b"", b"SSH-2.0-a server\r\n", HELLO])
def test_where_nobody_is_invited_it_is_said_what_to_do(other: str, says: bytes) -> None:
    """A closed node, another program, an open node: what a stranger is told does not tell them apart for certain."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            sock, _ = server.accept()
            with sock:
                sock.settimeout(20)
                sock.recv(100)
                sock.sendall(says)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ConfigError) as caught:
            join(other, Code("AA", "BBBBBB"), "laptop", iter([server.getsockname()[:2]]), None)
        thread.join()
    said = str(caught.value)
    assert "nobody is being invited there" in said
    assert "run 'invite DIR' on the machine that is to let this one in" in said
    assert "--peer HOST:PORT" in said
    assert "protocol" not in said


def test_a_port_at_which_nobody_listens_may_be_the_wrong_one(other: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        dead = nobody.getsockname()[:2]
    with pytest.raises(ConfigError, match=r"Connection refused.*is this its address, and its TCP port"):
        join(other, Code("AA", "BBBBBB"), "laptop", iter([dead]), None)


def test_invitations_are_found_by_their_letters() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    is_over = threading.Event()

    def speak() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not is_over.wait(0.01):
                for data in (encode_invitation("AB", 7001), b"\xff", encode_invitation("K7", 7002)):
                    out.sendto(data, ("127.0.0.1", port))

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        assert next(inviters("K7", port, 20.0)) == ("127.0.0.1", 7002)
    finally:
        is_over.set()
        thread.join()
    assert list(inviters("K7", port, 0.05)) == []


def test_what_is_no_invitation() -> None:
    good = encode_invitation("K7", 6000)
    assert decode_invitation(good) == ("K7", 6000)
    for data in (
        b"",
        b"{}",
        b"[]",
        b"[" * 500,
        b"x" * 600,
        good.replace(b"closed", b"open"),
        good.replace(b"K7", b"K"),
        good.replace(b"K7", b"KU"),
        good.replace(b"6000", b"0"),
        good.replace(b"6000", b"true"),
        good.replace(b'"dir_sync":2', b'"dir_sync":true'),
        good.replace(b"6000", b"6000,1"),
        good[:-1] + b',"mesh":"closed"}',
    ):
        assert decode_invitation(data) is None, data


@contextmanager
def eve_has_the_answer(keeper: Keeper) -> Iterator[tuple[Inviting, JoinerRun, Frames, list[object]]]:
    """Somebody who knows the code is about to prove it. The list has what `serve` gave, when all is over."""
    invitation = Inviting(keeper, "rw", 60.0, FOLDERS, lambda data: None, 6000)
    ours, theirs = socket.socketpair()
    run = JoinerRun(invitation.code, os.urandom(32), "eve", os.urandom, os.urandom(32))
    given: list[object] = []
    thread = threading.Thread(target=lambda: given.append(invitation.serve(ours, run.hello())))
    thread.start()
    with theirs:
        yield invitation, run, Frames(theirs, 20.0), given
        invitation.stop()
    thread.join()


def test_a_point_of_small_order_ends_the_run_and_nothing_else(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    with eve_has_the_answer(keeper) as (_, run, frames, given):
        answer = frames.receive(HANDSHAKE_BYTES_MAX)
        real = Handshake.__init__

        def evil(self: Handshake, *args: Any, **more: Any) -> None:
            real(self, *args, **more)
            self._e = Mock()
            self._e.public_key().public_bytes_raw.return_value = bytes(32)

        with monkeypatch.context() as patch:
            patch.setattr(Handshake, "__init__", evil)
            proof = run.on_answer(answer)
        frames.send(proof)
        with pytest.raises(OSError, match="closed"):
            frames.receive(HANDSHAKE_BYTES_MAX)
    assert given == [None]


def test_an_invitation_that_ends_during_a_run_lets_nobody_in(keeper: Keeper) -> None:
    """The person has changed his mind, or the key does not count any more."""
    with eve_has_the_answer(keeper) as (invitation, run, frames, given):
        frames.send(run.on_answer(frames.receive(HANDSHAKE_BYTES_MAX)))
        run.on_proof(frames.receive(HANDSHAKE_BYTES_MAX))
        invitation.stop()
        frames.send(run.identify())
        with pytest.raises(OSError, match="closed"):
            frames.receive(FRAME_BYTES_MAX)
    assert given == [None]
    assert invitation.joined is None
