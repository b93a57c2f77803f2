"""What a daemon says of itself, in words.

In: the answer to the command `status`, as the control socket carries it. Out: lines for a person.
"""

from __future__ import annotations

from typing import Any

from dir_sync.log import how_many, human_bytes
from dir_sync.words import command

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
    if not peers:
        lines.append("no other node is connected")
    for peer in peers:
        state = "synchronized" if peer["synchronized"] else "being synchronized"
        lines.append(f"{peer['name']} (node {peer['node'][:8]}) at {peer['address']}: {state}")
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
        lines.append(f"  to let it happen: {command('approve', folder)}")
        lines.append(f"  to undo it everywhere: {command('reject', folder)}")
    if answer["busy"]:
        lines.append("at work")
    else:
        lines.append("at rest")
    return lines


def _where(held: dict[str, Any]) -> str:
    return f" on {held['at']}" if held["at"] else ""


def _what(held: dict[str, Any]) -> str:
    files = f"{how_many(held['files'], 'file')} ({held['path']}, ...)"
    if held["missing"]:
        return f"{files} vanished {'there' if held['at'] else 'here'}; this is held until you decide, other machines keep them"
    by = "this node" if held["here"] else held["by"]
    return f"what {by} did to {files} is held until you decide, on any machine but the one that did it"
