"""The process of a node: it shares its folders until a signal comes, and each of them waits by itself after an error.

In:   Configs, one for each folder, and the signals as an Ending. Out: the exit code of the process.
Rule: a node runs while one of its folders can be shared; a folder in trouble does not stop the others.
Used by: entry.
"""

from __future__ import annotations

import gc
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from dir_sync.config import Config, ConfigError
from dir_sync.daemon.daemon import Daemon, NodeError
from dir_sync.daemon.life import Life
from dir_sync.daemon.signals import Ending, Wake
from dir_sync.daemon.threads import may_pass
from dir_sync.reporting.log import Once, logger

__all__ = ["run"]

T = TypeVar("T")

# pages of records contain no cycles: collections took a third of the time to decode them
_GC_THRESHOLD = (20_000, 20, 50)
# how long one thread keeps the interpreter while others wait: the default would add 5 ms to each hand-over
_SWITCH_S = 0.0005


def run(configs: Sequence[Config], ending: Ending) -> int:
    """Share the folders until a signal comes; wait for those that are missing. Raises ConfigError, with one line for the
    user."""
    sys.setswitchinterval(_SWITCH_S)
    gc.freeze()  # imported objects live as long as the process
    gc.set_threshold(*_GC_THRESHOLD)
    gc.enable()  # main.py switched it off
    wake = Wake()  # never closed: a signal may arrive until the very end
    wake.listen()
    ending.wake = wake.set
    process = _Process(configs, ending, wake)
    try:
        process.run()
    finally:
        process.stop()
    logger.info("stopped")
    return 0


class _Process:
    """The folders of the process, and the node that shares those that can be shared."""

    def __init__(self, configs: Sequence[Config], ending: Ending, wake: Wake) -> None:
        self._ending = ending
        self._wake = wake
        self._lives = [Life(config, wake.set) for config in configs]
        self._daemon: Daemon | None = None
        self._once: Once | None = None

    def run(self) -> None:
        while not self._ending.asked:
            self._wake.clear()
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
            if len(self._lives) == 1 or isinstance(error, NodeError):
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
            if len(daemon.folders) > 1:
                daemon.remove(life.config.folder)
            else:
                self.stop()
            life.was_closed = daemon.is_closed  # a person may have left the mesh
            if trouble is not None and not self._ending.asked:
                life.failed(trouble)


def _raise(error: Exception, _: Life) -> None:
    raise error


def _add(daemon: Daemon, life: Life) -> bool:
    daemon.add(life.config, life.end)
    return True
