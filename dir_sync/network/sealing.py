"""How the links and beacons of a closed mesh come about: what a node needs beside its open parts.

In:   the Mesh that this folder belongs to. Out: the Sealing for NodeManager, and the Presence for Discovery.
Rule: all that an open node does without is imported from here on. Used by: daemon.
"""

from __future__ import annotations

import os
import socket
from dataclasses import replace

from dir_sync.core.keys import Gate as GateKey
from dir_sync.core.keys import Role
from dir_sync.core.link_handshake import Door, Member
from dir_sync.core.noise import Suite
from dir_sync.core.peers.sealed_beacon import SealedPresence
from dir_sync.core.status import MeshStatus
from dir_sync.network.channel import Channel
from dir_sync.network.gate import Gate, Host
from dir_sync.network.sealed_channel import call
from dir_sync.security.admission import Mesh, admit
from dir_sync.security.process import has_aes, keep_out_of_dumps

__all__ = ["MeshSealing", "open_mesh"]


def open_mesh(folder: str, key_file: str | None) -> MeshSealing | None:
    """Of the mesh to which a folder belongs, whose lock is held; None: it is open. `key_file`: the user named it. Raises
    ConfigError if no node may run."""
    keep_out_of_dumps()
    mesh = admit(folder, key_file)
    return None if mesh is None else MeshSealing(mesh)


class MeshSealing:
    """Set once; any thread may call."""

    def __init__(self, mesh: Mesh) -> None:
        # Nothing keeps a machine that may only read from writing yet.
        self._credentials = replace(mesh.credentials, admitted=frozenset({Role.READ_WRITE}))
        self.words = mesh.words
        key = mesh.credentials.key
        self.status = MeshStatus(key.fingerprint, key.generation, key.role.value)
        older = [GateKey(one.secret) for one in mesh.membership.older]
        self.presence = SealedPresence(mesh.credentials.key.gate, older, has_aes(), os.urandom)

    def call(self, sock: socket.socket, address: str, port: int) -> tuple[Channel, Member]:
        """On a socket that we have connected. HandshakeError or OSError if the other side is no member."""
        suite: Suite = "AESGCM" if self.presence.has_aes(address, port) else "ChaChaPoly"
        return call(sock, self._credentials, suite)

    def gate(self, listener: socket.socket, host: Host) -> Gate:
        return Gate(listener, Door(self._credentials), host)
