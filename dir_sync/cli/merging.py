"""The option --merge: texts that were changed on two machines at once get the changes of both.

In:   the arguments of a command. Out: what is merged; ConfigError, one line, if the library for that is missing.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable

from dir_sync import config
from dir_sync.cli.parser import checked as checked_by
from dir_sync.config import ConfigError
from dir_sync.reporting import shell

__all__ = ["add_option", "checked"]

_LIBRARY = "merge3"


def add_option(add: Callable[..., object]) -> None:
    """Add the option to a group of them."""
    add(
        "--merge",
        metavar="text|off",
        type=checked_by(config.checked_merge),
        default=config.MERGE_OFF,
        help="a text (UTF-8, up to 1 MiB) that was changed on two machines at once gets the changes of both, if they"
        " changed different lines; otherwise it is a conflict as usual. Give it on all machines. Only two-way nodes merge"
        " (default: off)",
    )


def checked(merge: str) -> str:
    """What is merged. ConfigError if it cannot be."""
    if merge != config.MERGE_OFF and importlib.util.find_spec(_LIBRARY) is None:
        install = f"{shell.quoted(sys.executable)} -m pip install {_LIBRARY}"
        raise ConfigError(f"--merge {merge} needs the Python package {_LIBRARY}; to install it: {install}")
    return merge
