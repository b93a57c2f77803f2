"""The command ``wait``: it ends when everything is everywhere.

In:   the words after the command. Out: one line or a JSON object on stdout, and an exit code (docs/cli.md has the table).
Rule: the node looks first: what was saved before the command counts. The node's answer wakes the command; nothing is asked
again and again.
"""

from __future__ import annotations

import time
from typing import Any

from dir_sync import config
from dir_sync.cli.dialogue import ask_running
from dir_sync.cli.headlines import is_left_there, not_taken_by, only_here, paused_until
from dir_sync.cli.parser import add_json, checked, command_parser, count
from dir_sync.cli.results import tell
from dir_sync.cli.status_words import status_in
from dir_sync.config import ConfigError
from dir_sync.core.declined import declined_json
from dir_sync.core.peers.standing import NOTHING, without
from dir_sync.core.shot import Left, Verdict
from dir_sync.core.status import Status
from dir_sync.core.waiting import Patience, Wish, lagging, leaves_out_by_rules, missing, unknown
from dir_sync.network.control import Answer
from dir_sync.reporting import log, shell
from dir_sync.reporting.live_line import LiveLine, on_stderr
from dir_sync.reporting.log import how_many, human_bytes, listed, who_have
from dir_sync.reporting.progress_words import amount, progress_words

__all__ = ["wait"]

_CHANGE_WITHIN_S = 1.0  # figures that are no change of the standing, such as a progress, are looked at so often
_AT_MOST_EACH_S = 0.05  # a folder in which everything changes all the time
_CODES = {Verdict.EQUAL: config.OK, Verdict.STUCK: config.UNFINISHED, Verdict.LATE: config.TIMEOUT}
_RESULTS = {Verdict.EQUAL: "done", Verdict.STUCK: "stuck", Verdict.LATE: "late"}
_NAMED_MAX = 5
_READER = "this machine is a read-only member of its closed mesh: nothing goes out, and what is changed here stays here"


def wait(argv: list[str]) -> int:
    """``wait DIR``: ends when all connected machines have everything."""
    parser = command_parser(
        "wait",
        "Wait until everything in DIR is everywhere: on all machines that are connected (one at least), on any N with "
        "--copies, or on those that --peer names. What was saved before the command counts. It ends at once if something "
        "waits for your decision, and after a while if something cannot be written here or there.",
        "wait ~/shared",
        "wait ~/shared --copies 2 --timeout 10m && poweroff",
        "wait ~/shared --peer server",
        more="Of a read-only member of a closed mesh nothing goes out: it says so, and ends at once.",
    )
    parser.add_argument("--copies", metavar="N", type=checked(_copies), default=0,
                        help="until N other machines have everything, whichever they are")  # fmt: skip
    parser.add_argument("--peer", metavar="NAME", action="append", default=[], dest="peers",
                        help="until this machine has everything: its name, or the start of its id; may be repeated")  # fmt: skip
    parser.add_argument("--timeout", metavar="TIME", type=checked(config.checked_interval),
                        help="give up after TIME (10s, 5m, 1h; 0: look once; default: wait for ever)")  # fmt: skip
    add_json(parser)
    given = parser.parse_args(argv)
    wish = Wish(given.copies, tuple(given.peers))
    begun_ms = _mono_ms()
    within_ms = None if given.timeout is None else given.timeout * 1000
    line = None if given.json else on_stderr()
    try:
        verdict, status = _until_over(given.folder, wish, Patience(wish, begun_ms, within_ms), line)
    finally:
        if line is not None:
            line.take_away()
    left = [] if verdict is Verdict.EQUAL else _missing(status, wish)
    answer = _object(verdict, status, wish, left, _mono_ms() - begun_ms)
    tell(given.json, answer, _words(verdict, status, wish, left, given.folder))
    return _CODES[verdict]


def _copies(text: str) -> int:
    number = count(text)
    if not 1 <= number <= 1_000:
        raise ConfigError("a number from 1 to 1000 is needed", config.USAGE)
    return number


