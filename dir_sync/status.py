"""What a daemon says of itself, in words.

In: the answer to the command `status`, as the control socket carries it. Out: lines for a person.
"""

from __future__ import annotations

from typing import Any

from dir_sync.log import how_many, human_bytes
from dir_sync.words import APPROVE_ELSEWHERE, command

__all__ = ["render"]

_TOLD_MAX = 5  # paths that are named


def render(answer: dict[str, Any], folder: str) -> list[str]:
    """One line for each thing worth knowing; names are escaped already. `folder`: as the user wrote it, for commands."""
    lines = [
        f"{answer['folder']}: shared as '{answer['folder_name']}' by {answer['name']} (node {answer['node'][:8]}),"
        f" port {answer['port']}, process {answer['process']}",
        f"{how_many(answer['files'], 'file')} ({human_bytes(answer['bytes'])})",
    ]
    peers = answer["peers"]
    lines += [f"{peer['name']} (node {peer['node'][:8]}) at {peer['address']}: {_standing(peer)}" for peer in peers]
    if answer["scanning"]:
        lines.append("scanning the folder")
    for transfer in answer["transfers"]:
        done = 100 * transfer["here"] // max(transfer["size"], 1)
        size = human_bytes(transfer["size"])
        lines.append(f"receiving {transfer['path']} from {transfer['peer']}: {done} % of {size}")
    for upload in answer["uploads"]:
        done = 100 * upload["sent"] // max(upload["size"], 1)
        size = human_bytes(upload["size"])
        lines.append(f"sending {upload['path']} to {upload['peer']}: {done} % of {size}")
    if answer["wanted"]:
        are = "is" if answer["wanted"] == 1 else "are"
        lines.append(f"{how_many(answer['wanted'], 'path')} {are} newer elsewhere and not here yet")
    for one in answer["troubled"][:_TOLD_MAX]:
        how = "waits, and is tried again" if one["again"] else "cannot be here"
        if one["held"]:
            how = "waits for your decision"
        lines.append(f"  {one['path']} {how}: {one['problem']}")
    if len(answer["troubled"]) > _TOLD_MAX:
        lines.append(f"  and {len(answer['troubled']) - _TOLD_MAX:,} more")
    restless = answer.get("restless", [])
    lines += [
        f"  {path} changes all the time: it is sent once nobody writes into it for a moment"
        for path in restless[:_TOLD_MAX]
    ]
    if len(restless) > _TOLD_MAX:
        lines.append(f"  and {len(restless) - _TOLD_MAX:,} more that change all the time")
    if answer["unwatched"]:
        first = answer["unwatched_first"]
        which = f" ({first['path']}: {first['problem']})" if answer["unwatched"] == 1 else f" ({first['path']}, ...)"
        lines.append(f"{how_many(answer['unwatched'], 'folder')} cannot be watched{which}: scanned every 20 s instead")
    lines += [f"HELD{_where(held)}: {_what(held)}" for held in answer["held"]]
    if answer["held"]:
        is_ours = all(held["here"] and not held["missing"] for held in answer["held"])  # no node approves its own
        approving = APPROVE_ELSEWHERE if is_ours else command("approve", folder)
        lines.append(f"  to let it happen: {approving}")
        lines.append(f"  to undo it everywhere: {command('reject', folder)}")
    lines.append(_headline(answer))
    return lines


def _standing(peer: dict[str, Any]) -> str:
    """What a peer does not have of ours, and we not of what it has."""
    if peer["synchronized"]:
        return "in sync"
    lacks, lacking_here = peer["lacks"], peer["lacking_here"]
    if lacks is None:
        return "comparing"
    words = []
    if any(lacks.values()):
        words.append(f"it lacks {_amount(lacks)}")
    if any(lacking_here.values()):
        words.append(f"this node lacks {_amount(lacking_here)} that it has")
    return "; ".join(words) or "comparing"


def _amount(lack: dict[str, int]) -> str:
    words = []
    if lack["files"]:
        words.append(f"{how_many(lack['files'], 'file')} ({human_bytes(lack['bytes'])})")
    if lack["others"]:
        words.append(how_many(lack["others"], "other change"))
    return " and ".join(words) or human_bytes(lack["bytes"])


def _headline(answer: dict[str, Any]) -> str:
    """The last line: is everything everywhere?"""
    if answer["in_sync"]:
        return "everything is in sync"
    if not answer["peers"]:
        return (
            "no other node is connected. Check that dir_sync runs on the other machines, with the folder name"
            f" '{answer['folder_name']}' and the UDP port {answer['broadcast_port']}, and that no firewall blocks this port"
            f" or TCP port {answer['port']}. Where broadcasts do not reach: --peer HOST"
        )
    if answer["unseen"]:
        return f"not in sync: {how_many(answer['unseen'], 'path')} here still to be looked at"
    if answer["held"] and not answer["busy"]:
        return "not in sync: something is held"
    stuck = [one for one in answer["troubled"] if not one["again"]]
    if stuck and len(stuck) == answer["wanted"] and not answer["busy"]:
        return f"not in sync: {how_many(len(stuck), 'path')} cannot be here"
    return "not in sync yet"


def _where(held: dict[str, Any]) -> str:
    return f" on {held['at']}" if held["at"] else ""


def _what(held: dict[str, Any]) -> str:
    files = f"{how_many(held['files'], 'file')} ({held['path']}, ...)"
    if held["missing"]:
        return f"{files} vanished {'there' if held['at'] else 'here'}; this is held until you decide, other machines keep them"
    by = "this node" if held["here"] else held["by"]
    return f"what {by} did to {files} is held until you decide, on any machine but the one that did it"
