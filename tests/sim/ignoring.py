"""Worlds in which people write rules for paths that are not shared, and the promises about such paths.

In:   a seed; verbs of the program; a world at rest. Out: changes for its Options; Broken.
Rule: the program never touches what is ignored, and no change of rules deletes anything. What no rule is about is the same
everywhere.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from dir_sync.core.events import Blind
from dir_sync.core.ignore import Rules
from dir_sync.core.model import Kind, Record, parent_of
from dir_sync.core.names import LOCAL_RULES
from tests.sim.broken import Broken

if TYPE_CHECKING:
    from tests.sim.node import Link, Node
    from tests.sim.world import World

__all__ = ["Ignoring", "rules_of"]

_PATTERNS = (
    b"a", b"b", b"/a", b"d/", b"d/a", b"e/", b"*.old", b"*~", b"x", b"\xffx", b"k", b"/f/g", b"d/*", b"**/b", b"!a", b"!b",
    b"!d/", b"(?d)x", b"(?d)in/", b"[a-c]", b"in/", b"!/f/", b"l", b"*.tmp", b"(?d)h",
)  # fmt: skip
_PLACES = (b".syncignore", b".syncignore", b".syncignore", b"d/.syncignore", b"f/.syncignore", LOCAL_RULES)
_CHANGING = (
    "create", "create_whole", "make_directory", "make_link", "remove_directory", "remove_file", "rename", "exchange",
    "append", "file.write", "set_meta",
)  # fmt: skip


def rules_of(seed: int) -> dict[str, Any]:
    """A world with rules that change."""
    dice = Random(f"rules {seed}")
    return {
        "rules": dice.choice([0.05, 0.15, 0.3]),
        "blind": False,
        "brake": False,
        "disaster": 0.0,
        "others": 0.0,
    }


class Ignoring:
    """Rules of users, and what they promise."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.written: list[Rules] = []
        self.rng = Random(f"rules of {world.options.seed}")

    def write_rules(self, node: Node) -> None:
        """A user writes, changes or removes a file with rules."""
        place = self.rng.choice(_PLACES)
        lines = self.rng.sample(_PATTERNS, self.rng.choice([1, 1, 2, 4]))
        text = b"\n".join(lines) if self.rng.random() < 0.8 else b""
        is_removed = self.rng.random() < 0.2

        self.written.append(
            Rules({}, text) if place == LOCAL_RULES else Rules({parent_of(place): text}, defaults=False)
        )

        def act() -> None:
            if is_removed:
                node.disk.delete(place)
            else:
                node.disk.write(place, text)

        node.user.do(f"writes rules to {place!r}: {b'' if is_removed else text!r}", act)
        if place == LOCAL_RULES and node.alive:
            self.world.loop.post(node, node.epoch, Blind(b"", ""))

    def was_hidden(self, path: bytes) -> bool:
        """True if some rules of this world may have been about the path."""
        return any(rules.ignores(path, kind) for rules in self.written for kind in (False, True))

    def is_hidden(self, node: Node, path: bytes, is_folder: bool) -> bool:
        return bool(self.world.options.rules) and node.alive and node.engine.scope.rules.ignores(path, is_folder)

    def is_hidden_record(self, record: Record, *nodes: Node) -> bool:
        """True if one of these nodes may ignore what the record is about."""
        return any(self.is_hidden(node, record.path, kind) for node in nodes for kind in (False, True))

    def made_here(self, node: Node, record: Record, previous: Record | None) -> None:
        """A node records a change as made on it: what it ignores has not been deleted."""
        if record.kind is not Kind.ABSENT or previous is None or previous.kind is Kind.ABSENT:
            return
        if self.is_hidden(node, record.path, previous.kind is Kind.DIRECTORY):
            raise Broken(f"{node.name} ignores {record.path!r}, and tells of its deletion")

    def asks_anew(self, node: Node, link: Link) -> bool:
        """True if the rules of a node are changing: when all is listed by them, it asks for what others have. Or if it has
        asked, and that is still on its way."""
        if not self.world.options.rules or not node.alive:
            return False
        return node.engine.ignoring.is_changing or link.requests[node.name] > 0

    def hidden(self) -> list[bytes]:
        """Every path that some node ignores: what is there on one node may be a folder on another."""
        if not self.world.options.rules:
            return []
        found = {(path, entry[0]) for node in self.world.nodes for path, entry in node.disk.tree().items()}
        there = {path for path, _ in found}
        rows = [row.record for node in self.world.nodes if node.alive for row in node.index.changes.after(0, 1_000_000)]
        found.update((record.path, record.kind) for record in rows if record.path not in there)
        return sorted(
            {
                path
                for path, kind in found
                if any(
                    self.is_hidden(node, path, is_folder)
                    for node in self.world.nodes
                    for is_folder in ((False, True) if kind == Kind.ABSENT else (kind == Kind.DIRECTORY,))
                )
            }
        )

    def near(self) -> set[bytes]:
        """Ignored paths, and the folders that they are in."""
        hidden = self.hidden()
        return {*hidden, *(path[:at] for path in hidden for at, byte in enumerate(path) if byte == b"/"[0])}

    def at_verb(self, node: Node, verb: str, path: bytes) -> None:
        """The program changes nothing that is ignored, except what it had begun before the rules came."""
        if not self.world.options.rules or not node.disk.program or verb not in _CHANGING:
            return
        if not path or path.startswith(b".dir_sync") or path in node.engine.ignoring.leaving:
            return
        rule = node.engine.scope.rules.rule_for(path, False)
        if rule is not None and rule.is_disposable and verb in ("rename", "remove_file", "remove_directory"):
            return
        if node.engine.scope.rules.ignores(path, None):
            raise Broken(f"{node.name} ignores {path!r}, and changes it ({verb})")
