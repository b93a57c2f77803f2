"""The process of a node: it shares its folders until a signal comes, and each of them waits by itself after an error.

In:   Configs, one for each folder, and the signals as an Ending. Out: the exit code of the process.
Rule: a node runs while one of its folders can be shared; a folder in trouble does not stop the others.
Used by: entry.
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

from dir_sync.config import Config, ConfigError
from dir_sync.core.model import show
from dir_sync.daemon.daemon import Daemon, NodeError
from dir_sync.daemon.life import Life
from dir_sync.daemon.rereading import Rereading
from dir_sync.daemon.signals import Ending, Wake
from dir_sync.daemon.threads import may_pass
from dir_sync.reporting.log import Once, how_many, logger

__all__ = ["run"]

T = TypeVar("T")

# pages of records contain no cycles: collections took a third of the time to decode them
_GC_THRESHOLD = (20_000, 20, 50)
# how long one thread keeps the interpreter while others wait: the default would add 5 ms to each hand-over
_SWITCH_S = 0.0005
# the longest number in a text: thousands of digits take thousands of times as long as two dozen, and nothing else runs
_DIGITS_MAX = 640


def run(configs: Sequence[Config], ending: Ending, rereading: Rereading | None = None) -> int:
    """Share the folders until a signal comes; wait for those that are missing. `rereading`: of the configuration file. Raises
    ConfigError, with one line for the user."""
    sys.setswitchinterval(_SWITCH_S)
    sys.set_int_max_str_digits(_DIGITS_MAX)
    gc.freeze()  # imported objects live as long as the process
    gc.set_threshold(*_GC_THRESHOLD)
    gc.enable()  # main.py switched it off
    wake = Wake()  # never closed: a signal may arrive until the very end
    wake.listen()
    ending.wake = wake.set
    process = _Process(configs, ending, wake, rereading)
    try:
        process.run()
    finally:
        process.stop()
    logger.info("stopped")
    return 0


class _Process:
    """The folders of the process, and the node that shares those that can be shared."""

    def __init__(self, configs: Sequence[Config], ending: Ending, wake: Wake, rereading: Rereading | None) -> None:
        self._ending = ending
        self._wake = wake
        self._rereading = rereading
        self._readings = 0  # how often the file was read again
        self._is_alone = len(configs) == 1  # a folder that cannot be shared ends the process
        self._lives = [Life(config, wake.set) for config in configs]
        self._daemon: Daemon | None = None
        self._once: Once | None = None

    def run(self) -> None:
        if self._rereading is not None:
            self._rereading.begin()
        while not self._ending.asked:
            self._wake.clear()
            if self._rereading is not None and self._ending.readings_asked > self._readings:
                self._readings = self._ending.readings_asked
                self._rereading.again(self._use)
            self._end_what_ended()
            self._begin_what_can()
            if self._ending.asked:
                break
            waiting = [life.due_s() for life in self._lives if not self._is_shared(life)]
            self._wake.wait(max(0.0, min(waiting) - time.monotonic()) if waiting else None)
        self.stop()

    def stop(self) -> None:
        """End the node. Raises the error that ended one of its threads, if there is one."""
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            daemon.stop()
            if (failure := daemon.failure()) is not None:
                raise failure

    def _is_shared(self, life: Life) -> bool:
        return self._daemon is not None and life.config.folder in self._daemon.folders

    # --- a file that was read again ------------------------------------------------------------------------------------

    def _use(self, configs: tuple[Config, ...]) -> None:
        """Share what these say. Folders of which they say the same as before are not touched."""
        self._is_alone = False
        old = {life.config.folder: life for life in self._lives}
        keep = {one.folder for one in configs if one.folder in old and old[one.folder].config == one}
        if _of_node(configs[0]) != _of_node(self._lives[0].config):
            logger.info("reloaded: the node begins anew, because what all folders have in common has changed")
            keep = set()
            self.stop()
            self._once = None
        for path, life in old.items():
            if path not in keep:
                self._end(life)
                if all(one.folder != path for one in configs):
                    life.forget()
                    logger.info("%s is not shared any more", show(os.fsencode(path)))
        self._lives = [old[one.folder] if one.folder in keep else Life(one, self._wake.set) for one in configs]
        logger.info("reloaded: %s", how_many(len(configs), "folder"))

    # --- folders that can be shared ------------------------------------------------------------------------------------

    def _begin_what_can(self) -> None:
        ready = [life for life in self._lives if not self._is_shared(life) and self._try(life, Life.is_ready)]
        if ready and not self._ending.asked:
            self._begin(ready)

    def _begin(self, ready: list[Life]) -> None:
        daemon = self._daemon
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
        if self._daemon is None and not self._try(opened[0], partial(self._start, daemon)):
            return
        for life in opened:
            if life.config.folder in daemon.folders:
                life.is_shared(daemon.identity_of(life.config.folder))

    def _open(self, life: Life) -> Daemon:
        """A node with that folder."""
        self._once = self._once or Once()
        daemon = Daemon(life.config, life.end, life.was_closed, self._once)
        life.was_closed = daemon.is_closed
        return daemon

    def _start(self, daemon: Daemon, _: Life) -> bool:
        try:
            refused = daemon.start()
        except BaseException:
            daemon.stop()
            raise
        self._daemon = daemon
        for life in self._lives:
            if (error := refused.get(life.config.folder)) is not None:
                self._try(life, partial(_raise, error))
        return True

    def _try(self, life: Life, work: Callable[[Life], T]) -> T | None:
        """What `work` returns; None if this folder cannot be shared for now. Raises ConfigError if there is no other one."""
        try:
            return work(life)
        except ConfigError as error:
            if self._is_alone or isinstance(error, NodeError):
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
            daemon = self._daemon
            if daemon is None or not life.has_ended or not self._is_shared(life):
                continue
            trouble = daemon.trouble_of(life.config.folder)
            if not daemon.goes_over(life.config.folder):
                self._once = None  # whatever ended it: people want to see how it begins anew
            self._end(life)
            life.was_closed = daemon.is_closed  # a person may have left the mesh
            if trouble is not None and not self._ending.asked:
                life.failed(trouble)

    def _end(self, life: Life) -> None:
        """Its node does not share that folder any longer. A node without a folder ends."""
        daemon = self._daemon
        if daemon is None or not self._is_shared(life):
            return
        if len(daemon.folders) > 1:
            daemon.remove(life.config.folder)
        else:
            self.stop()


def _of_node(config: Config) -> tuple[object, ...]:
    """What all folders of a node have in common."""
    return config.broadcast_port, config.listen_port, config.interface, config.name, config.peers


def _raise(error: Exception, _: Life) -> None:
    raise error


def _add(daemon: Daemon, life: Life) -> bool:
    daemon.add(life.config, life.end)
    return True
