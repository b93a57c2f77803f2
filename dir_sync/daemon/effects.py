"""Performs the effects of the engine, after the commit that they rely on.

In:   the effects of a turn. Out: a committed index; messages on links, jobs for workers, log lines, answers to
commands.
Rule: an effect that tells others about the index waits until the commit is durable; every other effect waits at most
for a commit.
Used by: chores, folder, sharing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from dir_sync.core.events import Drained, Drop, Effect, Excerpt, NewReplica, Report, Send, Tell, UselessAnnouncements
from dir_sync.core.jobs import ApplyJob
from dir_sync.core.live_notes import Event
from dir_sync.core.messages import Chunks, Delta, DeltaRequest, NeedSignature, Pull, PullItem, Signature
from dir_sync.core.notes import LocalChange, Note
from dir_sync.core.verify import VerifyJob
from dir_sync.daemon.borrowing import Borrowed, Borrowing
from dir_sync.daemon.inbox import Post
from dir_sync.daemon.peers import ConnectedPeers
from dir_sync.daemon.requests import Requests
from dir_sync.daemon.share import Share
from dir_sync.daemon.stream import Stream
from dir_sync.daemon.witness import Witness
from dir_sync.file_sync import SYNC_ALL_FROM, is_new_file
from dir_sync.folder import state
from dir_sync.network.outbox import Outbound
from dir_sync.reporting.narrator import Narrator

__all__ = ["Performer"]

_COMMIT_EVERY_S = 0.3  # a commit that no effect waits for is made after this at the latest
_NOTHING_OF_THE_INDEX = (Chunks, Delta, DeltaRequest, NeedSignature, Pull, Signature)


class Performer:
    """Engine thread only."""

    def __init__(
        self,
        share: Share,
        peers: ConnectedPeers,
        requests: Requests,
        narrator: Narrator,
        inbox: Post,
        borrowing: Borrowing | None = None,
        witness: Witness | None = None,
        is_beside_others: Callable[[], bool] = lambda: False,
        stream: Stream | None = None,
    ) -> None:
        """`is_beside_others`: the node has more folders. `borrowing`: from them. `witness`: of a run that ends when all is in
        sync. `stream`: for programs that listen."""
        self._stream = stream
        self._is_beside_others = is_beside_others
        self._witness = witness
        self._borrowing = borrowing
        self._share = share
        self._peers = peers
        self._requests = requests
        self._narrator = narrator
        self._inbox = inbox
        self._commit_from_s = time.monotonic() + _COMMIT_EVERY_S

    def perform(self, effects: Sequence[Effect]) -> None:
        """Commit what the effects rely on, then perform them in order."""
        if not effects:
            return
        durable, early, changes_tree = 0, [], False
        for effect in effects:
            changes_tree = changes_tree or isinstance(effect, ApplyJob)
            if _wants_durable(effect):
                durable += 1
                if isinstance(effect, ApplyJob) and _brings_its_contents(effect):
                    early.append(effect)
        if early and len(early) == durable and not self._is_beside_others():
            self._begin_and_commit(early)
            effects = [effect for effect in effects if not _wants_durable(effect)]
        elif durable:
            self.commit()
        elif changes_tree:
            self.commit(durable=False)
        for effect in effects:
            match effect:
                case Send((peer,), Pull() as pull, size) if self._borrowing is not None:
                    self._pull(peer, pull, size)
                case Send(peers, message, size):
                    self._peers.send(peers, Outbound(message, size))
                case Tell(note):
                    if isinstance(note, LocalChange):
                        self._inbox.somebody_works_here()
                    self._tell(note)
                case Drop(peer, reason, text):
                    self._peers.drop(peer, reason, text)
                case UselessAnnouncements(peer, announcements):
                    self._peers.announced_in_vain(peer, announcements)
                case NewReplica():
                    self._peers.say_new_replica()
                case Report() | Excerpt():
                    self._requests.answered(effect)
                case VerifyJob():
                    self._share.workers.put_idle(effect)
                case _:
                    self._share.workers.put(self._peers.flow_of(getattr(effect, "peer", "")), effect)

    def _begin_and_commit(self, jobs: Sequence[ApplyJob]) -> None:
        """Workers write the contents while the index is made durable; the tree changes after both. One change of one file
        waits for the disk once instead of twice."""
        gates = [self._share.workers.put_early(self._peers.flow_of(job.peer), job) for job in jobs]
        try:
            self.commit()
        except BaseException:
            for gate in gates:
                gate.fail()
            raise
        for gate in gates:
            gate.open()

    def _tell(self, note: Note) -> None:
        mono_s = time.monotonic()
        said = note if self._borrowing is None else self._borrowing.in_words(note)
        if said is not None:
            self._narrator.tell(said, mono_s)
        if self._stream is not None:
            self._stream.tell(note, mono_s)
        if self._witness is not None:
            self._witness.tell(note)

    def tell_live(self, event: Event) -> None:
        """Tell those who listen, and nobody else."""
        if self._stream is not None:
            self._stream.tell(event, time.monotonic())

    def _pull(self, peer: str, pull: Pull, size: int) -> None:
        """Ask a peer for what no other folder of this node has."""
        node = self._peers.links.get(peer)
        if node is None or self._borrowing is None:
            return
        left = self._borrowing.split(peer, node.link, pull)
        if left == pull.pulls:
            node.send(Outbound(pull, size))
        else:
            self._ask(peer, left, size)

    def borrowed(self, news: Borrowed) -> Chunks | None:
        """Another folder has answered. Returns it as if the peer had sent it; None if nobody waits for it any more."""
        assert self._borrowing is not None
        left = self._borrowing.taken(news)
        node = self._peers.links.get(news.peer)
        if node is None or node.link != news.link:
            return None
        self._ask(news.peer, left)
        return Chunks(news.pieces) if news.pieces else None

    def lender_gone(self, share: Share) -> None:
        """Another folder is not shared any more: ask the peers for what it was to answer."""
        for peer, link, item in () if self._borrowing is None else self._borrowing.lender_gone(share):
            node = self._peers.links.get(peer)
            if node is not None and node.link == link:
                self._ask(peer, (item,))

    def _ask(self, peer: str, left: tuple[PullItem, ...], size: int = 0) -> None:
        """`size`: by which the peer's outbox is charged."""
        if left:
            self._peers.send((peer,), Outbound(Pull(self._share.engine.board.folder, left), size))
        elif size:
            self._inbox.put(Drained(peer, size))  # nothing is sent of it

    def commit(self, durable: bool = True) -> None:
        """Raises DiskHangs, if other folders of the node would have to wait."""
        index = self._share.index
        if not self._is_beside_others():
            index.commit(durable)
        elif index.needs_commit(durable):
            self._share.workers.wait_for(partial(index.commit, durable))
        self._commit_from_s = time.monotonic() + _COMMIT_EVERY_S

    def rest(self) -> None:
        """Nobody waits for anything: do what would cost a later commit its time. Raises DiskHangs, as `commit`."""
        index = self._share.index
        if not index.is_log_long:
            return
        if self._is_beside_others():
            self._share.workers.wait_for(index.checkpoint)
        else:
            index.checkpoint()

    def commit_due_s(self) -> float | None:
        """The time (monotonic, s) of the next commit; None if the index has no new writes."""
        return self._commit_from_s if self._share.index.is_dirty else None

    def is_commit_due(self, mono: float) -> bool:
        """True if `commit_due_s` has passed. Asked in each turn: what the index holds counts only once the time has come."""
        return mono > self._commit_from_s and self._share.index.is_dirty

    def finish(self, effects: Sequence[Effect]) -> None:
        """Say what the last effects say, and make the last commit. Nothing else is begun any more."""
        for effect in effects:
            if isinstance(effect, Tell):
                self._tell(effect.note)
        self._narrator.breathe(time.monotonic(), all_of_it=True)
        self._share.index.notes.put(state.AT_REST, int(not self._share.engine.has_jobs_out))
        self._share.index.commit()


def _wants_durable(effect: Effect) -> bool:
    """True for effects that tell others about the index, and for changes of the tree whose intent must be durable
    before they begin. A batch of new files syncs the whole file system, and the index with it, before it names any of
    them. Questions, and contents that are on the disk, need no durable commit."""
    if isinstance(effect, Send):
        return not isinstance(effect.message, _NOTHING_OF_THE_INDEX)
    if isinstance(effect, NewReplica):
        return True
    return isinstance(effect, ApplyJob) and not (
        len(effect.items) >= SYNC_ALL_FROM and all(map(is_new_file, effect.items))
    )


def _brings_its_contents(job: ApplyJob) -> bool:
    """True for changes that write what came with them, so that nothing is moved, not even in the staging folder, before the
    tree changes."""
    return not job.bulk and all(item.data is not None for item in job.items)
