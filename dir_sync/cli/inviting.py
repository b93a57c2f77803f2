"""The commands that let a machine in: invite, join.

In:   the words after the command. Out: lines on stdout, and an exit code.
Rule: before anyone may lose or receive something, the command asks a person; a script passes --yes.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dir_sync import config
from dir_sync.cli.dialogue import (
    RESTART_S,
    add_network,
    add_yes,
    address_of,
    agree,
    answer_of,
    ask_node,
    ask_until,
    duration,
    has_terminal,
    is_agreed,
    line_of_person,
    peer_of,
    time_words,
)
from dir_sync.cli.parser import add_json, checked, command_parser
from dir_sync.cli.results import hint
from dir_sync.config import ConfigError
from dir_sync.core.model import show, show_text
from dir_sync.core.named import NamedTuple
from dir_sync.network.control import Answer, NoDaemon, ask
from dir_sync.reporting import shell
from dir_sync.reporting.log import how_many, listed, logger
from dir_sync.reporting.output import finish, say

if TYPE_CHECKING:
    from dir_sync.core.pairing import Host

__all__ = ["invite", "join", "join_first"]

_AGAIN_S = 0.1
_FIND_S = 10.0  # how long an invitation is looked for


def invite(argv: list[str]) -> int:
    """``invite DIR``: a code for one machine; an open folder is closed first."""
    parser = command_parser(
        "invite",
        "Let one more machine into the closed mesh of DIR. The command prints a code, and waits until somebody has joined"
        " with it on the other machine. The first 'invite' closes the mesh: from then on only machines that joined get"
        " anything, and everything on the network is encrypted.",
        "invite ~/shared",
        "invite ~/shared --read-only --for 1h",
    )
    parser.add_argument(
        "--read-only", action="store_true", help="the machine gets all files, and its changes count nowhere"
    )
    parser.add_argument("--for", dest="lasts_s", metavar="TIME", type=checked(duration), default=600,
                        help="how long the code is valid: 30s, 10m, 1h (default: 10m)")  # fmt: skip
    add_yes(parser)
    add_json(parser, "one JSON object with the code, and one when the invitation is over")
    add_network(parser)
    given = parser.parse_args(argv)
    folder = config.checked_folder(given.folder)
    role = "ro" if given.read_only else "rw"
    mesh = ask_node(folder, {"command": "mesh"})
    if mesh is None:
        return _invite_alone(given, folder, role)
    if not mesh["closed"]:
        agree(_closing(given.folder, mesh["peers"]), given.yes)
        answer_of(folder, {"command": "close"})
        ask_until(folder, {"command": "mesh"}, lambda answer: answer["closed"] is True, RESTART_S)
        hint(_still_open(mesh["peers"]))
    answer = answer_of(folder, {"command": "invite", "role": role, "lasts_s": given.lasts_s})
    _say_code(answer["code"], role, given)
    try:
        state = ask_until(
            folder,
            {"command": "invitation", "code": answer["code"]},
            lambda answer: bool(answer["over"]),
            given.lasts_s + RESTART_S,
            _warn_of_guesses(given.json),
        )
    except KeyboardInterrupt:
        answer_of(folder, {"command": "uninvite", "code": answer["code"]})
        raise
    return _invited(state["joined"], state["over"], state, given)


def _invite_alone(given: Any, folder: str, role: str) -> int:
    from dir_sync.security import files
    from dir_sync.security.alone import keeping, listening
    from dir_sync.security.invitations import Invitations
    from dir_sync.security.inviting import Inviting, broadcaster
    from dir_sync.security.listing import key_words
    from dir_sync.security.process import keep_out_of_dumps

    keep_out_of_dumps()
    if not files.is_closed(folder):
        agree(_closing(given.folder, []), given.yes)
        hint(_still_open([]))
    name = given.name or config.host_name()
    address = "" if given.interface is None else address_of(given.interface)
    invitations = Invitations()
    with keeping(folder, name, close=True) as keeper, listening(given.listen_port, address, invitations.serve) as port:
        if role == "rw" and keeper.membership.role != "rw":
            raise ConfigError("this machine is a read-only member: it can only invite with --read-only")
        announce = broadcaster(given.broadcast_port, given.interface)
        inviting = Inviting(keeper, role, given.lasts_s, config.FOLDER_NAME, announce, port)
        invitations.begin(inviting)
        try:
            _say_code(str(inviting.code), role, given)
            warn = _warn_of_guesses(given.json)
            while not (over := inviting.over()):
                warn({"guesses": inviting.guesses})
                time.sleep(_AGAIN_S)
            joined = inviting.joined
            return _invited("" if joined is None else joined.name, over, key_words(keeper), given)
        finally:
            invitations.begin(None)


def _closing(name: str, peers: list[str]) -> str:
    shown = show(os.fsencode(name))
    if not peers:
        return f"{shown} will be closed: only machines that join with a code will get anything."
    shares, gets, joins = ("shares", "gets", "it joins") if len(peers) == 1 else ("share", "get", "they join")
    return f"{shown} will be closed. {listed(peers)}, which {shares} it openly now, {gets} nothing more until {joins}."


def _still_open(peers: list[str]) -> str:
    """What closing the mesh on this machine does not change: the others go on as they are."""
    if not peers:
        return "a machine that shared this folder before shares it openly with anyone on this LAN until it joins"
    until = "until it joins: invite it, or stop its node"
    if len(peers) > 1:
        until = "until they join: invite each of them, or stop their nodes"
    share = "shares" if len(peers) == 1 else "share"
    return f"{listed(peers)} still {share} this folder openly with anyone on this LAN {until}"


def _say_code(code: str, role: str, given: Any) -> None:
    lasts_s = given.lasts_s
    if given.json:
        say(json.dumps({"code": code, "role": role, "lasts_s": lasts_s}))
    else:
        say(f"On the other machine:  {shell.command('join', 'DIR', code)}    ({time_words(lasts_s)}, one machine)")
    finish()


def _warn_of_guesses(is_json: bool) -> Callable[[Answer], None]:
    """Returns a function that reports each try of a wrong code."""
    left = [3]

    def warn(answer: Answer) -> None:
        guesses = answer["guesses"]
        if guesses < left[0]:
            more = f"{guesses} more of them {'ends' if guesses == 1 else 'end'} the invitation"
            words = (
                f"somebody tried a wrong code: {more if guesses else 'it was the last try, and the code is void now'}"
            )
            say(json.dumps({"wrong_codes_left": guesses}) if is_json else words)
            finish()
        left[0] = guesses

    return warn


def _invited(joined: str, over: str, key: Answer, given: Any) -> int:
    if given.json:
        why = "" if joined else over
        say(
            json.dumps(
                {
                    "joined": joined,
                    "over": why,
                    "key": key["fingerprint"],
                    "generation": key["generation"],
                    "members": key["count"],
                }
            )
        )
        return config.OK if joined else config.ENVIRONMENT
    if not joined:
        again = shell.command("invite", given.folder, *(["--read-only"] if given.read_only else []))
        raise ConfigError(f"nobody has joined: {over}, so this code is void; to make a new one: {again}")
    say(f"{joined} has joined ({key['fingerprint']}, {how_many(key['count'], 'member')})")
    return config.OK


# --- join ---------------------------------------------------------------------------------------------------------------


def join(argv: list[str]) -> int:
    """``join DIR [CODE]``: this machine becomes a member."""
    parser = command_parser(
        "join",
        "Join the closed mesh of another machine with the code that 'invite' printed there. Without CODE the command asks"
        " for it: what stands on a command line can be seen by other users of this machine. A node that runs for DIR goes"
        " over at once.",
        "join ~/shared",
        "join ~/shared K7QX-4MDP",
        "join ~/shared K7QX-4MDP --peer 192.168.1.20",
    )
    parser.add_argument("code", metavar="CODE", nargs="?", help="the code, like K7QX-4MDP")
    parser.add_argument("--peer", metavar="HOST[:PORT]", type=checked(peer_of),
                        help="where the inviting machine is, if broadcasts do not reach it")  # fmt: skip
    add_yes(parser)
    add_json(parser)
    add_network(parser, listens=False)
    given = parser.parse_args(argv)
    folder = config.checked_folder(given.folder)
    code = given.code if given.code is not None else _ask_for_code()
    node = ask_node(folder, {"command": "mesh"})  # one that runs has a name and a port of its own
    joined = join_by(
        folder,
        code,
        node["name"] if node else given.name or config.host_name(),
        node["broadcast_port"] if node else given.broadcast_port,
        given.peer,
        given.folder,
        node["folder_name"] if node else config.FOLDER_NAME,
        tell=(lambda words: None) if given.json else hint,
        yes=given.yes,
    )
    runs = ask_node(folder, {"command": "reload"}) is not None
    if given.json:
        say(json.dumps({**joined.fields, "runs": runs}))
    elif runs:
        say(f"{joined.words}; the node that runs goes over to it")
    else:
        say(f"{joined.words}; to start: {shell.command(given.folder)}")
    return config.OK


def join_first(asked: config.Config, code: str) -> None:
    """``DIR --join CODE``: before a node runs. Nothing happens for a folder that belongs to a closed mesh: the words may stand
    where each start reads them. ConfigError."""
    from dir_sync.security import files

    if files.is_closed(asked.folder):
        logger.info("this folder belongs to a closed mesh already: --join is not needed")
        return
    peer = asked.peers[0] if asked.peers else None
    joined = join_by(asked.folder, code, asked.name, asked.broadcast_port, peer, asked.folder, asked.folder_name)
    logger.info("%s", joined.words)


class Joined(NamedTuple):
    """What has come of a code."""

    words: str  # for people
    fields: Answer  # for programs


def join_by(
    folder: str,
    text: str,
    name: str,
    port: int,
    peer: tuple[str, int] | None,
    asked_as: str,
    folder_name: str = config.FOLDER_NAME,
    tell: Callable[[str], None] = logger.info,
    yes: bool = False,
) -> Joined:
    """Join with that code. A person is asked if the folder has files, unless they said `yes` before. `asked_as`: how they call
    the folder. `tell`: gets a line before the search, which takes a while, and what happens to the files if nobody is asked.
    ConfigError."""
    from dir_sync.core.pairing import Code, CodeError
    from dir_sync.folder import state
    from dir_sync.security import files, store
    from dir_sync.security.joining import Declined, inviters
    from dir_sync.security.joining import join as join_at
    from dir_sync.security.process import keep_out_of_dumps

    keep_out_of_dumps()
    if files.is_closed(folder) and (kept := store.load(folder)) is not None and kept.removal is None:
        raise ConfigError(
            f"{show(os.fsencode(folder))} belongs to a closed mesh already: leave that one first,"
            f" {shell.command('leave', folder)}"
        )
    try:
        code = Code.parse(text)
    except CodeError as error:
        raise ConfigError(str(error), config.USAGE) from None
    from dir_sync.cli.ignoring import count_shared  # imported late: it reads rules

    files_here, links_here = count_shared(os.fsencode(folder))
    both = ((files_here, "file"), (links_here, "symbolic link"))
    here = " and ".join(how_many(count, what) for count, what in both if count)

    def agree(host: Host) -> bool:
        shown, is_same = show(os.fsencode(asked_as)), host.folder == folder_name
        fate = _fate(host, here, "" if is_same else " once both names are equal")
        if yes:
            tell(f"{shown} has {fate}")
            return True
        if is_same:
            return is_agreed(f"{shown} has {fate}")
        return is_agreed(
            f"{host.name} calls the folder {host.folder}, and {shown} is called {show_text(folder_name)} here. Is it the right"
            f" one? It has {fate}"
        )

    if peer is not None:
        tell(f"asking {peer[0]}, TCP port {peer[1]}, for its closed mesh ...")
    else:
        tell(
            f"looking for the machine with the code {code.channel}..., at most {_FIND_S:.0f} s (broadcasts on UDP port {port};"
            " where they do not arrive: --peer HOST) ..."
        )
    where = iter([peer]) if peer is not None else inviters(code.channel, port, _FIND_S)
    with _locked(folder, state.lock):
        try:
            kept, host = join_at(folder, code, name, where, agree if here else None)
        except Declined:
            raise ConfigError("not joined") from None
    words = f"joined the closed mesh {kept.key.fingerprint} of {host.name}: {kept.key.role.words},"
    words += f" {how_many(kept.membership.count, 'member')}"
    if host.folder != folder_name:
        words += (
            f". There the folder is called {host.folder}, and here {show_text(folder_name)}, so nothing is exchanged: "
        )
        words += _renaming(folder, folder_name, host.folder)
    fields = {
        "key": kept.key.fingerprint,
        "generation": kept.key.generation,
        "role": kept.key.role.value,
        "members": kept.membership.count,
        "host": host.name,
        "folder_name": host.folder,
    }
    return Joined(words, fields)


def _fate(host: Host, files_here: str, then: str) -> str:
    """What happens to the files that are here, once this machine has joined; `then`: when."""
    if host.role == "ro":
        return (
            f"{files_here}, which nobody gets: this machine joins {host.name}'s mesh read-only. Where the mesh has another"
            f" version of a file, that takes its place here{then}; the one from here goes into the history."
        )
    return (
        f"{files_here}, which the {how_many(host.members, 'member')} of {host.name}'s mesh will get{then}. Where the mesh has"
        " another version of a file, the newer one counts everywhere; the other one goes into the history."
    )


def _renaming(folder: str, name: str, new_name: str) -> str:
    """What a person does so that a folder has the new name. There are three ways to name one: --folder, NAME=DIR, and the table
    of a configuration file."""
    table = f"[folders.{_table_key(new_name)}]"
    if name == config.FOLDER_NAME:
        option = f"--folder {shell.quoted(new_name)}"
        return f"start this node with {option}, or in a configuration file give the folder the table {table}"
    return (
        f"start this node with {shell.quoted(f'{new_name}={folder}')}, or if a configuration file names the folder, rename its"
        f" table [folders.{_table_key(name)}] to {table} and run: {shell.command('reload')}"
    )


def _table_key(name: str) -> str:
    """As TOML writes it."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(show_text(name), ensure_ascii=False)


@contextmanager
def _locked(folder: str, lock: Callable[[bytes], int]) -> Iterator[None]:
    """No node starts meanwhile. One that runs has the lock, and goes over later."""
    try:
        ask(folder, {"command": "mesh"})
    except NoDaemon:
        handle = lock(os.fsencode(folder))
        try:
            yield
        finally:
            os.close(handle)
    except OSError as error:
        raise ConfigError(f"the node of this folder does not answer: {error}") from None
    else:
        yield


def _ask_for_code() -> str:
    if not has_terminal():
        raise ConfigError("which code? Write it after DIR, as 'invite' printed it")
    return line_of_person("the code that 'invite' printed on the other machine: ")
