"""The command `verify`: everything is read again.

In:   the words after the command. Out: lines, or one JSON object, and an exit code.
Rule: it changes nothing without --repair, and Ctrl-C leaves everything as it was: what is being healed is healed to its end.
"""

from __future__ import annotations

import json
import time

from dir_sync import config
from dir_sync.cli.dialogue import NoNode, ask_running
from dir_sync.cli.parser import add_json, command_parser
from dir_sync.config import ConfigError
from dir_sync.network.control import Answer
from dir_sync.reporting import shell
from dir_sync.reporting.live_line import on_stderr
from dir_sync.reporting.log import how_many, human_bytes, human_seconds, listed, who_have
from dir_sync.reporting.output import finish, say

__all__ = ["verify"]

_LOOK_S = 0.5
_LINE_S = 1.0  # between two changes of the line on a terminal
_PRINTED_S = 60.0  # ... and between two lines elsewhere
_TOLD_MAX = 20
_WORDS = {
    "rotten": "has gone bad: its content is not the recorded one, and nobody has changed it",
    "doubtful": "has another content than was recorded, and this file system does not tell whether somebody changed it",
    "unreadable": "cannot be read, or each read gives something else",
    "changing": "is being changed, or was changed and not looked at yet",
    "different": "is another version there",
    "missing": "is only in one of the two places",
}
_APART = {
    "diverged": "was changed or deleted on that machine only: it is read-only, receive-only or a mirror, and keeps that to "
    "itself ('diverged' lists it there)",
    "send-only": "is otherwise on that machine: it is send-only, and takes nothing from others",
    "ignored": "is ignored by the rules of that machine",
    "too-large": "is larger than that machine shares or takes (--max-file-size)",
}


def verify(argv: list[str]) -> int:
    """``verify DIR``: everything is read again, here and at all connected machines, and compared."""
    parser = command_parser(
        "verify",
        "Read every byte again, here and on all connected machines, and compare it with what was recorded: finds files "
        "that went bad on a disk, and differences between machines. Nothing is changed without --repair. The reading has "
        "the lowest priority, so it takes its time on a busy machine. While no node runs for DIR, only what is here is read, "
        "and no other machine is asked.",
        "verify ~/shared",
        "verify ~/shared --repair",
        "verify ~/shared --json",
    )
    parser.add_argument(
        "--repair",
        action="store_true",
        help="bring the recorded content of bad files back, from another machine or from a copy; what the disk had made "
        "of them is kept in the history",
    )
    add_json(parser)
    given = parser.parse_args(argv)
    began = time.monotonic()
    try:
        answer = ask_running(given.folder, {"command": "verify", "do": "begin", "repair": given.repair})
    except NoNode:
        if given.repair:
            raise  # what is brought back comes from other machines
        answer = _alone(config.checked_folder(config.existing(given.folder)), given.json, began)
        return _end(answer, given.folder, given.json, False, time.monotonic() - began)
    number = answer.get("number")
    if not given.json:
        say(_whom(answer))
        finish()  # also into a file: it may take long
    telling = _Telling(given.json, began)
    try:
        while not answer["over"]:
            telling.put(answer)
            time.sleep(_LOOK_S)
            answer = ask_running(given.folder, {"command": "verify", "do": "look", "number": number})
    except KeyboardInterrupt:
        ask_running(given.folder, {"command": "verify", "do": "end", "number": number})
        raise
    finally:
        telling.take_away()
    ask_running(given.folder, {"command": "verify", "do": "end", "number": number})
    return _end(answer, given.folder, given.json, given.repair, time.monotonic() - began)


def _alone(folder: str, as_json: bool, began: float) -> Answer:
    """No node runs: what is here is read by this command."""
    from dir_sync.history.verify_here import verify_here  # imported late: a node does it otherwise

    answer: Answer | None = None
    telling = _Telling(as_json, began)
    try:
        for now in verify_here(folder):
            if answer is None and not as_json:
                say(f"reading {_amount(now)} here\nno node runs for it: no other machine is asked")
                finish()
            answer = now
            telling.put(answer)
    finally:
        telling.take_away()
    if answer is None:
        raise ConfigError("a node has just begun to run for this folder: try again")
    return answer


