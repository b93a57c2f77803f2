"""The other sides of a dry run: nodes that are found or named, and asked on links that only look.

In:   a Config; beacons and links, by a queue. Out: Peers: what each has, and what it would do.
Rule: whoever is asked hears that this node only looks (docs/protocol.md, 2.9), and notes nothing. Nobody is told of a
change. A machine that the user named has to be asked, whichever side has dialled, and under whichever of its names it came.
Used by: dry_run.
"""

from __future__ import annotations

import queue
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from dir_sync.config import Config
from dir_sync.core.forecast import Outcome, Room, Told
from dir_sync.core.messages import PROTOCOL, Forecast, ForecastRequest, Hello, Message, Rows, RowsRequest
from dir_sync.core.mode import Mode
from dir_sync.core.model import Record, show_text
from dir_sync.core.peers.announce import pages
from dir_sync.core.peers.beacon import Beacon, OpenPresence, folder_tags
from dir_sync.core.peers.roster import NOTHING_IN_COMMON
from dir_sync.core.peers.sought import Place, Sought
from dir_sync.daemon.opening import NodeError, bind_address, port_trouble
from dir_sync.network import tcp
from dir_sync.network.discovery import Discovery, Presence
from dir_sync.network.networks import Networks
from dir_sync.network.outbox import Outbound
from dir_sync.node import Node
from dir_sync.node_manager import (
    MUTE,
    NO_ANSWER,
    Dialled,
    HelloReceived,
    Link,
    LinkClosed,
    MessageReceived,
    NodeManager,
)
from dir_sync.reporting.log import Once, logger

if TYPE_CHECKING:  # it imports cryptography, and open nodes do without
    from dir_sync.network.sealing import MeshSealing

__all__ = ["Gone", "Meeting", "Peer"]

_FOUND_MS = 400  # nodes that hear the question for their beacons answer within 50 ms
_DIAL_AGAIN_MS = 1_000
_ASK_AGAIN_MS = 200
_ANSWER_MS = 60_000
_TICK_S = 0.1
_FORECASTS = 500  # records of one question; fewer, if they are large


class Gone(Exception):
    """A peer has left before it had answered."""


class Peer:
    """One of the other sides. `records` is complete when `is_complete` is true."""

    def __init__(self, node: Node, hello: Hello, ask: Callable[[Node, ForecastRequest], Forecast]) -> None:
        self.node = node
        self.name = show_text(hello.name)
        self.port = hello.port  # at which it can be dialled; 0: none
        self.replica = ""
        self.mode = Mode.TWO_WAY
        self.room: Room | None = None
        self.is_complete = False
        self.ask_again_ms: int | None = None
        self._records: dict[bytes, Record] = {}
        self._ask = ask
        self._folder = ""

    @property
    def records(self) -> Mapping[bytes, Record]:
        return self._records

    def took(self, rows: Rows, now_ms: int) -> int | None:
        """One more page has come. Returns behind which sequence the next one begins; None: not now."""
        if not rows.ready:
            self.ask_again_ms = now_ms + _ASK_AGAIN_MS
            return None
        self._folder, self.replica, self.mode = rows.folder, rows.replica, rows.mode
        self.room = rows.room
        self._records |= {record.path: record for record in rows.records}
        self.is_complete = rows.last
        return None if rows.last else rows.sequence

    def outcomes(self, told: Sequence[tuple[bytes, Sequence[Told]]]) -> list[Outcome]:
        """Raises Gone."""
        found: list[Outcome] = []
        records = [versions[0][1] for _, versions in told]
        for at in range(0, len(told), _FORECASTS):
            replica = told[at][1][0][0]  # the same everywhere: this machine's
            for page in pages(records[at : at + _FORECASTS]):
                answer = self._ask(self.node, ForecastRequest(self._folder, replica, page))
                if len(answer.outcomes) != len(page):
                    raise Gone
                found += [
                    Outcome(fate, self._records.get(record.path), reason)
                    for record, (fate, reason) in zip(page, answer.outcomes, strict=True)
                ]
        return found


