"""Two nodes that keep a folder equal, and the place from where they are attacked."""

from __future__ import annotations

import re

from ..changes import blob, write
from ..checker import survey, wait_equal
from ..lan import Lan, Node, ip

SOON_S = 30.0


def more_addresses(place: Node, count: int) -> tuple[str, ...]:
    """The place has these addresses, too."""
    network = place.address.rpartition(".")[0]
    addresses = tuple(f"{network}.{100 + number}" for number in range(count))
    for address in addresses:
        ip("-n", place.ns, "address", "add", f"{address}/24", "dev", "eth0")
    return addresses


class Victims:
    """Nodes `a` and `b` keep a folder equal; an attacker sits at `place`, where no daemon runs."""

    def __init__(self, lan: Lan) -> None:
        self.lan = lan
        self.a, self.b, self.place = lan.nodes[:3]
        self.pair = [self.a, self.b]
        self.roots = [self.a.dir, self.b.dir]
        self.turn = 0

    def start(self, *args: str) -> None:
        for node in self.pair:
            write(node.dir / f"from {node}", b"1")
            node.start(*args)
        wait_equal(self.roots, SOON_S)
        self.work()

    def work(self) -> None:
        """Edits, made on either node, arrive on the other one."""
        for node in self.pair:
            self.turn += 1
            write(node.dir / f"from {node}", f"turn {self.turn}".encode())
            write(node.dir / f"new {self.turn % 10}", blob(100_000, self.turn))
            wait_equal(self.roots, SOON_S, like=survey(node.dir))

    def outside(self) -> set[bytes]:
        """Every name that is around the shared folders, but what is the daemons' own."""
        own = re.compile(rb"n\d/(shared|home|signatures|tmp|log\.txt)(/|$)")
        return {path for path in survey(self.lan.work, contents=False) if not own.match(path)}
