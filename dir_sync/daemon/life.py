"""One folder through the life of the process: it is waited for, shared, paused after an error, and shared again.

In:   its Config, the time, and what became of it in its node. Out: whether it can be shared now; log lines about pauses.
Rule: if the folder is gone, or its index cannot be written, it pauses and continues by itself. Other commands can read the
reason. Other folders do not notice.
Used by: process.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from dir_sync.config import Config, ConfigError
from dir_sync.core.backoff import longer
from dir_sync.core.model import show
from dir_sync.disk import room
from dir_sync.folder import root
from dir_sync.reporting.log import logger
from dir_sync.security import files

__all__ = ["Life"]

_PAUSE_S = (2.0, 30.0)  # first and longest wait when the index cannot be written, or the folder cannot be opened
_LASTED_S = 60.0  # after running this long, the next pause is the shortest again
_ROOT_POLL_S = 2.0  # how often the node checks whether the folder is back


class Life:
    """Main thread only, but for `end`.

    It has more fields than a class should have: why it waits, and for how long."""

    def __init__(self, config: Config, wake: Callable[[], None]) -> None:
        """`wake` is called, on any thread, when something has ended."""
        self.config = config
        self.was_closed = False  # it belonged to a closed mesh when it was last shared
        self.has_ended = False  # it cannot be shared any longer; set on any thread
        self._wake = wake
        self._was: tuple[int, int] | None = None  # device and inode when it was last shared
        self._said = ""  # why it waits, as it was logged
        self._is_full = False  # it waits for room on its disk
        self._question: threading.Thread | None = None  # asks a disk that hangs; it ends when that answers
        self._pause_s = _PAUSE_S[0]
        self._next_s = 0.0  # when to look again (monotonic)
        self._began_s = 0.0

    @property
    def group(self) -> str:
        """The folders of one group have one node: "" for all open ones, its own path for a closed one."""
        folder = self.config.folder
        is_closed = self.was_closed or self.config.key_file is not None or files.is_closed(folder)
        return folder if is_closed else ""

    def end(self) -> None:
        """It cannot be shared any longer. Any thread."""
        self.has_ended = True
        self._wake()

    def is_ready(self) -> bool:
        """True if it can be shared now. Raises ConfigError if it never can."""
        mono = time.monotonic()
        if mono < self._next_s:
            return False
        if self._question is not None:
            if self._question.is_alive():
                self._next_s = mono + _ROOT_POLL_S
                return False
            self._question = None
            logger.warning("the disk of %s answers again: resumed", show(os.fsencode(self.config.folder)))
        if self._is_full and not self._has_room():
            self._next_s = mono + self._pause_s
            return False
        reason = root.reason_to_wait(self.config.folder, self._was, self.config.fresh)
        if reason:
            if reason != self._said:
                logger.warning("paused: %s; will resume by itself when it is back", reason)
                root.say_paused(self.config.folder, reason)
                self._said = reason
            self._next_s = mono + _ROOT_POLL_S
            return False
        if self._said:
            logger.warning("%s is back: resumed", show(os.fsencode(self.config.folder)))
            self._said = ""
        if against := root.reason_against(self.config.folder):
            raise ConfigError(f"this folder cannot be shared: {against}")
        return True

    def due_s(self) -> float:
        """When `is_ready` may have another answer (monotonic, s)."""
        return self._next_s

    def began(self) -> None:
        """It is about to be opened."""
        self._began_s = time.monotonic()
        self.has_ended = False

    def is_shared(self, identity: tuple[int, int]) -> None:
        root.say_paused(self.config.folder, "")
        self._was = identity

    def forget(self) -> None:
        """It is not to be shared any more."""
        root.say_paused(self.config.folder, "")

    def failed(self, trouble: Exception) -> None:
        """Its index could not be used: wait until it probably can be written again. Then everything is as after a power cut:
        unrecorded changes are looked at and asked for again."""
        reason = f"the index of {show(os.fsencode(self.config.folder))} cannot be written ({trouble})"
        logger.warning("paused: %s; will resume by itself once there is room", reason)
        root.say_paused(self.config.folder, reason)
        self._is_full = True
        self._wait()

    def hangs(self) -> None:
        """Its disk does not answer: wait until it does. Whatever asks it may wait for as long, so a thread does."""
        reason = f"the disk of {show(os.fsencode(self.config.folder))} does not answer"
        logger.warning("paused: %s; will resume by itself when it does", reason)
        root.say_paused(self.config.folder, reason)
        self._question = threading.Thread(target=self._ask_disk, name="question", daemon=True)
        self._question.start()
        self._wait()

    def _wait(self) -> None:
        """Look again after a pause: the shortest if it ran long, else a longer one than the last."""
        now = time.monotonic()
        self._pause_s = _PAUSE_S[0] if now - self._began_s > _LASTED_S else longer(self._pause_s, _PAUSE_S[1])
        self._next_s = now + self._pause_s

    def _ask_disk(self) -> None:
        try:
            os.statvfs(self.config.folder)
        except OSError:
            pass  # that is an answer, too

    def refused(self, error: ConfigError) -> None:
        """It could not be opened, and other folders go on: try again later."""
        logger.warning("%s; trying again", error)
        root.say_paused(self.config.folder, str(error))
        self._pause_s = longer(self._pause_s, _PAUSE_S[1])
        self._next_s = time.monotonic() + self._pause_s

    def _has_room(self) -> bool:
        try:
            found = os.statvfs(self.config.folder)
        except OSError:
            self._is_full = False
            return True  # the caller then waits for the folder itself
        if room(found) < 0:
            return False
        logger.warning("there is room again: resumed")
        self._is_full = False
        return True
