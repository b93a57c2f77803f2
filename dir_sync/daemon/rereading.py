"""A configuration file that is read again while the node runs.

In:   SIGHUP. Out: new Configs; or a line in the log, and everything stays as it was.
Used by: entry, process.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync.config import Config, ConfigError
from dir_sync.folder import running
from dir_sync.reporting.log import logger

__all__ = ["Rereading"]


class Rereading:
    """Main thread only."""

    def __init__(self, file: str, read: Callable[[], tuple[Config, ...]]) -> None:
        """`read`: reads the file. ConfigError if it is wrong."""
        self._file = file
        self._read = read
        self._readings = 0

    def begin(self) -> None:
        """The file was read for the first time."""
        running.note(self._file, self._readings, "")

    def again(self, use: Callable[[tuple[Config, ...]], None]) -> None:
        """Read it, and give what it says to `use`. If it is wrong, nothing changes."""
        self._readings += 1
        trouble = ""
        try:
            use(self._read())
        except ConfigError as error:
            trouble = str(error)
            logger.warning("not reloaded, everything stays as it was: %s", error)
        running.note(self._file, self._readings, trouble)
