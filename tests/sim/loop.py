"""The loop of a node, as the daemon has it: events in, turns of the engine, a commit, effects out, jobs of workers.

In:   events for a node. Out: messages and jobs as actions of the world, at times that its random generator choose.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from dir_sync.core import notes
from dir_sync.core.events import (
    Drop,
    Effect,
    Event,
    Moved,
    NewReplica,
    PeerDown,
    PeerUp,
    Send,
    Tell,
    Ticked,
    Touched,
    UselessAnnouncements,
)
from dir_sync.core.jobs import Applied, ApplyJob, Job, PruneJob, Staged, StageJob, TreeOp
from dir_sync.core.model import Kind
from dir_sync.core.notes import Note
from dir_sync.file_sync import Stopped
from tests.sim.broken import Broken, PowerCut
from tests.sim.node import Link, Node
from tests.sim.words import describe, describe_job

if TYPE_CHECKING:
    from tests.sim.world import World

__all__ = ["Loop"]

_HOUR_MS = 3_600_000


class Loop:
    """Turns of the engine, and what comes out of them."""

    def __init__(self, world: World) -> None:
        self.world = world

    def post(self, node: Node, epoch: int, event: Event, link: Link | None = None) -> None:
        if not node.alive or node.epoch != epoch:
            return
        if link is not None and link.dead and not isinstance(event, PeerDown):
            return
        node.inbox.append(event)
        if not node.turn_due:
            node.turn_due = True
            self.world.at(self.world.rng.randint(0, 1_500), self._turn, node, epoch)

    def _turn(self, node: Node, epoch: int, has_looked: bool = False) -> None:
        if not node.alive or node.epoch != epoch:
            return
        node.turn_due = False
        events, node.inbox = node.inbox, []
        effects: list[Effect] = []
        now = node.now()
        for event in events:
            if isinstance(event, PeerUp):  # what was meant for an earlier connection does not go out on this one
                self.after_turn(node, effects)
                if not node.alive or node.epoch != epoch:
                    return
                effects = []
                node.greeted[event.peer] = node.links.get(event.peer)
            self.world.note(f"{node.name} < {describe(event)}")
            self.world.promises.before_event(node, event)
            effects += node.engine.handle(event, now)
            self.world.promises.after_event(node, event)
        if not has_looked and not effects and any(isinstance(event, Touched | Moved) for event in events):
            looks = node.engine.look_at_once(now)
            for effect in looks:
                self._perform(node, effect)
            if looks and node.epoch == epoch:  # what they find may come back before the turn is over
                node.turn_due = True
                self.world.at(self.world.rng.randint(0, 1_500), self._turn, node, epoch, True)
                return
        effects += node.engine.end_turn(now)
        for fault in node.engine.work.check():
            raise Broken(f"{node.name}: {fault}")
        self.world.promises.check_claim(node)
        self.after_turn(node, effects)

    def after_turn(self, node: Node, effects: list[Effect]) -> None:
        epoch = node.epoch
        now_ms = self.world.us // 1000
        if self.world.chance(self.world.options.crash / 20):
            self._begin_early(node, effects)
            self.world.lives.crash(node)
            return
        if self.world.bug == "words before commit":
            for effect in effects:
                if isinstance(effect, Send):
                    self._perform(node, effect)
            effects = [effect for effect in effects if not isinstance(effect, Send)]
        due = any(isinstance(effect, (Send, ApplyJob, NewReplica)) for effect in effects)
        if due or self.world.rng.random() < 0.2:
            node.index.commit()
        if self.world.chance(self.world.options.crash / 20):
            self.world.lives.crash(node)
            return
        for effect in effects:
            self._perform(node, effect)
            if node.epoch != epoch:
                return
        deadline = node.engine.next_deadline()
        if deadline is not None and deadline > now_ms + _HOUR_MS // 2:
            deadline = None  # the history is looked at now and then: that is rest
        if deadline is not None:
            due_us = max(self.world.us + 100, deadline * 1000)
            if node.tick_us is None or due_us < node.tick_us:
                node.tick_us = due_us
                self.world.at(due_us - self.world.us, self._tick, node, epoch, due_us)
        elif node.index.is_dirty:
            self.world.at(300_000, self._commit_later, node, epoch)

    def _begin_early(self, node: Node, effects: list[Effect]) -> None:
        """What workers may have done before the commit: contents that came with their jobs are written, and have no names."""

        def stop() -> None:
            raise Stopped

        for effect in effects:
            if isinstance(effect, ApplyJob) and all(item.data is not None for item in effect.items):
                node.disk.program = True
                with contextlib.suppress(Stopped, PowerCut):
                    node.sync.perform(effect, may_name=stop)
                node.disk.program = False

    def _commit_later(self, node: Node, epoch: int) -> None:
        if node.alive and node.epoch == epoch:
            node.index.commit()

    def _tick(self, node: Node, epoch: int, due_us: int) -> None:
        if node.alive and node.epoch == epoch and node.tick_us == due_us:
            node.tick_us = None
            self.post(node, epoch, Ticked())

    def _told(self, node: Node, note: Note) -> None:
        """What people read, and what they decide then."""
        self.world.limiting.told(node, note)
        self.world.sizing.told(node, note)
        many = note.files if isinstance(note, notes.ReceivedMany) else ()
        node.unsaid.difference_update((getattr(note, "path", b""), *(path for path, _ in many)))
        match note:
            case notes.BadContent(path):
                self._bad_content(node, path)
            case notes.LossHeld(path) if not node.may_brake:
                raise Broken(f"{node.name} holds what has only moved: {path!r}")
            case notes.LossHeld() | notes.PeerHeld():
                if not self.world.faults or self.world.rng.random() < 0.5:
                    approve = self.world.rng.random() < 0.5
                    self.world.at(self.world.rng.randint(0, 20_000_000), self.world.decide, node, node.epoch, approve)
            case notes.NothingHeld() if not node.engine.brakes.own.held:
                node.wiped.clear()  # so much is there again that the rest is no disaster
            case notes.Scanned():
                node.may_brake = True

    def _perform(self, node: Node, effect: Effect) -> None:
        match effect:
            case Tell(note):
                self.world.note(f"{node.name} tells {note!r}")
                self._told(node, note)
            case Send(peers, message, size):
                self.world.network.send(node, peers, message, size)
            case Drop(peer, reason, text):
                raise Broken(f"{node.name} drops an honest peer {peer}: {reason}, {text}")
            case UselessAnnouncements(peer, count):
                self._in_vain(node, peer, count)
            case NewReplica():
                self.world.note(f"{node.name} is {node.index.identity.replica} from now on")
                self.world.stats["new identities"] += 1
                node.forgot = True
                for link in list(node.links.values()):
                    self.world.network.cut(link)
                for pair, other in list(self.world.network.links.items()):
                    if node.number in pair:
                        self.world.network.cut(other)
            case _:
                self.world.note(f"{node.name} > {describe_job(effect)}")
                self.world.limiting.ordered(node, effect)
                if isinstance(effect, PruneJob):
                    self.world.promises.check_pruned(node, effect)
                delay = self.world.options.disk_us
                if effect.bulk:
                    delay *= 5
                self.world.at(self.world.rng.randint(50, 50 + delay), self._do, node, node.epoch, effect)

    def _in_vain(self, node: Node, peer: str, count: int) -> None:
        """Of what honest peers announce little changes nothing: none of them is ever slowed or dropped for that."""
        node.vain[peer] = node.vain.get(peer, 0) + count
        self.world.promises.check_vain(node, peer, node.vain[peer])

    def _bad_content(self, node: Node, path: bytes) -> None:
        self.world.stats["bad contents"] += 1
        options = self.world.options
        faults = (
            options.meddling, options.trouble, options.full, options.crash, options.crash_in_job, options.grain_ns,
            options.worst, options.late_writes, options.sync_fails, options.disaster, options.root_gone,
            options.old_state,
        )  # fmt: skip
        if not any(faults):
            raise Broken(f"{node.name} was sent a content for {path!r} that was not what was announced")

    def _do(self, node: Node, epoch: int, job: Job) -> None:
        """A worker performs a job, all of it now; but users, power cuts and trouble come in between its verbs."""
        if not node.alive or node.epoch != epoch:
            return
        disk = node.disk
        if isinstance(job, ApplyJob):
            disk.begins(job.items)
            self.world.modes.before_apply(node, job.items)
            for item in job.items:
                node.unsettled.add(item.path)
                if item.act == TreeOp.MOVE and item.copy_path is not None:
                    node.unsettled.add(item.copy_path)
                    node.moves[item.path], node.moves[item.copy_path] = item.copy_path, item.path
                    if item.target.kind is Kind.DIRECTORY:  # it gets another spelling, and all that is in it with it
                        inside = item.copy_path + b"/"
                        node.unsettled |= {path for path in disk.tree() if path.startswith(inside)}
                displaces = item.expect and item.act != TreeOp.META and disk.content(item.path) is not None
                if displaces and self.world.chance(self.world.options.late_writes):
                    node.user.write_later(item.path)
        grows = job.grows if isinstance(job, StageJob) else None
        if grows is not None:
            node.unsettled.add(grows.path)
        before = disk.tokens(everywhere=True) if isinstance(job, PruneJob) else set()
        disk.pruned = frozenset(job.names) if isinstance(job, PruneJob) else frozenset()
        disk.program = True
        try:
            event = node.sync.perform(job)
        except PowerCut:
            self.world.lives.crash(node)
            return
        finally:
            disk.program = False
            if before:
                self.world.excused |= before - disk.tokens(everywhere=True)  # the history has given way
        if isinstance(job, ApplyJob):
            assert isinstance(event, Applied)
            self.world.promises.after_apply(node, job, event)
        if grows is not None and isinstance(event, Staged) and event.fp:
            node.seen.add(grows.target)
            self.world.promises.sizes[grows.target] = grows.target_size
            self.world.stats["grown in place"] += 1
        if event is not None:
            self.world.at(self.world.rng.randint(0, self.world.options.disk_us // 2), self.post, node, epoch, event)
