"""The option that says what is kept of a file.

In:   a parser's group. Out: the parts to keep, for a Config.
Used by: options.
"""

from __future__ import annotations

from collections.abc import Callable

from dir_sync import config
from dir_sync.cli.parser import checked
from dir_sync.core.preserve import USUAL

__all__ = ["add_option"]


def add_option(add: Callable[..., object]) -> None:
    """`add`: add_argument of the group."""
    add(
        "--preserve",
        metavar="LIST",
        type=checked(config.checked_parts),
        default=",".join(sorted(part.value for part in USUAL)),
        help="what to keep of files beside content, times and modes, as words with commas between them: owner (user and"
        " group, by name and else by number; needs root), xattrs (extended attributes user.*), acls (POSIX ACLs), hardlinks"
        " (names of one file stay names of one file), sparse (holes stay holes, but travel as zeros; kept unless LIST says"
        " no-sparse), or all (default: sparse)",
    )
