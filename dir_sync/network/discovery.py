"""Presence: beacons as UDP broadcasts, sent and received.

In: beacons to send, datagrams. Out: (beacon, source address) to a callback, from the listening thread. Rule: no state
of the network makes this code crash or block, and a flood costs next to nothing.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from dir_sync.core import limits
from dir_sync.core.overload.rate import TokenBucket
from dir_sync.core.peers.beacon import CLOSED, CLOSED_TO_US, Beacon, Foreign, OpenPresence
from dir_sync.network.networks import Networks, broadcast
from dir_sync.network.siblings import Siblings

__all__ = ["Discovery", "Presence"]

DATAGRAMS_BURST, DATAGRAMS_PER_S = (
    2_000,
    1_000,
)  # 200 nodes that start at once send some 1,000; each costs 30 us
FLOOD_PAUSE_MS = 50  # datagrams that arrive meanwhile overflow in the kernel, at no cost for us
TROUBLE_PAUSE_MS = 1_000  # pause after an error of the socket
FOREIGN_MAX = 16  # reported nodes of other meshes: anybody can invent more
FOREIGN_SEEN_MAX = 1_024  # addresses at which one was heard, and that were not reported yet
FOREIGN_GRACE_MS = (
    4_000  # longer than a beacon needs: a machine may run a node of ours, too, and be heard as that a moment later
)
JOIN_S = 2.0

_HERE_CLOSED = Foreign(f"another node on this machine {CLOSED_TO_US}", "this machine, closed")
_HERE_OPEN = Foreign(
    "another node on this machine is open, and this one is not: they do not connect", "this machine, open"
)


class Presence(Protocol):
    """The form of beacons as datagrams: of an open mesh, or of a closed one."""

    def datagrams(self, beacon: Beacon, at: str, now_ms: int) -> list[bytes]:
        """The datagrams to send from the address `at`."""

    def heard(self, data: bytes, source: str) -> Beacon | Foreign | None:
        """The beacon or foreign node in a datagram; None if it is invalid. Never raises."""


class Discovery:
    """Two threads, one listens and one sends, from construction to `stop`.

    `port`: UDP, the same on all nodes. `interface`: name or address of the only one to use; it may appear later.
    `post(beacon, source)` must not wait. `report(line)` is called for errors, once for each, from both threads.
    `presence`: the form of beacons; that of an open mesh if None. `siblings`: of all nodes of this process; None: it has one
    only. OSError if the port cannot be bound.

    It has more fields than a machine may have: what its two threads tell each other, and what each keeps to itself.
    """

    def __init__(
        self,
        port: int,
        interface: str | None,
        post: Callable[[Beacon, str], None],
        report: Callable[[str], None] = lambda line: None,
        presence: Presence | None = None,
        siblings: Siblings | None = None,
    ) -> None:
        self._port = port
        self._post = post
        self._presence: Presence = presence or OpenPresence()
        self._siblings = siblings or Siblings()
        self._foreign: set[str] = set()  # what people were told of; listening thread only
        self._foreign_since: OrderedDict[str, int] = OrderedDict()  # by address, in ms; listening thread only
        self.networks = Networks(interface, report)
        # Bound to all addresses, because a socket bound to one receives no broadcasts. SO_REUSEADDR: each process on
        # this machine that sets it receives each broadcast.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            self._socket.setblocking(False)
            self._socket.bind(("", port))
            self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC)
        except BaseException:
            self._socket.close()
            raise

        # Read by any thread; replaced as a whole.
        self._own: frozenset[tuple[str, str]] = frozenset()

        self._change = threading.Condition()
        # Under `_change`.
        self._pending: Beacon | None = None
        self._is_stopping = False

        self._threads = (
            threading.Thread(target=self._listen, name="presence-listen", daemon=True),
            threading.Thread(target=self._speak, name="presence-send", daemon=True),
        )
        for thread in self._threads:
            thread.start()

    def announce(self, beacon: Beacon) -> None:
        """Send the beacon soon, instead of an earlier one that was not sent yet. Beacons of this node and instance are
        not posted from now on."""
        with self._change:
            if (beacon.node, beacon.instance) not in self._own:
                self._own |= {(beacon.node, beacon.instance)}
            if self._pending is not None and self._pending.ask:
                beacon = beacon._replace(ask=True)
            self._pending = beacon
            self._change.notify_all()

    def stop(self) -> None:
        """End both threads and wait for them. Further calls do nothing."""
        with self._change:
            if self._is_stopping:
                return
            self._is_stopping = True
            self._change.notify_all()
        os.write(self._wake_write, b".")
        for thread in self._threads:
            thread.join(JOIN_S)
        self._siblings.sends(self, frozenset())
        if any(thread.is_alive() for thread in self._threads):
            return  # the thread still uses them
        self._socket.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    # --- listening ------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        bucket = TokenBucket(DATAGRAMS_BURST, DATAGRAMS_PER_S, _now_ms())
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        pause = select.poll()
        pause.register(self._wake_read, select.POLLIN)
        while all(handle != self._wake_read for handle, _ in poll.poll()):
            while True:
                if bucket.wait_ms(_now_ms()):
                    if pause.poll(FLOOD_PAUSE_MS):
                        return
                    continue
                try:
                    # One byte more than allowed reveals a longer datagram.
                    data, source = self._socket.recvfrom(limits.BEACON_BYTES_MAX + 1)
                except BlockingIOError:
                    break
                except OSError as error:
                    self.networks.report_once(
                        ("", error.errno or 0), f"cannot listen for other nodes: {error.strerror}"
                    )
                    if pause.poll(TROUBLE_PAUSE_MS):
                        return
                    break
                bucket.take(_now_ms())
                self._received(data, source[0])

    def _received(self, data: bytes, source: str) -> None:
        if len(data) > limits.BEACON_BYTES_MAX or self._siblings.is_own(data):
            return
        said = self._presence.heard(data, source)
        if said is None:
            return
        if isinstance(said, Foreign):
            self._tell_of_foreign(said, source)
        elif (said.node, said.instance) not in self._own and self.networks.is_near(source):
            self._siblings.met(source, _now_ms())
            self._post(said, source)

    def _tell_of_foreign(self, said: Foreign, source: str) -> None:
        """Once: it is not of our mesh, and nobody should wonder why it does not connect. There are three cases:
        1. It is another process on this machine. That is the user's own, most probably: no advice to let it in.
        2. One of the nodes of this process connects to that machine: it shares several folders, like this one, and what is
           foreign here is at home there. Nothing is said.
        3. Another machine. It may be case 2, and its other beacon on its way, so it is told of a few seconds later."""
        if self.networks.is_own(source):
            said = _HERE_CLOSED if said.who == CLOSED else _HERE_OPEN
        elif said.who in self._foreign or not self.networks.is_near(source) or self._may_be_ours(source):
            return
        if said.who not in self._foreign and len(self._foreign) < FOREIGN_MAX and self.networks.is_near(source):
            self._foreign.add(said.who)
            self.networks.report_once(("foreign", said.who), said.words)

    def _may_be_ours(self, source: str) -> bool:
        now_ms = _now_ms()
        if self._siblings.knows(source, now_ms):
            self._foreign_since.pop(source, None)
            return True
        since_ms = self._foreign_since.setdefault(source, now_ms)
        if len(self._foreign_since) > FOREIGN_SEEN_MAX:
            self._foreign_since.popitem(last=False)
        return now_ms - since_ms < FOREIGN_GRACE_MS

    # --- sending --------------------------------------------------------------------------------------------

    def _speak(self) -> None:
        sent: set[bytes] = set()
        self.networks.list()  # the first call takes some 25 ms; make it before the first beacon is due
        while True:
            with self._change:
                self._change.wait_for(lambda: self._is_stopping or self._pending is not None)
                if self._is_stopping:
                    return
                beacon, self._pending = self._pending, None
            assert beacon is not None
            last, sent = sent, set()
            for network in self.networks.list():
                datagrams = self._presence.datagrams(beacon, network.address, _now_ms())
                sent.update(datagrams)
                self._siblings.sends(self, frozenset(sent | last))
                try:
                    for data in datagrams:
                        broadcast(data, network, self._port)
                except OSError as error:
                    # No route, no permission (a firewall), or gone meanwhile: continue with the other networks.
                    where = f"{network.name} ({network.broadcast})"
                    self.networks.report_once(
                        (network.name, error.errno or 0),
                        f"cannot announce this node on {where}: {error.strerror}",
                    )


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
