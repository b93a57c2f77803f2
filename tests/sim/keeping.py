"""Worlds in which some nodes keep owner, ACLs and extended attributes, and what that promises.

In:   a seed; a world at rest. Out: changes for its Options; Broken.
Rule: each node passes on what it does not keep. At rest all versions say the same, and what a node keeps is on its disk.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from dir_sync.core.attributes import NOTHING, Attributes, Owner
from dir_sync.core.model import Kind
from dir_sync.core.preserve import ON_ENTRIES, Part
from tests.sim.broken import Broken
from tests.sim.memory_disk import FIELDS
from tests.sim.memory_tree import OWNER
from tests.sim.trees import is_below

if TYPE_CHECKING:
    from tests.sim.node import Node
    from tests.sim.world import World

__all__ = ["Keeping", "keeps_of"]

_OWNERS = (OWNER, Owner("anna", 1001, "users", 100), Owner("", 4711, "users", 100))
_ACLS = (((), ()), (((1, 6, "", 0), (2, 4, "ben", 1002), (4, 4, "", 0), (16, 4, "", 0), (32, 0, "", 0)), ()))
_NAMES = (b"user.a", b"user.b")
PLAIN = Attributes(OWNER, ((), ()), ())


def keeps_of(seed: int) -> dict[str, Any]:
    """A world whose nodes keep different parts: the first all, the second none, the third all, others what comes."""
    dice = Random(f"keeps {seed}")
    nodes = dice.choice([2, 3, 3, 4])
    parts = [ON_ENTRIES, frozenset[Part](), ON_ENTRIES, frozenset(dice.sample(sorted(ON_ENTRIES, key=str), 2))]
    dice.shuffle(parts)
    links = [(a, a + 1) for a in range(nodes - 1)]
    if dice.random() < 0.4:
        links = [(a, b) for a in range(nodes) for b in range(a + 1, nodes)]
    return {
        "keeps": tuple(parts[:nodes]),
        "keeps_change": True,
        "attributes": dice.choice([0.1, 0.3, 0.6]),
        "nodes": nodes,
        "links": tuple(links),
        "skews": (0,) * nodes,
        "blind": False,
        "others": 0.0,
    }


class Keeping:
    """Users who change attributes, and what the program promises about them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = Random(f"attributes of {world.options.seed}")

    def parts_of(self, node: Node) -> frozenset[Part]:
        """What the node keeps in this life. Some begin late, and some leave the option out for a life."""
        if not self.world.options.keeps:
            return frozenset()
        habit = (self.world.options.seed + node.number) % 4
        is_off = (habit == 1 and node.instance <= 1) or (habit == 2 and node.instance % 3 == 2)
        return frozenset() if is_off and self.world.options.keeps_change else self.world.options.keeps[node.number]

    def act(self, node: Node) -> tuple[bytes, str, Any] | None:
        """A user changes an attribute that this node keeps. Returns what it is now."""
        fields = sorted(FIELDS[part] for part in self.parts_of(node))
        tree = node.disk.tree()
        paths = [path for path, entry in tree.items() if entry[0] in (Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK)]
        paths = [path for path in paths if not path.startswith(b"still")]
        if self.world.options.grain_ns:  # two changes of a link within one granule of the clock look like one
            paths = [path for path in paths if tree[path][0] is not Kind.SYMLINK]
        if not fields or not paths:
            return None
        path = self.rng.choice(paths)
        field = "owner" if tree[path][0] is Kind.SYMLINK else self.rng.choice(fields)
        if field not in fields:
            return None
        given: dict[str, Any] = {
            "owner": self.rng.choice(_OWNERS),
            "acls": self.rng.choice(_ACLS),
            "xattrs": tuple((name, b"%d" % self.rng.randrange(9)) for name in _NAMES if self.rng.random() < 0.6),
        }

        def give() -> None:
            node.disk.change_attributes(path, **{field: given[field]})
            for name in (path, *node.other_names(path)):
                node.touched[name] = self.world.us

        node.user.do(f"gives {path!r} {field} {given[field]!r}", give)
        return path, field, given[field]

    def check(self, when: str) -> None:
        """At rest all nodes know the same attributes, and each has on its disk those that it keeps."""
        if not self.world.options.keeps:
            return
        others = self.world.at_rest.others()
        first = {
            row.record.path: row.record.attributes for row in self.world.nodes[0].index.changes.after(0, 1_000_000)
        }
        for node in self.world.nodes:
            for row in node.index.changes.after(0, 1_000_000):
                path, known = row.record.path, row.record.attributes
                if row.record.kind is Kind.ABSENT or is_below(path, others) or node.keeps_away(path):
                    continue
                if known != first.get(path):
                    raise Broken(
                        f"{when}: {node.name} and A know other attributes of {path!r}: {known}, {first.get(path)}"
                    )
                inode = node.disk._find(path)
                if inode is None or (inode.kind is Kind.SYMLINK and self.world.options.grain_ns):
                    continue  # (two changes of a link within one granule of the clock look like one)
                for part in self.parts_of(node):
                    field = FIELDS[part]
                    if inode.kind is Kind.SYMLINK and part is not Part.OWNER:
                        continue
                    said, here = getattr(known or NOTHING, field), getattr(inode.attributes, field)
                    if here != (getattr(PLAIN, field) if said is None else said):
                        raise Broken(
                            f"{when}: {node.name} keeps {field} and has {here} at {path!r}, of which all say {said}"
                        )

    def pass_on(self) -> None:
        """In a mesh at rest: what a user gives to a file is where it is kept, also after an edit and a rename by somebody
        whose node does not keep it."""
        for _ in range(2):
            world = self.world
            if self.world.at_rest.others() or any(node.linked for node in world.nodes):
                return
            keepers = [one for one in world.nodes if self.parts_of(one)]
            if not keepers:
                return
            node = self.rng.choice(keepers)
            found = self.act(node)
            world.rest("after a change of attributes")
            self.check("after a change of attributes")
            if found is None:
                return
            path, field, value = found
            self._must_be(path, field, value)
            other = self.rng.choice(world.nodes)
            if self.parts_of(other) or other.disk.content(path) is None:
                continue
            new = path + b"-%d" % self.rng.randrange(1_000)
            other.user.do(f"edits {path!r}", partial(other.disk.write, path, b"edited, and nothing else"))
            world.rest("after an edit where nothing is kept")
            self._must_be(path, field, value)
            other.user.do(f"renames {path!r}", partial(other.disk.move, path, new))
            world.rest("after a rename where nothing is kept")
            self.check("after a rename where nothing is kept")
            self._must_be(new, field, value)

    def _must_be(self, path: bytes, field: str, value: Any) -> None:
        for node in self.world.nodes:
            inode = node.disk._find(path)
            row = node.index.rows.get(path)
            if inode is None or row is None or row.record.kind is Kind.ABSENT:
                continue
            said = getattr(row.record.attributes or NOTHING, field)
            if said != value and not (said is None and value == getattr(PLAIN, field)):
                raise Broken(f"{node.name} does not pass on what a user gave to {path!r}: {field} {value}, but {said}")
            if any(FIELDS[part] == field for part in self.parts_of(node)) and getattr(inode.attributes, field) != value:
                raise Broken(f"{node.name} keeps {field}, and {path!r} has not {value}")
