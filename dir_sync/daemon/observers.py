"""Links of dry runs: they ask what is here and what would happen, and leave no trace.

In:   HELLOs of nodes that only look; their questions. Out: the answers.
Rule: an observer is no peer. Neither the roster nor an engine hears of it, nothing is noted in an index, and nothing is
planned.
Used by: daemon, loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from dir_sync.core.forecast import Fate
from dir_sync.core.messages import Forecast, ForecastRequest, Hello, JsonMessage, Rows, RowsRequest
from dir_sync.core.model import show_text
from dir_sync.core.peers.roster import NOTHING_IN_COMMON
from dir_sync.daemon.folder import Folder, Folders
from dir_sync.network.outbox import Outbound
from dir_sync.node import Node
from dir_sync.reporting.log import logger

if TYPE_CHECKING:  # it imports cryptography, and open nodes do without
    from dir_sync.core.link_handshake import Member

__all__ = ["OBSERVERS_MAX", "READ_ONLY", "Observers"]

OBSERVERS_MAX = 8  # at one time
READ_ONLY = "does not take changes of a read-only member"
_ROWS_MAX = 1_000  # of one answer: some 5 ms of work


class Links(Protocol):
    """What is ordered of the links: the NodeManager."""

    def drop(self, link: int, reason: str, text: str = "") -> None: ...


class Observers:
    """Engine thread only."""

    def __init__(self, folders: Folders, manager: Links, may_write: Callable[[Member], bool] | None = None) -> None:
        """`may_write`: of a closed mesh: false for members whose changes others ignore."""
        self._folders = folders
        self._manager = manager
        self._may_write = may_write
        self._links: set[int] = set()

    def came(self, node: Node, hello: Hello) -> None:
        """That link is one of a node that only looks."""
        if self._folders.named(hello.observes) is None:
            self._manager.drop(node.link, NOTHING_IN_COMMON)
        elif len(self._links) >= OBSERVERS_MAX:
            self._manager.drop(node.link, "overload")
        else:
            self._links.add(node.link)
            logger.info("%s at %s asks what would be synchronized (a dry run)", show_text(hello.name), node.address)

    def left(self, node: Node) -> None:
        """That link has ended, whatever it was."""
        self._links.discard(node.link)

    def on_rows_request(self, node: Node, message: RowsRequest) -> None:
        folder = self._asked(node, message.folder)
        if folder is None:
            return
        engine = folder.share.engine
        mode, replica = engine.mode_rules.mode, folder.share.index.identity.replica
        if not engine.forecaster.is_ready:
            self._say(node, Rows(folder.name, replica, mode, False, message.after, False, ()))
            return
        records, sequence, is_last = engine.forecaster.rows(message.after, _ROWS_MAX)
        self._say(
            node, Rows(folder.name, replica, mode, True, sequence, is_last, tuple(records), engine.forecaster.room)
        )

    def on_forecast_request(self, node: Node, message: ForecastRequest) -> None:
        folder = self._asked(node, message.folder)
        if folder is None:
            return
        if self._may_write is not None and node.member is not None and not self._may_write(node.member):
            self._say(node, Forecast(folder.name, ((Fate.REFUSE, READ_ONLY),) * len(message.records)))
            return
        forecaster = folder.share.engine.forecaster
        found = [forecaster.outcome(one.path, ((message.replica, one),)) for one in message.records]
        self._say(node, Forecast(folder.name, tuple((one.fate, one.reason) for one in found)))

    def on_rows(self, node: Node, message: Rows) -> None:
        """Nobody asked for it: this node is no dry run."""

    def on_forecast(self, node: Node, message: Forecast) -> None:
        """The same."""

    def _asked(self, node: Node, name: str) -> Folder | None:
        """The folder of which an observer asks. Others are not answered: they ask as peers."""
        if node.link not in self._links:
            return None
        folder = self._folders.named(name)
        if folder is None or folder.is_over:
            self._manager.drop(node.link, NOTHING_IN_COMMON)
            return None
        return folder

    @staticmethod
    def _say(node: Node, answer: JsonMessage) -> None:
        node.send(Outbound(answer, 0))