class Meeting:
    """Main thread only; other threads put into its queue.

    It has more fields than a class should have: who is there, who is wanted, and the sockets by which they are met."""

    def __init__(
        self,
        config: Config,
        named: Sequence[Place],
        sealing: MeshSealing | None,
        is_over: Callable[[], bool],
        own: str = "",
    ) -> None:
        """`named`: those of the peers in `config` that have to be asked. `is_over`: nobody waits for the others any more. `own`:
        the id of the node that runs here for the folder, which is none of the others. Raises ConfigError if a port cannot be
        had."""
        self._config = config
        self._own = own
        self._is_over = is_over
        rng = random.Random()
        self._node, self._instance = f"{rng.getrandbits(64):016x}", f"{rng.getrandbits(64):016x}"
        self._news: queue.SimpleQueue[Link | tuple[Beacon, str]] = queue.SimpleQueue()
        self._once = Once()
        self._opened = ExitStack()
        self._peers: dict[int, Peer] = {}  # by link
        self._sought = Sought(named)
        self._dials: dict[Place, int] = {}  # when (ms) each place may be dialled again
        self._wanted: dict[Place, str] = dict.fromkeys(config.peers, "")  # with the node's id, if its beacon was heard
        self._led_to: dict[int, set[Place]] = {}  # where a link, or others to the same node, was dialled
        self.turned_away: dict[str, str] = {}  # address -> why there is no answer
        self._begun_ms = _now_ms()
        try:
            self._networks = Networks(config.interface, self._warn)
            self._manager = self._open_manager(sealing)
            if config.discovers:
                self._open_discovery(sealing)
        except BaseException:
            self._opened.close()
            raise

    @property
    def away(self) -> tuple[str, ...]:
        """A line for each machine that is not asked, with the reason: those that the user named, then whoever was turned away,
        and other peers of `config` that have not answered."""
        lines = [f"cannot ask {place[0]}:{place[1]} ({self._why_not(place)})" for place in self._missing()]
        asked = {peer.node.address for peer in self._peers.values()}
        silent = {address: NO_ANSWER for address, _ in self._config.peers if address not in asked}
        away = sorted((silent | self.turned_away).items())
        return (*lines, *(f"{address}: {why}" for address, why in away if not self._sought.is_named(address)))

    @property
    def lacks_named(self) -> bool:
        """True if a machine that the user named has not said yet what it has."""
        return bool(self._missing())

    def stop(self) -> None:
        self._opened.close()

    def _open_manager(self, sealing: MeshSealing | None) -> NodeManager:
        config = self._config
        trusted = frozenset(address for address, _ in config.peers)
        try:
            manager = NodeManager(
                0 if config.listens and sealing is None else None, bind_address(config.interface), self._hello,
                self._news.put, self._warn, lambda address: self._networks.is_near(address), trusted, None, sealing,
            )  # fmt: skip
        except OSError as error:
            raise NodeError(port_trouble("TCP", 0, "-l", error)) from error
        self._opened.callback(manager.stop)
        manager.start()
        return manager

    def _open_discovery(self, sealing: MeshSealing | None) -> None:
        config = self._config
        presence: Presence = OpenPresence() if sealing is None else sealing.presence
        try:
            discovery = Discovery(
                config.broadcast_port, config.interface, lambda beacon, at: self._news.put((beacon, at)),
                self._warn, presence,
            )  # fmt: skip
        except OSError as error:
            raise NodeError(port_trouble("UDP", config.broadcast_port, "-b", error)) from error
        self._opened.callback(discovery.stop)
        self._networks = discovery.networks
        if self._manager.port:
            tags = folder_tags([config.folder_name])
            discovery.announce(Beacon(self._node, self._instance, self._manager.port, True, tags))

    def _hello(self) -> Hello:
        config = self._config
        return Hello(PROTOCOL, self._node, config.name, self._instance, 0, (), config.folder_name)

    def _warn(self, line: str) -> None:
        if self._once.first(line):
            logger.warning("%s", line)

    # --- until all have said what they have ---------------------------------------------------------------------------

    def collect(self, wait_for: int) -> list[Peer]:
        """Those that have said all that they have, by name: at least `wait_for`, and all that the user named, unless it is over
        first."""
        while not self._is_over():
            found = list(self._peers.values())
            is_early = self._config.discovers and _now_ms() - self._begun_ms < _FOUND_MS
            is_enough = len(found) >= wait_for and all(peer.is_complete for peer in found)
            if is_enough and not is_early and not self.lacks_named:
                break
            self._dial()
            for peer in found:
                if peer.ask_again_ms is not None and peer.ask_again_ms <= _now_ms():
                    peer.ask_again_ms = None
                    self._ask_rows(peer.node, 0)
            self._wait(_TICK_S)
        complete = [peer for peer in self._peers.values() if peer.is_complete]
        names = [peer.name for peer in complete]
        for peer in complete:
            if names.count(peer.name) > 1:
                peer.name += f" ({peer.node.address}, {peer.replica[:8]})"
        return sorted(complete, key=lambda peer: (peer.name, peer.replica))

    def _dial(self) -> None:
        now = _now_ms()
        for place, node in self._wanted.items():
            is_named = place in self._sought.places
            is_known = self._is_settled(place, self._peers.values()) if is_named else self._is_met(place, node)
            if self._dials.get(place, 0) <= now and not is_known:
                self._dials[place] = now + _DIAL_AGAIN_MS
                self._manager.dial(*place)

    def _is_met(self, place: Place, node: str) -> bool:
        """True if there is a link with the node at that place. Several nodes of one machine share an address."""
        if any(place in self._led_to.get(link, ()) for link in self._peers):
            return True
        if node:
            return any(peer.node.id == node for peer in self._peers.values())
        return any(peer.node.address == place[0] and peer.port in (0, place[1]) for peer in self._peers.values())

    def _wait(self, within_s: float) -> tuple[Node, Forecast] | None:
        """Deal with what has come. Returns an answer to a question about what would happen, and whose it is."""
        try:
            news = self._news.get(timeout=within_s)
        except queue.Empty:
            return None
        match news:
            case (Beacon() as beacon, str() as address):
                self._heard(beacon, address)
            case HelloReceived(node, hello):
                self._greeted(node, hello)
            case MessageReceived(node, message, cost):
                node.consumed(cost)
                return self._said(node, message)
            case LinkClosed(node, reason, text):
                self._closed(node, reason, text)
            case Dialled(address, port, link, text, _, tried):
                self._sought.dialled((address, port), link, text, tried)
                if link is None:
                    self.turned_away[address] = text
                else:
                    self._led_to[link] = {(address, port)}
            case _:
                pass
        return None

    def _heard(self, beacon: Beacon, address: str) -> None:
        if self._own and beacon.node == self._own:
            return
        tags = folder_tags([self._config.folder_name]) or ()
        if beacon.folders is None or not set(tags).isdisjoint(beacon.folders):
            self._wanted[address, beacon.port] = beacon.node

    def _greeted(self, node: Node, hello: Hello) -> None:
        name = self._config.folder_name
        indexes = [folder for folder in hello.folders if folder.name == name]
        if hello.observes:
            self._manager.drop(node.link, NOTHING_IN_COMMON, "it is a dry run as well")
        elif self._own and hello.node == self._own:
            self._sought.met_ourselves(node.link)
            self._manager.drop(node.link, "bye")
        elif not indexes:
            self._turn_away(
                node, NOTHING_IN_COMMON, f"{show_text(hello.name)} shares no folder named {show_text(name)}"
            )
        elif indexes[0].paused:
            self._turn_away(node, "bye", f"{show_text(hello.name)} has paused {show_text(name)}")
        else:
            self._sought.met(node.link, node.address, hello.port, hello.name, [one.replica for one in indexes])
            met = next((link for link, peer in self._peers.items() if peer.node.id == hello.node), None)
            if met is not None:
                self._led_to.setdefault(met, set()).update(self._led_to.get(node.link, ()))
                self._manager.drop(node.link, "duplicate")
                return
            node.id = hello.node
            peer = self._peers[node.link] = Peer(node, hello, self._forecast)
            peer.replica = indexes[0].replica
            self._ask_rows(node, 0)

    def _turn_away(self, node: Node, reason: str, text: str) -> None:
        self.turned_away[node.address] = text
        self._sought.refused(node.link, text)
        self._manager.drop(node.link, reason)

    def _said(self, node: Node, message: Message) -> tuple[Node, Forecast] | None:
        peer = self._peers.get(node.link)
        if peer is None:
            return None
        if isinstance(message, Rows) and message.folder == self._config.folder_name and not peer.is_complete:
            after = peer.took(message, _now_ms())
            if after is not None:
                self._ask_rows(node, after)
        return (node, message) if isinstance(message, Forecast) else None

    def _closed(self, node: Node, reason: str, text: str) -> None:
        peer = self._peers.pop(node.link, None)
        self._led_to.pop(node.link, None)
        if reason == "lost" and node.dialled and node.is_mute:
            text = f"it {MUTE}"
        if peer is not None and reason == NOTHING_IN_COMMON:
            self.turned_away[node.address] = (
                f"{peer.name} shares that folder no longer, or cannot be asked: it runs an older version"
            )
        elif reason not in ("duplicate", "bye") and node.address not in self.turned_away:
            self.turned_away[node.address] = text or reason
        self._sought.refused(node.link, text or reason)

    def _ask_rows(self, node: Node, after: int) -> None:
        node.send(Outbound(RowsRequest(self._config.folder_name, after), 0))

    # --- whom the user named -------------------------------------------------------------------------------------------

    def _missing(self) -> list[Place]:
        """Those that have not said yet what they have."""
        complete = [peer for peer in self._peers.values() if peer.is_complete]
        return [place for place in self._sought.places if not self._is_settled(place, complete)]

    def _is_settled(self, place: Place, peers: Collection[Peer]) -> bool:
        """True if one of these is that machine, or if it is this one: all machines may have the same list of names."""
        found = self._sought.replicas_at(place) or frozenset()
        if self._sought.is_ourselves(place) or any(peer.replica in found for peer in peers):
            return True
        return place[1] == self._config.listen_port and any(map(tcp.is_own, self._sought.addresses(place)))

    def _why_not(self, place: Place) -> str:
        if self._sought.replicas_at(place) is None:
            return self._sought.why_not(place) or NO_ANSWER
        if self._is_settled(place, self._peers.values()):
            return "it has not said all that it has in time"
        addresses = (place[0], *self._sought.addresses(place))
        return next((self.turned_away[one] for one in addresses if one in self.turned_away), "it has left")

    # --- then ---------------------------------------------------------------------------------------------------------

    def _forecast(self, node: Node, question: ForecastRequest) -> Forecast:
        """Raises Gone."""
        node.send(Outbound(question, 0))
        until = _now_ms() + _ANSWER_MS
        while node.link in self._peers and not self._is_over():
            if _now_ms() >= until:  # its answer may still come, and would pass for one to the next question
                del self._peers[node.link]
                self._manager.drop(node.link, "timeout", "it did not say in time what it would do")
                break
            answer = self._wait(_TICK_S)
            if answer is not None and answer[0] is node:
                return answer[1]
        raise Gone


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
