"""Bits that tip over on the disks of a world at rest, while a user edits something whose time is put back.

In:   a world at rest. Out: nothing, or Broken: what was recorded is back, the edit lives, nothing else was announced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3

from dir_sync.core.events import VerifyWanted
from dir_sync.core.model import Kind
from tests.sim.broken import Broken
from tests.sim.node import Node

if TYPE_CHECKING:
    from tests.sim.world import World

__all__ = ["CALM", "Rot"]

CALM: dict[str, object] = {
    "rot": True,
    **{"grain_ns": 0, "retention": None, "blind": False, "brake": False},
    **dict.fromkeys(
        (
            *(
                "crash",
                "crash_in_job",
                "trouble",
                "full",
                "sync_fails",
                "unreadable",
                "meddling",
                "worst",
                "late_writes",
            ),
            *("lost", "late", "disaster", "root_gone", "old_state", "lose_index", "jump", "logs", "others"),
        ),
        0.0,
    ),
}
"""Changes of the options of a world, so that nothing but rot is in the way of a verification."""

_ROUNDS = 3


class Rot:
    """The rot of one world, and its checks."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.most_names = 0  # of a file that went bad

    def run(self) -> None:
        for number in range(_ROUNDS):
            self._round(number)

    def _round(self, number: int) -> None:
        world = self.world
        node = world.rng.choice(world.nodes)
        files = [path for path, entry in sorted(node.disk.tree().items()) if entry[0] == Kind.FILE and entry[1]]
        files = [
            path
            for path in files
            if not path.startswith(b"still/") and node.index.rows.get(path) is not None and self._is_held(node, path)
        ]
        if len(files) < 2:
            return
        victim, edited = world.rng.sample(files, 2)
        several = [path for path in files if path != edited and self._names(node, path, files)[1:]]
        if world.options.one_file and several:
            victim = world.rng.choice(several)
        good = node.disk.content(victim)
        inode = node.disk._find(victim)
        assert good is not None
        assert inode is not None
        names = self._names(node, victim, files)
        self.most_names = max(self.most_names, len(names))
        if inode.links > len(names) or edited in names:
            return  # it has a name that is not synchronized
        inode.data[world.rng.randrange(len(good))] ^= 1 << world.rng.randrange(8)
        bad = bytes(inode.data)
        node.seen.add(blake3(bad).digest())  # a worker reads it
        world.note(f"{victim!r} rots on {node.name}")
        before = {path: node.index.rows.get(path) for path in names}
        near = [link.other(node) for _, link in sorted(node.links.items())]
        other = world.rng.choice([node, *near]) if number else node
        world.loop.post(other, other.epoch, VerifyWanted(True))
        edit = self._edit(node, edited)
        world.run_to_rest("after rot")
        for path in names:
            if node.disk.content(path) != good:
                raise Broken(f"{path!r} is rotten on {node.name}, and was not healed, as {other.name} was asked to")
            was, after = before[path], node.index.rows.get(path)
            if was is None or after is None or (was.seq, was.record) != (after.seq, after.record):
                raise Broken(f"{node.name} took the rot of {path!r} for a change")
        kept = [version for version in node.index.versions.oldest_first() if version.path in names]
        if bad not in [node.disk.content(version.name) for version in kept]:
            raise Broken(f"{node.name} has not kept what rot had made of {victim!r}")
        for each in world.nodes:
            if edit is not None and each.disk.content(edited) != edit:
                raise Broken(f"{each.name} does not have the edit of {edited!r}")

    @staticmethod
    def _names(node: Node, path: bytes, files: list[bytes]) -> list[bytes]:
        """The names of the file at a path."""
        return [other for other in files if node.disk._find(other) is node.disk._find(path)]

    def _is_held(self, node: Node, path: bytes) -> bool:
        """True if each node has the same there, so each neighbour of this one can give it."""
        content = node.disk.content(path)
        return all(other.disk.content(path) == content for other in self.world.nodes)

    def _edit(self, node: Node, path: bytes) -> bytes | None:
        """A user changes as many bytes, and puts the time back."""
        stat, content = node.disk.stat(path), node.disk.content(path)
        assert stat is not None
        if content is None or stat.links > 1:
            return None
        before, first = node.disk.tree(), len(self.world.tokens)
        edit = content[:-1] + bytes([content[-1] ^ 32])
        node.disk.write(path, edit, stat.mtime)
        self.world.acted(node, before, first)
        return edit
