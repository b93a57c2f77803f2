"""The parts of a node that belong to the process, around the folders that it shares.

In:   Configs, one for each folder. Out: a running node: its ports, discovery and threads. Raises ConfigError if one of them
cannot be opened.
Rule: the parts of the program are joined only here and in sharing. They end in the opposite order.
Used by: process, shot.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from dir_sync import __version__
from dir_sync.config import Config, ConfigError
from dir_sync.core import limits
from dir_sync.core.messages import PROTOCOL, Hello
from dir_sync.core.mode import Mode
from dir_sync.core.model import show
from dir_sync.core.peers.beacon import Beacon, OpenPresence, folder_tags
from dir_sync.core.peers.roster import Roster
from dir_sync.core.peers.sought import Sought
from dir_sync.daemon.folder import Attached, Detached, Folder
from dir_sync.daemon.inbox import For
from dir_sync.daemon.links import Neighbours
from dir_sync.daemon.loop import Loop
from dir_sync.daemon.news import PRESENCE, Heard, Stop
from dir_sync.daemon.observers import Observers
from dir_sync.daemon.opening import NodeError, bind_address, port_trouble
from dir_sync.daemon.sharing import JOBS_WITHIN_S, NodeParts, Sharing
from dir_sync.daemon.threads import Threads
from dir_sync.daemon.timetable import Timetable
from dir_sync.daemon.witness import Witness
from dir_sync.network.control import Answer
from dir_sync.network.discovery import Discovery, Presence
from dir_sync.network.networks import Networks
from dir_sync.network.node_id import NodeId
from dir_sync.network.siblings import Siblings
from dir_sync.node_manager import NodeManager
from dir_sync.reporting import shell
from dir_sync.reporting.log import Once, labelled, listed, logger
from dir_sync.security import files

if TYPE_CHECKING:
    from dir_sync.network.sealing import MeshSealing

__all__ = ["Daemon"]

_END_WITHIN_S = 1.5
_ANSWER_WITHIN_S = 10.0  # of the engine's thread, when a folder comes or goes


_MODES = {
    Mode.SEND_ONLY: "what other machines change is not taken",
    Mode.RECEIVE_ONLY: "what is changed here stays here",
    Mode.MIRROR: "what is changed here is undone",
}


_BEGINS_ANEW = "it begins anew with other options, and connects again"


class Daemon:
    """A node. The constructor opens it, `start` runs it, `stop` ends it. Main thread only.

    It has more fields than a class should have: each is one part of the node, and only here they are joined."""

    def __init__(
        self,
        config: Config,
        end_share: Callable[[], None],
        was_closed: bool = False,
        once: Once | None = None,
        witness: Witness | None = None,
        siblings: Siblings | None = None,
    ) -> None:
        """Open and lock everything, with the first folder. `end_share` is called, on any thread, when that cannot be shared
        any longer. `was_closed`: the folder belonged to a closed mesh a moment ago. `once`: the lines that need not be said
        again, of a node that goes over to another key. `witness`: of a run that ends when all is in sync.
        `siblings`: what the nodes of this process know of each other. Raises ConfigError if something cannot be had."""
        self._config = config
        rng = random.Random()
        timetable = Timetable(config.schedule, config.speed, time.time())
        self._parts = NodeParts(NodeId(config.folder, rng), rng, once or Once(), timetable, witness)
        self._opened = ExitStack()
        self._networks = Networks(config.interface, self._parts.warn_once)  # that of the discovery, if there is one
        self._discovery: Discovery | None = None
        self._siblings = siblings
        self._sharings: dict[str, Sharing] = {}  # by the path of the folder; replaced as a whole
        self._told: tuple[Folder, ...] = ()  # what our HELLO names; replaced as a whole
        self._runs = False
        self.begins_anew = False  # if it ends now, then to begin with other options: the peers are told
        self._has_left = False  # a person has left the closed mesh
        self.threads = Threads(end_share)
        try:
            self._opened.callback(self._parts.readable.close)
            self._opened.callback(self._close_folders)
            self._open(config, end_share)
            self._sealing = self._open_mesh(was_closed, end_share)
            self._manager = self._open_manager()
        except BaseException:
            self._opened.close()
            raise

    @property
    def is_closed(self) -> bool:
        """True if the folder belongs to a closed mesh."""
        return self._sealing is not None and not self._has_left

    @property
    def sought(self) -> Sought:
        """The machines that the user named. Once this node has started."""
        return self._links.sought

    @property
    def folders(self) -> frozenset[str]:
        """The paths of those that it shares."""
        return frozenset(self._sharings)

    def _open_up(self) -> None:
        """A person has left the closed mesh: its folders begin anew as open ones. Engine thread."""
        self._has_left = True
        for sharing in self._sharings.values():
            sharing.end_share()

    def identity_of(self, folder: str) -> tuple[int, int]:
        """Device and inode of a shared folder."""
        return self._sharings[folder].share.identity

    def goes_over(self, folder: str) -> bool:
        """There is another key than the one with which this node shares that folder."""
        key = "" if self._sealing is None else self._sealing.status.key
        return (files.marker_of(folder) or "") not in ("", key)

    # --- opening -----------------------------------------------------------------------------------------------------

    def _open(self, config: Config, end_share: Callable[[], None]) -> Sharing:
        taken = {one.number for one in self._sharings.values()}
        free = [number for number in range(limits.FOLDERS_MAX) if number not in taken]
        if not free:
            raise ConfigError(f"one node shares at most {limits.FOLDERS_MAX} folders")
        sharing = Sharing(config, free[0], self._parts, end_share)
        self._sharings = {**self._sharings, config.folder: sharing}
        return sharing

    def _open_mesh(self, was_closed: bool, end_share: Callable[[], None]) -> MeshSealing | None:
        """What a closed mesh needs; None: the folder is open. It imports cryptography only if anything says that the folder
        is closed."""
        config = self._config
        if not was_closed and config.key_file is None and not files.is_closed(config.folder):
            return None
        name = _shown(config.folder)
        try:
            from dir_sync.network.sealing import open_mesh
        except ImportError as error:
            raise ConfigError(
                f"{name} belongs to a closed mesh, and that needs a Python package which is missing"
                f" ({error}); to install it, run: scripts/setup"
            ) from error
        sealing = open_mesh(config.folder, config.key_file, config.name, end_share)
        if sealing is None and was_closed:
            raise ConfigError(
                f"{name} belonged to a closed mesh until a moment ago, and its key is gone: if it is meant"
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
                config.listen_port if config.listens else None,
                bind_address(config.interface),
                self._hello,
                self._parts.inbox.put,
                self._parts.warn_once,
                lambda address: self._networks.is_near(address),
                trusted,
                self._parts.throttle,
                self._sealing,
                self._parts.timetable.sending,
            )
        except OSError as error:
            raise NodeError(port_trouble("TCP", config.listen_port, "-l", error)) from error
        self._opened.callback(self._end_links, manager)
        return manager

    def _end_links(self, manager: NodeManager) -> None:
        over = [folder for folder in self._sharings if self.goes_over(folder)]
        if not over:
            manager.stop("bye", _BEGINS_ANEW if self.begins_anew else "")
        elif self.is_closed:
            manager.stop("new-key", "it goes over to a new key of the mesh")
        else:
            manager.stop(
                "closed-mesh", "it belongs to a closed mesh now: to join it, ask there for a code (invite DIR)"
            )

    def _hello(self) -> Hello:
        """Our HELLO for a new link. Any thread may call it."""
        node_id = self._parts.node_id
        indexes = tuple(one.index for one in self._told)
        port = self._manager.port
        return Hello(PROTOCOL, node_id.value, self._config.name, node_id.instance, port, indexes, version=__version__)

    # --- starting and ending -----------------------------------------------------------------------------------------

    def start(self) -> dict[str, ConfigError | sqlite3.Error]:
        """Raises ConfigError if no folder can be shared. If only some cannot: they are closed again, and returned."""
        config, node_id = self._config, self._parts.node_id
        self._discovery = self._open_discovery() if config.discovers else None
        if self._discovery is not None:
            self._networks = self._discovery.networks
        tags = folder_tags([sharing.config.folder_name for sharing in self._sharings.values()])
        mono_ms = time.monotonic_ns() // 1_000_000
        only_fixed = not config.discovers
        roster = Roster(
            node_id.value, node_id.instance, self._parts.rng, mono_ms, config.peers, tags, only_fixed=only_fixed
        )
        folders = self._parts.folders
        self._links = Neighbours(
            config, folders, node_id, self._manager, roster, self._announce, self._sealing, self._parts.timetable
        )
        self._parts.sought = self._links.sought
        self._parts.workers.start(self._manager, self.threads)
        self.threads.start("watcher", self._parts.readable.run)
        refused: dict[str, ConfigError | sqlite3.Error] = {}
        for path, sharing in list(self._sharings.items()):
            try:
                folders.add(sharing.start(self._manager, self._links.matching.renewed, self._sealing, self._open_up))
            except (ConfigError, sqlite3.Error) as error:
                if len(self._sharings) == 1:
                    raise
                self._forget(path)
                refused[path] = error
            else:
                sharing.answer_commands()
        self._told = tuple(folders)
        self._links.matching.begin(mono_ms)
        self._manager.start()
        self._say_what_is_shared()
        observers = Observers(folders, self._manager, None if self._sealing is None else self._sealing.may_write)
        self.threads.start("engine", Loop(self._parts.inbox, folders, self._links, observers).run)
        self._runs = True
        return refused

    def _open_discovery(self) -> Discovery:
        config = self._config
        try:
            presence: Presence = OpenPresence(
                lambda: shell.how_to_join(next(iter(self._sharings), "DIR"))
            )  # folders come and go
            if self._sealing is not None:
                presence = self._sealing.presence
            discovery = Discovery(
                config.broadcast_port,
                config.interface,
                self._on_beacon,
                self._parts.warn_once,
                presence,
                self._siblings,
            )
        except OSError as error:
            raise NodeError(port_trouble("UDP", config.broadcast_port, "-b", error)) from error
        self._opened.callback(discovery.stop)
        return discovery

    def _say_what_is_shared(self) -> None:
        config = self._config
        sharings = list(self._sharings.values())
        configs = [sharing.config for sharing in sharings]
        shown = [
            _shown(one.folder) if len(configs) == 1 else f"{_shown(one.folder)} as '{one.folder_name}'"
            for one in configs
        ]
        self._parts.say_once(
            f"{config.name} (node {self._parts.node_id.value[:8]}) shares {listed(shown)} on"
            f" {config.interface or 'all interfaces'}, {_ways(config, self._manager.port)}"
        )
        for sharing in sharings:
            one, mode = sharing.config, sharing.share.engine.mode_rules.mode
            if mode in _MODES:
                listing = shell.pasteable("diverged", one.folder)
                word = f"mode {mode.value}" if mode is one.mode else "read-only"
                labelled(one.label).info("%s: %s; to list what differs: %s", word, _MODES[mode], listing)
        if self._sealing is not None:
            logger.info("%s", self._sealing.words)
            if self._sealing.removal:
                self._parts.warn_once(self._sealing.removal)
        elif len(configs) == 1:
            logger.info(
                "the mesh is open: anyone on this LAN can join the folder '%s'; %s",
                config.folder_name, shell.how_to_close(shell.pasteable, config.folder),
            )  # fmt: skip
        else:
            closing = shell.how_to_close_each(shell.pasteable)
            logger.info("the mesh is open: anyone on this LAN can join these folders; %s", closing)

    def stop(self) -> None:
        """End all threads, and close everything. Takes less than two seconds. The jobs of the workers end first: long ones
        are abandoned, and the engine takes in the answers of the others."""
        begun = time.monotonic()
        self.threads.is_ending = True
        for sharing in self._sharings.values():
            sharing.threads.is_ending = True
        for sharing in self._sharings.values():
            sharing.end_jobs(max(0.0, JOBS_WITHIN_S - (time.monotonic() - begun)))
        self._parts.workers.stop()
        self._parts.readable.stop()
        self._parts.inbox.put(Stop())
        self.threads.join(_END_WITHIN_S - (time.monotonic() - begun))
        self._opened.close()

    # --- folders that come and go ------------------------------------------------------------------------------------

    def add(self, config: Config, end_share: Callable[[], None]) -> None:
        """Share one more folder. Raises ConfigError. Before `start`, it is only opened and locked."""
        sharing = self._open(config, end_share)
        if config.key_file is not None or files.is_closed(config.folder):  # asked while its lock is held
            self._forget(config.folder)
            raise ConfigError(f"{_shown(config.folder)} belongs to a closed mesh, and is not shared with open folders")
        if not self._runs:
            return
        try:
            folder = sharing.start(self._manager, self._links.matching.renewed, self._sealing, self._open_up)
        except BaseException:
            self._forget(config.folder)
            raise
        news = Attached(folder)
        self._parts.inbox.put(news)
        news.done.wait(_ANSWER_WITHIN_S)
        self._told = tuple(self._parts.folders)
        sharing.answer_commands()

    def remove(self, path: str) -> None:
        """Do not share that folder any longer, and close it; the others are not touched."""
        sharing = self._sharings[path]
        sharing.end_jobs(JOBS_WITHIN_S)
        news = Detached(sharing.config.folder_name, self.goes_over(path))
        self._parts.inbox.put(news)
        news.done.wait(_ANSWER_WITHIN_S)
        self._told = tuple(self._parts.folders)
        self._forget(path)

    def ask(self, path: str, question: Answer) -> Answer:
        """What a command asks that folder through its socket, asked in this process."""
        return self._sharings[path].ask(question)

    def trouble_of(self, path: str) -> Exception | None:
        """What ended a folder, if it may pass."""
        return self._sharings[path].threads.trouble

    def failure(self) -> Exception | None:
        """The error of ours that ended one of the threads; None if there was none."""
        every = [self.threads, *(sharing.threads for sharing in self._sharings.values())]
        return next((threads.failed for threads in every if threads.failed is not None), None)

    def _forget(self, path: str) -> None:
        sharing = self._sharings[path]
        self._sharings = {other: one for other, one in self._sharings.items() if other != path}
        sharing.stop()

    def _close_folders(self) -> None:
        for sharing in self._sharings.values():
            sharing.stop()

    # --- news to the inbox (any thread) ------------------------------------------------------------------------------

    def _announce(self, ask: bool) -> None:
        """Send a beacon. Engine thread."""
        if self._discovery is None or not self._config.listens:
            return
        node_id = self._parts.node_id
        tags = folder_tags([folder.name for folder in self._parts.folders])
        self._discovery.announce(Beacon(node_id.value, node_id.instance, self._manager.port, ask, tags))

    def _on_beacon(self, beacon: Beacon, address: str) -> None:
        self._parts.inbox.put(For(PRESENCE, Heard(beacon, address)))


def _ways(config: Config, port: int) -> str:
    """How this node and others find each other."""
    listens = f"TCP port {port}" if config.listens else "connects to others only"
    finds = f"finds other nodes on UDP port {config.broadcast_port}"
    if not config.discovers:
        peers = [f"{host}:{port}" for host, port in config.peers]
        finds = f"looks for {listed(peers)} only" if peers else "waits for nodes that name it"
    return f"{listens}; {finds}"


def _shown(folder: str) -> str:
    return show(os.fsencode(folder))
