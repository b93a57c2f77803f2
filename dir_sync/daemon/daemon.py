"""The parts of a node that belong to the process, around the folder that it shares.

In:   a Config. Out: a running node: its ports, discovery, control socket and threads. Raises ConfigError if one of them
cannot be opened.
Rule: the parts of the program are joined only here. They end in the opposite order.
Used by: process.
"""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from dir_sync.config import Config, ConfigError
from dir_sync.core.messages import PROTOCOL, FolderIndex, Hello
from dir_sync.core.mode import Mode
from dir_sync.core.model import show
from dir_sync.core.names import STATE
from dir_sync.core.peers.beacon import Beacon, OpenPresence, folder_tags
from dir_sync.core.peers.roster import Roster
from dir_sync.daemon.chores import Chores
from dir_sync.daemon.effects import Performer
from dir_sync.daemon.inbox import For, Inbox
from dir_sync.daemon.links import ConnectedPeers
from dir_sync.daemon.loop import Loop
from dir_sync.daemon.mesh import MeshRequests
from dir_sync.daemon.news import PRESENCE, Heard, Stop
from dir_sync.daemon.requests import Requests, ask_engine
from dir_sync.daemon.share import Share
from dir_sync.daemon.threads import Threads
from dir_sync.folder import root
from dir_sync.network.control import Answer, ControlServer
from dir_sync.network.discovery import Discovery, Presence
from dir_sync.network.node_id import NodeId
from dir_sync.network.throttle import Throttle
from dir_sync.node_manager import NodeManager
from dir_sync.reporting import shell
from dir_sync.reporting.log import Once, logger
from dir_sync.reporting.narrator import Narrator
from dir_sync.security import files
from dir_sync.utils import interfaces

if TYPE_CHECKING:
    from dir_sync.core.status import Status
    from dir_sync.network.sealing import MeshSealing

__all__ = ["Daemon"]

_END_WITHIN_S = 1.5

_MODES = {
    Mode.SEND_ONLY: "what other machines change is not taken",
    Mode.RECEIVE_ONLY: "what is changed here stays here",
    Mode.MIRROR: "what is changed here is undone",
}


