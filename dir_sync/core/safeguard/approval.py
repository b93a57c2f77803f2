"""Whose word counts: decisions about what other nodes did here, bound to the links that brought it.

In:   decisions, of a person at this node or told by a peer; and who brought a change.
Out:  whether that change was approved.
Rule: nobody approves what its own link brought. What a peer says about itself, in any field, counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

__all__ = ["Approval", "Approvals", "is_elsewhere"]

_TOLD_MAX = 1_000  # decisions of peers that are about nothing held here; the oldest give way


class Approval(NamedTuple):
    """All that a maker did up to its counter was meant, as far as one of these links brought it."""

    counter: int
    links: frozenset[str]

    def __str__(self) -> str:
        return " ".join([str(self.counter), *sorted(self.links)])

    @classmethod
    def parse(cls, text: str) -> Approval:
        counter, *links = text.split()
        return cls(int(counter), frozenset(links))


def is_elsewhere(one: str, other: str, address_of: Callable[[str], str]) -> bool:
    """True if these are two nodes, on two machines as far as one can see: ids are free, addresses are not."""
    mine, theirs = address_of(one), address_of(other)
    return one != other and (not mine or mine != theirs or mine.startswith("127."))


class Approvals:
    """What was approved: here (by a person, or by a peer about what was held here), and by peers for later."""

    def __init__(self, address_of: Callable[[str], str]) -> None:
        self.here: dict[str, Approval] = {}  # by maker
        self._told: dict[tuple[str, str], int] = {}  # maker and approver -> counter
        self._expected: dict[str, tuple[int, set[bytes]]] = {}  # by node: how many losses, which of them have come
        self._reverts: dict[str, dict[bytes, bytes]] = {}  # by node: path -> the content that it will put back
        self._address_of = address_of

    def expect(self, node: str, files: int) -> None:
        """A person at this node has approved so many losses that a node holds itself: it will tell of them now."""
        self._expected[node] = files, set()

    def is_expected(self, path: bytes, maker: str, carriers: Collection[str]) -> bool:
        """True if this removal is one of them."""
        if maker not in carriers or maker not in self._expected:
            return False
        most, come = self._expected[maker]
        if path not in come and len(come) >= most:
            return False
        come.add(path)
        return True

    def expect_reverts(self, node: str, contents: dict[bytes, bytes]) -> None:
        """What this node did was rejected at another one, which will put back these contents now."""
        self._reverts[node] = contents

    def is_revert(self, path: bytes, content: bytes, carriers: Collection[str]) -> bool:
        """True if this change is one of those."""
        return bool(content) and any(self._reverts.get(one, {}).get(path) == content for one in carriers)

    def approve(self, maker: str, counter: int, links: Collection[str]) -> Approval | None:
        """Approved here. None if that is no news."""
        known = self.here.get(maker, Approval(0, frozenset()))
        approval = Approval(max(counter, known.counter), known.links | frozenset(links))
        if approval == known:
            return None
        self.here[maker] = approval
        return approval

    def tell(self, maker: str, counter: int, approver: str) -> None:
        """A peer has approved what has not been brought here yet."""
        key = (maker, approver)
        counter = max(counter, self._told.pop(key, 0))
        self._told[key] = counter
        if len(self._told) > _TOLD_MAX:
            del self._told[next(iter(self._told))]

    def covers(self, maker: str, counter: int, carriers: Collection[str]) -> bool:
        """True if this change may happen: one of the links that brought it was approved; or a peer that has approved it
        holds this very version itself, and somebody on another machine brought it, too."""
        approval = self.here.get(maker)
        if approval is not None and counter <= approval.counter and not approval.links.isdisjoint(carriers):
            return True
        return bool(self._told) and any(
            counter <= self._told.get((maker, one), 0) and self.may_decide(one, maker, carriers) for one in carriers
        )

    def may_decide(self, approver: str, maker: str, carriers: Collection[str]) -> bool:
        """True if the approver is another node than its maker, and than one of those whose links brought it."""
        return approver != maker and any(is_elsewhere(approver, other, self._address_of) for other in carriers)
