"""The option --scrub: in which time a node reads everything again in the background.

In:   the arguments of a command. Out: seconds; 0: it does not.
Used by: options.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync import config
from dir_sync.cli.parser import checked

__all__ = ["add_option"]


def add_option(add: Callable[..., object]) -> None:
    """Add the option to a group of them."""
    add(
        "--scrub",
        metavar="TIME",
        type=checked(config.checked_scrub),
        default=0,
        help="read every file again once in TIME (30d, 12h), when nothing else is to be done, and heal from other machines"
        " what went bad on the disk (default: off; 'verify DIR' does it once)",
    )