class Daemon:
    """A node. The constructor opens it, `start` runs it, `stop` ends it.

    It has more fields than a class should have: each is one part of the node, and only here they are joined."""

    def __init__(
        self, config: Config, end_share: Callable[[], None], was_closed: bool = False, once: Once | None = None
    ) -> None:
        """Open and lock everything. `end_share` is called, on any thread, when the folder cannot be shared any longer.
        `was_closed`: the folder belonged to a closed mesh a moment ago. `once`: the lines that need not be said again, of a
        node that goes over to another key. Raises ConfigError if something cannot be had."""
        self._config = config
        self._end_share = end_share
        self._rng = random.Random()
        self._node_id = NodeId(config.folder, self._rng)
        self._throttle = Throttle()
        self._inbox = Inbox(self._throttle)
        self._once = once or Once()
        self._opened = ExitStack()
        self._has_left = False  # a person has left the closed mesh
        self.threads = Threads(end_share)
        try:
            self.share = Share(config, self._node_id.instance[:8], self._rng, self._inbox, self._throttle, self.threads)
            self._opened.callback(self.share.close)
            self._sealing = self._open_mesh(was_closed)
            self._manager = self._open_manager()
        except BaseException:
            self._opened.close()
            raise

    @property
    def is_closed(self) -> bool:
        """True if the folder belongs to a closed mesh."""
        return self._sealing is not None and not self._has_left

    def _open_up(self) -> None:
        self._has_left = True
        self._end_share()

    @property
    def goes_over(self) -> bool:
        """There is another key than the one with which this node runs."""
        key = "" if self._sealing is None else self._sealing.status.key
        return (files.marker_of(self._config.folder) or "") not in ("", key)

    def _end_links(self, manager: NodeManager) -> None:
        if not self.goes_over:
            manager.stop()
        elif self.is_closed:
            manager.stop("new-key", "it goes over to a new key of the mesh")
        else:
            manager.stop(
                "closed-mesh", "it belongs to a closed mesh now: to join it, ask there for a code (invite DIR)"
            )

    def _open_mesh(self, was_closed: bool) -> MeshSealing | None:
        """What a closed mesh needs; None: the folder is open. It imports cryptography only if anything says that the folder
        is closed."""
        config = self._config
        if not was_closed and config.key_file is None and not files.is_closed(config.folder):
            return None
        try:
            from dir_sync.network.sealing import open_mesh
        except ImportError as error:
            raise ConfigError(
                f"{show(self.share.path)} belongs to a closed mesh, and that needs a Python package which is missing"
                f" ({error}); to install it, run: scripts/setup"
            ) from error
        sealing = open_mesh(config.folder, config.key_file, config.name, self._end_share)
        if sealing is None and was_closed:
            raise ConfigError(
                f"{show(self.share.path)} belonged to a closed mesh until a moment ago, and its key is gone: if it is meant"
                " to be open now, start the node again"
            )
        if sealing is not None:
            self._opened.callback(sealing.stop)
        return sealing

    def _open_manager(self) -> NodeManager:
        config = self._config
        trusted = frozenset(address for address, _ in config.peers)
        try:
            manager = NodeManager(
                config.listen_port,
                _bind_address(config.interface),
                self._hello,
                self._inbox.put,
                self._warn_once,
                lambda address: self._discovery.networks.is_near(address),
                trusted,
                self._throttle,
                self._sealing,
            )
        except OSError as error:
            raise ConfigError(_port_trouble("TCP", config.listen_port, "-l", error)) from error
        self._opened.callback(self._end_links, manager)
        return manager

    def _hello(self) -> Hello:
        """Our HELLO for a new link. Any thread may call it."""
        index = self.share.index
        folder = FolderIndex(self._config.folder_name, index.replica, index.sequence)
        return Hello(
            PROTOCOL, self._node_id.value, self._config.name, self._node_id.instance, self._manager.port, (folder,)
        )

    # --- starting and ending -----------------------------------------------------------------------------------------

    def start(self) -> None:
        config, share = self._config, self.share
        found = share.recover_history()
        self._discovery = self._open_discovery()
        share.note_name(config.name)
        if not share.exchanges:
            logger.warning(
                "the file system of %s cannot exchange two files in one step: old versions are linked into the history first",
                show(share.path),
            )
        share.watcher.start()
        self._opened.callback(share.watcher.stop)
        self._open_control()
        root.remember(config.folder)
        self._manager.start()
        self._say_once(
            f"{config.name} (node {self._node_id.value[:8]}) shares {show(share.path)} on"
            f" {config.interface or 'all interfaces'}, TCP port {self._manager.port}; finds other nodes on UDP port"
            f" {config.broadcast_port}"
        )
        if config.mode in _MODES:
            listing = shell.pasteable("diverged", config.folder)
            logger.info("mode %s: %s; to list what differs: %s", config.mode.value, _MODES[config.mode], listing)
        if self._sealing is not None:
            logger.info("%s", self._sealing.words)
            if self._sealing.removal:
                self._warn_once(self._sealing.removal)
        else:
            logger.info(
                "the mesh is open: anyone on this LAN can join the folder '%s'; %s",
                config.folder_name, shell.how_to_close(shell.pasteable, config.folder),
            )  # fmt: skip
        share.workers.start(self._manager)
        self.threads.start("engine", self._make_loop().run, found)

    def _open_discovery(self) -> Discovery:
        config = self._config
        try:
            presence: Presence = OpenPresence(shell.how_to_join(config.folder))
            if self._sealing is not None:
                presence = self._sealing.presence
            discovery = Discovery(config.broadcast_port, config.interface, self._on_beacon, self._warn_once, presence)
        except OSError as error:
            raise ConfigError(_port_trouble("UDP", config.broadcast_port, "-b", error)) from error
        self._opened.callback(discovery.stop)
        return discovery

    def _open_control(self) -> None:
        state = os.path.join(self._config.folder, os.fsdecode(STATE))
        try:
            control = ControlServer(state, self._on_question)
        except OSError as error:
            logger.warning(
                "commands such as status cannot reach this node: no socket in %s (%s)", state, error.strerror
            )
            return
        self._opened.callback(control.stop)
        control.start()

    def _make_loop(self) -> Loop:
        """Make the engine's thread, and the objects that only it uses."""
        config, share, inbox = self._config, self.share, self._inbox
        tags = folder_tags([config.folder_name])
        mono_ms = time.monotonic_ns() // 1_000_000
        node_id, replica = self._node_id, share.index.replica
        roster = Roster(node_id.value, node_id.instance, self._rng, mono_ms, config.peers, tags, replica)

        def announce(ask: bool) -> None:
            self._discovery.announce(Beacon(node_id.value, node_id.instance, self._manager.port, ask, tags))

        def status() -> Status:
            from dir_sync.daemon.status import (
                status_of,  # imported late: it would slow down each start, and few nodes are asked
            )

            mesh = None if self._sealing is None else self._sealing.status
            return status_of(config, node_id.value, self._manager.port, share, peers, mesh)

        peers = ConnectedPeers(config, share, node_id, self._manager, roster, announce, self._sealing)
        mesh_requests = MeshRequests(config, self._manager.port, peers, self._sealing, self._end_share, self._open_up)
        requests = Requests(share, peers, inbox, status, mesh_requests)
        narrator = Narrator(config.folder, self._once)
        performer = Performer(share, peers, requests, narrator, inbox)
        chores = Chores(share, performer, narrator, inbox, self._rng, self._warn_once, self._end_share)
        return Loop(inbox, share, peers, requests, performer, chores)

    def stop(self) -> None:
        """End all threads, and close everything. Takes less than two seconds."""
        self.threads.is_ending = True
        self._inbox.put(Stop())
        self.share.workers.stop()
        self.threads.join(_END_WITHIN_S)
        self._opened.close()

    # --- news to the inbox (any thread) ------------------------------------------------------------------------------

    def _on_beacon(self, beacon: Beacon, address: str) -> None:
        self._inbox.put(For(PRESENCE, Heard(beacon, address)))

    def _on_question(self, question: Answer) -> Answer:
        return ask_engine(self._inbox, question, lambda: self.threads.is_ending)

    def _say_once(self, line: str) -> None:
        if self._once.first(line):
            logger.info("%s", line)

    def _warn_once(self, line: str) -> None:
        if self._once.first(line):
            logger.warning("%s", line)


def _bind_address(interface: str | None) -> str:
    """The address of an interface; "": all. Raises ConfigError."""
    if interface is None:
        return ""
    try:
        return interfaces(interface)[0].address
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _port_trouble(kind: str, port: int, option: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{kind} port {port} is taken by another program: choose another port with {option}"
    if error.errno == errno.EACCES:
        return f"{kind} port {port} needs root: choose a port above 1023 with {option}"
    return f"{kind} port {port} cannot be used: {error.strerror}"
