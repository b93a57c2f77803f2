"""`once --dry-run`: says what a run would do.

In:   the settings of the run. Out: a table, or a JSON object, on stdout, and an exit code.
Rule: nothing is changed, here or elsewhere: no file, no index, no history, no `.dir_sync`.
Used by: once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dir_sync import config
from dir_sync.cli.asked import typed_alone
from dir_sync.cli.dialogue import answer_or_none
from dir_sync.cli.overruled import say_overruled, settings_of_node
from dir_sync.cli.parser import Parser
from dir_sync.cli.plan_words import object_of, table
from dir_sync.cli.status_words import status_in
from dir_sync.config import Config, ConfigError
from dir_sync.core.frozen import changed
from dir_sync.daemon.signals import Ending
from dir_sync.folder.pauses import refuse_if
from dir_sync.folder.state import Locked
from dir_sync.network.control import Answer
from dir_sync.reporting import log
from dir_sync.reporting.output import say

if TYPE_CHECKING:
    from dir_sync.daemon.dry_run import Here

__all__ = ["rehearse"]

_AGAIN_S = 0.1
_COUNTING = frozenset(
    {"peers", "no_discovery", "no_listen", "interface", "name"}
)  # also where a node runs for the folder
_NOBODY = "a dry run has to ask another machine: with --no-discovery, name one with --peer HOST"
_NOBODY_BY_NODE = (
    "the node that runs here waits for machines that name it, and a dry run has to ask one: name it with --peer HOST, or"
    " run this on that machine"
)


def rehearse(
    settings: Config,
    argv: Sequence[str],
    parser: Parser,
    wait_for: int,
    within_s: int,
    ending: Ending,
    as_json: bool,
    is_quiet: bool,
) -> int:
    """`argv`, `parser`: from which the settings are, for a line about options that do not count."""
    begun = time.monotonic()

    def is_over() -> bool:
        return ending.asked or time.monotonic() - begun >= within_s

    from dir_sync.daemon.dry_run import Rehearsed, run  # imported late: it loads everything else

    named = settings.peers
    while True:
        try:
            here = _node_of(settings.folder, is_over)
            if here is not None:
                has = settings_of_node(settings.folder)
                say_overruled(parser, argv, settings, has, here.status.process, _COUNTING)
                named = settings.peers if "peers" in typed_alone(parser, list(argv)) else ()  # not those of a file
                settings = _as_by(here, has, settings)
            if not (settings.discovers or settings.peers):
                raise ConfigError(_NOBODY if here is None else _NOBODY_BY_NODE, config.USAGE)
            found = run(settings, named, wait_for, is_over, here)
            break
        except Locked as error:
            if is_over():
                why = f"{error}, and has not ended in time"
                log.complain(why)
                if not as_json:
                    return config.TIMEOUT
                found = Rehearsed(None, turned_away=(why,))
                break
            time.sleep(_AGAIN_S)
    if ending.asked:
        return 128 + ending.number
    made = found.plan
    left = [("", one) for one in found.turned_away] if made is None else made.left
    code = config.TIMEOUT if made is None else config.UNFINISHED if left else config.OK
    if as_json:
        said = {
            "result": {config.OK: "planned", config.UNFINISHED: "stuck", config.TIMEOUT: "late"}[code],
            "dry_run": True,
            "seconds": round(time.monotonic() - begun, 3),
            "node_runs": here is not None,
            **object_of(made, found.peers),
            "skipped": [{"path": path, "reason": reason} for path, reason in found.skipped],
            "left": [{"path": path, "problem": problem} for path, problem in left],
        }
        say(json.dumps(said))
    elif made is not None and (not is_quiet or code):
        lines = table(made, found.peers)
        if left:
            lines += ["this could not be the same:", *(f"  {path}: {problem}" for path, problem in left)]
        say("\n".join(lines))
    elif made is None:
        were = "was" if len(found.peers) <= 1 else "were"
        few = f"only {log.listed(found.peers)}" if found.peers else "no other machine"
        say("\n".join([f"not known: {few} {were} there in time", *(f"  {one}" for _, one in left)]))
    return code


def _node_of(folder: str, is_over: Callable[[], bool]) -> Here | None:
    """The node that runs for the folder; None: none does. ConfigError if it does not answer."""
    from dir_sync.daemon.dry_run import Here

    while True:
        try:
            answer = answer_or_none(folder, {"command": "status"}, folder, begins_s=0.0)
        except ConfigError:  # it begins or ends just now
            if is_over():
                raise
            time.sleep(_AGAIN_S)
        else:
            if answer is None:
                return None
            status = status_in(answer)
            refuse_if(status.pause, folder)
            return Here(lambda question: _answer(folder, question), status)


def _as_by(here: Here, has: Answer, settings: Config) -> Config:
    """The settings with which others find the folder of a node that runs: its own, and those that were typed beside. Its key is
    kept for the folder, whichever file it came from."""
    status = here.status
    named = [(str(host), int(port)) for host, port in has.get("peers", ())]
    return changed(
        settings,
        folder_name=status.folder_name,
        broadcast_port=status.broadcast_port or settings.broadcast_port,
        key_file=None,
        peers=tuple(dict.fromkeys((*settings.peers, *named))),
        discovers=settings.discovers and bool(has.get("discovers", True)),
        interface=settings.interface or has.get("interface"),
        listen_port=int(has.get("listen_port", settings.listen_port)),
    )


def _answer(folder: str, question: Answer) -> Answer:
    answer = answer_or_none(folder, question, folder)
    if answer is None:
        raise ConfigError("the node that runs here has ended meanwhile: try again")
    return answer
