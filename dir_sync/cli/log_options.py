"""The options that say what is logged, and where.

In:   a parser, and the arguments. Out: a group of its options; the path of the log file.
Used by: options.
"""

from __future__ import annotations

import argparse

from dir_sync import config
from dir_sync.cli.parser import checked
from dir_sync.config import ConfigError

__all__ = ["add_options", "checked_log_file"]

_SIZE_MIN = 10_000
_KEEP_MAX = 999


def add_options(group: argparse._ArgumentGroup) -> None:
    loudness = group.add_mutually_exclusive_group()
    loudness.add_argument("-v", "--verbose", action="count", default=0, help="name every file, and say more")
    loudness.add_argument("-q", "--quiet", action="store_true", help="print warnings only")
    group.add_argument("--log-file", metavar="FILE", help="also write the log to FILE, with dates")
    group.add_argument(
        "--log-max-size",
        metavar="SIZE",
        type=checked(_size),
        default=config.LOG_MAX_SIZE,
        help="rotate FILE before it is larger than SIZE (default: 10M; 0: never)",
    )
    group.add_argument(
        "--log-keep",
        metavar="N",
        type=checked(_count),
        default=config.LOG_KEEP,
        help="keep N older log files, FILE.1 to FILE.N (default: %(default)s)",
    )


def checked_log_file(path: str | None, folder: str) -> str | None:
    """ConfigError if what is logged would be synchronized."""
    if path is not None and config.is_shared(path, folder):
        raise ConfigError(
            "--log-file is inside DIR: each line would be synchronized and cause another line; choose a file elsewhere",
            config.USAGE,
        )
    return path


def _size(text: str) -> int:
    size = config.checked_size(text)
    if 0 < size < _SIZE_MIN:
        raise ConfigError("a log file needs at least 10k, or 0 for no limit", config.USAGE)
    return size


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 3:
        return int(text)
    raise ConfigError(f"a whole number from 0 to {_KEEP_MAX} is needed", config.USAGE)
