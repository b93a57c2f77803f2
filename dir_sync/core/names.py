"""The names that are ours: the folders in .dir_sync, and what the prefix of a name in the staging folder says.

In:   a prefix, the tag of this start, a number; or a content.
Out:  paths in the staging folder. The prefix tells the next start what it may do with what it finds there:

    part-   a download, named by its content: it stays, to be continued
    delta-  a delta, made here or on its way here: removed
    new-    made by us and not yet installed: removed
    grow-   a symbolic link that says what a file was before it grew: the growth is undone
    swap-, old-, any other   maybe a user's bytes: filed into the history

Used by: the engine, which names downloads; `dir_sync.files`, which names all else; `daemon`.
"""

from __future__ import annotations

from dir_sync.core import limits

__all__ = [
    "DELTA",
    "DELTA_IN",
    "GROW",
    "HISTORY",
    "NEW",
    "NEW_GROW",
    "OLD",
    "PART",
    "STAGING",
    "STATE",
    "SWAP",
    "is_delta_in",
    "part_name",
    "staging_name",
]

STATE = limits.RESERVED_NAME
STAGING = STATE + b"/staging"
HISTORY = STATE + b"/versions"

PART = b"part-"
DELTA = b"delta-"
DELTA_IN = DELTA + b"in-"  # on its way here
NEW = b"new-"
NEW_GROW = NEW + b"grow-"  # the longer copy of a file that cannot grow in its place
GROW = b"grow-"
SWAP = b"swap-"
OLD = b"old-"


def staging_name(prefix: bytes, tag: bytes, number: int) -> bytes:
    """A path in the staging folder. `tag` differs at each start, and `number` at each call."""
    return STAGING + b"/" + prefix + b"%s-%d" % (tag, number)


def part_name(content: bytes) -> bytes:
    """Where a content is gathered, so that a download continues after a cut."""
    return STAGING + b"/" + PART + content.hex().encode()


def is_delta_in(name: bytes) -> bool:
    """True for the path of a delta that comes from a peer."""
    return name.startswith(STAGING + b"/" + DELTA_IN)
