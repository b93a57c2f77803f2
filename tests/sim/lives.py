"""Life and death of a node: it starts, is killed, loses power, its folder or its index, and comes back.

In:   a node. Out: a fresh engine on what its disk and its index hold; Broken, if what it had told is not on its medium.
"""

from __future__ import annotations

from contextlib import closing
from random import Random
from typing import TYPE_CHECKING

from blake3 import blake3

from dir_sync.core.model import Kind
from dir_sync.core.retention import Retention
from dir_sync.core.safeguard.brake import Limits
from dir_sync.disk import SpelledDisk
from dir_sync.file_sync import FileSync
from dir_sync.folder.state import AT_REST
from dir_sync.history.recovering import recover_history
from dir_sync.index import Index
from dir_sync.ports import DiskError
from tests.sim.broken import Broken, PowerCut
from tests.sim.linking import FEW_NAMES
from tests.sim.memory_tree import Tree
from tests.sim.node import FOLDER, Node, SimIndex, Untold
from tests.sim.seams import STAYS, SimEngine
from tests.sim.trees import tells

if TYPE_CHECKING:
    from tests.sim.world import World

__all__ = ["BRAKE", "Lives"]

BRAKE = Limits(files=3, percent=50)


class Lives:
    """How the nodes of a world live."""

    def __init__(self, world: World) -> None:
        self.world = world

    def boot(self, node: Node) -> None:
        if node.alive:
            return
        node.alive = True
        node.epoch += 1
        node.instance += 1
        node.watched.clear()
        node.inbox.clear()
        node.turn_due, node.tick_us = False, None
        node.index = SimIndex(":memory:", node.rng, node.image)
        node.index.skip_sequences(node.wall_ns())
        node.index.on_commit = lambda: self.world.promises.committed(node)
        tag = f"{node.instance:x}"
        brake = BRAKE if self.world.options.brake else None
        retention = None if self.world.options.retention is None else Retention(*self.world.options.retention)
        node.engine = SimEngine(
            node.index,
            FOLDER,
            tag,
            self.world.options.deltas,
            brake,
            retention,
            mode=node.mode,
            local_rules=self.world.options.rules > 0,
            merges=self.world.options.merges > 0,
        )
        node.engine.board.is_shared = node.instance % 3 == 0  # some do all in small pieces, and tell it together
        node.engine.on_decided = lambda approve, paths: self.world.decided(node, approve, paths)
        node.engine.on_rejected = self._rejected
        node.engine.on_local = lambda record, before, origin: self.world.promises.made_here(
            node, record, before, origin
        )
        node.engine.on_merge = lambda merge: self.world.merging.made(node, merge)
        disk = node.disk if node.disk.fold is None else SpelledDisk(node.disk, True, True)
        node.engine.work.disk.is_blind = disk is not node.disk
        node.disk.kept_parts = self.world.keeping.parts_of(node)
        node.engine.board.keeps = bool(node.disk.keeps)
        node.index.keep([part.value for part in node.disk.keeps])
        node.engine.board.links.is_on = self.world.linking.is_on_at(node)
        if self.world.linking.has_few_at(node) and self.world.options.one_file:
            node.disk.names_max = FEW_NAMES
        self.world.limiting.begin(node)
        self.world.rating.begin(node)
        self.world.sizing.begin(node)
        self.world.modes.begin(node)
        node.sync = FileSync(disk, node.watch, node.signatures, node.wall_ns, tag)
        node.committed = node.index.sequences.last
        self.world.note(f"{node.name} starts as {node.index.identity.replica} at {node.index.sequences.last}")
        try:
            node.disk.program = True
            try:
                found = recover_history(node.index, node.sync)
            finally:
                node.disk.program = False
        except DiskError as error:
            self.world.note(f"{node.name} cannot start: {error}")
            node.index.close()
            self._die(node)
            return
        except PowerCut:
            self.crash(node)
            return
        self._foresee(node)
        self.world.loop.after_turn(node, node.engine.start(node.now(), found))
        for pair in self.world.options.links:
            if node.number in pair:
                self.world.at(self.world.rng.randint(1, 50_000), self.world.network.connect, pair)

    def _rejected(self, paths: list[bytes]) -> None:
        self.world.rejected.update(paths)
        self.world.rejections += bool(paths)

    def crash(self, node: Node, power: bool = True) -> None:
        """The power fails; or only the process is killed."""
        if not node.alive:
            return
        node.disk.come_back()
        node.lost_power |= power
        self.world.note(f"{node.name} {'loses power' if power else 'is killed'}")
        self.world.stats["crashes"] += 1
        before, untold = (node.disk.tree(), node.untold()) if power else ({}, {})
        had = node.disk.tokens(everywhere=True)
        image = node.index.image()
        node.index.close()
        if power:
            node.disk.crash()
            if not self.world.options.users_sync:
                self.world.excused |= had - node.disk.tokens(everywhere=True)
            self._after_power_cut(node, before, untold, image)
        else:
            node.disk.end_programs()
        node.older_images.append(image)
        node.image = image
        node.fresh_locals.clear()
        node.unsaid.clear()
        node.heard_of = dict(node.heard_kept)
        self._die(node)

    def root_goes(self, node: Node) -> None:
        """Its folder is gone for a while: unmounted, or cut off from its server."""
        if not node.alive or not node.disk.root_here:
            return
        self.world.note(f"{node.name} has lost its folder")
        self.world.stats["roots gone"] += 1
        if self.world.rng.random() < 0.5:
            node.disk.go_away()
        else:
            node.disk.root_here = False  # and every verb fails
        self.world.at(self.world.rng.randint(0, 2_000_000), self._root_missed, node, node.epoch)
        self.world.at(self.world.rng.choice([500_000, 3_000_000, 30_000_000]), self.root_returns, node)

    def _root_missed(self, node: Node, epoch: int) -> None:
        """What the daemon does when it looks whether its folder is still there: it ends, and waits."""
        if not node.alive or node.epoch != epoch or node.disk.root_here:
            return
        self.world.note(f"{node.name} pauses")
        node.index.notes.put(AT_REST, int(not node.engine.has_jobs_out))
        node.index.commit()
        node.image = node.index.image()
        node.index.close()
        node.disk.end_programs()
        node.fresh_locals.clear()
        self._die(node, restarts=False)

    def root_returns(self, node: Node) -> None:
        if node.disk.root_here:
            return
        self.world.note(f"{node.name} has its folder again")
        node.disk.come_back()
        node.disk.root_here = True
        self.boot(node)

    def back_up(self, node: Node) -> None:
        """The index is backed up; or such a backup is put back, maybe on a machine that is alone for a while."""
        if not node.alive:
            return
        if node.backup is None or self.world.rng.random() < 0.3:
            self.world.note(f"{node.name} is backed up")
            node.index.commit()
            node.backup = node.index.copy()
            return
        if self.world.rng.random() < 0.6:
            for pair, link in sorted(self.world.network.links.items()):
                if node.number in pair:
                    self.world.network.cut_for_long.add(pair)
                    self.world.network.cut(link)
        self.crash(node, power=False)
        self.world.note(f"{node.name} gets a backup of its index")
        self.world.stats["backups"] += 1
        node.image = node.backup
        node.forgot = True
        node.heard_of.clear()
        node.heard_kept.clear()

    def disaster(self, node: Node) -> None:
        """Most files are deleted, or all renamed, while the program does not run."""
        if not node.alive or not node.disk.root_here:
            return
        self.crash(node, power=False)
        self.world.stats["disasters"] += 1
        node.user.wipe(self.world.rng.random() < 0.5)

    def _foresee(self, node: Node) -> None:
        """What should the brake do about what the scan at the start will find? (Nothing is known where looks may fail.)"""
        node.wiped.clear()
        node.may_brake = True
        options = self.world.options
        if not options.brake or options.trouble or options.unreadable or not node.disk.root_here:
            return
        tree = node.disk.tree()
        contents = {path: blake3(content).digest() for path, (kind, content, *_) in tree.items() if kind == Kind.FILE}
        there = set(contents.values())
        # Of what a program has open, only the index may say what it is; or nothing says it.
        read = {digest for path, digest in contents.items() if not node.disk.has_writers(path)}
        files = [row.record for row in node.index.changes.after(0, 100_000) if row.record.kind == Kind.FILE]
        gone = [record for record in files if tree.get(record.path, (Kind.OTHER,))[0] == Kind.OTHER]
        sure = {record.path for record in gone if not node.index.offers.of(record.path)}
        moved, surely_moved = (sum(record.content in some for record in gone) for some in (there, read))
        count = len(files)  # what is new there makes up for nothing
        stays = bool(node.index.notes.get(STAYS))  # a person decided about others of these before
        if not moved and (stays or BRAKE.is_disaster(len(sure), count)):
            node.wiped = sure
        if not stays and not BRAKE.is_disaster(len(gone) - surely_moved, count - surely_moved):
            node.may_brake = False

    def _die(self, node: Node, restarts: bool = True) -> None:
        node.alive = False
        node.epoch += 1
        for pair, link in list(self.world.network.links.items()):
            if node.number in pair:
                self.world.network.cut(link)
        node.links.clear()
        if restarts:
            self.world.at(self.world.rng.choice([1_000, 300_000, 3_000_000]), self.restart, node)

    def restart(self, node: Node) -> None:
        if node.alive or not node.disk.root_here:
            return
        if self.world.chance(self.world.options.lose_index):
            self.world.note(f"{node.name} has lost its index")
            self.world.stats["lost indexes"] += 1
            node.image = None
            node.forgot = True
            node.heard_of.clear()
            node.heard_kept.clear()
        elif self.world.chance(self.world.options.old_index) and node.older_images:
            self.world.note(f"{node.name} gets an old index")
            self.world.stats["old indexes"] += 1
            node.image = self.world.rng.choice(node.older_images)
            node.forgot = True
            node.heard_of.clear()
            node.heard_kept.clear()
        self.boot(node)

    def _after_power_cut(self, node: Node, before: Tree, untold: Untold, image: bytes) -> None:
        after, untold_now = node.disk.tree(), node.untold()
        # Where new content keeps old times, no look can tell: what is there counts as seen.
        node.seen |= {blake3(content).digest() for kind, content, _, _ in after.values() if kind == Kind.FILE}
        for path in {**before, **after}:
            is_as_it_was = before.get(path) == after.get(path) and untold.get(path) == untold_now.get(path)
            if is_as_it_was:
                continue
            if path in node.touched or not self.world.options.users_sync:
                node.touched[path] = self.world.us
        if not self.world.options.users_sync or node.forgot:
            return
        with closing(Index(":memory:", Random(1), image)) as index:
            rows = index.changes.after(0, 100_000)
        for row in rows:
            record = row.record
            if row.seq > node.told or record.path in node.touched:
                continue
            found = after.get(record.path)
            if record.path in node.unsettled:
                continue  # it was being replaced or removed; nothing of it was told
            if record.kind == Kind.FILE and row.fp and not tells(record, found, only_content=True):
                raise Broken(f"{node.name} told of {record.path!r}, and after a power cut it is not on its disk")
            if record.kind == Kind.ABSENT and not row.fp and found is not None and record.path not in before:
                raise Broken(f"{node.name} told that {record.path!r} is gone, and after a power cut it is back")
