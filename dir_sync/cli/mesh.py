"""The commands of closed meshes: they make, show and forget keys.

In:   the words after the command. Out: lines on stdout, and an exit code.
Rule: a key is printed only where somebody asked for it; none is ever a word of a command line. What cannot be taken back is
      asked first.
It imports cryptography, so nothing else of the command line imports it.
"""

from __future__ import annotations

import os

from dir_sync import config
from dir_sync.cli.dialogue import ask_node, is_agreed
from dir_sync.cli.parser import add_json, command_parser
from dir_sync.cli.results import tell
from dir_sync.config import ConfigError
from dir_sync.core.keys import SECRET_BYTES, MeshKey
from dir_sync.core.mode import Mode
from dir_sync.core.model import show
from dir_sync.folder import state
from dir_sync.network.control import Answer
from dir_sync.reporting import shell
from dir_sync.reporting.log import how_many
from dir_sync.reporting.output import say
from dir_sync.security import files, store
from dir_sync.security.process import keep_out_of_dumps

__all__ = ["key", "leave", "new_key"]


def new_key(argv: list[str]) -> int:
    """``new-key FILE``: a new closed mesh begins with its key."""
    parser = command_parser(
        "new-key",
        "Make the key of a new closed mesh and write it to FILE, which only you can read. Start the node of each machine with"
        " --key-file FILE: these machines share their folder among themselves, all that they send is encrypted, and whoever"
        " lacks the key gets nothing and learns no name. Copy FILE only in ways that nobody else can read.",
        "new-key ~/shared.key",
        what="file",
    )
    add_json(parser)
    given = parser.parse_args(argv)
    keep_out_of_dumps()
    made = MeshKey.made_of(os.urandom(SECRET_BYTES))
    path = os.path.expanduser(given.file)
    files.create_file(path, made.text.encode("ascii") + b"\n")
    lines = [
        f"{show(os.fsencode(path))}: the key of a new closed mesh, {made.fingerprint}. Whoever has this file is a member.",
        f"To close a folder, start each of its nodes with it: {shell.command('DIR', '--key-file', path)}",
    ]
    answer = {"file": show(os.fsencode(path)), "key": made.fingerprint, "generation": made.generation}
    tell(given.json, answer, lines)
    return config.OK


def key(argv: list[str]) -> int:
    """``key DIR``: the key of a folder, to be kept or carried to another machine."""
    parser = command_parser(
        "key",
        "Print the key of the closed mesh to which DIR belongs. Whoever reads it is a member: write it only where nobody else"
        " can read it.",
        "key ~/shared",
        "key ~/shared --json",
        more="to write it to a file that only you can read, as --key-file needs it:\n"
        "  (umask 077; {program} key ~/shared > shared.key)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, with fingerprint and generation")
    given = parser.parse_args(argv)
    folder = config.checked_folder(given.folder)
    keep_out_of_dumps()
    kept = store.load(folder)
    if kept is None:
        raise ConfigError(_no_key(folder))
    mine = kept.key
    fields = {"text": mine.text, "key": mine.fingerprint, "generation": mine.generation, "role": mine.role.value}
    tell(given.json, fields, [mine.text])
    return config.OK


def leave(argv: list[str]) -> int:
    """``leave DIR``: the folder is open again."""
    parser = command_parser(
        "leave",
        "Forget the key of DIR on this machine. From then on DIR is open, also for a node that runs: anyone on this LAN can join"
        " the folder. The files in DIR stay. A machine that was removed needs no 'leave' to come back: 'join' is enough.",
        "leave ~/shared",
        "leave ~/shared --yes",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs; needs --yes")
    given = parser.parse_args(argv)
    if given.json and not given.yes:
        raise ConfigError("--json asks nobody: add --yes", config.USAGE)
    folder = config.checked_folder(given.folder)
    if not files.is_closed(folder):
        raise ConfigError(f"{show(os.fsencode(folder))} belongs to no closed mesh")
    marker = files.marker_of(folder)
    node = ask_node(folder, {"command": "mesh"})
    runs = node is not None
    apart = _apart(folder) if node and node.get("role") == "ro" and node.get("mode") == Mode.TWO_WAY.value else ""
    which = f"the closed mesh {marker}" if marker else "its closed mesh"
    when = "at once" if runs else "at the next start"
    others = _words_about_others(folder, node)  # before the key is forgotten
    question = (
        f"{show(os.fsencode(folder))} leaves {which}: its key is forgotten on this machine, and {when} anyone on this LAN can"
        " join the folder."
    )
    if apart:
        question += f" {apart} To see it before: {shell.command('diverged', folder)}; to undo it before:"
        question += f" {shell.command('revert', folder)}."
    if not given.yes and not is_agreed(question):
        say("nothing was changed")
        return config.ENVIRONMENT
    if ask_node(folder, {"command": "leave"}) is None:
        _forget(folder)
    name = show(os.fsencode(folder))
    line = f"{name} is open {'now' if runs else 'from its next start on'}"
    lines = [line, *([apart] if given.yes and apart else [])]
    lines += others
    tell(given.json, {"folder": name, "left": marker or ""}, lines)
    return config.OK


def _words_about_others(folder: str, node: Answer | None) -> list[str]:
    """What becomes of the mesh when this machine leaves it. `node`: what a running one says of the mesh."""
    if node is not None:
        count, is_removed = node.get("count"), bool(node.get("removed"))
    else:
        keep_out_of_dumps()
        try:
            kept = store.load(folder)
        except ConfigError:
            kept = None  # a key that cannot be read is forgotten, too
        count = None if kept is None else kept.membership.count
        is_removed = kept is not None and kept.removal is not None
    if is_removed:
        return ["The mesh had removed this machine already: its members do not list it."]
    if count == 1:
        return ["No other member is known here: whoever has a copy of the key is still in that mesh, and nobody else."]
    return ["Other members of the mesh list this machine until one of them removes it: 'remove' gives them a new key."]


def _apart(folder: str) -> str:
    """What a read-only member has otherwise than its mesh, and what becomes of that; "": nothing."""
    differs = ask_node(folder, {"command": "diverged"})
    if differs is None or not differs["count"]:
        return ""
    paths = how_many(differs["count"], "path")
    what = f"What was changed or deleted on this machine only ({paths})"
    return f"{what} counts from then on, for all that share the folder with it."


def _forget(folder: str) -> None:
    """Without a node."""
    lock = state.lock(os.fsencode(folder))
    try:
        store.forget(folder)  # before the mark: a folder that is marked and has no key stays closed
        files.remove_marker(folder)
    finally:
        os.close(lock)


def _no_key(folder: str) -> str:
    name = show(os.fsencode(folder))
    if (marker := files.marker_of(folder)) is None:
        return f"{name} is open, and has no key; {shell.how_to_close(shell.command, folder)}"
    which = f"the closed mesh {marker}" if marker else "a closed mesh"
    return f"{name} belongs to {which}, and its key is not on this machine"
