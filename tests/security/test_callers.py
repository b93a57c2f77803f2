"""Callers who are no members with our key: each gets its few seconds, and people are told what came of it."""

from __future__ import annotations

import dataclasses
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dir_sync.core.membership import Meeting
from dir_sync.core.pairing import Code
from dir_sync.security import callers as callers_module
from dir_sync.security import meeting
from dir_sync.security.callers import Callers
from dir_sync.security.frames import Frames
from dir_sync.security.invitations import Invitations
from dir_sync.security.inviting import Inviting
from dir_sync.security.joining import join
from tests.security.test_meeting import IDS, Machine, handshake
from tests.security.test_meeting import meet as _meet

SOON_S = 20.0


@pytest.fixture
def anna(state: Path, tmp_path: Path) -> Machine:
    return Machine(tmp_path, "anna")


@pytest.fixture
def callers(anna: Machine) -> Iterator[Callers]:
    made = Callers(anna, Invitations())
    yield made
    made.stop()


def wait_for(check: Callable[[], object]) -> None:
    until = time.monotonic() + SOON_S
    while not check():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.005)


def test_who_was_away_gets_the_key_and_people_are_told(
    anna: Machine, callers: Callers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dir_sync")
    bert = Machine(tmp_path, "bert")
    anna.removes("lost")
    (calling, there), (answering, here) = handshake(bert, anna)
    ours, theirs = socket.socketpair()
    other = Callers(bert, Invitations())
    callers.has_another_key(ours, *answering.streams(), here)
    other.has_another_key(theirs, *calling.streams(), there)
    wait_for(lambda: len(caplog.messages) == 2)
    other.stop()
    assert bert.kept.key == anna.kept.key
    key = f"{anna.kept.key.fingerprint}, generation 2"
    assert sorted(caplog.messages) == [
        f"bert has the key {key} now",
        f"the mesh has a new key: {key}; anna has handed it over",
    ]


def test_the_removed_one_and_everybody_else_is_told_once(
    anna: Machine,
    callers: Callers,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And nobody is told then that somebody was removed on one side, as by a read-only member, which hands over no key."""
    lost = Machine(tmp_path, "lost")
    anna.removes("lost")
    other = Callers(lost, Invitations())

    def disputes(sock: socket.socket, _sealer: object, _opener: object, _peer: object, keeper: Machine) -> Meeting:
        sock.close()
        if keeper is anna:
            raise OSError("the other one has ended it")
        return Meeting.DISPUTE

    for number in range(4):
        if number == 3:
            monkeypatch.setattr(meeting, "talk", disputes)
        (calling, there), (answering, here) = handshake(lost, anna)
        ours, theirs = socket.socketpair()
        callers.has_another_key(ours, *answering.streams(), here)
        other.has_another_key(theirs, *calling.streams(), there)
        wait_for(lambda: not callers._running and not other._running)
    other.stop()
    assert sorted(message.partition(",")[0] for message in caplog.messages) == [
        f"a machine ({IDS['lost'][:8]})",
        "this machine was removed from its mesh",
    ]
    assert lost.removal is not None
    assert lost.removal.by == "anna"
    assert anna.removal is None


def test_a_code_is_served_while_there_is_an_invitation(anna: Machine, tmp_path: Path) -> None:
    invitations = Invitations()
    callers = Callers(anna, invitations)
    (tmp_path / "new" / ".dir_sync").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        is_over = threading.Event()

        def accept() -> None:
            while not is_over.is_set():
                sock, _ = server.accept()
                callers.has_code(sock, Frames(sock, 5.0).receive(1_024))

        thread = threading.Thread(target=accept)
        thread.start()
        at = ("127.0.0.1", port)
        with pytest.raises(Exception, match="nobody is being invited there"):
            join(str(tmp_path / "new"), Code("K7", "QX4MDP"), "new", iter([at]), None)
        inviting = Inviting(anna, "rw", 60.0, "default", lambda data: None, port)
        invitations.begin(inviting)
        is_over.set()
        kept, host = join(str(tmp_path / "new"), inviting.code, "new", iter([at]), None)
        thread.join()
    callers.stop()
    assert host.name == "anna"
    assert kept.key == anna.kept.key
    assert inviting.over() == "it has been used"


def test_more_callers_than_there_is_room_for_are_turned_away(anna: Machine, callers: Callers) -> None:
    invitations = Invitations()
    inviting = Inviting(anna, "rw", 60.0, "default", lambda data: None, 6000)
    invitations.begin(inviting)
    busy = Callers(anna, invitations)
    first = b"\x12" + inviting.code.channel.encode() + b"A" + bytes(32)
    pairs = [socket.socketpair() for _ in range(callers_module._AT_ONCE_MAX + 1)]
    for ours, _ in pairs:
        busy.has_code(ours, first)
    _, last = pairs[-1]
    last.settimeout(SOON_S)
    assert last.recv(1) == b""
    busy.stop()
    assert not busy._running
    for _, theirs in pairs:
        theirs.close()


def test_removed_machines_that_hold_their_links_keep_nobody_away(
    anna: Machine, callers: Callers, tmp_path: Path
) -> None:
    lost, bert = Machine(tmp_path, "lost"), Machine(tmp_path, "bert")
    anna.removes("lost")
    held = []
    for _ in range(callers_module._AT_ONCE_MAX + 2):
        _, (answering, here) = handshake(lost, anna)
        ours, theirs = socket.socketpair()
        held.append(theirs)
        callers.has_another_key(ours, *answering.streams(), here)
    (calling, there), (answering, here) = handshake(bert, anna)
    ours, theirs = socket.socketpair()
    callers.has_another_key(ours, *answering.streams(), here)
    assert meeting.talk(theirs, *calling.streams(), there, bert) is Meeting.TAKE
    assert bert.kept.key == anna.kept.key
    for sock in held:
        sock.close()


def test_without_an_invitation_who_asks_for_one_gets_no_thread(anna: Machine) -> None:
    callers = Callers(anna, Invitations())
    ours, theirs = socket.socketpair()
    callers.has_code(ours, b"\x12" + bytes(35))
    assert not callers._running
    theirs.settimeout(SOON_S)
    assert theirs.recv(1) == b""
    theirs.close()


def test_our_own_key_at_an_older_door_is_no_news(
    anna: Machine, callers: Callers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It was called there because it did not answer for a moment: nobody is told to leave the mesh for that."""
    bert = Machine(tmp_path, "bert")
    anna.removes("lost")
    assert set(_meet(anna, bert)) == {Meeting.GIVE, Meeting.TAKE}
    _, (answering, here) = handshake(anna, bert)
    ours, theirs = socket.socketpair()
    callers.has_another_key(ours, *answering.streams(), here)
    theirs.close()
    wait_for(lambda: not callers._running)
    assert caplog.messages == []


def test_made_up_identities_and_keys_do_not_fill_the_log(
    anna: Machine, callers: Callers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lost = Machine(tmp_path, "lost")
    anna.removes("lost")
    for number in range(6):
        _, (answering, here) = handshake(lost, anna)
        claimed = dataclasses.replace(here, key=f"{number:032x}")
        if number % 2:
            claimed = dataclasses.replace(claimed, identity=f"{number:032x}")
        ours, theirs = socket.socketpair()
        callers.has_another_key(ours, *answering.streams(), claimed)
        theirs.shutdown(socket.SHUT_WR)
        wait_for(lambda: not callers._running)
        theirs.close()
    assert len(caplog.messages) == 2, caplog.messages