def _until_over(folder: str, wish: Wish, patience: Patience, line: LiveLine | None) -> tuple[Verdict, Status]:
    question: Answer = {"command": "status", "unlike": 0, "look": True}
    has_named = False
    while True:
        asked_s = time.monotonic()
        answer = ask_running(folder, question)
        status = status_in(answer)
        if status.is_reader:
            return Verdict.STUCK, status
        if not has_named:
            for nobody in unknown(status, wish).values():
                log.complain(f"{nobody}: waiting for it")
            has_named = True
        verdict = patience.judge(status, time.time() - status.started_s, _mono_ms())
        if verdict is not None:
            return verdict, status
        if line is not None:
            line.put(log.escape(_now(status, wish)))
        left_ms = patience.left_ms(_mono_ms())
        within_s = _CHANGE_WITHIN_S if left_ms is None else min(_CHANGE_WITHIN_S, left_ms / 1000)
        question = {"command": "status", "unlike": answer["number"], "within_s": within_s}
        time.sleep(max(0.0, min(asked_s + _AT_MOST_EACH_S - time.monotonic(), within_s)))


def _missing(status: Status, wish: Wish) -> list[Left]:
    """Why it is not done. No peer waits for what a read-only member changes, and none says that it has refused that."""
    left = missing(status, wish)
    if status.pause is not None:
        left[0] = Left("", f"{left[0].problem}{paused_until(status.pause)}: nothing is sent or taken")
    return [Left("", _READER), *left] if status.is_reader else left


def _now(status: Status, wish: Wish) -> str:
    """What it waits for, in one line."""
    if status.sending is not None:
        who = listed([peer.name for peer in status.peers if peer.progress is not None and wish.concerns(peer)])
        return f"to {who}: {progress_words(status.sending)}" if who else progress_words(status.sending)
    if status.receiving is not None:
        return f"coming here: {progress_words(status.receiving)}"
    left = missing(status, wish) or [Left("", line) for line in _lacks(status, wish)]
    return f"waiting: {left[0].problem}" if left else "waiting"


def _words(verdict: Verdict, status: Status, wish: Wish, left: list[Left], folder: str) -> list[str]:
    if verdict is Verdict.EQUAL:
        have = [peer.name for peer in status.peers if peer.is_even]
        what = f"{how_many(status.files, 'file')} ({human_bytes(status.bytes)})"
        but = f", but for {listed(kept)}" if (kept := only_here(status)) else ""
        lines = [f"done: {who_have(have)} everything that is here: {what}{but}"]
        if not have:
            some = [peer.name for peer in status.peers if leaves_out_by_rules(peer)]
            lines = [f"done: {who_have(some)} everything that is here and is not ignored there{but}"]
        if not (wish.copies or wish.peers):
            lines += _lacks(status, wish)  # by the mode or the rules of that machine
            if status.away:
                lines.append(f"not connected: {listed([peer.name for peer in status.away[:_NAMED_MAX]])}")
        return lines
    reason = "not in time" if verdict is Verdict.LATE else "it cannot be done now"
    lines = [f"{reason}: {status.folder} is not everywhere"]
    if status.is_reader:
        lines, left = [f"{status.folder}: {_READER}"], left[1:]
    lines += [f"  {one.path + ': ' if one.path else ''}{one.problem}" for one in left]
    lines += [f"  {line}" for line in _lacks(status, wish)]
    if status.pause is not None:
        lines.append(f"to go on: {shell.command('resume', folder)}")
    return [*lines, f"to see more: {shell.command('status', folder)}"]


def _lacks(status: Status, wish: Wish) -> list[str]:
    if status.is_reader:
        return []
    found = []
    for peer in lagging(status, wish):
        if peer.lacks is None:
            continue
        rest = without(peer.lacks, peer.declined)
        if not is_left_there(status, peer) and rest != NOTHING:
            found.append(f"{peer.name} lacks {amount(rest)}")
        found += not_taken_by(status, peer)
    return found


def _object(verdict: Verdict, status: Status, wish: Wish, left: list[Left], took_ms: int) -> dict[str, Any]:
    lacks = [] if verdict is Verdict.EQUAL else _lacks(status, wish)
    peers = [
        {
            "name": peer.name,
            "replica": peer.replica,
            "synchronized": peer.synchronized,
            "lacks": None if peer.lacks is None else peer.lacks._asdict(),
            "declined": [declined_json(one) for one in peer.declined],
            "lacking_here": peer.lacking_here._asdict(),
        }
        for peer in status.peers
    ]
    return {
        "result": _RESULTS[verdict],
        "seconds": round(took_ms / 1000, 3),
        "folder": status.folder,
        "headline": status.headline.value,
        "files": status.files,
        "bytes": status.bytes,
        "copies": sum(peer.synchronized for peer in status.peers),
        "peers": peers,
        "away": [peer.name for peer in status.away],
        "left": [one._asdict() for one in left] + [{"path": "", "problem": line} for line in lacks],
    }


def _mono_ms() -> int:
    return time.monotonic_ns() // 1_000_000
