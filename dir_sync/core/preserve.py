"""What is kept of a file beside its content, its mode and its time.

Out:  the parts that a user may name, and those that are kept without being named.
Used by: config, cli.background, cli.preserving, daemon.share, disk, history.restorer, index.front, ports.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["ALWAYS", "ON_ENTRIES", "USUAL", "Part"]


class Part(Enum):
    """The value is the word for people."""

    OWNER = "owner"  # user and group: names first, then numbers
    XATTRS = "xattrs"  # extended attributes of the user
    ACLS = "acls"  # POSIX ACLs
    HARDLINKS = "hardlinks"  # names of one file stay names of one file
    SPARSE = "sparse"  # holes of files


ON_ENTRIES = frozenset({Part.OWNER, Part.XATTRS, Part.ACLS})
"""Those that are read from an entry and given to it: see core.attributes."""

USUAL = frozenset({Part.SPARSE})
"""What is kept if nothing is named."""

ALWAYS = ("times", "modes")
"""Words for what is always kept."""
