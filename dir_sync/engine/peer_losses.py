"""The brake on what peers remove: which removals are held, and which link brought them.

In:   removals that would be applied now. Out: whether each goes ahead, waits for more of its kind, or is held.
Rule: a burst counts by the link that brings it, by its maker, and all together.
Used by: transfers, rows, acquire, intake, decisions, router, path_decisions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dir_sync.core import limits, notes
from dir_sync.core.messages import Held
from dir_sync.core.model import Kind, Record, counter_of, parent_of
from dir_sync.core.peers.contact import Contact
from dir_sync.core.reconcile import Offer, Take
from dir_sync.core.safeguard.approval import Approval, Approvals
from dir_sync.core.safeguard.peer_brake import OLD_NS, Verdict
from dir_sync.engine.board import Board
from dir_sync.engine.brakes import Brakes
from dir_sync.engine.constants import BRAKED_AT, MEMBER, NOBODY, OURS, PLAN_MAX
from dir_sync.engine.contacts import Contacts
from dir_sync.engine.mode_rules import ModeRules
from dir_sync.engine.sources import Sources
from dir_sync.engine.values import holder_of
from dir_sync.engine.work import WorkTable
from dir_sync.index import BRAKED, Index

__all__ = ["PeerLosses"]

_STAYS = (
    "stays held "  # prefix of an index note, before the id of a link: a person decided about some of what it brought
)
_HEARSAY = (
    "hearsay "  # prefix of an index note, before the id of a link: how many tombstones of unknown paths it brought.
)
_LET_GO = "let go "  # prefix of an index note, before a path in hex: the maker and counter of a change approved alone


class PeerLosses:
    """The brake on what peers remove: which removals are held, which link brought them, and who may decide."""

    def __init__(
        self,
        board: Board,
        mode_rules: ModeRules,
        contacts: Contacts,
        work: WorkTable,
        sources: Sources,
        brakes: Brakes,
        index: Index,
    ) -> None:
        self._board = board
        self._mode_rules = mode_rules
        self._work = work
        self._sources = sources
        self._brakes = brakes
        self.approvals = Approvals(lambda replica: contacts.addresses.get(replica, ""))
        self.approvals.here = {
            maker: Approval.parse(str(text)) for maker, text in index.notes.below("approved ").items() if text
        }
        self._hearsay: dict[str, int] | None = None  # by link: how many tombstones of unknown paths it brought

    def hold_if_disaster(self, mine: Record, target: Record) -> bool:
        """True if another node's change to a file of ours is not carried out now, because there are too many like
        it."""
        maker = target.stamp.maker
        limits_ = self._brakes.own.limits
        if mine.kind != Kind.FILE or not limits_.files:
            return False
        carriers = self.carriers(mine.path, maker)
        if OURS in carriers:
            return False  # a person at this node asked for it
        carriers = carriers or {maker}  # the peers that announced it have announced something else since
        counter = counter_of(target.vector, maker) or 0
        files = self._board.index.rows.count_live()[0] - self._board.removing
        is_removal = target.kind == Kind.ABSENT
        if is_removal and self._is_being_moved(mine.path):
            return False
        if self.approvals.covers(maker, counter, carriers):
            return False
        if is_removal and self.approvals.is_expected(mine.path, maker, carriers):
            return False
        if self.approvals.is_revert(mine.path, target.content, carriers):
            return False
        if not is_removal and self._brakes.peers.holds(mine.path) and not self._brakes.peers.holds_rewrites(maker):
            self.settled_peers(mine.path)  # its removal was held, and is replaced by a new version
        if self._is_made_anew(mine.path, maker, carriers):
            self.decided([mine.path])
        was_on = bool(self._brakes.peers.held())
        is_old = mine.stamp.ns + OLD_NS < target.stamp.ns
        link = maker if maker in carriers else min(carriers)
        verdict = self._brakes.peers.ask(
            link, maker, counter, mine.path, is_removal, is_old, mine.content, files, self._board.now.mono_ms
        )
        if verdict is Verdict.HOLD:
            self._work.arrivals.unready(mine.path)
            if was_on:
                self._brakes.publish_later()
            else:
                self._brakes.publish()
        return verdict is not Verdict.PASS

    def _is_made_anew(self, path: bytes, maker: str, carriers: Collection[str]) -> bool:
        """True if another node stands by a held change: its own link brings a version of its own, as when a person there
        approved this path. It is judged as what that link brings. As with all decisions, a stranger does not count."""
        change, link = self._brakes.peers.change_at(path), self._brakes.peers.link_of(path)
        if change is None or link is None or not change[1] or change[0] == maker or maker not in carriers:
            return False
        is_member = self._board.index.notes.get(MEMBER + maker) == 1
        return is_member and self.approvals.may_decide(maker, change[0], {link})

    def decided(self, paths: Iterable[bytes]) -> None:
        """A person decided about these held paths alone. What else their links brought stays held, also over a start.
        The peers hear soon that less is held here, or nothing."""
        self._brakes.publish_later()
        for path in paths:
            self._stay_held(path)
            for link in self._brakes.peers.settled(path, self._board.now.mono_ms):
                self.no_longer_braked(link)

    def _stay_held(self, path: bytes) -> None:
        self._board.index.notes.put(_STAYS + self._brakes.peers.stay_held(path), 1)

    def brake_again(self) -> None:
        """Hold again what was held when the program ended."""
        kinds = {link: kind for link, kind in self._board.index.notes.below(BRAKED).items() if kind}
        for path_hex in self._board.index.notes.below(_LET_GO) if not kinds else ():
            self._board.index.notes.forget(_LET_GO + path_hex)
        held: dict[str, dict[bytes, tuple[str, int]]] = {link: {} for link in kinds}
        rewritten: set[bytes] = set()
        after: bytes | None = None
        while held and (paths := self._board.index.offers.paths(after, PLAN_MAX)):
            after = paths[-1]
            for path in paths:
                row = self._board.index.rows.get(path)
                decision = self._mode_rules.decision_at(path, row)
                if row is None or row.record.kind != Kind.FILE or not isinstance(decision, Take):
                    continue
                target = decision.record
                maker = target.stamp.maker
                carriers = self.carriers(path, maker)
                if OURS in carriers:
                    continue  # a person at this node approved it
                for link in sorted(carriers & held.keys()):
                    if target.kind == Kind.ABSENT or kinds[link] == "rewrites":
                        held[link][path] = maker, counter_of(target.vector, maker) or 0
                        if target.kind != Kind.ABSENT:
                            rewritten.add(path)
                        break
        for link, paths_held in held.items():
            if not paths_held:
                self.no_longer_braked(link)
                continue
            self._brakes.peers.go_on(link, paths_held, kinds[link] == "rewrites", rewritten & paths_held.keys())
            if self._board.index.notes.get(_STAYS + link):
                self._brakes.peers.stay_held(next(iter(paths_held)))
            self._board.tell(notes.StillHeld(self._board.name_of(link)))

    def judge_peers(self) -> None:
        due = self._brakes.peers.due_ms()
        if due is None or due > self._board.now.mono_ms:
            return
        files = self._board.index.rows.count_live()[0] - self._board.removing
        for link, paths, held, is_less, removed in self._brakes.peers.judge(
            self._is_being_moved, self._is_here, self._board.is_being_told, files, self._board.now.mono_ms
        ):
            if held:
                for path in paths:
                    self._work.arrivals.unready(path)
                kind = "rewrites" if self._brakes.peers.is_rewriting(link) else "removals"
                self._board.index.notes.put(BRAKED + link, kind)
                if not self._board.index.notes.get(BRAKED_AT + link):
                    self._board.index.notes.put(BRAKED_AT + link, self._board.now.wall_ns)
                self._board.tell(notes.PeerHeld(paths[0], self._board.name_of(link), len(paths), files, removed))
                self._brakes.publish()
            else:
                self._board.plan_queue.add_all(dict.fromkeys(paths))
                self._board.plan_queue.add_all_offers()  # also the folders that waited for these paths
            if is_less:
                self.no_longer_braked(link)
                self._board.tell(notes.NothingHeld())
                self._brakes.publish()

    def _is_here(self, content: bytes) -> bool:
        return any(not self._brakes.peers.holds(one.record.path) for one in self._board.index.rows.by_content(content))

    def _is_being_moved(self, path: bytes) -> bool:
        """True if the content of a path that should go exists under another name, or is about to."""
        row = self._board.index.rows.get(path)
        if row is None:
            return False
        content = row.record.content
        if self._work.arrivals.path_it_arrives_at(content) not in (None, path) or self._work.folders.is_content_awaited(
            content
        ):
            return True
        others = self._board.index.rows.by_content(content)
        return any(one.record.path != path and not self._brakes.peers.holds(one.record.path) for one in others)

    def count_hearsay(self, offers: list[Offer]) -> bool:
        """True if this tombstone of an unknown path exceeds the limit of its link."""
        if self._hearsay is None:
            self._hearsay = {
                link: count for link, count in self._board.index.notes.below(_HEARSAY).items() if isinstance(count, int)
            }
        link = min((holder_of(offer.peer) for offer in offers), default="")
        count = self._hearsay.get(link, 0) + 1
        if count > limits.HEARSAY_PER_LINK_MAX or sum(self._hearsay.values()) >= limits.HEARSAY_MAX:
            return True
        self._hearsay[link] = count
        self._board.index.notes.put(_HEARSAY + link, count)
        return False

    def forget_strangers(self) -> None:
        """Forget peers that never shared the folder when there are too many of them: ids cost an attacker nothing."""
        peers = self._board.index.peers.replicas()
        if len(peers) <= limits.PEERS_KEPT_MAX:
            return
        members = self._board.index.notes.below(MEMBER)
        strangers = [replica for replica in peers if replica not in members and replica not in self._board.peers]
        for replica in strangers[: max(0, len(strangers) - limits.PEERS_KEPT_MAX // 2)]:
            self._board.index.forget_peer(replica)

    def carriers(self, path: bytes, maker: str) -> set[str]:
        """The peers whose links announced a version by `maker` that we do not have; "~" for a restored version."""
        offers = self._board.index.offers.of(path)
        return {OURS if offer.peer.startswith(OURS) else offer.peer for offer in offers if _is_by(offer, maker)}

    def approved_alone(self, record: Record) -> None:
        """A person approved this version of one path, and no version of this node says so."""
        self._board.index.notes.put(_LET_GO + record.path.hex(), _change_of(record, record.stamp.maker))

    def was_approved(self, path: bytes, maker: str, link: str) -> bool:
        """True if a person approved the change that `maker` made last at this path. `link`: that brought it; "": made here."""
        row = self._board.index.rows.get(path)
        counter = None if row is None else counter_of(row.record.vector, maker)
        if row is None or counter is None:
            return False
        is_alone = self._board.index.notes.get(_LET_GO + path.hex()) == _change_of(row.record, maker)
        return is_alone or self.approvals.was_approved(maker, counter, link)

    def no_longer_braked(self, link: str) -> None:
        self._board.index.notes.put(BRAKED + link, "")
        self._board.index.notes.put(BRAKED_AT + link, "")
        if self._board.index.notes.get(_STAYS + link):
            self._board.index.notes.put(_STAYS + link, 0)

    def on_brake_news(self, peer: Contact, held: tuple[Held, ...]) -> None:
        """A peer reported what its brake holds now."""
        if self._sources.forget_missing(peer.replica):
            self._board.plan_queue.add_all_offers()
        known = self._brakes.held_elsewhere.get(peer.replica, ())
        self._brakes.held_there(peer.replica, held)
        if held:
            for maker, _, files, path in [one for one in held if all(one.maker != old.maker for old in known)][:1]:
                if maker == peer.replica:
                    self._board.tell(notes.LossHeldThere(path, peer.name, files))
                else:
                    who = None if maker == self._board.index.identity.replica else self._board.name_of(maker)
                    self._board.tell(notes.HeldThere(path, peer.name, who, files))

    def settled_peers(self, path: bytes, by: str = "") -> None:
        """The held change of a path is not wanted any more, or was carried out. `by`: who made the version that is here now.
        If that is a third node, a person there may have decided: the rest does not pass because it is less now."""
        change = self._brakes.peers.change_at(path)
        if change is not None and change[1] and by not in ("", change[0], self._board.index.identity.replica):
            self._stay_held(path)
        if change is not None:
            self._board.plan_queue.add(parent_of(path))  # the parent folder may have waited for this path
            self._brakes.publish_later()
        free = self._brakes.peers.settled(path, self._board.now.mono_ms)
        if free:
            for link in free:
                self.no_longer_braked(link)
            self._board.tell(notes.NothingHeld())
            self._brakes.publish()


def _is_by(offer: Offer, maker: str) -> bool:
    """True if `maker` made the offered version."""
    return offer.record.stamp.maker == maker and offer.peer != NOBODY


def _change_of(record: Record, maker: str) -> str:
    """The last change of `maker` that a version includes, as a word."""
    return f"{maker} {counter_of(record.vector, maker)}"
