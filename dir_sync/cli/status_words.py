"""The status of a node as text.

In: the answer of a running node, or the Status in it. Out: that Status, or ConfigError; lines for a person.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from dir_sync.cli.headlines import COLOURS, headline, not_taken_there, own_mode, peer_table, safe_line
from dir_sync.config import ConfigError
from dir_sync.core.mode import Mode
from dir_sync.core.status import HeldChange, LimitStatus, MeshStatus, ScheduleStatus, ScrubStatus, Status
from dir_sync.network.control import Answer
from dir_sync.reporting.log import how_many, human_bytes, listed, moment
from dir_sync.reporting.shell import APPROVE_ELSEWHERE, command, how_to_close, how_to_come_back

__all__ = ["held_words", "in_short", "machines_that_closed", "render", "status_in"]

_TOLD_MAX = 5  # paths that are named
_COLOURS = {"green": "\x1b[1;32m", "cyan": "\x1b[1;36m", "yellow": "\x1b[1;33m", "red": "\x1b[1;31m"}


def status_in(answer: Answer) -> Status:
    """The Status in the answer of a running node. ConfigError if another version of the program gave it."""
    try:
        return Status.from_json(answer)
    except (KeyError, TypeError):
        raise ConfigError("the running node is another version: restart it") from None


def render(status: Status, folder: str, colour: bool = False, elsewhere: Sequence[str] = ()) -> list[str]:
    """A headline, and one line for each relevant fact; names are escaped already. `folder`: as the user typed it, for commands.
    `colour`: of the headline. `elsewhere`: the machines away that are connected for other folders."""
    now_s = time.time()
    lines = [
        _top(status, now_s, colour),
        safe_line(status),
        f"{status.folder}: shared as '{status.folder_name}' by {status.name} (node {status.node[:8]}),"
        f" {f'port {status.port}' if status.port else 'not listening'}, process {status.process}"
        f"{f', version {status.version}' if status.version else ''}",
        _mesh(status.mesh, folder),
        f"{how_many(status.files, 'file')} ({human_bytes(status.bytes)})",
    ]
    if status.mode != Mode.TWO_WAY.value:
        word = own_mode(status)
        lines.append(f"{word if word != status.mode else f'mode {word}'}: {_diverged(status, folder)}")
    if status.pause is not None:
        lines.append(f"to go on: {command('resume', folder)}")
    if status.schedule is not None:
        lines.append(_schedule(status.schedule))
    if status.limits is not None:
        lines.append(_limits(status.limits))
    lines += [f"{name} has paused this folder: nothing is exchanged with it" for name in status.paused_elsewhere]
    lines += [
        f"{name} belongs to a closed mesh now, and exchanges nothing with this machine; to join it: 'invite DIR'"
        f" there, and here: {command('join', folder)}"
        for name in machines_that_closed(status)
    ]
    lines += peer_table(status, now_s)
    lines += [
        f"{one.place} is named for this node, but not connected: {one.problem}; it is tried again by itself"
        for one in status.missed
    ]
    if status.scanning:
        lines.append("scanning the folder")
    for transfer in status.transfers:
        done = 100 * transfer.here // max(transfer.size, 1)
        lines.append(
            f"receiving {transfer.path} from {transfer.peer}: {done} % of {human_bytes(transfer.size)}{_speed(transfer.per_s)}"
        )
    for upload in status.uploads:
        done = 100 * upload.sent // max(upload.size, 1)
        lines.append(
            f"sending {upload.path} to {upload.peer}: {done} % of {human_bytes(upload.size)}{_speed(upload.per_s)}"
        )
    if status.wanted:
        are = "is" if status.wanted == 1 else "are"
        lines.append(f"{how_many(status.wanted, 'path')} {are} newer elsewhere and not here yet")
    for one in status.troubled[:_TOLD_MAX]:
        how = "waits, and is tried again" if one.again else "cannot be here"
        if one.held:
            how = "waits for your decision"
        lines.append(f"  {one.path} {how}: {one.problem}")
    lines += _more(status.troubled)
    lines += [
        f"  {path} is larger than the --max-file-size of this machine: it is not sent, and not replaced here"
        for path in status.too_large[:_TOLD_MAX]
    ]
    lines += _more(status.too_large, " that are too large")
    lines += [
        f"  {path} is not taken: elsewhere it is larger than the --max-file-size of this machine"
        for path in status.not_taken[:_TOLD_MAX]
    ]
    lines += _more(status.not_taken, " that are not taken")
    lines += [
        f"  {path} changes all the time: it is sent once nobody writes into it for a moment"
        for path in status.restless[:_TOLD_MAX]
    ]
    lines += _more(status.restless, " that change all the time")
    if status.unwatched_first is not None:
        first = status.unwatched_first
        which = f" ({first.path}: {first.problem})" if status.unwatched == 1 else f" ({first.path}, ...)"
        lines.append(f"{how_many(status.unwatched, 'folder')} cannot be watched{which}: scanned every 20 s instead")
    lines += _gone_bad(status, folder)
    if status.healed:
        lines.append(
            f"{how_many(status.healed, 'file')} that went bad on the disk {'was' if status.healed == 1 else 'were'} healed"
        )
    if status.scrub is not None:
        lines.append(_scrub(status.scrub))
    lines += _conflicts(status, folder)
    lines += held_words(status)
    if status.held:
        is_ours = all(held.here and not held.missing for held in status.held)  # a node cannot approve its own changes
        approving = APPROVE_ELSEWHERE if is_ours else command("approve", folder)
        lines.append(f"  to let it happen: {approving}")
        lines.append(f"  to undo it everywhere: {command('reject', folder)}")
    lines.append(_last_line(status, folder, elsewhere))
    return lines


def in_short(status: Status, folder: str, colour: bool = False) -> list[str]:
    """The headline, and what waits for a person or for another machine."""
    return [_top(status, time.time(), colour), safe_line(status), *_conflicts(status, folder)]


def _top(status: Status, now_s: float, colour: bool) -> str:
    top = headline(status, now_s)
    return f"{_COLOURS[COLOURS[status.headline]]}{top}\x1b[0m" if colour else top


def _conflicts(status: Status, folder: str) -> list[str]:
    if not status.conflicts:
        return []
    found = how_many(status.conflicts, "version")
    return [f"CONFLICT: {found} lost against a change made at the same time; to list: {command('conflicts', folder)}"]


def machines_that_closed(status: Status) -> list[str]:
    """The names of those that went over to a closed mesh while this node stayed open: nothing is exchanged with them."""
    return [one.name for one in status.away if one.has_closed] if status.mesh is None else []


def _not_joined(status: Status) -> list[str]:
    """The names of those that shared this folder before its mesh was closed, and were not met as members since."""
    return [] if status.mesh is None else [one.name for one in status.away if not one.was_member]


def _more(all_of_them: Sequence[object], words: str = "") -> list[str]:
    """The line for those that are not named."""
    rest = len(all_of_them) - _TOLD_MAX
    return [f"  and {rest:,} more{words}"] if rest > 0 else []


def _speed(per_s: int) -> str:
    return f" at {human_bytes(per_s)}/s" if per_s else ""


def _schedule(schedule: ScheduleStatus) -> str:
    until = f" until {moment(schedule.until_s)}" if schedule.until_s else ""
    holds = f"'{schedule.holds}' holds{until}" if schedule.holds else f"no rule holds{until}"
    if (overruled_s := schedule.overruled_until_s) is not None:
        until = f"until {moment(overruled_s)}" if overruled_s else "any more"
        holds = f"'{schedule.holds}' does not count {until}, because of 'resume'"
    return f"schedule: {holds} ({how_many(len(schedule.rules), 'rule')})"


def _limits(limits: LimitStatus) -> str:
    all_peers = _speeds(limits.up, limits.down)
    each_peer = _speeds(limits.peer_up, limits.peer_down)
    return "limits of speed: " + "; ".join(filter(None, (all_peers, each_peer and f"with each machine {each_peer}")))


def _speeds(up: int, down: int) -> str:
    return ", ".join(f"{way} {human_bytes(per_s)}/s" for way, per_s in (("up", up), ("down", down)) if per_s)


def _gone_bad(status: Status, folder: str) -> list[str]:
    """The files that went bad on the disk: those that nobody can heal now, and those that a person may have healed."""
    lines = []
    if waiting := [path for path in status.rotten if path not in status.to_repair]:
        lines.append(
            f"{how_many(len(waiting), 'file')} went bad on the disk, and no connected machine has what was there:"
        )
        lines += [f"  {path}" for path in waiting[:_TOLD_MAX]]
        lines += _more(waiting)
    if status.to_repair:
        lines.append(
            f"{how_many(len(status.to_repair), 'file')} went bad on the disk (found at {moment(status.found_bad_s)});"
            f" to heal: {command('verify', folder, '--repair')}"
        )
        lines += [f"  {path}" for path in status.to_repair[:_TOLD_MAX]]
        lines += _more(status.to_repair)
    if status.silent:
        lines.append(
            f"{how_many(len(status.silent), 'file')} changed without a new time: by a program that puts it back, or a disk that"
            f" goes bad. Other machines keep the former version: {command('restore', folder, status.silent[0])}"
        )
        lines += [f"  {path}" for path in status.silent[:_TOLD_MAX]]
        lines += _more(status.silent)
    return lines


def _scrub(scrub: ScrubStatus) -> str:
    last = f", the last one ended at {moment(scrub.last_s)}" if scrub.last_s else ""
    return f"scrub: {scrub.percent} % of all files read again, the rest until {moment(scrub.until_s)}{last}"


def _diverged(status: Status, folder: str) -> str:
    if not status.diverged:
        return "nothing differs from the other machines for that"
    are = "is" if status.diverged == 1 else "are"
    return f"{how_many(status.diverged, 'path')} {are} otherwise here than elsewhere; to list: {command('diverged', folder)}"


def _mesh(mesh: MeshStatus | None, folder: str) -> str:
    if mesh is None:
        return f"the mesh is open: anyone on this LAN can join the folder; {how_to_close(command, folder)}"
    if mesh.removed_by:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(mesh.removed_s))
        return (
            f"this machine was REMOVED from the closed mesh {mesh.key}, said {mesh.removed_by} at {when}: it gets nothing any"
            f" more, and keeps what it has; {how_to_come_back(command, folder)}"
        )
    role = "read-write" if mesh.role == "rw" else "read-only"
    return f"closed mesh {mesh.key}, generation {mesh.generation}, {role}, {how_many(mesh.members, 'member')}"


def _last_line(status: Status, folder: str, elsewhere: Sequence[str] = ()) -> str:
    """The last line: whether everything is in sync."""
    if status.pause is not None:
        return "not in sync: it is paused here"
    closed = machines_that_closed(status)
    if status.in_sync and closed:
        return f"everything is in sync with the connected machines, and not with {listed(closed)}"
    if status.in_sync and not status.is_reader:
        return "everything is in sync"
    if status.is_all_in_sync and (there := not_taken_there(status)):
        return f"everything is in sync, but {listed(there)}"
    if status.is_all_in_sync and status.not_taken:
        return "everything is in sync, but for what this machine does not take"
    if status.is_all_in_sync:
        return "everything is here; what is changed on this machine counts nowhere else, because it is read-only"
    if not status.peers and status.mesh is not None and status.mesh.removed_by:
        return "not in sync: this machine was removed from its mesh"
    if not status.peers and status.paused_elsewhere:
        return f"not in sync: it is paused by {listed(status.paused_elsewhere)}"
    if not status.peers and (open_ones := _not_joined(status)):
        words, more = _to_be_let_in(open_ones, folder), _no_other_node(status, folder)
        return f"not in sync: {words}. If {'it has' if len(open_ones) == 1 else 'they have'} joined: {more}"
    if not status.peers and elsewhere:
        one = len(elsewhere) == 1
        return (
            f"{listed(elsewhere)} {'is' if one else 'are'} connected for other folders, and {'does' if one else 'do'} not share"
            f" '{status.folder_name}' now: 'status' there says whether its disk is missing, or it is not shared any more"
        )
    if not status.peers:
        return _no_other_node(status, folder)
    if status.unseen:
        return f"not in sync: {how_many(status.unseen, 'path')} here still to be looked at"
    if status.held and not status.busy:
        return "not in sync: something is held"
    if not_taken := not_taken_there(status):
        return f"not in sync: {listed(not_taken)}"
    stuck = [one for one in status.troubled if not one.again]
    if stuck and len(stuck) == status.wanted and not status.busy:
        return f"not in sync: {how_many(len(stuck), 'path')} cannot be here"
    return "not in sync yet"


def _to_be_let_in(names: Sequence[str], folder: str) -> str:
    has, it = ("has", "it") if len(names) == 1 else ("have", "them")
    inviting = command("invite", folder)
    return f"{listed(names)} {has} not joined the closed mesh, as far as is known here; to let {it} in: {inviting}"


def _no_other_node(status: Status, folder: str) -> str:
    closed_there = "" if status.mesh else f"; if the others have closed the mesh, to join it: {command('join', folder)}"
    return (
        "no other node is connected. Check that dir_sync runs on the other machines, with the folder name"
        f" '{status.folder_name}' and the UDP port {status.broadcast_port}, and that no firewall blocks this port"
        f"{f' or TCP port {status.port}' if status.port else ''}. Where broadcasts do not reach: --peer HOST{closed_there}"
    )


def held_words(status: Status) -> list[str]:
    """A line for each change that is held."""
    return [f"HELD{_where(held)}: {_what(held)}" for held in status.held]


def _where(held: HeldChange) -> str:
    return f" on {held.at}" if held.at else ""


def _what(held: HeldChange) -> str:
    files = f"{how_many(held.files, 'file')} ({held.path}, ...)"
    if held.missing:
        return f"{files} vanished {'there' if held.at else 'here'}; this is held until you decide, other machines keep them"
    by = "this node" if held.here else held.by
    return f"what {by} did to {files} is held until you decide: undo it on any machine, or let it happen on another one"
