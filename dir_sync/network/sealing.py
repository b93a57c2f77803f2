"""The links and beacons of a closed mesh: what a node needs in addition to its open parts.

In:   the key and membership of this folder. Out: the Sealing for NodeManager, the Presence for Discovery, and what the node
      does about members.
Rule: everything that an open node does not need is imported only through this module. Used by: daemon.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from dir_sync.config import ConfigError
from dir_sync.core import membership
from dir_sync.core.frozen import changed
from dir_sync.core.keys import Gate as GateKey
from dir_sync.core.keys import Role
from dir_sync.core.link_handshake import Door, Member
from dir_sync.core.messages import MemberRow, Members
from dir_sync.core.model import show_text
from dir_sync.core.noise import Suite
from dir_sync.core.peers.sealed_beacon import SealedPresence
from dir_sync.core.status import MeshStatus
from dir_sync.network.channel import Channel
from dir_sync.network.gate import Gate, Host
from dir_sync.network.sealed_channel import AnotherKey, Silent, call
from dir_sync.reporting import shell
from dir_sync.reporting.log import how_many, logger
from dir_sync.security import store
from dir_sync.security.admission import Mesh, admit, looked_up
from dir_sync.security.callers import Callers, removal_words
from dir_sync.security.invitations import Invitations
from dir_sync.security.keeper import Keeper
from dir_sync.security.process import give_back_pages, has_aes, keep_out_of_dumps

__all__ = ["MeshSealing", "open_mesh", "open_to_look"]

_PLACES_MAX = 1_024  # addresses of which it is known that they do not answer under our own gate


def open_mesh(folder: str, key_file: str | None, name: str, changed: Callable[[], None]) -> MeshSealing | None:
    """Of the mesh to which a folder belongs, whose lock is held; None: it is open. `key_file`: the user named it. `name`: of
    this node. `changed` is called, on any thread, when there is another key. Raises ConfigError if no node may run."""
    keep_out_of_dumps()
    mesh = admit(folder, key_file)
    kept = store.load(folder)
    if mesh is None or kept is None:
        return None
    sealing = MeshSealing(mesh, Keeper(folder, kept, mesh.credentials.static, name, changed))
    give_back_pages()
    return sealing


def open_to_look(folder: str, key_file: str | None, name: str) -> MeshSealing | None:
    """The same for a dry run: nothing is kept, and no other key is taken over."""
    keep_out_of_dumps()
    mesh = looked_up(folder, key_file)
    kept = store.load(folder)
    if mesh is None or kept is None:
        return None
    return MeshSealing(mesh, Keeper(folder, kept, mesh.credentials.static, name, lambda: None), only_looks=True)


class MeshSealing:
    """Any thread may call.

    It has more fields than a class should have: each is one part of the closed mesh, and only here they are joined."""

    def __init__(self, mesh: Mesh, keeper: Keeper, only_looks: bool = False) -> None:
        """`only_looks`: with members that have another key nothing is done."""
        self._only_looks = only_looks
        self.keeper = keeper
        self.invitations = Invitations()
        self._callers = Callers(keeper, self.invitations)
        self._credentials = mesh.credentials
        key = mesh.credentials.key
        self._status = MeshStatus(key.fingerprint, key.generation, key.role.value, mesh.membership.count)
        self.words = f"{mesh.words}, {how_many(mesh.membership.count, 'member')}"
        self._here: set[str] = set()  # identities of members that are connected; engine thread
        self._older = [key for key, _ in mesh.credentials.older]
        older = [GateKey(one.secret) for one in mesh.membership.older]
        self.presence = SealedPresence(
            mesh.credentials.key.gate, older, has_aes(), os.urandom, shell.how_to_invite(keeper.folder)
        )
        self._lock = threading.Lock()
        self._mute: OrderedDict[tuple[str, int], int] = OrderedDict()  # under _lock: how often a place did not answer

    @property
    def status(self) -> MeshStatus:
        """For people and programs."""
        removal = self.keeper.removal
        status = changed(self._status, members=self.keeper.membership.count)
        if removal is None:
            return status
        return changed(status, removed_by=show_text(removal.by), removed_s=removal.at_s)

    @property
    def removal(self) -> str:
        """That this machine was removed, for people; "": nobody has said so."""
        removal = self.keeper.removal
        return "" if removal is None else removal_words(removal.by, self.keeper.folder)

    def stop(self) -> None:
        """End the conversations with callers that are no members. No other thread runs any more."""
        self._callers.stop()
        for identity in sorted(self._here):
            self.parted(identity)
        self._keep(self.keeper.finish)

    # --- links -------------------------------------------------------------------------------------------------------

    def call(self, sock: socket.socket, address: str, port: int) -> tuple[Channel, Member]:
        """On a socket that we have connected. HandshakeError or OSError if the other side is no member with our key."""
        suite: Suite = "AESGCM" if self.presence.has_aes(address, port) else "ChaChaPoly"
        try:
            found = call(sock, self._credentials, suite, self._gate_for(address, port))
        except Silent:
            self._was_mute(address, port)
            raise
        except AnotherKey as met:
            if (
                met.peer.key == self._credentials.key.id
            ):  # it is called at its own door next time, and not at the older one
                self.presence.has_our_key(address, port)
                with self._lock:
                    self._mute.pop((address, port), None)
                raise
            if self._only_looks:
                raise
            self._callers.has_another_key(sock.dup(), met.sealer, met.opener, met.peer)
            raise
        with self._lock:
            self._mute.pop((address, port), None)
        return found

    def gate(self, listener: socket.socket, host: Host) -> Gate:
        return Gate(listener, Door(self._credentials), host, self._callers)

    def _gate_for(self, address: str, port: int) -> str:
        """The id of the key under whose gate the node there may answer: that of its last beacon. One of which nothing was
        heard, and which does not answer, is tried under the older gates in turn."""
        older = self.presence.older_gate(address, port)
        if older is not None:
            return self._older[older]
        with self._lock:
            turn = self._mute.get((address, port), 0) % (1 + len(self._older))
        return "" if turn == 0 else self._older[turn - 1]

    def _was_mute(self, address: str, port: int) -> None:
        with self._lock:
            self._mute[address, port] = self._mute.get((address, port), 0) + 1
            if len(self._mute) > _PLACES_MAX:
                self._mute.popitem(last=False)

    # --- members (engine thread) ----------------------------------------------------------------------------------------

    def greeted(self, member: Member, name: str) -> Members:
        """A member has sent HELLO, with that name. Returns our list of members for it."""
        self._here.add(member.identity)
        shown = name if name.isprintable() else f"member {member.identity[:8]}"
        self._keep(
            lambda: self.keeper.met(membership.Member(member.identity, shown, member.role.value, int(time.time())))
        )
        known = self.keeper.membership.everybody()
        mine = [one for one in known.values() if one.identity != member.identity]
        return Members(tuple(MemberRow(*one) for one in mine))

    def told(self, members: Members) -> None:
        """A member has sent its list of members."""
        rows = [membership.Member(*row) for row in members.members if row.name.isprintable()]
        self._keep(lambda: self.keeper.heard_of(rows))

    def parted(self, identity: str) -> None:
        """No link with that member is left."""
        self._here.discard(identity)
        self._keep(lambda: self.keeper.parted(identity))

    @staticmethod
    def may_write(member: Member) -> bool:
        return member.role is Role.READ_WRITE

    @staticmethod
    def _keep(change: Callable[[], None]) -> None:
        try:
            change()
        except ConfigError as error:
            logger.warning("%s", error)