def _end(answer: Answer, folder: str, as_json: bool, repair: bool, took_s: float) -> int:
    is_clean = not answer["found"] and not any(peer["problem"] for peer in answer["peers"])
    if as_json:
        keys = ("entries", "bytes", "peers", "away", "found", "findings", "kept_apart", "apart", "healed")
        say(json.dumps({"equal": is_clean, "took_s": round(took_s, 1)} | {key: answer[key] for key in keys}))
    else:
        say("\n".join(_result(answer, folder, repair, took_s)))
    return config.OK if is_clean else config.UNFINISHED


def _amount(answer: Answer) -> str:
    return f"{how_many(answer['files'], 'file')} ({human_bytes(answer['size'])})"


def _whom(answer: Answer) -> str:
    """Who is asked, and who cannot be."""
    names = [peer["name"] for peer in answer["peers"]]
    words = f"reading {_amount(answer)} here" + (f", and what {who_have(names)}" if names else "")
    if answer["away"]:
        words += f"\nnot connected, and not asked: {listed(answer['away'])}"
    elif not names:
        words += "\nno other machine is connected: none is asked"
    return words


def _result(answer: Answer, folder: str, repair: bool, took_s: float) -> list[str]:
    lines = [f"read {human_bytes(answer['bytes'])} here in {human_seconds(took_s)}"]
    for peer in answer["peers"]:
        told = f"{peer['name']} has read {human_bytes(peer['bytes'])}"
        lines.append(f"{peer['name']} did not take part to the end: {peer['problem']}" if peer["problem"] else told)
    good = "its recorded content is back, the bad one is in the history"
    lines += [f"  healed {_where(one)}: {good}" for one in answer["healed"][:_TOLD_MAX]]
    if len(answer["healed"]) > _TOLD_MAX:
        lines.append(f"  and {len(answer['healed']) - _TOLD_MAX:,} more healed")
    lines += [f"  {_where(one)} {_WORDS.get(one['what'], one['what'])}" for one in answer["findings"][:_TOLD_MAX]]
    if answer["found"] > _TOLD_MAX:
        lines.append(f"  and {answer['found'] - _TOLD_MAX:,} more (--json lists the first thousand)")
    lines += [
        f"  {one['path']} (on {one['at']}) {_APART.get(one['what'], one['what'])}"
        for one in answer["apart"][:_TOLD_MAX]
    ]
    apart = answer["kept_apart"]
    if apart > _TOLD_MAX:
        lines.append(f"  and {apart - _TOLD_MAX:,} more that are apart on purpose (--json lists the first thousand)")
    if not answer["found"]:
        but = f", but for {how_many(apart, 'path')} where a machine has something else on purpose" if apart else ""
        same = f", and the same on all of them{but}" if answer["peers"] else ""
        lines.append("everything is as it was recorded" + same)
        return lines
    lines.append(f"found {how_many(answer['found'], 'difference')}")
    bad = [one for one in answer["findings"] if one["what"] == "rotten"]
    if bad and not repair:
        lines.append(f"to bring back what was recorded: {shell.command('verify', folder, '--repair')}")
    elif bad:
        lines.append(
            "no connected machine has what was recorded of the bad files: connect one that does, and repeat this"
        )
    return lines


def _where(one: Answer) -> str:
    at = f" (between here and {one['at']})" if one["what"] in ("different", "missing") else f" (on {one['at']})"
    return str(one["path"]) + (at if one["at"] else "")


class _Telling:
    """How far it is: on a terminal one line that is written again, elsewhere a line a minute, with --json nothing."""

    def __init__(self, as_json: bool, began: float) -> None:
        self._line = None if as_json else on_stderr()
        self._is_quiet = as_json
        self._began = began
        self._due = began

    def put(self, answer: Answer) -> None:
        now = time.monotonic()
        if self._is_quiet or now < self._due:
            return
        words = _progress(answer, now - self._began)
        if self._line is not None:
            self._line.put(words)
            self._due = now + _LINE_S
            return
        if self._due > self._began:
            say(words)
            finish()
        self._due = now + _PRINTED_S

    def take_away(self) -> None:
        if self._line is not None:
            self._line.take_away()


def _progress(answer: Answer, took_s: float) -> str:
    """How far it is, in one line."""
    if answer["again"]:
        return "looking again at what was found"
    size, done = answer["size"], min(answer["bytes"], answer["size"])
    words = f"{how_many(answer['entries'], 'path')} read, {100 * done // max(size, 1)} % of {human_bytes(size)}"
    return f"{words}, {human_seconds(took_s * (size - done) / done)} left" if 0 < done < size else words
