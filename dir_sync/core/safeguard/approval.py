"""Whose decision counts: decisions about other nodes' changes, bound to the links that brought them.

In:   decisions of a person at this node or from a peer; the links that brought a change.
Out:  whether that change was approved.
Rule: a node cannot approve what its own link brought. Nothing that a peer claims about itself counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from dir_sync.core.named import NamedTuple

__all__ = ["Approval", "Approvals", "is_elsewhere"]

_TOLD_MAX = 1_000  # decisions of peers about changes that are not held here; the oldest are dropped


class Approval(NamedTuple):
    """Everything that a maker changed up to its counter is approved, if one of these links brought it."""

    counter: int
    links: frozenset[str]

    def __str__(self) -> str:
        return " ".join([str(self.counter), *sorted(self.links)])

    @classmethod
    def parse(cls, text: str) -> Approval:
        counter, *links = text.split()
        return cls(int(counter), frozenset(links))


def is_elsewhere(one: str, other: str, address_of: Callable[[str], str]) -> bool:
    """True if these are two nodes, on two machines as far as their addresses show: anybody can invent an id, but not an
    address."""
    mine, theirs = address_of(one), address_of(other)
    return one != other and (not mine or mine != theirs or mine.startswith("127."))


class Approvals:
    """What was approved: here (by a person, or by a peer for changes held here), and by peers for later."""

    def __init__(self, address_of: Callable[[str], str]) -> None:
        self.here: dict[str, Approval] = {}  # by maker
        self._told: dict[tuple[str, str], int] = {}  # maker and approver -> counter
        # by node: number of losses, and the paths that have arrived
        self._expected: dict[str, tuple[int, set[bytes]]] = {}
        self._reverts: dict[str, dict[bytes, set[bytes]]] = {}  # by node: path -> the contents that it may restore
        self._address_of = address_of

    def expect(self, node: str, files: int) -> None:
        """A person at this node approved losses that a peer holds: the peer announces so many deletions now."""
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

    def expect_reverts(self, node: str, contents: dict[bytes, set[bytes]]) -> None:
        """A peer rejected changes of this node, and restores some of these contents now."""
        self._reverts[node] = contents

    def is_revert(self, path: bytes, content: bytes, carriers: Collection[str]) -> bool:
        """True if this change is one of those restores."""
        return bool(content) and any(content in self._reverts.get(one, {}).get(path, ()) for one in carriers)

    def approve(self, maker: str, counter: int, links: Collection[str]) -> Approval | None:
        """Approve changes here. None if they were approved already."""
        known = self.here.get(maker, Approval(0, frozenset()))
        approval = Approval(max(counter, known.counter), known.links | frozenset(links))
        if approval == known:
            return None
        self.here[maker] = approval
        return approval

    def tell(self, maker: str, counter: int, approver: str) -> None:
        """A peer approved changes that have not arrived here yet."""
        key = (maker, approver)
        counter = max(counter, self._told.pop(key, 0))
        self._told[key] = counter
        if len(self._told) > _TOLD_MAX:
            del self._told[next(iter(self._told))]

    def covers(self, maker: str, counter: int, carriers: Collection[str]) -> bool:
        """True if this change may be carried out: one of the links that brought it was approved; or a peer that
        approved it has this very version, and a link of another machine brought it as well."""
        approval = self.here.get(maker)
        if approval is not None and counter <= approval.counter and not approval.links.isdisjoint(carriers):
            return True
        return bool(self._told) and any(
            counter <= self._told.get((maker, one), 0) and self.may_decide(one, maker, carriers) for one in carriers
        )

    def was_approved(self, maker: str, counter: int, link: str) -> bool:
        """True if a person has approved this change, which `link` brought. "": it was made here."""
        approval = self.here.get(maker)
        if approval is not None and counter <= approval.counter and (not link or link in approval.links):
            return True
        return any(
            counter <= most and (not link or self.may_decide(one, maker, {link}))
            for (of, one), most in self._told.items()
            if of == maker
        )

    def may_decide(self, approver: str, maker: str, carriers: Collection[str]) -> bool:
        """True if the approver is neither the maker nor one of the nodes whose links brought the change."""
        return approver != maker and any(is_elsewhere(approver, other, self._address_of) for other in carriers)
