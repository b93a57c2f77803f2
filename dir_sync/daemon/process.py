"""The process of a node: it waits for its folder, shares it until a signal comes, and waits again after an error.

In:   a Config, and the signals as an Ending. Out: the exit code of the process.
Rule: if the folder is gone, or the index cannot be written, the node pauses and continues by itself. Other commands can
read the reason.
Used by: entry.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import sys
import time

from dir_sync.config import Config, ConfigError
from dir_sync.core.backoff import longer
from dir_sync.core.model import show
from dir_sync.daemon.daemon import Daemon
from dir_sync.daemon.signals import Ending, Wake
from dir_sync.daemon.threads import may_pass
from dir_sync.disk import room
from dir_sync.folder import root
from dir_sync.reporting.log import Once, logger

__all__ = ["run"]

_PAUSE_S = (2.0, 30.0)  # first and longest wait when the index cannot be written
_LASTED_S = 60.0  # after running this long, the next pause is the shortest again
_ROOT_POLL_S = 2.0  # how often the node checks whether the folder is back
# pages of records contain no cycles: collections took a third of the time to decode them
_GC_THRESHOLD = (20_000, 20, 50)
# how long one thread keeps the interpreter while others wait: the default would add 5 ms to each hand-over
_SWITCH_S = 0.0005


def run(config: Config, ending: Ending) -> int:
    """Share the folder until a signal comes; while the folder is missing, wait for it. Raises ConfigError, with one
    line for the user."""
    sys.setswitchinterval(_SWITCH_S)
    gc.freeze()  # imported objects live as long as the process
    gc.set_threshold(*_GC_THRESHOLD)
    gc.enable()  # main.py switched it off
    wake = Wake()  # never closed: a signal may arrive until the very end
    wake.listen()
    ending.wake = wake.set
    was: tuple[int, int] | None = None
    was_closed = False
    once: Once | None = None
    pause_s = _PAUSE_S[0]
    while not ending.asked:
        if not _wait_for_root(config, was, wake):
            break
        if reason := root.reason_against(config.folder):
            raise ConfigError(f"this folder cannot be shared: {reason}")
        began = time.monotonic()
        trouble: sqlite3.Error | None = None
        try:
            once = once or Once()
            daemon = Daemon(config, wake.set, was_closed, once)
            was_closed = daemon.is_closed
            try:
                daemon.start()
                root.say_paused(config.folder, "")
                was = daemon.share.identity
                wake.wait()
            finally:
                daemon.stop()
                was_closed = daemon.is_closed  # a person may have left the mesh
            if not daemon.goes_over:
                once = None  # whatever ended it: people want to see how it begins anew
            trouble = daemon.threads.trouble
            if daemon.threads.failed is not None:
                raise daemon.threads.failed
        except sqlite3.Error as error:
            if not may_pass(error):
                raise
            trouble = error
        if ending.asked:
            break
        wake.clear()
        if trouble is not None:
            pause_s = _PAUSE_S[0] if time.monotonic() - began > _LASTED_S else longer(pause_s, _PAUSE_S[1])
            if not _wait_for_room(config, trouble, pause_s, wake):
                break
    logger.info("stopped")
    return 0


def _wait_for_room(config: Config, trouble: Exception, pause_s: float, wake: Wake) -> bool:
    """Wait until the index can probably be written again. False if a signal came first. Afterwards everything is as
    after a power cut: unrecorded changes are looked at and asked for again."""
    reason = f"the index of {show(os.fsencode(config.folder))} cannot be written ({trouble})"
    logger.warning("paused: %s; will resume by itself once there is room", reason)
    root.say_paused(config.folder, reason)
    while True:
        if wake.wait(pause_s):
            return False
        try:
            found = os.statvfs(config.folder)
        except OSError:
            return True  # the caller then waits for the folder itself
        if room(found) >= 0:
            logger.warning("there is room again: resumed")
            return True


def _wait_for_root(config: Config, was: tuple[int, int] | None, wake: Wake) -> bool:
    """Wait for the folder. False if a signal came first."""
    said = ""
    while reason := root.reason_to_wait(config.folder, was, config.fresh):
        if reason != said:
            logger.warning("paused: %s; will resume by itself when it is back", reason)
            root.say_paused(config.folder, reason)
            said = reason
        if wake.wait(_ROOT_POLL_S):
            return False
    if said:
        logger.warning("%s is back: resumed", show(os.fsencode(config.folder)))
    return True
