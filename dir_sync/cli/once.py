"""The command ``once``: make a folder the same as on other machines, say what was done, and end.

In:   the words after the command, and maybe a configuration file. Out: a summary on stdout, the log on stderr, and an exit code
(docs/cli.md has the table).
Rule: where a node runs for the folder, that one is asked, and nothing is started. A second ``once`` waits for the first.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

from dir_sync import config
from dir_sync.cli.dialogue import answer_or_none, refuse_if_paused
from dir_sync.cli.headlines import not_taken_there
from dir_sync.cli.making import make, refuse_to_make
from dir_sync.cli.options import add_node_options, config_of
from dir_sync.cli.parser import Parser, checked, count
from dir_sync.config import Config, ConfigError
from dir_sync.core.model import show
from dir_sync.core.shot import Judge, Left, Seen, Shot, Sight, Verdict, files_lacking, lacks_there, left_over
from dir_sync.core.tally import Paths, Tally
from dir_sync.daemon.signals import Ending
from dir_sync.folder.pauses import refuse_if
from dir_sync.folder.state import Locked
from dir_sync.reporting import log, shell
from dir_sync.reporting.log import how_many, human_bytes, listed, who_have
from dir_sync.reporting.output import say

__all__ = ["once"]

_HELP = (
    "Make DIR the same as on another machine, say what was sent and received, and end. The other machine runs a node, or "
    "`once` at the same time; it is found as by a node, or named with --peer; one that is named is waited for. If a node "
    "runs for DIR here, that one is asked, with the options that it has. A second `once` for the same DIR waits for the first."
)
_EXAMPLES = """\
examples:
  {program} once ~/shared
  {program} once ~/shared --peer server --timeout 10m
  {program} once ~/shared --json -q || echo not the same yet
  {program} once ~/shared --dry-run      only what would be done
  {program} once --config ~/work.toml    with the options of a file
