"""The process of `once --dry-run`: finds out what a run would do, and changes nothing, here or elsewhere.

In:   a Config, which peers are wanted and how many, and until when. Out: a Rehearsed: the plan, with whom, what would be left.
Raises ConfigError; Locked, if another program has the folder.
Rule: what is here comes from a copy of the index and a look at the folder, or from the node that runs here; what others
have and would do, they say themselves.
Used by: rehearsing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dir_sync.config import Config, ConfigError
from dir_sync.core.forecast import Action, Plan, plan
from dir_sync.core.model import Kind, show
from dir_sync.core.named import NamedTuple
from dir_sync.core.peers.sought import Place
from dir_sync.core.status import Status
from dir_sync.daemon.meeting import Gone, Meeting
from dir_sync.daemon.process import tune
from dir_sync.daemon.rehearsal import Asked, Rehearsal
from dir_sync.folder import root
from dir_sync.network.control import Answer
from dir_sync.security import files

if TYPE_CHECKING:
    from dir_sync.network.sealing import MeshSealing

__all__ = ["Here", "Rehearsed", "run"]

_LOCK_WAIT_S = 2.0  # commands that run without a node have the lock for a moment


class Here(NamedTuple):
    """The node that runs here for the folder: it answers questions, and has said how it is."""

    ask: Callable[[Answer], Answer]
    status: Status


class Rehearsed(NamedTuple):
    """`plan` None: it is not known, because not all that are wanted were there in time, or a signal came."""

    plan: Plan | None
    peers: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()  # what is never shared: path, escaped, and why
    turned_away: tuple[str, ...] = ()  # who could not be asked, and why


def run(
    config: Config, named: Sequence[Place], wait_for: int, is_over: Callable[[], bool], here: Here | None
) -> Rehearsed:
    """`named`: those of the peers in `config` that have to be asked. `is_over`: the time is over, or a signal has come.
    `here`: None if no node runs for the folder."""
    tune()
    if here is None and (
        reason := root.reason_to_wait(config.folder, None, config.fresh) or root.reason_against(config.folder)
    ):
        raise ConfigError(f"this folder cannot be shared now: {reason}")
    side: Rehearsal | Asked = Rehearsal(config, _LOCK_WAIT_S) if here is None else Asked(here.ask)
    try:
        sealing = _sealing(config)
        if sealing is not None and sealing.status.role == "ro" and isinstance(side, Rehearsal):
            side.reads_only(sealing.keeper.membership.me)
        meeting = Meeting(config, named, sealing, is_over, "" if here is None else here.status.node)
        try:
            return _rehearsed(side, meeting, wait_for, is_over)
        finally:
            meeting.stop()
    finally:
        if isinstance(side, Rehearsal):
            side.close()


def _sealing(config: Config) -> MeshSealing | None:
    if config.key_file is None and not files.is_closed(config.folder):
        return None
    from dir_sync.network.sealing import open_to_look  # imported late: open folders do without

    return open_to_look(config.folder, config.key_file, config.name)


def _rehearsed(side: Rehearsal | Asked, meeting: Meeting, wait_for: int, is_over: Callable[[], bool]) -> Rehearsed:
    if not side.scan(is_over):
        return Rehearsed(None, turned_away=meeting.away)
    while True:
        peers = meeting.collect(wait_for)
        away = meeting.away
        if len(peers) < wait_for or meeting.lacks_named:
            return Rehearsed(None, tuple(peer.name for peer in peers), (), away)
        try:
            made = plan(side, peers)
        except Gone:
            if is_over():
                return Rehearsed(None, (), (), away)
            time.sleep(0.05)
            continue
        break
    skipped: tuple[tuple[str, str], ...] = ()
    if isinstance(side, Rehearsal):
        made.left.extend(_left_here(side, made))
        skipped = tuple(side.tally.skipped.words())
    return Rehearsed(made, tuple(peer.name for peer in peers), skipped)


def _left_here(side: Rehearsal, made: Plan) -> list[tuple[str, str]]:
    """What this machine could not read, and what its brakes would hold."""
    left = list(side.tally.unreadable.words())
    if held := side.held:
        left.append(
            (show(held[0]), f"{len(held):,} files are missing here, which would be held until a person decides")
        )
    gone = [step for step in made.steps if step.action is Action.DELETE and not step.at and step.kind is Kind.FILE]
    files_here = sum(record.kind is Kind.FILE for record in side.records.values())
    if side.brake.files and len(gone) >= side.brake.files and side.brake.is_disaster(len(gone), files_here):
        words = f"{len(gone):,} files would be deleted here: that would be held until a person decides"
        left.append((show(gone[0].path), words))
    return left
