"""One folder of a node, from its opening to its end: the share, its control socket, and the rooms around its engine.

In:   a Config, and the parts of the node that all its folders use. Out: the Folder for the loop.
Raises ConfigError if something cannot be opened.
Rule: the main thread opens and closes it; between the two, its parts belong to the threads that use them.
Used by: daemon.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from dir_sync.config import Config
from dir_sync.core.events import Blind
from dir_sync.core.frozen import changed
from dir_sync.core.jobs import Version
from dir_sync.core.live_notes import PauseBegan, PauseOver
from dir_sync.core.model import show, show_text
from dir_sync.core.names import STATE
from dir_sync.core.peers.sought import Sought
from dir_sync.daemon.asking import ask_engine
from dir_sync.daemon.borrowing import Borrowing
from dir_sync.daemon.chores import Chores
from dir_sync.daemon.effects import Performer
from dir_sync.daemon.folder import Folder, Folders
from dir_sync.daemon.gauge import Gauge
from dir_sync.daemon.inbox import FolderPost, Inbox
from dir_sync.daemon.jobs import DiskWorkers
from dir_sync.daemon.memory import Memory
from dir_sync.daemon.mesh import MeshRequests
from dir_sync.daemon.news import PauseChanged
from dir_sync.daemon.pausing import Pausing
from dir_sync.daemon.peers import ConnectedPeers
from dir_sync.daemon.requests import Requests
from dir_sync.daemon.share import Share
from dir_sync.daemon.stream import Stream
from dir_sync.daemon.threads import DiskHangs, Threads
from dir_sync.daemon.timetable import Timetable
from dir_sync.daemon.witness import Witness
from dir_sync.folder import root
from dir_sync.network.control import Answer, ControlServer
from dir_sync.network.node_id import NodeId
from dir_sync.network.throttle import Throttle
from dir_sync.node_manager import NodeManager
from dir_sync.readable import Readable
from dir_sync.reporting.log import Once, labelled, logger
from dir_sync.reporting.narrator import Narrator

if TYPE_CHECKING:
    from dir_sync.core.status import Status
    from dir_sync.network.sealing import MeshSealing

__all__ = ["JOBS_WITHIN_S", "NodeParts", "Sharing"]

JOBS_WITHIN_S = 1.0  # a job that hangs does not hang the end
_END_WITHIN_S = 1.5
_CATCH_UP_S = 30.0
_CATCH_UP_AGAIN_S = 0.05


class NodeParts:
    """What all folders of a node use."""

    def __init__(
        self, node_id: NodeId, rng: random.Random, once: Once, timetable: Timetable, witness: Witness | None = None
    ) -> None:
        """`once`: the lines that need not be said again. `witness`: of a run that ends when all is in sync."""
        self.node_id = node_id
        self.timetable = timetable
        self.rng = rng
        self.once = once
        self.witness = witness
        self.throttle = Throttle()
        self.inbox = Inbox(self.throttle)
        self.workers = DiskWorkers(self.throttle)
        self.readable = Readable()
        self.sought: Sought | None = None  # the machines that the user named, once the node starts
        self.memory = Memory()  # engine thread only
        self.folders = Folders()  # engine thread only, once that runs

    def say_once(self, line: str) -> None:
        if self.once.first(line):
            logger.info("%s", line)

    def warn_once(self, line: str) -> None:
        if self.once.first(line):
            logger.warning("%s", line)


class Sharing:
    """The constructor opens and locks the folder, `start` prepares it for the loop, `stop` ends it."""

    def __init__(self, config: Config, number: int, parts: NodeParts, end_share: Callable[[], None]) -> None:
        """`number`: of this folder in its node. `end_share` is called, on any thread, when the folder cannot be shared any
        longer. Raises ConfigError."""
        self.config = config
        self.number = number
        self.end_share = end_share
        self._parts = parts
        self._opened = ExitStack()
        self.threads = Threads(end_share)
        self._post = FolderPost(parts.inbox, config.folder_name)
        self._stream = Stream(show_text(config.folder_name), show_text(config.name))
        tag = parts.node_id.instance[:8]
        self.share = Share(
            config, tag, parts.rng, self._post, parts.workers, parts.readable, lambda: self.threads.is_ending, number
        )
        self._opened.callback(self.share.close)

    def start(
        self,
        manager: NodeManager,
        renewed: Callable[[], None],
        sealing: MeshSealing | None,
        open_up: Callable[[], None],
    ) -> Folder:
        """Begin to watch. The result is for the engine's thread. `renewed` is called there when the
        folder is another replica from then on; `open_up` when a person has left the closed mesh. Raises ConfigError."""
        config, share = self.config, self.share
        if sealing is not None and sealing.status.role == "ro":
            share.engine.mode_rules.reads_only(sealing.keeper.membership.me)
        found = share.recover_history()
        share.note_name(config.name)
        if not share.exchanges:
            logger.warning(
                "the file system of %s cannot exchange two files in one step: old versions are linked into the history first",
                show(share.path),
            )
        share.watcher.start()
        root.remember(config.folder)
        return self._rooms(manager, renewed, sealing, open_up, found)

    def _rooms(
        self,
        manager: NodeManager,
        renewed: Callable[[], None],
        sealing: MeshSealing | None,
        open_up: Callable[[], None],
        found: list[Version],
    ) -> Folder:
        config, share, parts = self.config, self.share, self._parts

        def removed() -> frozenset[str]:
            return frozenset() if sealing is None else sealing.keeper.membership.charter.removed

        peers = ConnectedPeers(config, share, manager, renewed, removed)
        gauge = Gauge(share, peers)
        log = labelled(config.label)
        pausing = Pausing(
            share.index,
            log,
            lambda: performer.commit(),  # it is made below
            lambda: pause_changed(),
            parts.timetable,
            time.time(),
        )

        def pause_changed() -> None:
            pause = pausing.pause
            performer.tell_live(PauseOver() if pause is None else PauseBegan(pause.until_s))
            parts.inbox.put(PauseChanged())

        def status() -> Status:
            from dir_sync.daemon.status import (
                status_of,  # imported late: it would slow down each start, and few nodes are asked
            )

            mesh = None if sealing is None else sealing.status
            schedule = parts.timetable.status
            if schedule is not None:
                schedule = changed(schedule, overruled_until_s=pausing.overruled_until_s)
            port = manager.port
            limits = parts.timetable.limits
            missed = () if parts.sought is None else parts.sought.missed(peers.links)
            return status_of(
                config, parts.node_id.value, port, share, peers, gauge, mesh, pausing.pause, schedule, limits, missed
            )

        mesh_requests = MeshRequests(config, manager.port, peers, sealing, self.end_share, open_up)
        requests = Requests(share, peers, self._post, status, mesh_requests, pausing)
        narrator = Narrator(config.folder, Once() if config.label else parts.once, config.label)
        borrowing = Borrowing(self._post, lambda: parts.folders.shares_beside(share))
        performer = Performer(
            share, peers, requests, narrator, self._post, borrowing, parts.witness, self._is_beside_others, self._stream
        )
        chores = Chores(
            share,
            performer,
            narrator,
            gauge,
            self._post,
            parts.rng,
            parts.warn_once,
            self.end_share,
            pausing,
            self._is_beside_others,
        )
        end = self.threads.give_up
        return Folder(share, peers, requests, performer, chores, found, end, parts.witness, parts.memory, pausing)

    def answer_commands(self) -> None:
        """From now on the loop knows the folder: commands such as status may ask, and what the user has ordered for events is
        done."""
        self._begin_hooks()
        state = os.path.join(self.config.folder, os.fsdecode(STATE))
        try:
            control = ControlServer(state, self._parts.readable, self.ask, {"events": self._stream.serve})
        except OSError as error:
            logger.warning(
                "commands such as status cannot reach this node: no socket in %s (%s)", state, error.strerror
            )
            return
        self._opened.callback(control.stop)
        self._opened.callback(self._stream.close)
        control.start()

    def _begin_hooks(self) -> None:
        config = self.config
        if config.on_event is None and not config.notify:
            return
        from dir_sync.daemon.hooks import Hooks  # imported late: few nodes need it

        hooks = Hooks(
            config.folder,
            show_text(config.folder_name),
            config.on_event,
            config.on_event_kinds,
            config.notify,
            labelled(config.label),
        )
        self.threads.start("on-event", hooks.run, self._stream)

    def _is_beside_others(self) -> bool:
        return len(self._parts.folders) > 1

    def ask(self, question: Answer) -> Answer:
        """Any thread but the engine's, once the loop knows the folder. With `look`, the answer knows of everything that was saved
        before."""
        if question["command"] == "process":
            from dir_sync.folder.processes import own_facts  # imported late: few nodes are asked

            return own_facts()  # a disk or an engine that is busy delays no `stop`
        if question.get("look"):
            self._catch_up()
        return ask_engine(self._post, question, lambda: self.threads.is_ending)

    def _catch_up(self) -> None:
        """Hand everything that was saved until now to the engine. What the system could not report is looked for."""
        watcher = self.share.watcher
        until = time.monotonic() + _CATCH_UP_S
        while not watcher.catch_up() and not self.threads.is_ending and time.monotonic() < until:
            time.sleep(_CATCH_UP_AGAIN_S)
        for path in list(watcher.unwatched):
            self._post.put(Blind(path, ""))

    def end_jobs(self, within_s: float) -> None:
        """From now on no job begins, and errors do not count. Waits, at most so long, for the answers of those that are being
        done."""
        self.threads.is_ending = True
        self.share.workers.stop(within_s)

    def stop(self) -> None:
        """End its threads, and close everything. The loop does not know the folder any more."""
        self.end_jobs(0.0)
        self._stream.close()
        self.threads.join(_END_WITHIN_S)
        if isinstance(self.threads.trouble, DiskHangs):
            closing = threading.Thread(target=self._close_late, name="closing", daemon=True)
            closing.start()
            closing.join(_END_WITHIN_S)
        else:
            self._opened.close()

    def _close_late(self) -> None:
        """When the disk is back, and the last that asked it has its answer: one of them may be a commit of the index."""
        self.share.workers.stop(threading.TIMEOUT_MAX)
        self._opened.close()