"""
_AGAIN_S = 0.1
_NAMED_MAX = 5  # paths of one kind that the summary names
_LEFT_MAX = 50  # lines about what is left
_OWN = frozenset({"dir", "timeout", "wait_for", "dry_run", "json"})  # what a node does not have
_CODES = {Verdict.EQUAL: config.OK, Verdict.STUCK: config.UNFINISHED, Verdict.LATE: config.TIMEOUT}


def once(argv: list[str]) -> int:
    parser = _parser()
    given = parser.parse_args(argv)
    if given.dir is None and given.config is None:
        parser.error("the following arguments are required: DIR")
    takes_any_port = given.listen_port is None
    settings = _of_options(given) if given.config is None else _of_file(given, argv)
    if given.dry_run and settings.join is not None:
        raise ConfigError("--dry-run changes nothing, and --join does: join first", config.USAGE)
    refuse_if_paused(settings.folder)
    folder = settings.folder if given.dir is None else given.dir  # as the user typed it, for commands
    ending = Ending()
    ending.listen()
    loudness = settings.verbosity - (settings.verbosity >= 0)
    log.setup(loudness, settings.log_file, settings.log_max_size, settings.log_keep)
    if given.dry_run:
        from dir_sync.cli.rehearsing import rehearse

        return rehearse(
            settings, argv, _parser(), given.wait_for, given.timeout, ending, given.json, settings.verbosity < 0
        )
    begun_ms = _mono_ms()
    judge = Judge(given.wait_for, begun_ms, given.timeout * 1000)
    try:
        shot = _run(settings, takes_any_port, judge, ending)
    except Locked as error:
        why = f"{error}, and has not ended in time"
        log.complain(why)
        if given.json:
            shot = Shot(Verdict.LATE, tally=Tally())
            say(json.dumps(_object(shot, Verdict.LATE, config.TIMEOUT, [Left("", why)], _mono_ms() - begun_ms)))
        return config.TIMEOUT
    verdict, status, tally = shot.verdict, shot.status, shot.tally
    if verdict is None:
        return 128 + ending.number
    if tally is None and status is not None:
        from dir_sync.cli.overruled import say_overruled, settings_of_node  # imported late: mostly no node runs

        say_overruled(_parser(), argv, settings, settings_of_node(settings.folder), status.process)
    left = [] if verdict is Verdict.EQUAL or status is None else left_over(status)
    if tally is not None:
        left += [Left(path, problem) for path, problem in tally.unreadable.words()]
    left += shot.lacking
    left += [Left("", one) for one in shot.unreached]
    code = config.UNFINISHED if verdict is Verdict.EQUAL and left else _CODES[verdict]
    if given.json:
        say(json.dumps(_object(shot, verdict, code, left, _mono_ms() - begun_ms)))
    elif settings.verbosity >= 0 or code:
        lines = _headline(shot, verdict, given.wait_for)
        if tally is not None:
            done = _done(tally, folder)
            lines += done if done or verdict is not Verdict.EQUAL else ["nothing was to be done"]
        say("\n".join([*lines, *_listing(left)]))
    return code


def _parser() -> Parser:
    parser = Parser("once", _HELP, _EXAMPLES, "once ~/shared", "once DIR [--peer HOST] [--timeout TIME] [options]")
    parser.add_argument("dir", metavar="DIR", nargs="?", help="the folder; with --config, one of FILE")
    group = parser.add_argument_group("options of this command")
    group.add_argument(
        "--timeout",
        metavar="TIME",
        type=checked(_timeout),
        default=60,
        help="give up after TIME (10s, 5m, 1h; default: 60s)",
    )
    group.add_argument(
        "--wait-for",
        metavar="N",
        type=checked(_at_least_one),
        default=1,
        help="so many other machines have to have the same, and all that are connected (default: %(default)s)",
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="only print what would be done: for each path whether it is sent, received, deleted, renamed or in conflict;"
        " nothing is changed, here or elsewhere",
    )
    group.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    basic = add_node_options(parser)
    basic.add_argument(
        "--config", metavar="FILE", help="read the options from FILE, and the folder, if it names only one"
    )
    parser.set_defaults(listen_port=None)
    for option in parser.options:
        if option.dest == "listen_port":
            option.help = f"TCP port for connections (default: {config.LISTEN_PORT}, or any other if that is taken)"
    return parser


def _of_options(given: argparse.Namespace) -> Config:
    """The settings of a folder that the command line names."""
    if given.create:
        (refuse_to_make if given.dry_run else make)(given.dir)
    options = argparse.Namespace(**vars(given))
    if options.listen_port is None:
        options.listen_port = config.LISTEN_PORT
    return config_of(options, given.dir, given.folder_name or config.FOLDER_NAME)


def _of_file(given: argparse.Namespace, argv: list[str]) -> Config:
    """The settings of a folder of the configuration file. What the command line says counts more."""
    from dir_sync.cli.asked import typed_alone  # imported late: most runs have no such file
    from dir_sync.cli.config_file import read_file

    if given.folder_name is not None:
        raise ConfigError("with --config, a folder has the name of its table: --folder cannot be given", config.USAGE)
    options = {key: value for key, value in typed_alone(_parser(), argv).items() if key not in _OWN}
    is_there = given.dir is not None and os.path.lexists(config.existing(given.dir))
    rehearsed = None if is_there else refuse_to_make  # of others that are not there, nothing is said
    found = read_file(given.config, options, rehearsed if given.dry_run else make)
    if given.dir is not None:
        real = config.existing(given.dir)
        found = tuple(one for one in found if one.folder == real)
    if len(found) == 1:
        return found[0]
    file = show(os.fsencode(given.config))
    if given.dir is not None:
        raise ConfigError(f"{file} does not name {show(os.fsencode(given.dir))}", config.USAGE)
    raise ConfigError(f"{file} names {how_many(len(found), 'folder')}: write the one that is meant", config.USAGE)


def _timeout(text: str) -> int:
    seconds = config.checked_interval(text)
    if not seconds:
        raise ConfigError("at least 1s is needed", config.USAGE)
    return seconds


def _at_least_one(text: str) -> int:
    number = count(text)
    if not 1 <= number <= 1_000:
        raise ConfigError("a number from 1 to 1000 is needed", config.USAGE)
    return number


def _mono_ms() -> int:
    return time.monotonic_ns() // 1_000_000


# --- running ----------------------------------------------------------------------------------------------------------


def _run(settings: Config, takes_any_port: bool, judge: Judge, ending: Ending) -> Shot:
    """How it ended. Raises Locked if another program has the folder for too
    long."""
    has_joined = False
    while not ending.asked:
        found = _by_node(settings.folder, judge, ending)
        if found is not None:
            return found
        if settings.join is not None and not has_joined:
            from dir_sync.cli.inviting import join_first

            join_first(settings, settings.join)
            has_joined = True
        from dir_sync.daemon.shot import run  # imported late: it loads everything else

        try:
            return run(settings, takes_any_port, judge, ending)
        except Locked:
            if judge.is_late(_mono_ms()):
                raise
        time.sleep(_AGAIN_S)
    return Shot(None)


def _by_node(folder: str, judge: Judge, ending: Ending) -> Shot | None:
    """Wait until the node that runs for the folder is in sync. None: none runs, or none any more."""
    while not ending.asked:
        try:
            answer = answer_or_none(folder, {"command": "status"}, folder, begins_s=0.0)
        except ConfigError:  # it begins or ends just now
            if judge.is_late(_mono_ms()):
                raise
        else:
            if answer is None:
                return None
            from dir_sync.cli.status_words import status_in  # imported late: mostly no node runs

            status = status_in(answer)
            refuse_if(status.pause, folder)
            agreed = frozenset(peer.replica for peer in status.peers if peer.has_dealt_with_all)
            verdict = judge.judge(Sight(status, Seen(agreed)), _mono_ms())
            if verdict is not None:
                lacking = () if verdict is Verdict.EQUAL or not lacks_there(status) else _lacking(folder)
                names = tuple(sorted(peer.name for peer in status.peers))
                return Shot(verdict, status, names, lacking=lacking)
        time.sleep(_AGAIN_S)
    return Shot(None)


def _lacking(folder: str) -> tuple[Left, ...]:
    """What the node that runs for the folder says that peers do not have."""
    try:
        return files_lacking(answer_or_none(folder, {"command": "lacking"}, folder, begins_s=0.0) or {})
    except ConfigError:
        return ()  # it is an older one, or ends just now


# --- words ------------------------------------------------------------------------------------------------------------


def _headline(shot: Shot, verdict: Verdict, wait_for: int) -> list[str]:
    status, names = shot.status, shot.peers
    who = (
        f" (by the node that runs here, process {status.process})" if shot.tally is None and status is not None else ""
    )
    if verdict is Verdict.EQUAL:
        assert status is not None
        with_ = f" with {listed(names)}" if names else ""
        line = f"in sync{with_}: {how_many(status.files, 'file')} ({human_bytes(status.bytes)}){who}"
        lines = [line]
        if status.diverged:
            lines.append(f"{how_many(status.diverged, 'path')} may differ because of the mode {status.mode}")
        return lines + not_taken_there(status)
    if verdict is Verdict.STUCK:
        return [f"not in sync{f' with {listed(names)}' if names else ''}: something is left{who}"]
    if not names and status is not None and status.paused_elsewhere:
        return [f"not in sync: {who_have(status.paused_elsewhere)} paused this folder{who}"]
    if not names:
        return [f"not in sync: no other machine was there in time{who}"]
    is_equal = status is not None and all(peer.has_dealt_with_all for peer in status.peers)
    if is_equal and len(names) < wait_for:
        return [f"not in sync in time: in sync with {listed(names)}, and {wait_for} machines are needed{who}"]
    if is_equal and shot.unreached:
        return [f"not in sync in time: in sync with {listed(names)}, and not with all that were named{who}"]
    return [f"not in sync in time with {listed(names)}{who}"]


def _done(tally: Tally, folder: str) -> list[str]:
    lines = [
        _count(words, paths)
        for words, paths in (
            ("received", tally.received),
            ("sent", tally.sent),
            ("deleted here, as elsewhere", tally.removed),
            ("deleted elsewhere, as here", tally.deleted),
            ("not shared", tally.skipped),
        )
        if paths
    ]
    if tally.conflicts:
        lines.append(_count("in conflict; what lost is kept", tally.conflicts))
        lines.append(f"  to list: {shell.command('conflicts', folder)}")
    return lines


def _count(words: str, paths: Paths) -> str:
    size = f" ({human_bytes(paths.size)})" if paths.size else ""
    named = f": {', '.join(paths.names())}" if len(paths) <= _NAMED_MAX else ""
    return f"{words}: {how_many(len(paths), 'path')}{size}{named}"


def _listing(left: list[Left]) -> list[str]:
    lines = [f"  {one.path + ': ' if one.path else ''}{one.problem}" for one in left[:_LEFT_MAX]]
    more = len(left) - _LEFT_MAX
    return lines + ([f"  and {more:,} more; --json names them"] if more > 0 else [])


def _object(shot: Shot, verdict: Verdict, code: int, left: list[Left], took_ms: int) -> dict[str, Any]:
    status, tally = shot.status, shot.tally
    kinds = ("sent", "received", "removed", "deleted")
    return {
        "result": "stuck" if code == config.UNFINISHED else verdict.value,
        "seconds": round(took_ms / 1000, 3),
        "folder": None if status is None else status.folder,
        "node_runs": tally is None,
        "peers": list(shot.peers),
        "files": None if status is None else status.files,
        "bytes": None if status is None else status.bytes,
        **{kind: None if tally is None else getattr(tally, kind).to_json() for kind in kinds},
        "conflicts": None if tally is None else [{"path": p, "version": v} for p, v in tally.conflicts.words()],
        "skipped": None if tally is None else [{"path": p, "reason": r} for p, r in tally.skipped.words()],
        "left": [one._asdict() for one in left],
    }
