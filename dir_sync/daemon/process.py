"""The process of a node: it shares its folders until a signal comes, and each of them waits by itself after an error.

In:   Configs, one for each folder, and the signals as an Ending. Out: the exit code of the process.
Rule: all open folders have one node, and each closed one has a node of its own. A node runs while one of its folders can be
shared; a folder in trouble does not stop the others.
Used by: dry_run, entry, shot.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from dir_sync.config import PORT_MAX, Config, ConfigError
from dir_sync.core.frozen import changed
from dir_sync.core.model import show
from dir_sync.daemon.arenas import use_one_arena
from dir_sync.daemon.daemon import Daemon
from dir_sync.daemon.life import Life
from dir_sync.daemon.opening import NodeError
from dir_sync.daemon.pages import use_large_pages
from dir_sync.daemon.rereading import Rereading
from dir_sync.daemon.signals import Ending, Wake
from dir_sync.daemon.supervisor import Supervisor
from dir_sync.daemon.threads import DiskHangs, may_pass
from dir_sync.network.siblings import Siblings
from dir_sync.reporting import log
from dir_sync.reporting.log import Once, how_many, logger

__all__ = ["run", "tune"]

T = TypeVar("T")

# pages of records contain no cycles: collections took a third of the time to decode them
_GC_THRESHOLD = (20_000, 20, 50)
# how long one thread keeps the interpreter while others wait: the default would add 5 ms to each hand-over
_SWITCH_S = 0.0005
# the longest number in a text: thousands of digits take thousands of times as long as two dozen, and nothing else runs
_DIGITS_MAX = 640


def tune() -> None:
    """The interpreter as a node needs it."""
    use_one_arena()
    sys.setswitchinterval(_SWITCH_S)
    sys.set_int_max_str_digits(_DIGITS_MAX)
    gc.freeze()  # imported objects live as long as the process
    gc.set_threshold(*_GC_THRESHOLD)
    gc.enable()  # `dir_sync.__main__` switched it off


def run(
    configs: Sequence[Config],
    ending: Ending,
    rereading: Rereading | None = None,
    supervisor: Supervisor | None = None,
) -> int:
    """Share the folders until a signal comes; wait for those that are missing. `rereading`: of the configuration file.
    `supervisor`: who has started this process. Raises ConfigError, with one line for the user."""
    tune()
    wake = Wake()  # never closed: a signal may arrive until the very end
    wake.listen()
    ending.wake = wake.set
    process = _Process(configs, ending, wake, rereading, supervisor or Supervisor())
    try:
        process.run()
    finally:
        process.stop()
    logger.info("stopped")
    return 0


class _Process:
    """The folders of the process, and the nodes that share those that can be shared."""

    def __init__(
        self,
        configs: Sequence[Config],
        ending: Ending,
        wake: Wake,
        rereading: Rereading | None,
        supervisor: Supervisor,
    ) -> None:
        self._supervisor = supervisor
        self._ending = ending
        self._wake = wake
        self._rereading = rereading
        self._readings = 0  # how often the file was read again
        self._is_alone = len(configs) == 1  # a folder that cannot be shared ends the process
        self._lives = [Life(config, wake.set) for config in configs]
        self._daemons: dict[str, Daemon] = {}  # by group
        self._siblings = Siblings()
        self._once: Once | None = None

    def run(self) -> None:
        if self._rereading is not None:
            self._rereading.begin()
        is_up = False
        while not self._ending.asked:
            self._wake.clear()
            tell = self._supervisor.is_now
            if self._ending.readings_asked > self._readings:
                self._read_again()
                tell = self._supervisor.is_up
            self._end_what_ended()
            self._begin_what_can()
            if self._ending.asked:
                break
            if not is_up:
                tell, is_up = self._supervisor.is_up, True
            tell(self._words())
            use_large_pages()
            waiting = [life.due_s() for life in self._lives if not self._is_shared(life)]
            self._wake.wait(max(0.0, min(waiting) - time.monotonic()) if waiting else None)
        self._supervisor.ends()
        self.stop()

    def stop(self) -> None:
        """End the nodes. Raises the error that ended one of their threads, if there is one."""
        for group in list(self._daemons):
            self._stop(group)

    def _stop(self, group: str) -> None:
        daemon = self._daemons.pop(group)
        daemon.stop()
        if (failure := daemon.failure()) is not None:
            raise failure

    def _daemon_of(self, life: Life) -> Daemon | None:
        """The node that shares that folder now."""
        return next((one for one in self._daemons.values() if life.config.folder in one.folders), None)

    def _is_shared(self, life: Life) -> bool:
        return self._daemon_of(life) is not None

    def _words(self) -> str:
        shared = sum(map(self._is_shared, self._lives))
        paused = len(self._lives) - shared
        return f"{how_many(shared, 'folder')} shared" + (f", {how_many(paused, 'folder')} paused" if paused else "")

    def _read_again(self) -> None:
        """As a SIGHUP asks for it: the log file is opened anew, and the configuration file read again, if there is one."""
        self._readings = self._ending.readings_asked
        self._supervisor.reloads()
        log.reopen()
        if self._rereading is not None:
            self._rereading.again(self._use)

    # --- a file that was read again ------------------------------------------------------------------------------------

    def _use(self, configs: tuple[Config, ...]) -> None:
        """Share what these say. Folders of which they say the same as before are not touched."""
        self._is_alone = False
        old = {life.config.folder: life for life in self._lives}
        new = {one.folder for one in configs}
        for daemon in self._daemons.values():
            daemon.begins_anew = not new.isdisjoint(daemon.folders)
        keep = {one.folder for one in configs if one.folder in old and old[one.folder].config == one}
        if _of_node(configs[0]) != _of_node(self._lives[0].config):
            logger.info("reloaded: the node begins anew, because what all folders have in common has changed")
            keep = set()
            self.stop()
            self._once = None
        for path, life in old.items():
            if path not in keep:
                self._end(life)
                if path not in new:
                    life.forget()
                    logger.info("%s is not shared any more", show(os.fsencode(path)))
        for daemon in self._daemons.values():  # those that go on
            daemon.begins_anew = False
        self._lives = [old[one.folder] if one.folder in keep else Life(one, self._wake.set) for one in configs]
        logger.info("reloaded: %s", how_many(len(configs), "folder"))

    # --- folders that can be shared ------------------------------------------------------------------------------------

    def _begin_what_can(self) -> None:
        ready = [life for life in self._lives if not self._is_shared(life) and self._try(life, Life.is_ready)]
        groups: dict[str, list[Life]] = {}
        for life in ready:
            groups.setdefault(life.group, []).append(life)
        for group, lives in groups.items():
            if not self._ending.asked:
                self._begin(group, lives)

    def _begin(self, group: str, ready: list[Life]) -> None:
        """Share these in their node; begin that if it does not run."""
        running = daemon = self._daemons.get(group)
        opened = []
        for life in ready:
            life.began()
            if daemon is None:
                daemon = self._try(life, self._open)
            elif not self._try(life, partial(_add, daemon)):
                continue
            if daemon is not None:
                opened.append(life)
        if daemon is None:
            return
        if running is None and not self._try(opened[0], partial(self._start, group, daemon)):
            return
        for life in opened:
            if life.config.folder in daemon.folders:
                life.is_shared(daemon.identity_of(life.config.folder))

    def _open(self, life: Life) -> Daemon:
        """A node with that folder."""
        self._once = self._once or Once()
        config = life.config
        if life.group and len(self._lives) > 1:
            config = _beside_others(config, 1 + self._lives.index(life))
        daemon = Daemon(config, life.end, life.was_closed, self._once, siblings=self._siblings)
        life.was_closed = daemon.is_closed
        return daemon

    def _start(self, group: str, daemon: Daemon, _: Life) -> bool:
        try:
            refused = daemon.start()
        except BaseException:
            daemon.stop()
            raise
        self._daemons[group] = daemon
        for life in self._lives:
            if (error := refused.get(life.config.folder)) is not None:
                self._try(life, partial(_raise, error))
        return True

    def _try(self, life: Life, work: Callable[[Life], T]) -> T | None:
        """What `work` returns; None if this folder cannot be shared for now. Raises ConfigError if there is no other one."""
        try:
            return work(life)
        except ConfigError as error:
            if self._is_alone or (isinstance(error, NodeError) and not self._daemons):
                raise
            life.refused(error)
        except sqlite3.Error as error:
            if not may_pass(error):
                raise
            life.failed(error)
        return None

    # --- folders that cannot be shared any longer ----------------------------------------------------------------------

    def _end_what_ended(self) -> None:
        for life in self._lives:
            daemon = self._daemon_of(life)
            if daemon is None or not life.has_ended:
                continue
            trouble = daemon.trouble_of(life.config.folder)
            hangs = isinstance(trouble, DiskHangs)  # then nothing of it can be asked
            if hangs or not daemon.goes_over(life.config.folder):
                self._once = None  # whatever ended it: people want to see how it begins anew
            self._end(life)
            life.was_closed = daemon.is_closed  # a person may have left the mesh
            if hangs:
                life.hangs()
            elif trouble is not None and not self._ending.asked:
                life.failed(trouble)

    def _end(self, life: Life) -> None:
        """Its node does not share that folder any longer. A node without a folder ends."""
        daemon = self._daemon_of(life)
        if daemon is None:
            return
        if len(daemon.folders) > 1:
            daemon.remove(life.config.folder)
        else:
            self._stop(next(group for group, one in self._daemons.items() if one is daemon))


def _beside_others(config: Config, place: int) -> Config:
    """Of a closed folder among others: its node has a TCP port of its own, and so have those of its peers."""
    peers = tuple((host, port + place) for host, port in config.peers if port + place <= PORT_MAX)
    return changed(config, listen_port=min(config.listen_port + place, PORT_MAX), peers=peers)


def _of_node(config: Config) -> tuple[object, ...]:
    """What all folders of a node have in common."""
    return (
        config.broadcast_port,
        config.listen_port,
        config.interface,
        config.name,
        config.peers,
        config.discovers,
        config.listens,
    )


def _raise(error: Exception, _: Life) -> None:
    raise error


def _add(daemon: Daemon, life: Life) -> bool:
    daemon.add(life.config, life.end)
    return True
