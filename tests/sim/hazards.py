"""What comes between the verbs of a job and between an event and its engine: power cuts, troubles, users, delays.

In:   each verb of the program, each event of a watcher. Out: the same later, twice, not at all; or with trouble.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dir_sync.core.events import Event
from dir_sync.ports import Trouble
from tests.sim.broken import PowerCut
from tests.sim.node import Node

if TYPE_CHECKING:
    from tests.sim.world import World

__all__ = ["Hazards"]

_MEDDLED_MAX = 300  # each makes more jobs, with more verbs


class Hazards:
    """Faults below and beside the program."""

    def __init__(self, world: World) -> None:
        self.world = world

    def at_verb(self, node: Node, verb: str, path: bytes) -> None:
        if not node.disk.program:
            return
        self.world.modes.at_verb(node, verb, path)
        self.world.ignoring.at_verb(node, verb, path)
        if self.world.chance(self.world.options.crash_in_job):
            raise PowerCut
        if node.disk.locked is not None:
            return  # whoever wants that file waits, and the others have had their chance
        if verb in ("exchange", "rename") and not path.startswith((b".dir_sync", b"still")) and path:
            if self.world.stats["meddled"] < _MEDDLED_MAX and self.world.chance(self.world.options.worst):
                self.world.stats["meddled"] += 1
                node.user.save_now(path)
        if self.world.stats["meddled"] < _MEDDLED_MAX and self.world.chance(self.world.options.meddling):
            self.world.stats["meddled"] += 1
            node.user.meddle(path)

    def trouble(self, node: Node, verb: str, path: bytes) -> Trouble | None:
        if not node.disk.root_here and verb not in ("is_root_here", "stat", "list"):
            return Trouble.IO if node.disk._away is None else Trouble.ABSENT
        if not node.disk.root_here and node.disk._away is None and verb != "is_root_here":
            return Trouble.IO
        if verb in ("file.sync", "sync_all", "sync_directory") and self.world.chance(self.world.options.sync_fails):
            return Trouble.IO
        if verb != "is_root_here" and node.disk.program and self.world.chance(self.world.options.trouble):
            self.world.stats["troubles"] += 1
            return self.world.rng.choice([Trouble.IO, Trouble.DENIED, Trouble.LIMIT])
        return None

    def watcher(self, node: Node, event: Event) -> None:
        """An event of the file system, on its way to the engine."""
        options = self.world.options
        if not node.alive or self.world.chance(options.lost):
            return
        delay = self.world.rng.randint(0, 800)
        if self.world.chance(options.late):
            delay = self.world.rng.randint(0, 400_000)
        if not self.world.faults:  # else some come late, and so not in their order
            delay = node.hears_at = max(self.world.us + delay, node.hears_at)
            delay -= self.world.us
        self.world.at(delay, self.world.loop.post, node, node.epoch, event)
        if self.world.chance(options.repeated):
            self.world.at(delay + self.world.rng.randint(0, 50_000), self.world.loop.post, node, node.epoch, event)
