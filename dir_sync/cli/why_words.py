"""The story of a path as text.

In:   the answer of `why`, as JSON values. Out: lines of at most 80 columns, as far as names let them.
Rule: names and paths are escaped already.
"""

from __future__ import annotations

import textwrap
from typing import Any

from dir_sync.config import ConfigError
from dir_sync.core.jobs import Cause
from dir_sync.core.model import FIRST_CONTACT
from dir_sync.core.waits import SENTENCES, Wait, Waiting, from_json
from dir_sync.history.unkept import Unkept
from dir_sync.history.words import FIRST_SYNC, local
from dir_sync.network.control import Answer
from dir_sync.reporting.log import how_many, human_bytes, human_seconds, listed
from dir_sync.reporting.progress_words import why_not
from dir_sync.reporting.shell import command

__all__ = ["render", "sentence"]

_LABEL = 11
_WIDTH = 80 - 2 - _LABEL
_CHANGES_MAX = 10
_COMMAND = "\0"  # begins a text that is a command
_VERSIONS_MAX = 5
_HAS = {
    "yes": "has it",
    "no": "does not have it",
    "asked": "was told of it, and has not said yet that it has it",
    "not told": "has not been told of it yet",
    "refused": "does not take it: this machine is read-only, so what is changed here counts nowhere else",
    "stays here": "is not told: the change stays on this machine",
    "nothing here": "",
}
_HAS_DELETED = {"yes": "has deleted it, too", "asked": "was told of it, and has not said yet that it deleted it"}


def render(told: Answer, folder: str, path: str) -> list[str]:
    """`folder`, `path`: as the user may type them, for commands."""
    lines = [told["path"]]
    lines += _labelled("here", [_here(told)])
    waits = [sentence(_wait(row)) for row in told["waits"]]
    outgoing = {sentence(_wait(row)) for row in told["waits"] if row.get("outgoing")}
    lines += _labelled("waits", [one for one in waits if one not in outgoing])
    lines += _labelled("to send", [one for one in waits if one in outgoing])
    if not waits:
        lacking = [peer["name"] for peer in told["peers"] if peer["has"] in ("no", "asked")]
        there = f" here; the same command on {listed(lacking)} says what it waits for there" if lacking else ""
        lines += _labelled("waits", [f"for nothing{there}"])
    lines += _machines(told)
    lines += _labelled("changes", _changes(told["changes"]))
    lines += _labelled("old", _old(told, folder, path))
    return lines


def sentence(one: Waiting) -> str:
    """A wait in words."""
    percent = ""
    if one.here is not None and one.size is not None:
        percent = f"{100 * one.here // max(one.size, 1)} % of {human_bytes(one.size)}"
    again = "" if one.seconds is None else f", in {human_seconds(one.seconds)}" if one.seconds >= 1 else ", in a moment"
    return SENTENCES[one.wait].format(
        peer=one.peer or "another node",
        other=one.other.decode("utf-8", "surrogateescape"),
        text=one.text,
        when=again,
        until=f" until {one.text}" if one.text else "",
        percent=percent,
        size="" if one.size is None else human_bytes(one.size),
    )


def _wait(row: dict[str, Any]) -> Waiting:
    try:
        return from_json(row)
    except (KeyError, ValueError):
        raise ConfigError("the running node is another version: restart it") from None


def _labelled(label: str, texts: list[str]) -> list[str]:
    """Paragraphs with a label in front of the first one."""
    lines: list[str] = []
    for text in texts:
        if text.startswith(_COMMAND):  # it has to be in one line, so that it can be pasted
            lines.append(f"    {text.removeprefix(_COMMAND)}")
            continue
        for line in textwrap.wrap(text, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False):
            first = label if not lines else ""
            lines.append(f"  {first.ljust(_LABEL)}{line}")
    return lines


def _here(told: Answer) -> str:
    here, disk = told["here"], told["disk"]
    if here is None:
        if any(row["wait"] == Wait.IGNORED.value for row in told["waits"]):
            return f"{'nothing' if disk is None else _what(disk)}; this machine ignores it"
        return "nothing, and it is not known here" if disk is None else f"{_what(disk)}; no node has noted it yet"
    who = (
        f"by {here['by']}, {local(here['made_ns'])}"
        if here["by"] != FIRST_CONTACT
        else "found when the folder was first shared"
    )
    if here["kind"] == "nothing":
        return f"nothing: deleted {who}" if disk is None else f"{_what(disk)}; the index knows it as deleted {who}"
    if disk is None:
        return f"nothing; the index knows a {_what(here)}, {who}"
    return f"{_what(here)}, {who}"


