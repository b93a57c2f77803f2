"""The commands about what a mode leaves different: diverged, override, revert.

In:   the words after the command. Out: lines on stdout, and an exit code.
Rule: a node has to run for the folder. What changes files asks first, unless --yes is given.
"""

from __future__ import annotations

from dir_sync import config
from dir_sync.cli.dialogue import add_yes, agree, ask_running
from dir_sync.cli.parser import add_json, command_parser
from dir_sync.cli.results import tell
from dir_sync.core.mode import Mode
from dir_sync.network.control import Answer
from dir_sync.reporting import shell
from dir_sync.reporting.log import how_many

__all__ = ["diverged", "override", "revert"]

_WAITS = {
    "override": "no other machine is connected: it happens on each when that one is",
    "revert": "no other machine is connected: what was changed or deleted here waits for one that has it",
}
_KEEPING = (Mode.RECEIVE_ONLY.value, Mode.MIRROR.value)


def diverged(argv: list[str]) -> int:
    """``diverged DIR``: list what is otherwise here than on the other machines, because of the mode."""
    parser = command_parser(
        "diverged",
        "List the paths that are otherwise here than on the other machines because of the mode of this node: with "
        "--mode send-only what others changed, with receive-only (and mirror) what was changed here only. A read-only "
        "member of a closed mesh is like a receive-only node.",
        "diverged ~/shared",
        "diverged ~/shared --check || echo something differs",
    )
    add_json(parser)
    parser.add_argument("--check", action="store_true", help="exit with 4 if something differs")
    given = parser.parse_args(argv)
    answer = ask_running(given.folder, {"command": "diverged"})
    tell(given.json, answer, _listed(answer, given.folder))
    return config.UNFINISHED if given.check and answer["count"] else config.OK


def _listed(answer: Answer, folder: str) -> list[str]:
    if answer["mode"] == Mode.TWO_WAY.value:
        return ["this node works both ways: what is changed anywhere is the same everywhere"]
    if not answer["count"]:
        return ["nothing differs"]
    lines = [f"{one['path']}: {_what(one)}" for one in answer["paths"]]
    if answer["count"] > len(answer["paths"]):
        lines.append(f"and {answer['count'] - len(answer['paths']):,} more")
    if answer["mode"] in _KEEPING:
        lines.append(f"to undo what was done here: {shell.command('revert', folder)}")
    else:
        lines.append(f"to let this machine's versions win everywhere: {shell.command('override', folder)}")
    return lines


def _what(one: Answer) -> str:
    """What happened to a path, in words. `by`: the node that did it, "" for this one."""
    done = "new" if one["here" if not one["by"] else "there"] != "nothing" else "deleted"
    if "nothing" not in (one["here"], one["there"]):
        done = "changed"
    if not one["by"]:
        return f"{done} here"
    return f"{done} by {one['by']}"


def override(argv: list[str]) -> int:
    """``override DIR``: what is here counts everywhere."""
    parser = command_parser(
        "override",
        "Make what is in DIR on this send-only machine count everywhere: what others changed goes back to what is "
        "here, and what only they have is deleted there. Their versions go into their histories. 'diverged' lists "
        "what that concerns.",
        "override ~/shared",
    )
    add_yes(parser)
    add_json(parser)
    given = parser.parse_args(argv)
    how = "on all other machines as here"
    return _end(given.folder, given.yes, given.json, "override", (Mode.SEND_ONLY.value,), how)


def revert(argv: list[str]) -> int:
    """``revert DIR``: undo what was changed here only."""
    parser = command_parser(
        "revert",
        "Undo what was changed in DIR on this machine only, because its node is receive-only, a mirror, or a "
        "read-only member of its closed mesh: each such path becomes as it is on the other machines. What is here now "
        "goes into the history of this machine. 'diverged' lists what that concerns.",
        "revert ~/shared",
    )
    add_yes(parser)
    add_json(parser)
    given = parser.parse_args(argv)
    return _end(given.folder, given.yes, given.json, "revert", _KEEPING, "here as on the other machines")


def _end(folder: str, yes: bool, as_json: bool, command: str, modes: tuple[str, ...], how: str) -> int:
    found = ask_running(folder, {"command": "diverged", "modes": list(modes)})
    if not found["count"]:
        tell(as_json, {"count": 0, "waits": False}, ["nothing differs: there is nothing to do"])
        return config.OK
    paths = how_many(found["count"], "path")
    agree(f"{paths} will be {how}; to see them: {shell.command('diverged', folder)}.", yes)
    done = ask_running(folder, {"command": command, "modes": list(modes)})
    lines = [f"{how_many(done['count'], 'path')} will be {how}"]
    waits = done.get("connected") == 0  # an older node does not say
    if waits:
        lines.append(_WAITS[command])
    tell(as_json, {"count": done["count"], "waits": waits}, lines)
    return config.OK
