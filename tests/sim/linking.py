"""Worlds in which some nodes keep names of one file, and what that promises.

In:   a seed; a world at rest. Out: changes for its Options; Broken.
Rule: at rest, names of one file are that on each node that keeps them, and nothing else is; what one user did alone to such
names is what all these nodes have; a node that keeps none passes on what the others say.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from dir_sync.core.hard_links import are_one_file, file_id_of
from dir_sync.core.model import Kind, parent_of
from tests.sim.broken import Broken
from tests.sim.options import OPERATIONS
from tests.sim.trees import is_below

if TYPE_CHECKING:
    from tests.sim.node import Node
    from tests.sim.world import World

__all__ = ["FEW_NAMES", "Linking", "links_of"]

Files = frozenset[frozenset[bytes]]
FEW_NAMES = 3  # of one file, on a file system that allows no more


def links_of(seed: int) -> dict[str, Any]:
    """A world whose first two nodes, in any order, keep names of one file, and others what comes."""
    dice = Random(f"links {seed}")
    nodes = dice.choice([2, 3, 3, 4])
    keeps = [True, True, *(dice.random() < 0.5 for _ in range(nodes - 2))]
    dice.shuffle(keeps)
    links = [(a, a + 1) for a in range(nodes - 1)]
    if dice.random() < 0.4:
        links = [(a, b) for a in range(nodes) for b in range(a + 1, nodes)]
    weights = [dice.choice([0, 1, 2]) for _ in OPERATIONS]
    for often in ("write", "save", "hard link", "move", "chmod"):
        weights[OPERATIONS.index(often)] = dice.choice([1, 2, 4])
    weights[OPERATIONS.index("make fifo")] = 0
    return {
        "one_file": tuple(keeps),
        "attributes": dice.choice([0.1, 0.3, 0.6]),
        "weights": tuple(weights),
        "nodes": nodes,
        "links": tuple(links),
        "skews": (0,) * nodes,
        "blind": False,
        "others": 0.0,
    }


class Linking:
    """Users who give files other names, and what the program promises about them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = Random(f"names of {world.options.seed}")

    def is_on_at(self, node: Node) -> bool:
        return bool(self.world.options.one_file) and self.world.options.one_file[node.number]

    def has_few_at(self, node: Node) -> bool:
        """True if a file can have few names there."""
        return self.world.options.seed % 5 == 0 and node.number == 0

    def act(self, node: Node) -> None:
        """A user does something to a file with several names, or gives a file another one."""
        acts = [
            *(
                self._give_name,
                self._give_name,
                self._edit,
                self._set_apart,
                self._make_twin,
                self._chmod,
                self._rename,
            ),
            self._remove,
        ]
        self.rng.choice(acts)(node)

    def _file(self, node: Node, of_several: bool) -> bytes | None:
        """A file; if possible one with several names."""
        tree = node.disk.tree()
        files = [path for path, entry in tree.items() if entry[0] is Kind.FILE and not path.startswith(b"still")]
        several = [path for path in files if (inode := node.disk._find(path)) is not None and inode.links > 1]
        files = several if of_several and several else files
        return self.rng.choice(files) if files else None

    def _give_name(self, node: Node) -> None:
        source, target = self._file(node, False), node.user.some_name(self.rng)
        if source is None:
            return

        def act() -> None:
            if parent_of(target):
                node.disk.mkdir(parent_of(target))
            if node.disk._find(target) is None:
                node.disk.give_name(source, target)
            elif node.disk._find(target) is not node.disk._find(source):  # ln -f
                node.disk.give_name(source, target + b".ln")
                node.disk.move(target + b".ln", target)

        node.user.do(f"gives {source!r} the name {target!r}", act)

    def _edit(self, node: Node) -> None:
        path = self._file(node, True)
        if path is None:
            return
        replaces = self.rng.random() < 0.3

        def act() -> None:
            token = self.world.token(node, f"edit {path!r}")
            node.disk.write(path, token + b"+" * self.rng.randrange(20), replace=replaces)

        node.user.do(f"{'saves' if replaces else 'edits'} {path!r}", act)

    def _set_apart(self, node: Node) -> None:
        """cp -p, and the copy takes the name."""
        path = self._file(node, True)
        content = None if path is None else node.disk.content(path)
        if path is None or content is None:
            return

        def act() -> None:
            node.disk.write(path, content, node.disk.tree()[path][3], replace=True)

        node.user.do(f"sets {path!r} apart", act)

    def _make_twin(self, node: Node) -> None:
        """cp -p to another name, which gets another name, too: a file of its own, equal to the first one."""
        path, target = self._file(node, True), node.user.some_name(self.rng)
        content = None if path is None else node.disk.content(path)
        if path is None or content is None or node.disk._find(target) is not None:
            return

        def act() -> None:
            if parent_of(target):
                node.disk.mkdir(parent_of(target))
            entry = node.disk.tree()[path]
            node.disk.write(target, content, entry[3], mode=entry[2])
            node.disk.give_name(target, target + b".twin")

        node.user.do(f"copies {path!r} to {target!r} and {target + b'.twin'!r}", act)

    def _chmod(self, node: Node) -> None:
        path = self._file(node, True)
        if path is not None:
            mode = self.rng.choice([0o600, 0o644, 0o640])
            node.user.do(f"chmod {mode:o} {path!r}", partial(self._set_mode, node, path, mode))

    def _set_mode(self, node: Node, path: bytes, mode: int) -> None:
        node.disk.chmod(path, mode)

    def _rename(self, node: Node) -> None:
        path, target = self._file(node, True), node.user.some_name(self.rng)
        if path is not None and path != target and node.disk._find(target) is None:
            node.user.do(f"renames {path!r} to {target!r}", partial(self._move, node, path, target))

    def _move(self, node: Node, path: bytes, target: bytes) -> None:
        if parent_of(target):
            node.disk.mkdir(parent_of(target))
        node.disk.move(path, target)

    def _remove(self, node: Node) -> None:
        path = self._file(node, True)
        if path is not None:
            node.user.do(f"removes {path!r}", partial(node.disk.delete, path))

    # What is promised

    def files_of(self, node: Node) -> Files:
        """The names of each file that has several."""
        others = self.world.at_rest.others()
        found: dict[int, set[bytes]] = {}
        for path, entry in node.disk.tree().items():
            inode = node.disk._find(path)
            if entry[0] is Kind.FILE and inode is not None and not is_below(path, others):
                found.setdefault(inode.number, set()).add(path)
        return frozenset(frozenset(names) for names in found.values() if len(names) > 1)

    def check(self, when: str) -> None:
        """At rest all nodes know the same ids (see AtRest: equal rows), and names of one file are one file."""
        if not self.world.options.one_file:
            return
        keepers = [node for node in self.world.nodes if self.is_on_at(node)]
        first = {row.record.path: row.record for row in self.world.nodes[0].index.changes.after(0, 1_000_000)}
        others = self.world.at_rest.others()
        for node in self.world.nodes:
            for row in node.index.changes.after(0, 1_000_000):
                record, path = row.record, row.record.path
                known = first.get(path)
                if record.kind is Kind.FILE and known is not None and not is_below(path, others):
                    if file_id_of(known) != file_id_of(record):
                        raise Broken(f"{when}: {node.name} and A know other ids of {path!r}")
        for node in keepers:
            self._check_node(node, when)
        whole = [node for node in keepers if not self.has_few_at(node)]
        for node in whole[1:]:
            if self.files_of(node) != self.files_of(whole[0]):
                raise Broken(
                    f"{when}: {whole[0].name} and {node.name} differ in names of one file:"
                    f" {_words(self.files_of(whole[0]) - self.files_of(node))} /"
                    f" {_words(self.files_of(node) - self.files_of(whole[0]))}"
                )

    def _check_node(self, node: Node, when: str) -> None:
        """Two names are one file if, and only if, their versions say so."""
        others = self.world.at_rest.others()
        live = [row.record for row in node.index.changes.after(0, 1_000_000) if row.record.kind is Kind.FILE]
        live = [record for record in live if not is_below(record.path, others)]
        for number, mine in enumerate(live):
            for theirs in live[:number]:
                is_said = are_one_file(mine, theirs)
                is_one = node.disk._find(mine.path) is node.disk._find(theirs.path)
                if is_said != is_one and (is_one or not self.has_few_at(node)):
                    what = "are two files" if is_said else "are names of one file"
                    raise Broken(
                        f"{when}: on {node.name} {theirs.path!r} and {mine.path!r} {what}, and their versions say otherwise:"
                        f" {file_id_of(theirs)}, {file_id_of(mine)}"
                    )

    def _is_split(self, node: Node) -> bool:
        """True if names with one id are files of their own: they are joined as soon as they are equal, whoever makes them so."""
        live = [row.record for row in node.index.changes.after(0, 1_000_000) if row.record.kind is Kind.FILE]
        said = [(file_id_of(record), record) for record in live if file_id_of(record)]
        return any(one == two and not are_one_file(mine, theirs) for one, mine in said for two, theirs in said)

    def carried(self, files: Files) -> frozenset[bytes]:
        """Names whose mode and time may come from a name of another file: where names of one file are not kept and two names
        are one file nevertheless, what one of them gets the other one has, and that is announced. `files`: of a node that
        keeps them; a name that gets something else leaves its file, so all names of that file are among them."""
        loose = [names for node in self.world.nodes if not self.is_on_at(node) for names in self.files_of(node)]
        names = frozenset[bytes]().union(*loose)
        return names.union(*(one for one in files if one & names))

    def pass_on(self) -> None:
        """In a mesh at rest: what a user does to names of a file on one node is what the others have."""
        for _ in range(4):
            if self.world.at_rest.others():
                return
            node = self.rng.choice(self.world.nodes)
            rejections = self.world.rejections
            is_split = self._is_split(node)
            self.act(node)
            tree = {path: entry[1] for path, entry in node.disk.tree().items() if entry[0] is Kind.FILE}
            files = self.files_of(node)
            carried = self.carried(files)
            self.world.rest("after an act on names of one file")
            self.world.at_rest.check("after an act on names of one file")
            self.check("after an act on names of one file")
            if self.world.rejections > rejections or self.world.at_rest.others():
                continue
            for other in self.world.nodes:
                now = {path: entry[1] for path, entry in other.disk.tree().items() if entry[0] is Kind.FILE}
                if now != tree:
                    changed = [path for path in {**now, **tree} if now.get(path) != tree.get(path)]
                    raise Broken(f"what {node.name} did to names of one file is not what {other.name} has: {changed}")
                if not self.is_on_at(node) or self.has_few_at(node) or is_split:
                    continue
                if not self.is_on_at(other) or self.has_few_at(other):
                    continue
                wanted, there = (_without(one, carried) for one in (files, self.files_of(other)))
                if wanted != there:
                    raise Broken(f"{node.name} has the files {_words(wanted)}, and {other.name} {_words(there)}")


def _without(files: Files, names: frozenset[bytes]) -> Files:
    return frozenset(one for one in files if one.isdisjoint(names))


def _words(files: Files) -> str:
    return str(sorted(sorted(names) for names in files))
