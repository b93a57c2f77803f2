"""What goes wrong on a LAN while people work on: each fault begins, lasts, and is over when its function returns."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Callable

from .checker import holds
from .lan import Lan, Node


class Faults:
    """At random. `start` starts a node; `spared` are never killed, stopped or frozen (somebody measures them)."""

    def __init__(
        self, lan: Lan, rng: random.Random, start: Callable[[Node], object], spared: tuple[Node, ...] = ()
    ) -> None:
        self.lan, self.rng, self.start = lan, rng, start
        self.victims = [node for node in lan if node not in spared]

    def one(self) -> Node:
        return self.rng.choice(self.victims)

    def lasts(self, for_s: float) -> None:
        holds(lambda: True, for_s, "it lasts")

    def killed(self, for_s: float) -> None:
        """kill -9 of one; its user works on."""
        node = self.one()
        node.kill()
        self.lasts(for_s)
        self.start(node)

    def all_killed(self, for_s: float) -> None:
        for node in self.victims:
            node.kill()
        self.lasts(for_s / 4)
        for node in self.rng.sample(self.victims, len(self.victims)):
            self.start(node)

    def stopped(self, for_s: float) -> None:
        node = self.one()
        node.stop(limit_s=30)
        self.lasts(for_s)
        self.start(node)

    def isolated(self, for_s: float) -> None:
        node = self.rng.choice(self.lan.nodes)
        node.isolate()
        self.lasts(for_s)
        node.heal()

    def isolated_and_killed(self, for_s: float) -> None:
        """A partition that is one at once: no link is left half open."""
        node = self.one()
        node.isolate()
        node.kill()
        self.start(node)
        self.lasts(for_s)
        node.heal()

    def cut(self, for_s: float) -> None:
        one, other = self.rng.sample(self.lan.nodes, 2)
        self.lan.cut(one, other)
        self.lasts(for_s)
        self.lan.join(one, other)

    def unplugged(self, for_s: float) -> None:
        node = self.rng.choice(self.lan.nodes)
        node.unplug()
        self.lasts(for_s)
        node.heal()

    def frozen(self, for_s: float) -> None:
        """SIGSTOP: it neither reads nor dies."""
        node = self.one()
        node.send_signal(signal.SIGSTOP)
        self.lasts(for_s)
        node.send_signal(signal.SIGCONT)

    def slow(self, for_s: float) -> None:
        node = self.rng.choice(self.lan.nodes)
        node.limit_rate("2mbit")
        self.lasts(for_s)
        node.limit_rate(None)

    def signatures_lost(self, for_s: float) -> None:
        shutil.rmtree(self.rng.choice(self.lan.nodes).signatures, ignore_errors=True)
        self.lasts(for_s)

    def index_lost(self, for_s: float) -> None:
        """With the node killed: what it knew is gone, the folder and the history are there."""
        node = self.one()
        node.kill()
        for path in (node.dir / ".dir_sync").glob("index.db*"):
            path.unlink()
        self.lasts(for_s)
        self.start(node)
