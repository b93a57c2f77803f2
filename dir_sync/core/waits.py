"""What a path can wait for: each wait by name, and a sentence for each. `why` prints them.

In:   the regions of a path, as the daemon reads them from the engine. Out: names and sentences.
Rule: pure. Each wait of the engine has a name here, and each name a sentence; tests compare both with the engine.
Used by: cli.why, cli.why_words, daemon.stories, history.story.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from dir_sync.core.model import show, show_text
from dir_sync.core.named import NamedTuple

__all__ = ["SENTENCES", "Wait", "Waiting", "from_json", "to_json"]


class Wait(Enum):
    """One reason why a path is not (yet) here, or a change of it is not (yet) elsewhere."""

    # the whole folder
    PAUSED = "paused"
    PAUSED_BY_SCHEDULE = "paused by the schedule"
    PAUSED_ELSEWHERE = "paused elsewhere"
    ALONE = "alone"
    REMOVED = "removed"
    NOT_RUNNING = "not running"
    SCANNING = "scanning"
    # it is not shared, or stays different
    IGNORED = "ignored"
    NEVER_SHARED = "never shared"
    INVALID_NAME = "invalid name"
    SEND_ONLY = "send-only"
    OWN_CHANGE = "own change"
    OWN_LARGE = "own large"
    REVERTING = "reverting"
    # a change made here
    UNSEEN = "unseen"
    OPEN = "open"
    LOOK = "look"
    INTERVAL = "interval"
    LOOKING = "looking"
    RESTLESS = "restless"
    UNREADABLE_FOLDER = "unreadable folder"
    UNWATCHED = "unwatched"
    LISTING = "listing"
    ANNOUNCE = "announce"
    BACKLOG = "backlog"
    UPLOAD = "upload"
    LIMITED = "limited"
    MERGE = "merge"
    # a version that is on its way here
    PLANNED = "planned"
    FETCHING = "fetching"
    DELTA = "delta"
    ARRIVED = "arrived"
    APPLYING = "applying"
    GROWING = "growing"
    MOVING_AWAY = "moving away"
    COPY = "copy"
    FOLDER = "folder"
    GRACE = "grace"
    NOT_EMPTY = "not empty"
    ATTEMPTED = "attempted"
    WINDOW = "window"
    HOLDERS = "holders"
    OUT_OF_REACH = "out of reach"
    # what a person, this disk or this machine's settings do not let in
    HELD = "held"
    BURST = "burst"
    LOSS_HELD = "loss held"
    MIN_FREE = "min-free"
    DISK_FULL = "disk full"
    TOO_LARGE = "too large"
    DISK_LIMIT = "disk limit"
    SPELLING = "spelling"
    REJECTED = "rejected"
    OBSTACLE = "obstacle"
    TROUBLE = "trouble"


class Waiting(NamedTuple):
    """One wait of one path. What a wait is not about is empty."""

    wait: Wait
    peer: str = ""  # the name of a node
    other: bytes = b""  # another path
    text: str = ""  # a problem or a rule, in words
    seconds: float | None = None  # until it is tried again, or decided
    here: int | None = None  # bytes of a transfer that are there
    size: int | None = None  # ... of so many
    outgoing: bool = False  # a change made here waits, not one made elsewhere


SENTENCES: dict[Wait, str] = {
    Wait.PAUSED: "this folder is paused here{until}: nothing is sent or taken",
    Wait.PAUSED_BY_SCHEDULE: "this folder is paused here by the schedule{until}",
    Wait.PAUSED_ELSEWHERE: "{peer} has paused this folder",
    Wait.ALONE: "no other node is connected",
    Wait.REMOVED: "this machine was removed from its closed mesh by {peer}: it gets nothing any more",
    Wait.NOT_RUNNING: "no node is running for this folder: nothing is sent or taken",
    Wait.SCANNING: "the node is scanning the folder; it decides after that",
    Wait.IGNORED: "it is not shared: ignored by {text}",
    Wait.NEVER_SHARED: "it is never shared: {text}",
    Wait.INVALID_NAME: "it is not shared: {text}",
    Wait.SEND_ONLY: "this node is send-only: it does not take what others change",
    Wait.OWN_CHANGE: "the change made here stays here, because of the mode of this node ({text})",
    Wait.OWN_LARGE: "the file here is larger than --max-file-size of this machine: it is not sent",
    Wait.REVERTING: "the change made here is being undone ('revert', or a mirror)",
    Wait.UNSEEN: "it was changed here since a node last looked at it",
    Wait.OPEN: "a program has it open and writes to it; it is looked at when it rests{when}",
    Wait.LOOK: "something happened to it here; the node looks at it{when}",
    Wait.INTERVAL: "a change of it was sent a short time ago: --file-interval lets the next one wait; the node looks at it{when}",
    Wait.LOOKING: "the node is reading it",
    Wait.RESTLESS: "it changes all the time: it is sent once nobody writes to it for a moment",
    Wait.UNREADABLE_FOLDER: "its folder could not be listed; the node tries again{when}",
    Wait.UNWATCHED: "its folder cannot be watched ({text}): changes here are found every 20 s",
    Wait.LISTING: "its folder is about to be listed",
    Wait.ANNOUNCE: "the change made here is being announced",
    Wait.BACKLOG: "{peer} has not been told of it yet: earlier changes are sent first",
    Wait.UPLOAD: "it is being sent to {peer}: {percent}",
    Wait.LIMITED: "a limit of this machine slows it down: {text}",
    Wait.MERGE: "two versions of this text are being merged (--merge)",
    Wait.PLANNED: "the node decides about it{when}",
    Wait.FETCHING: "it is coming from {peer}: {percent}",
    Wait.DELTA: "{peer} is asked for the difference to what is here",
    Wait.ARRIVED: "its content has arrived and is about to be installed",
    Wait.APPLYING: "it is being written here now",
    Wait.GROWING: "what was appended elsewhere is being appended here",
    Wait.MOVING_AWAY: "the file is being moved to {other}",
    Wait.COPY: "its content comes to {other} first, and is copied from there",
    Wait.FOLDER: "its folder is not here yet",
    Wait.GRACE: "the node waits a moment: what belongs to it may be coming (a rename, or its content)",
    Wait.NOT_EMPTY: "the folder should go, and something in it is still here",
    Wait.ATTEMPTED: "a version may have been written here; the node has to look first",
    Wait.WINDOW: "enough is asked of {peer} already; it comes in turn",
    Wait.HOLDERS: "{peer} could not give its content; the node asks again{when}",
    Wait.OUT_OF_REACH: "no connected machine has its content",
    Wait.HELD: "what {peer} did to it is held until a person decides (approve, or reject)",
    Wait.BURST: "{peer} changes much at once; the node waits for the end of that before it believes it{when}",
    Wait.LOSS_HELD: "it vanished here with many others; that is held until a person decides (approve, or reject)",
    Wait.MIN_FREE: "{text}",
    Wait.DISK_FULL: "the disk is full: {size} do not fit; it is tried again when there is room",
    Wait.TOO_LARGE: "{text}",
    Wait.DISK_LIMIT: "{text}",
    Wait.SPELLING: "{text}",
    Wait.REJECTED: "{text}",
    Wait.OBSTACLE: "{text}",
    Wait.TROUBLE: "{text}; the node tries again{when}",
}
"""In braces: fields of `Waiting`; `when` is made from `seconds`, `until` from `text`, `percent` from `here` and `size`."""


def to_json(one: Waiting) -> dict[str, Any]:
    """Only what the wait is about. Paths and names are escaped."""
    found: dict[str, Any] = {"wait": one.wait.value}
    if one.peer:
        found["peer"] = show_text(one.peer)
    if one.other:
        found["other"] = show(one.other)
    if one.text:
        found["reason"] = one.text
    numbers = (("seconds", one.seconds), ("here", one.here), ("size", one.size))
    found |= {key: value for key, value in numbers if value is not None}
    if one.outgoing:
        found["outgoing"] = True
    return found


def from_json(row: dict[str, Any]) -> Waiting:
    """Raises KeyError or ValueError for a wait of another version. Paths and names stay escaped."""
    return Waiting(
        Wait(row["wait"]),
        str(row.get("peer", "")),
        str(row.get("other", "")).encode("utf-8", "surrogateescape"),
        str(row.get("reason", "")),
        row.get("seconds"),
        row.get("here"),
        row.get("size"),
        bool(row.get("outgoing")),
    )