def _by(one: dict[str, Any]) -> str:
    """Who made a change, in the words of `history`."""
    return FIRST_SYNC if one["by"] == FIRST_CONTACT else str(one["by"])


def _what(one: dict[str, Any]) -> str:
    return f"{one['kind']}, {human_bytes(one['size'])}" if one["kind"] == "file" else str(one.get("type", one["kind"]))


def _machines(told: Answer) -> list[str]:
    lines: list[str] = []
    offered = {one["peer"]: one for one in told["elsewhere"]}
    for peer in told["peers"]:
        one = offered.pop(peer["name"], None)
        words = _HAS.get(peer["has"], "")
        if told["here"] is not None and told["here"]["kind"] == "nothing":
            words = _HAS_DELETED.get(peer["has"], words)
        if words and peer.get("holds") and peer["has"] in ("no", "asked"):
            words += f"; it holds what this node did to {how_many(peer['holds'], 'file')}, until a person decides there"
        if peer["has"] in ("no", "asked"):
            words += "".join(f"; it {why_not(reason)}" for reason in peer.get("apart", ()))
        if one is not None and peer["has"] in ("newer", "older", "nothing here"):
            words = f"has {_other(one)}"
        if words:
            lines += _labelled("machines" if not lines else "", [f"{peer['name']} {words}"])
    for name, one in offered.items():
        lines += _labelled("machines" if not lines else "", [f"{name} (not connected) has announced {_other(one)}"])
    away = [name for name in told.get("away", ()) if name not in offered]
    if away:
        lines += _labelled("machines" if not lines else "", [f"not connected: {listed(away)}"])
    return lines


def _other(one: dict[str, Any]) -> str:
    which = {"newer": "a newer version", "older": "an older version"}.get(one["is"], "the same")
    if one["kind"] == "nothing":
        return f"it deleted ({_by(one)}, {local(one['made_ns'])})"
    return f"{which}: {_what(one)}, by {_by(one)}, {local(one['made_ns'])}"


def _changes(changes: list[dict[str, Any]]) -> list[str]:
    lines = [f"{local(one['at_ns'])}  {_by(one)} {_change(one)}" for one in reversed(changes[-_CHANGES_MAX:])]
    if len(changes) > _CHANGES_MAX:
        lines.append(f"and {len(changes) - _CHANGES_MAX:,} earlier ones (--json has them)")
    return lines


def _change(one: dict[str, Any]) -> str:
    after = f" ({human_bytes(one['became_size'])})" if one["became"] == "file" else ""
    if one["became"] == "unknown":
        return "made it" if one["was"] == "nothing" else f"changed the {one['was']}, or deleted it"
    if one["was"] == one["became"] == "nothing":
        return f"had it for a moment only{after}"
    if one["was"] == "nothing":
        return f"made it, a {one['became']}{after}"
    if one["became"] == "nothing":
        return "deleted it"
    if one["was"] != one["became"]:
        return f"made a {one['became']} of the {one['was']}{after}"
    if one["was"] == "file" and one["was_size"] != one["became_size"]:
        return f"changed it from {human_bytes(one['was_size'])} to {human_bytes(one['became_size'])}"
    return f"changed it{after}"


def _old(told: Answer, folder: str, path: str) -> list[str]:
    versions, away = told["versions"], tuple(told.get("away", ()))
    has_changed = any(one["was"] == "file" for one in told["changes"])
    unkept = Unkept(bool(told.get("node_runs")), bool(told["peers"]), away, has_changed, bool(told.get("grew")))
    if not versions:
        return [unkept.none]
    lines = []
    for one in versions[:_VERSIONS_MAX]:
        size = "link" if one["kind"] == "link" else human_bytes(one["size"])
        why = "had gone bad" if one["why"] == Cause.ROTTEN.value else f"{one['why']} by {_by(one)}"
        lines.append(f"{one['id']}  {local(one['until_ns'])}: {why}; {size}, kept {_on(one['on'])}")
    if len(versions) > _VERSIONS_MAX:
        lines += [
            f"and {len(versions) - _VERSIONS_MAX:,} more; to list all:",
            _COMMAND + command("history", folder, path),
        ]
    good = [one for one in versions if one["why"] != Cause.ROTTEN.value]
    if good:
        which = "it" if len(versions) == 1 else "the first one" if good[0] is versions[0] else "the first good one"
        bring = command("restore", folder, path, "--version", good[0]["id"])
        lines += [f"to bring {which} back:", _COMMAND + bring]
    return lines + ([unkept.others("more")] if away else [])


def _on(where: str) -> str:
    return where if where == "here" else f"on {where}"
