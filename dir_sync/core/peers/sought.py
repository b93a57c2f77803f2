"""The machines that the user named: which of them were met, and why others were not.

In:   ends of dials, HELLOs and refusals, from the links. Out: the replicas at each named place, or why it was not met.
Rule: a machine is met whichever side has dialled, and under whichever of its names and addresses it came. Of two nodes at one
address the port tells them apart. One thread writes; another one may read: each value is replaced as a whole.
Used by: daemon.daemon, daemon.dry_run, daemon.links, daemon.meeting, daemon.sharing, daemon.shot, daemon.status.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dir_sync.core.named import NamedTuple

__all__ = ["Place", "Sought"]

_MET_MAX = 256  # peers that are remembered

Place = tuple[str, int]  # a host or address, as the user named it, and a port


class _Met(NamedTuple):
    """A peer with which there was a link."""

    address: str
    port: int  # at which it can be dialled; 0: none
    name: str
    place: Place | None  # at which it was dialled, if the user named that


class Sought:
    """`places`: those that the user named."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = tuple(dict.fromkeys(places))
        self._addresses: dict[Place, frozenset[str]] = {}  # to which each name leads
        self._met: dict[_Met, frozenset[str]] = {}  # with its replicas
        self._why: dict[Place, str] = {}  # why there was no link at last, since that machine was met
        self._ourselves: frozenset[Place] = frozenset()
        self._dialled: dict[int, Place] = {}  # by link: those that have not said HELLO, and have not ended

    # --- what happened ----------------------------------------------------------------------------------------------

    def dialled(self, place: Place, link: int | None, text: str, addresses: Sequence[str]) -> None:
        """A dial has ended, in that link or without one, and why. `addresses`: where it was tried."""
        if place not in self.places:
            return
        self._addresses = self._addresses | {place: self.addresses(place) | set(addresses)}
        if link is None:
            self._why = self._why | {place: text}
        else:
            self._dialled[link] = place

    def met(self, link: int, address: str, port: int, name: str, replicas: Sequence[str]) -> None:
        """A peer said HELLO on that link. `port`: as the HELLO names it."""
        if not self.places:
            return
        place = self._dialled.pop(link, None)
        one = _Met(address, port if place is None else place[1], name, place)
        known = self._met if one in self._met or len(self._met) < _MET_MAX else dict(list(self._met.items())[1:])
        self._met = known | {one: frozenset(replicas)}
        self._why = {place: why for place, why in self._why.items() if not self._is_at(one, place)}

    def met_ourselves(self, link: int) -> None:
        """That link has led to this node."""
        place = self._dialled.pop(link, None)
        if place is not None:
            self._ourselves |= {place}

    def refused(self, link: int, text: str) -> None:
        """That link has led to nothing, and why. Nothing happens after another call for the same link."""
        place = self._dialled.pop(link, None)
        if place is not None:
            self._why = self._why | {place: text}

    # --- what is known ----------------------------------------------------------------------------------------------

    def is_ourselves(self, place: Place) -> bool:
        return place in self._ourselves

    def addresses(self, place: Place) -> frozenset[str]:
        """Those at which that place was tried."""
        return self._addresses.get(place, frozenset())

    def is_named(self, address: str) -> bool:
        """True for an address that the user named, or to which a name leads."""
        return any(address == place[0] or address in self.addresses(place) for place in self.places)

    def replicas_at(self, place: Place) -> frozenset[str] | None:
        """Of the machine at that place, now or earlier; None: it was not met."""
        found = [replicas for one, replicas in self._met.items() if self._is_at(one, place)]
        return frozenset().union(*found) if found else None

    def why_not(self, place: Place) -> str | None:
        """Why that machine was not met; None: no dial has ended yet, or it was met."""
        return self._why.get(place) if self.replicas_at(place) is None else None

    def missed(self, connected: Collection[str]) -> tuple[tuple[Place, str], ...]:
        """The places of machines that are not met, and why not. `connected`: the replicas with which there is a link now."""
        why, found = self._why, []
        for place in self.places:
            here = (self.replicas_at(place) or frozenset()).intersection(connected)
            if place in why and not here and not self.is_ourselves(place):
                found.append((place, why[place]))
        return tuple(found)

    # --- parts of these ---------------------------------------------------------------------------------------------

    def _is_at(self, one: _Met, place: Place) -> bool:
        host, port = place
        if one.place == place:
            return True
        if one.address not in (host, *self.addresses(place)) and one.name.casefold() != host.casefold():
            return False
        return one.port == port or not (one.address.startswith("127.") or self._is_other(place, one.port))

    def _is_other(self, place: Place, port: int) -> bool:
        """True if the user named another node on the machine at that place, by that port."""
        mine = {place[0], *self.addresses(place)}
        return any(
            other[1] == port and not mine.isdisjoint((other[0], *self.addresses(other))) for other in self.places
        )
