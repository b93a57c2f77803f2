"""The commands about who belongs to the mesh: members, remove.

In:   the words after the command. Out: lines on stdout, and an exit code.
Rule: before anyone may lose something, the command asks a person; a script passes --yes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dir_sync import config
from dir_sync.cli.dialogue import (
    RESTART_S,
    add_yes,
    agree,
    ask_node,
    ask_until,
    is_agreed,
)
from dir_sync.cli.parser import add_json, command_parser
from dir_sync.cli.results import columns, tell
from dir_sync.config import ConfigError
from dir_sync.core.membership import REMOVES_NOBODY
from dir_sync.core.model import show
from dir_sync.network.control import Answer
from dir_sync.reporting.log import how_many, listed
from dir_sync.reporting.output import say

if TYPE_CHECKING:
    from dir_sync.security.keeper import Keeper

__all__ = ["members", "remove", "who_stays", "why_it_goes"]

_SPREAD_S = 5.0  # how long `remove` waits for the members that are on


def members(argv: list[str]) -> int:
    """``members DIR``: who belongs to the mesh."""
    parser = command_parser(
        "members",
        "List the machines of the closed mesh of DIR, as far as this one has met them or heard of them.",
        "members ~/shared",
        "members ~/shared --json",
    )
    add_json(parser)
    given = parser.parse_args(argv)
    answer = _members(config.checked_folder(given.folder))
    rows = [("NAME", "ROLE", "SINCE", "LET IN BY", "LAST SEEN HERE", "IDENTITY")]
    for one in answer["members"]:
        seen = "this machine" if one["me"] else "connected" if one["on"] else _moment(one["seen_s"])
        rows.append(
            (one["name"], _ROLES[one["role"]], _day(one["since_s"]), one["by"] or "-", seen, one["identity"][:8])
        )
    count = how_many(answer["count"], "member")
    top = f"closed mesh {answer['fingerprint']}, generation {answer['generation']}, {count}"
    tell(given.json, answer, [top, *columns(rows)])
    return config.OK


_ROLES = {"rw": "read-write", "ro": "read-only"}


def _members(folder: str) -> Answer:
    answer = ask_node(folder, {"command": "members"})
    if answer is not None:
        return answer
    from dir_sync.security.alone import keeping
    from dir_sync.security.listing import key_words, members_words

    with _kept(folder, keeping) as keeper:
        return {"members": members_words(keeper, frozenset(), int(time.time())), **key_words(keeper)}


@contextmanager
def _kept(folder: str, keeping: Callable[..., Any]) -> Iterator[Keeper]:
    """The keeper of a folder without a node."""
    from dir_sync.security.process import keep_out_of_dumps

    keep_out_of_dumps()
    with keeping(folder, config.host_name()) as keeper:
        yield keeper


def _day(since_s: int) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(since_s)) if since_s else "-"


def _moment(seen_s: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seen_s)) if seen_s else "never"


# --- remove -------------------------------------------------------------------------------------------------------------


def remove(argv: list[str]) -> int:
    """``remove DIR NAME...``: a new key, which those do not get."""
    parser = command_parser(
        "remove",
        "Remove machines from the closed mesh of DIR, for example one that was lost. All others get a new key; those that"
        " are off get it when they meet one of them again. What a removed machine already had, it has.",
        "remove ~/shared laptop",
        "remove ~/shared laptop --yes",
    )
    parser.add_argument("names", metavar="NAME", nargs="+", help="as 'members' lists it: the name, or the beginning of the"
                        " identity")  # fmt: skip
    parser.add_argument("--keep", metavar="NAME", action="append", default=[],
                        help="it stays, and nobody is asked about it; may be given several times")  # fmt: skip
    add_yes(parser)
    add_json(parser)
    given = parser.parse_args(argv)
    folder = config.checked_folder(given.folder)
    before = _members(folder)
    if before["role"] != "rw":
        raise ConfigError(REMOVES_NOBODY)
    everybody: list[Answer] = before["members"]
    lost = [_named(everybody, name) for name in given.names]
    kept = [_named(everybody, name) for name in given.keep]
    if any(one in lost for one in kept):
        raise ConfigError("the same machine is to be removed and to be kept", config.USAGE)
    stay, more = who_stays(everybody, lost, kept, given.yes)
    agree(f"{_staying(stay)} {listed([one['name'] for one in [*lost, *more]])} will get nothing more.", given.yes)
    if given.yes and not given.json:
        _say_what_yes_decided([one for one in stay if one not in kept], more)
    wish = {"lost": [one["identity"] for one in [*lost, *more]], "stay": [one["identity"] for one in stay]}
    answer = ask_node(folder, {"command": "remove", **wish})
    if answer is None:
        answer = _remove_alone(folder, wish)
        have, waiting = 1, [one["name"] for one in stay if not one["me"]]
    else:
        have, waiting = _spread(folder, answer, stay)
    fields = {
        "key": answer["fingerprint"],
        "generation": answer["generation"],
        "removed": [one["name"] for one in lost],
        "left_out": [one["name"] for one in more],
        "stay": [one["name"] for one in stay],
        "waiting": waiting,
    }
    has = "1 member has it" if have == 1 else f"{have:,} members have it"
    late = (
        f"; {listed(waiting)} {'gets it when it is' if len(waiting) == 1 else 'get it when they are'} back"
        if waiting
        else ""
    )
    lines = [
        f"The key is {answer['fingerprint']} now, generation {answer['generation']}. {has}{late}.",
        f"What {listed([one['name'] for one in lost])} already had, {'it has' if len(lost) == 1 else 'they have'}.",
    ]
    tell(given.json, fields, lines)
    return config.OK


def _remove_alone(folder: str, wish: dict[str, list[str]]) -> Answer:
    from dir_sync.security import founding
    from dir_sync.security.alone import keeping

    with _kept(folder, keeping) as keeper:
        key = founding.remove(keeper, wish["lost"], wish["stay"])
    return {"fingerprint": key.fingerprint, "generation": key.generation}


def _named(everybody: list[Answer], name: str) -> Answer:
    """The member that a user means."""
    found = [one for one in everybody if one["name"] == name or (len(name) >= 4 and one["identity"].startswith(name))]
    if not found:
        raise ConfigError(f"no member is called '{show(os.fsencode(name))}'; 'members' lists all of them")
    others = [one for one in found if not one["me"]]
    if others and len(found) > len(others):
        found = others  # nobody removes this machine here
    if len(found) > 1:
        ids = listed([one["identity"][:8] for one in found])
        raise ConfigError(
            f"{show(os.fsencode(name))} may be one of several: give the beginning of the identity ({ids})"
        )
    if found[0]["me"]:
        raise ConfigError("that is this machine: use 'leave' here, or 'remove' on another machine")
    return found[0]


def _say_what_yes_decided(stay: list[Answer], gone: list[Answer]) -> None:
    """With --yes: whom a person would have been asked about, and what was done."""
    for one in gone:
        short = one["identity"][:8]
        say(f"{one['name']} ({short}) is left out, too: {why_it_goes(one)}; to keep it: --keep {short}")
    for one in stay:
        if not one["me"] and not one["is_listed"] and not one["by_identity"]:
            say(
                f"{one['name']} ({one['identity'][:8]}) came with the key itself, or with a code of another machine, and"
                " stays: if nobody knows it, remove it, too"
            )


def why_it_goes(one: Answer) -> str:
    """Of one that was not named, and is left out with --yes."""
    if one["is_forgotten"]:
        return "it came with the key itself, and was not seen for 90 days"
    if one["is_met"] or one["is_listed"]:
        return f"it was let in by {one['by']}"
    return "this machine has never met it"


def who_stays(
    everybody: list[Answer], lost: list[Answer], kept: list[Answer], yes: bool
) -> tuple[list[Answer], list[Answer]]:
    """Who keeps belonging to the mesh, and who goes besides those that were named: by default, whom these let in. Who let
    somebody in is hearsay, and a thief may lie about it, unless this machine did, or the key was made for that one: a person
    is asked about all others. With `yes` nobody is asked, and who was never met here goes: anybody with the key can tell of
    machines that do not exist, and collect the new key for them."""
    me = next((one["identity"] for one in everybody if one["me"]), "")
    gone = {one["identity"] for one in lost}
    while more := {one["identity"] for one in everybody if one["by_identity"] in gone and not one["me"]} - gone:
        gone |= more
    stay: list[Answer] = []
    also: list[Answer] = []
    for one in everybody:
        if one in lost:
            continue
        if one in kept or one["me"]:
            stay.append(one)
            continue
        goes = one["identity"] in gone
        is_proved = one["is_listed"] or one["by_identity"] == me
        if yes:
            goes = goes or (not is_proved and (not one["is_met"] or one["is_forgotten"]))
        elif goes or not is_proved:
            came = (
                f"was let in by {one['by']}" + ("" if goes or is_proved else ", as others say")
                if one["by_identity"]
                else "came with the key itself, or with a code of another machine"
            )
            goes = not is_agreed(f"{one['name']} ({one['identity'][:8]}) {came}. Shall it stay?", "")
        (also if goes else stay).append(one)
    return stay, also


def _staying(stay: list[Answer]) -> str:
    names = [f"{one['name']} (this machine)" if one["me"] else one["name"] for one in stay]
    return f"{listed(names)} {'stays' if len(names) == 1 else 'stay'} and {'gets' if len(names) == 1 else 'get'} a new key."


def _spread(folder: str, answer: Answer, stay: list[Answer]) -> tuple[int, list[str]]:
    """How many members have the new key, and who does not yet. Those that were on are waited for, a moment."""
    were_on = {one["identity"] for one in stay} & set(answer["on"])

    def has_spread(found: Answer) -> bool:
        on = {one["identity"] for one in found["members"] if one["on"]}
        return found["fingerprint"] == answer["fingerprint"] and were_on <= on

    try:
        found = ask_until(folder, {"command": "members"}, has_spread, _SPREAD_S)
    except ConfigError:
        found = ask_until(folder, {"command": "members"}, lambda answer: True, RESTART_S)
    on = {one["identity"] for one in found["members"] if one["on"]}
    waiting = [one["name"] for one in stay if not one["me"] and one["identity"] not in on]
    return len(stay) - len(waiting), waiting
