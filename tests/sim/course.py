"""The course of a world: what happens in it, in which order, from the first start to the last check.

In:   the options of a world, and its random generator. Out: a world at rest in which every promise held; or Broken.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.events import Blind
from dir_sync.core.model import Kind
from tests.sim.broken import Broken
from tests.sim.rot import Rot
from tests.sim.trees import common, folders_left_over, has_below, is_below, kept_since, wanted_of
from tests.sim.words import difference

if TYPE_CHECKING:
    from tests.sim.world import World

__all__ = ["Course"]


class Course:
    """Acts and faults at random; then one act after the other, each with a check of what it cost."""

    def __init__(self, world: World) -> None:
        self.world = world

    def run(self) -> None:
        options = self.world.options
        order = list(self.world.nodes)
        late = order.pop() if options.late_joiner and len(order) > 1 else None
        for node in order:
            self.world.at(self.world.rng.randint(0, 30_000), self.world.lives.boot, node)
        if options.rest_first:
            faults, self.world.faults = self.world.faults, False
            self.world.run_to_rest("at the beginning")
        if options.rest_first and not options.modes:
            self.world.at_rest.check("at the beginning", {node.number for node in order})
            if options.trees != "overlapping" and not options.keeps and not options.one_file:
                self.world.at_rest.check_crossed("at the beginning")
                for node in order:
                    if node.index.sequences.last != len(node.index.changes.after(0, 1_000)):
                        raise Broken("equal trees have made records change")
        if options.rest_first:
            self.world.faults = faults
        for step in range(options.steps):
            self.world.run_until(self.world.us + self.world.rng.randint(0, options.pause_ms * 1000))
            if late is not None and step >= options.steps // 2:
                self.world.lives.boot(late)
                late = None
            self._something_happens()
        if late is not None:
            self.world.lives.boot(late)
        self._heal()
        self.world.rest("after the last fault")
        for _ in range(2 if any(node.linked for node in self.world.nodes) and not options.one_file else 0):
            for node in self.world.nodes:
                self.world.loop.post(node, node.epoch, Blind(b"", ""))
            self.world.rest("after the last fault")
        if options.modes:
            self._with_modes()
            return
        if options.rules:
            self._with_rules()
            return
        if options.sizes:
            self._with_sizes()
            return
        if options.keeps:
            self._with_attributes()
            return
        if options.one_file:
            self._with_links()
            return
        self.world.at_rest.check("after the last fault")
        self.world.limiting.check("after the last fault")
        self.world.at_rest.check_history()
        self.world.at_rest.check_versions()
        self.world.merging.check("after the last fault")
        self.world.at_rest.check_quiet()
        if options.rot:
            Rot(self.world).run()
            self.world.at_rest.check("after rot")
            return
        self._one_after_the_other()
        self._only_renamed()
        self._saved_by_editors()
        self._only_appended()
        self._saved_slowly()

    def _with_modes(self) -> None:
        """The rest of a world with modes: the nodes differ as they may; then people end that."""
        self.world.modes.check("after the last fault")
        self.world.at_rest.check_history()
        self.world.at_rest.check_versions()
        self.world.at_rest.check_quiet()
        self.world.modes.end_differences()
        self.world.at_rest.check("after override and revert")
        self.world.at_rest.check_kept()

    def _with_rules(self) -> None:
        """The rest of a world with rules: what no rule is about is the same everywhere."""
        self.world.at_rest.check("after the last fault")
        self.world.at_rest.check_history()
        self.world.at_rest.check_versions()
        self.world.at_rest.check_quiet()

    def _with_sizes(self) -> None:
        """The rest of a world with limits of the size: the nodes differ in what is too large; then people lift the limits."""
        self.world.sizing.check("after the last fault")
        self.world.at_rest.check_versions()
        self.world.sizing.lift()
        self.world.at_rest.check("after the limits were lifted")
        self.world.at_rest.check_kept()
        self.world.at_rest.check_quiet()

    def _with_attributes(self) -> None:
        """The rest of a world in which attributes are kept."""
        self.world.at_rest.check("after the last fault")
        self.world.keeping.check("after the last fault")
        self.world.at_rest.check_history()
        self.world.at_rest.check_versions()
        self.world.at_rest.check_quiet()
        self.world.keeping.pass_on()

    def _with_links(self) -> None:
        """The rest of a world in which names of one file are kept."""
        self.world.at_rest.check("after the last fault")
        self.world.linking.check("after the last fault")
        self.world.at_rest.check_history()
        self.world.at_rest.check_versions()
        self.world.at_rest.check_quiet()
        if self.world.options.rot:
            Rot(self.world).run()
            self.world.at_rest.check("after rot")
            self.world.linking.check("after rot")
            return
        self.world.linking.pass_on()

    def _something_happens(self) -> None:
        options, rng = self.world.options, self.world.rng
        node = rng.choice(self.world.nodes)
        if self.world.chance(options.cut) and self.world.network.links:
            pair = rng.choice(sorted(self.world.network.links))
            if rng.random() < 0.5:
                self.world.network.cut_for_long.add(pair)
            self.world.network.cut(self.world.network.links[pair])
        elif self.world.network.cut_for_long and rng.random() < 0.2:
            pair = rng.choice(sorted(self.world.network.cut_for_long))
            self.world.network.cut_for_long.discard(pair)
            self.world.network.connect(pair)
        elif self.world.chance(options.crash):
            self.world.lives.crash(node, power=rng.random() < 0.7)
        elif self.world.chance(options.full):
            node.disk.capacity = node.disk._used + rng.randint(0, 300)
            self.world.note(f"{node.name} has a full disk")
        elif self.world.chance(options.full):
            node.disk.capacity = None
        elif self.world.chance(options.root_gone):
            self.world.lives.root_goes(node)
        elif self.world.chance(options.old_state):
            self.world.lives.back_up(node)
        elif self.world.chance(options.disaster):
            self.world.lives.disaster(node)
        elif self.world.chance(options.unreadable):
            files = [path for path, entry in node.disk.tree().items() if entry[0] == Kind.FILE]
            if files and (inode := node.disk._find(rng.choice(files))) is not None:
                node.disk.unreadable.add(inode.number)
                self.world.note(f"{node.name} cannot read a file")
        elif self.world.chance(options.jump):
            node.skew_ns += rng.choice([-1, 1]) * rng.choice([10**9, 10**13, 10**17])
            self.world.note(f"{node.name} has its clock set to {node.skew_ns}")
        elif self.world.chance(options.rescan) and node.alive:
            self.world.loop.post(node, node.epoch, Blind(b"", "events were lost"))
        elif options.rules and self.world.ignoring.rng.random() < options.rules:
            self.world.ignoring.write_rules(node)
        elif options.keeps and self.world.keeping.rng.random() < options.attributes:
            self.world.keeping.act(node)
        elif options.one_file and self.world.linking.rng.random() < options.attributes:
            self.world.linking.act(node)
        elif options.room and self.world.limiting.rng.random() < 0.3:
            self.world.limiting.act(node)
        elif options.merges and self.world.merging.rng.random() < options.merges:
            self.world.merging.edit(node)
        elif self.world.chance(options.logs):
            node.user.log()
        else:
            node.user.act()

    def _heal(self) -> None:
        self.world.note("no more faults")
        self.world.limiting.end()
        self.world.faults = False
        self.world.network.cut_for_long.clear()
        for node in self.world.nodes:
            node.disk.capacity = None
            node.disk.unreadable.clear()
            self.world.lives.root_returns(node)
            self.world.lives.boot(node)
            node.disk.settle()
            if self.world.options.lost or node.linked:
                self.world.loop.post(node, node.epoch, Blind(b"", "healed"))
        for pair in self.world.options.links:
            self.world.network.connect(pair)

    def _one_after_the_other(self) -> None:
        """In a mesh at rest users act one at a time: everyone must get exactly what that user sees."""
        self.world.promises.crossed.clear()
        for _ in range(3):
            node = self.world.rng.choice(self.world.nodes)
            left_over = folders_left_over(node)
            others = self.world.at_rest.others() + self.world.at_rest.kept_away()
            rejections = self.world.rejections
            merged = self.world.merging.counts()
            node.user.act(at_once=True)
            wanted = wanted_of(node, left_over)
            linked = any(other.linked for other in self.world.nodes)
            self.world.rest("after one act of one user")
            self.world.at_rest.check("after one act of one user")
            if not linked:
                self.world.at_rest.check_crossed("after one act of one user")
            if (
                linked
                or self.world.at_rest.others()
                or self.world.at_rest.kept_away()
                or self.world.rejections > rejections
            ):
                continue
            # Known here: nothing is in anyone's way any more. Where something was, users did not see what others had.
            got = common(node)
            for path in [path for path in {**wanted, **got} if is_below(path, others) or has_below(path, others)]:
                wanted.pop(path, None)
                got.pop(path, None)
            for path in self.world.merging.counts() - merged:
                wanted.pop(path, None)
                got.pop(path, None)  # a conflict was open there, and could be merged with what the user has there now
            for path in self.world.rejected - wanted.keys():
                got.pop(path, None)  # a file was where it needs a folder: it comes back when that one goes
            if got != wanted:
                raise Broken(f"what {node.name} did alone was not kept: {difference(wanted, got)}")

    def _versions(self) -> set[tuple[str, bytes]]:
        """What is in the histories of all nodes: node, name."""
        return {
            (node.name, version.name) for node in self.world.nodes for version in node.index.versions.oldest_first()
        }

    def _only_renamed(self) -> None:
        """What only gets another name costs nothing but names: its content crosses no link, and no history keeps it."""
        rng = self.world.rng
        self.world.run_until(self.world.us + 60_000_000)  # for so long nothing is copied from where a copy has failed
        for number in range(3):
            node = rng.choice(self.world.nodes)
            if (
                any(other.linked for other in self.world.nodes)
                or self.world.at_rest.others()
                or self.world.at_rest.kept_away()
            ):
                return
            before = node.disk.tree()
            files = Counter(
                blake3(entry[1]).digest() for entry in before.values() if entry[0] == Kind.FILE and entry[1]
            )
            since = {other.name: other.wall_ns() for other in self.world.nodes}
            known = self._versions()
            rejections = self.world.rejections
            self.world.promises.crossed.clear()
            away = rng.randrange(3)  # at work; alone; its program does not run
            links = [(pair, link) for pair, link in sorted(self.world.network.links.items()) if node.number in pair]
            for pair, link in links if away == 1 else ():
                self.world.network.cut_for_long.add(pair)
                self.world.network.cut(link)
            if away == 2:
                self.world.lives.crash(node, power=False)
            self.world.run_until(self.world.us + 100_000)
            node.user.rename_something(number)
            self.world.run_until(self.world.us + rng.choice([0, 100_000, 3_000_000]))
            self.world.network.cut_for_long.clear()
            self.world.lives.boot(node)
            for pair, _ in links:
                self.world.network.connect(pair)
            self.world.rest("after a rename")
            self.world.at_rest.check("after a rename")
            if (
                self.world.rejections > rejections
                or self.world.options.retention is not None
                or self.world.at_rest.kept_away()
            ):
                continue  # (the new name may have no room on a disk, or have made room for another one)
            told = sum(size for (_, digest), size in self.world.promises.crossed.items() if digest in files)
            kept = sum(
                version.size
                for other in self.world.nodes
                for version in kept_since(other, since[other.name])
                # Of two equal files that get new names, peers may pair old and new names differently. Who hears of both
                # pairs makes a copy, and removes the old file when it hears of its removal.
                if files[version.content] == 1 and (other.name, version.name) not in known
            )
            if told or kept:
                raise Broken(f"what {node.name} only renamed cost {told} bytes on the wire and {kept} in the history")

    def _only_appended(self) -> None:
        """What is appended to a file costs what is appended: on each link, on each disk, and nothing in any history."""
        for _ in range(3):
            node = self.world.rng.choice(self.world.nodes)
            if (
                any(other.linked for other in self.world.nodes)
                or self.world.at_rest.others()
                or self.world.at_rest.kept_away()
            ):
                return
            large = [
                path
                for path, entry in node.disk.tree().items()
                if entry[0] == Kind.FILE and len(entry[1]) > limits.INLINE_BYTES_MAX and not path.startswith(b"still")
            ]
            if not large or self.world.options.blind:
                return
            path = self.world.rng.choice(large)
            self.world.promises.crossed.clear()
            since = {other.name: other.wall_ns() for other in self.world.nodes}
            known = self._versions()
            written = {other.name: other.disk.written for other in self.world.nodes}
            merges = self.world.merging.counts()[path]
            more = node.user.append_to(path)
            self.world.rest("after an append")
            self.world.at_rest.check("after an append")
            if self.world.merging.counts()[path] > merges:
                continue  # a conflict was open there, and could be merged with what was appended
            content = node.disk.content(path)
            assert content is not None
            digest = blake3(content).digest()
            told = max((size for (_, other), size in self.world.promises.crossed.items() if other == digest), default=0)
            kept = [  # (where clocks were set back, an older version has a later time)
                version.name
                for other in self.world.nodes
                for version in kept_since(other, since[other.name])
                if version.path == path and (other.name, version.name) not in known
            ]
            cost = max(other.disk.written - written[other.name] for other in self.world.nodes)
            if told > more or kept or cost > more:
                raise Broken(
                    f"{more} bytes that {node.name} appended to {path!r} ({len(content)} bytes) cost {told} bytes on a"
                    f" link, {cost} bytes on a disk, and {kept} in a history"
                )

    def _saved_slowly(self) -> None:
        """A program cuts a file, and writes it in pieces before it closes it: what it was in between is announced to nobody, as
        far as it is shorter than the file was."""
        for _ in range(2):
            node = self.world.rng.choice(self.world.nodes)
            if (
                any(other.linked for other in self.world.nodes)
                or self.world.at_rest.others()
                or self.world.at_rest.kept_away()
                or self.world.options.blind
            ):
                return
            path = node.user.choose_saved()
            before = None if path is None else node.disk.content(path)
            if path is None or before is None:
                return
            known = self._versions()
            name = path.rpartition(b"/")[0] + b"/renamed" if b"/" in path else b"renamed"
            if self.world.rng.random() < 0.5 or node.disk.stat(name) is not None:
                name = path
            took, halves = node.user.save_slowly(path, name)
            told = {blake3(half).digest() for half in halves if len(half) < len(before)}
            self.world.halves |= told
            self.world.run_until(self.world.us + took)
            self.world.rest("after a slow save")
            self.world.halves.clear()
            self.world.at_rest.check("after a slow save")
            if any(len(half) >= len(before) for half in halves) or node.disk.content(name) is None:
                continue
            for other in self.world.nodes:
                for version in other.index.versions.oldest_first():
                    if (
                        version.content in told
                        and version.path in (path, name)
                        and (other.name, version.name) not in known
                    ):
                        raise Broken(
                            f"{node.name} saves {path!r} slowly: {other.name} keeps a half of it ({version.size} bytes)"
                        )

    def _saved_by_editors(self) -> None:
        """Programs that save by putting the old file aside first: elsewhere the name is never missing."""
        for _ in range(2):
            node = self.world.rng.choice(self.world.nodes)
            if any(other.linked for other in self.world.nodes) or self.world.at_rest.others():
                return
            path = node.user.choose_saved()
            if path is None:
                return
            self.world.saved.add(path)
            took = node.user.save_as_editors_do(path)
            self.world.run_until(self.world.us + took)
            self.world.rest("after an editor has saved")
            self.world.saved.clear()
            self.world.at_rest.check("after an editor has saved")
