"""A roster at time 0, and what the tests of it do to it: beacons, dials, links."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dir_sync.core.peers.beacon import Beacon, folder_tags
from dir_sync.core.peers.roster import Accept, Action, Dial, Roster

ME = "5555"
SMALLER = "1111"
LARGER = "9999"
HOST = "10.0.0.9"
PORT = 6000


class Mean:
    """Dice that always show the middle."""

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


def beacon(
    node: str = LARGER, instance: str = "aa", port: int = PORT, ask: bool = False, folders: Iterable[str] | None = None
) -> Beacon:
    return Beacon(node, instance, port, ask, None if folders is None else folder_tags(folders))


def connected_nodes(roster: Roster) -> list[str]:
    return roster._links.nodes()


def link_of(roster: Roster, node: str) -> int | None:
    return roster._links.id_of(node)


def started(
    fixed: Iterable[tuple[str, int]] = (), instance: str = "50", folders: Iterable[str] | None = None
) -> Roster:
    """A roster at time 0 whose first announcement is out."""
    mine = Roster(ME, instance, Mean(), 0, tuple(fixed), None if folders is None else folder_tags(folders))
    assert mine.next_deadline() == 0
    return mine


def dials(actions: Iterable[Action]) -> list[Dial]:
    return [action for action in actions if isinstance(action, Dial)]


def run(mine: Roster, until_ms: int, ok: Callable[[Dial], bool] = lambda dial: False) -> list[tuple[int, Dial]]:
    """Let time pass; dials fail at once unless `ok`. What was dialled, and when."""
    out = []
    while (at_ms := mine.next_deadline()) <= until_ms:
        for dial in dials(mine.tick(at_ms)):
            out.append((at_ms, dial))
            if not ok(dial):
                mine.dialled(dial.address, dial.port, None, at_ms)
    return out


def linked(
    mine: Roster,
    node: str,
    now_ms: int,
    link_id: int = 1,
    instance: str = "aa",
    ours: bool = False,
    host: str = HOST,
    is_known: bool = False,
) -> None:
    assert mine.hello(link_id, node, instance, ours, host, PORT, now_ms, is_known) == Accept()


def crowd(mine: Roster, count: int, per_address: int, first: int = 0) -> None:
    """So many links, of peers that are not known, at addresses of their own."""
    for number in range(first, first + count):
        at = number // per_address
        linked(mine, f"a{number:x}", number, link_id=number, host=f"10.1.{at // 250}.{at % 250}")
