"""Why a node does not take what another one has: the reasons, and how much each of them keeps away.

In:   nothing. Out: values for LACKS, `status`, the log.
Rule: pure. A reason says what kind of thing it is, never a path: the other side knows its own files, and no more is told.
Used by: cli.waiting, core.messages.state, core.peer_status, core.peers.standing, core.shot, core.status, core.unable,
core.messages.verify, core.verify, core.waiting, daemon, engine, reporting.progress_words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from dir_sync.core.named import NamedTuple

__all__ = ["APART", "CHOSEN", "REASONS", "WORDS", "Declined", "Reason", "declined_in", "declined_json"]


class Reason(Enum):
    """The values stand in LACKS and in JSON: they never change."""

    TOO_LARGE = "too-large"  # a person takes no files above a size (--max-file-size)
    MIN_FREE = "min-free"  # a person keeps a part of the disk free (--min-free)
    DISK_FULL = "disk-full"
    UNFIT = "unfit"  # the disk cannot store it: its name, its size
    BLOCKED = "blocked"  # something that is not synchronized is in its place
    SEND_ONLY = "send-only"  # by its mode it takes nothing
    DIVERGED = (
        "diverged"  # it keeps to itself what was changed or deleted there: by its mode, its role, its limit of sizes
    )
    IGNORED = "ignored"  # its rules say that this is not shared
    FAILED = "failed"  # it cannot be written, and is tried again: no permission, an input/output error
    BAD_CONTENT = "bad-content"  # what was sent for it is not what was announced: the sender may have a bad copy


REASONS = {reason.value: reason for reason in Reason}
APART = frozenset((Reason.SEND_ONLY, Reason.DIVERGED, Reason.IGNORED))
"""Of these a node counts nothing as lacking: it has dealt with what was announced, so nobody waits for it. But it has
something else on its disk."""
CHOSEN = APART | {Reason.TOO_LARGE}
"""What a person chose there, and so no trouble."""


class Declined(NamedTuple):
    """What a node does not have for one reason: files and their bytes, and other changes. `limit`: bytes of a file, of
    TOO_LARGE; 0: not known."""

    reason: Reason
    files: int
    bytes: int
    others: int = 0
    limit: int = 0


WORDS = {
    Reason.TOO_LARGE: "takes no files so large",
    Reason.MIN_FREE: "keeps a part of its disk free, and has no room for more",
    Reason.DISK_FULL: "has no room: its disk is full",
    Reason.UNFIT: "cannot store on its disk",
    Reason.BLOCKED: "has something in the way that is not synchronized",
    Reason.SEND_ONLY: "is send-only and takes nothing from others",
    Reason.DIVERGED: "keeps what was changed or deleted there",
    Reason.IGNORED: "leaves out what its rules ignore",
    Reason.FAILED: "cannot write, and tries again",
    Reason.BAD_CONTENT: "was sent something else than was announced ('verify' says whether it is bad here)",
}
"""What follows the name of the node."""


def declined_json(one: Declined) -> dict[str, Any]:
    return one._asdict() | {"reason": one.reason.value}


def declined_in(answers: Iterable[Mapping[str, Any]]) -> tuple[Declined, ...]:
    """Reasons that this version does not know are left out."""
    return tuple(
        Declined(REASONS[one["reason"]], one["files"], one["bytes"], one["others"], one["limit"])
        for one in answers
        if one["reason"] in REASONS
    )
