"""The events that only this package posts to the inbox, and the flow that each counts as.

In:   beacons, questions of other commands, pauses, the end. Out: values for `inbox.Inbox.put`.
Used by: asking, daemon, folder, jobs, loop, requests, sharing.
"""

from __future__ import annotations

import queue

from dir_sync.core.overload.fairness import Flow
from dir_sync.core.peers.beacon import Beacon
from dir_sync.daemon.inbox import HERE
from dir_sync.network.control import Answer

__all__ = ["COMMANDS", "PRESENCE", "Asked", "Heard", "PauseChanged", "Stop", "jobs_of"]

PRESENCE = Flow("presence")
COMMANDS = Flow(HERE.group, "commands")


class Heard:
    """A beacon arrived from an address."""

    __slots__ = ("address", "beacon")

    def __init__(self, beacon: Beacon, address: str) -> None:
        self.beacon = beacon
        self.address = address


class Asked:
    """Another command asks something through the control socket, and waits for `reply`."""

    __slots__ = ("is_over", "question", "reply")

    def __init__(self, question: Answer) -> None:
        self.is_over = False  # nobody waits for it any more
        self.question = question
        self.reply: queue.SimpleQueue[Answer] = queue.SimpleQueue()


class PauseChanged:
    """A folder is paused from now on, or goes on."""


class Stop:
    """Ends the loop."""


def jobs_of(flow: Flow) -> Flow:
    """The flow of a job's result: separate from the peer's messages, charged to the same address."""
    return Flow(flow.group, f"jobs of {flow.member}")
