"""Under which door a closed node calls others."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from dir_sync.core.keys import Gate, MeshKey, identity_of
from dir_sync.core.link_handshake import FIRST_BYTES, HEAD_BYTES, THIRD_BYTES, Credentials, Door
from dir_sync.core.membership import Charter, Membership
from dir_sync.core.membership import Gate as OlderGate
from dir_sync.core.noise import public_of
from dir_sync.network.sealed_channel import AnotherKey
from dir_sync.network.sealing import MeshSealing
from dir_sync.security.admission import Mesh
from dir_sync.security.keeper import Keeper
from dir_sync.security.store import Kept

OLD, NEW = MeshKey.made_of(b"1" * 32), MeshKey.made_of(b"2" * 32, 2)
STATIC = b"s" * 32
PLACE = ("10.0.0.2", 6000)


@pytest.fixture
def sealing(tmp_path: Path) -> MeshSealing:
    older = (OlderGate(1, OLD.id, OLD.gate.secret),)
    membership = Membership(identity_of(public_of(STATIC)), "rw", Charter(2, NEW.id, {}, frozenset()), older)
    credentials = Credentials(NEW, STATIC, older=((OLD.id, OLD.gate),))
    keeper = Keeper(str(tmp_path), Kept(NEW, membership), STATIC, "anna", lambda: None)
    return MeshSealing(Mesh(credentials, membership), keeper)


def answer(sock: socket.socket) -> None:
    """A member with the same key."""
    with sock:
        door = Door(Credentials(NEW, b"b" * 32, older=((OLD.id, Gate(OLD.gate.secret)),)))
        answering = door.knock(sock.recv(HEAD_BYTES + FIRST_BYTES, socket.MSG_WAITALL)[HEAD_BYTES:], os.urandom(32))
        sock.sendall(answering.second())
        answering.finish(sock.recv(HEAD_BYTES + THIRD_BYTES, socket.MSG_WAITALL)[HEAD_BYTES:])


def test_who_did_not_answer_once_is_not_called_at_an_older_door_for_ever(sealing: MeshSealing) -> None:
    """A stranger who resets one connection would part two members that know each other by --peer only."""
    sealing._was_mute(*PLACE)
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=answer, args=(theirs,))
    thread.start()
    with ours, pytest.raises(AnotherKey):
        sealing.call(ours, *PLACE)
    thread.join()
    assert sealing._gate_for(*PLACE) == "", "our own key's"
    sealing.stop()
