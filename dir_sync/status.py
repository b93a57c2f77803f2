"""What a daemon says of itself, in words.

In: the answer to the command `status`, as the control socket carries it. Out: lines for a person.
"""

from __future__ import annotations

from typing import Any

from dir_sync.log import human_bytes

__all__ = ["render"]


def render(answer: dict[str, Any]) -> list[str]:
    """One line for each thing worth knowing; names are escaped already."""
    lines = [
        f"{answer['folder']}: shared as '{answer['folder_name']}' by {answer['name']} (node {answer['node'][:8]}),"
        f" port {answer['port']}, process {answer['process']}",
        f"{answer['files']:,} files ({human_bytes(answer['bytes'])})",
    ]
    peers = answer["peers"]
    if not peers:
        lines.append("no other node is connected")
    for peer in peers:
        state = "synchronized" if peer["synchronized"] else "being synchronized"
        lines.append(f"{peer['name']} (node {peer['node'][:8]}) at {peer['address']}: {state}")
    if answer["scanning"]:
        lines.append("looking at everything in the folder")
    for transfer in answer["transfers"]:
        done = 100 * transfer["here"] // max(transfer["size"], 1)
        size = human_bytes(transfer["size"])
        lines.append(f"receiving {transfer['path']} from {transfer['peer']}: {done} % of {size}")
    if answer["wanted"]:
        lines.append(f"{answer['wanted']:,} paths are newer elsewhere and not here yet")
    if answer["unwatched"]:
        lines.append(f"{answer['unwatched']:,} folders cannot be watched: looked at from time to time")
    held = answer["held"]
    if held["files"]:
        lines.append(
            f"BRAKE: {held['files']:,} files are missing here ({held['path']} first), and nobody is told until you decide:"
            " 'main.py approve DIR' deletes them everywhere, 'main.py reject DIR' brings them back"
        )
    elif answer["busy"]:
        lines.append("at work")
    else:
        lines.append("at rest")
    return lines
