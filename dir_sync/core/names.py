"""The names that dir_sync uses in the shared folder: the folders in .dir_sync, and the prefixes in the staging folder.

In:   a prefix, the tag of this start, a number; or a content.
Out:  paths in the staging folder. The prefix tells the next start what to do with a file that it finds there:

    part-   a download, named by its content: kept, to be continued
    delta-  a delta, made here or being received: removed
    new-    made by us and not installed yet: removed
    grow-   a symbolic link that records the state of a file before it grew: the growth is undone
    swap-, old-, any other   maybe a user's data: moved into the history

Used by: cli.ignoring, web.routes.ignoring, daemon, engine, file_sync, files, history.words.
"""

from __future__ import annotations

from dir_sync.core import limits

__all__ = [
    "DELTA",
    "DELTA_IN",
    "GROW",
    "HISTORY",
    "LOCAL_RULES",
    "NEW",
    "NEW_GROW",
    "OLD",
    "PART",
    "STAGING",
    "STATE",
    "SWAP",
    "is_delta_in",
    "is_version",
    "part_name",
    "staging_name",
]

STATE = limits.RESERVED_NAME
LOCAL_RULES = STATE + b"/ignore"  # what this machine does not share; its user makes it
STAGING = STATE + b"/staging"
HISTORY = STATE + b"/versions"

PART = b"part-"
DELTA = b"delta-"
DELTA_IN = DELTA + b"in-"  # received from a peer
NEW = b"new-"
NEW_GROW = NEW + b"grow-"  # the longer copy of a file to which bytes cannot be appended directly
GROW = b"grow-"
SWAP = b"swap-"
OLD = b"old-"


def staging_name(prefix: bytes, tag: bytes, number: int) -> bytes:
    """A path in the staging folder. `tag` differs at each start, `number` at each call."""
    return STAGING + b"/" + prefix + b"%s-%d" % (tag, number)


def part_name(content: bytes) -> bytes:
    """The staging file of a content. The name depends on the content only, so an interrupted download continues."""
    return STAGING + b"/" + PART + content.hex().encode()


def is_delta_in(name: bytes) -> bool:
    """True for the path of a delta received from a peer."""
    return name.startswith(STAGING + b"/" + DELTA_IN)


def is_version(name: bytes) -> bool:
    """True for the name of a version in the history."""
    return name.startswith(HISTORY + b"/")
