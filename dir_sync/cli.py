"""The command line: words in, an exit code out.

In: sys.argv[1:]. Out: a Config for the daemon; or one line on stderr and exit code 2 (the command line is
wrong) or 1 (anything else). Rule: no traceback reaches the user; nothing starts before all words are right.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import NoReturn, TextIO, TypeVar

from dir_sync import __version__, config, log, root, utils
from dir_sync.config import Config, ConfigError
from dir_sync.control import Answer, NoDaemon, ask
from dir_sync.core import limits
from dir_sync.core.model import show
from dir_sync.log import how_many
from dir_sync.status import render

__all__ = ["COMMANDS", "main", "read_config"]

T = TypeVar("T")

FAULT = 1  # exit code: we are wrong
INTERRUPTED = 130  # exit code: SIGINT before the daemon was there to end cleanly

WIDTH = 84  # columns of --help; fixed, since to ask the terminal costs 5 ms at every start

HELP = """\
Keep the folder DIR the same on every machine of this LAN that runs this command.
There is nothing else to set up: the machines find each other, and what is created,
edited, renamed or deleted in DIR on one of them is so on all.
"""

EXAMPLE = """\
example, on each machine:
  python main.py ~/shared
  python main.py ~/shared -b 5000 -l 6000 -s /tmp/signatures     (the defaults)

two nodes on one machine need two ports:
  python main.py one -l 6000
  python main.py two -l 6001

Ctrl-C ends it. The mesh is open: anyone on this LAN can join the folder.

other commands, each with --help:
  python main.py status DIR     how the node that runs on DIR is doing
  python main.py approve DIR    delete everywhere what the brake holds ...
  python main.py reject DIR     ... or bring it back
  python main.py history DIR    what was replaced or deleted
  python main.py restore DIR PATH     bring it back
  python main.py undo DIR --since 10m     have all of DIR as it was ten minutes ago
  python main.py conflicts DIR  what lost against a change made at the same time
"""


def main(argv: list[str]) -> int:
    """Run one command. Returns the exit code and never raises; ends the process only through its caller."""
    try:
        command = COMMANDS[argv[0]] if argv and argv[0] in COMMANDS else None
        code = command(argv[1:]) if command else run(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except ConfigError as error:
        log.complain(str(error))
        return error.exit_code
    except SystemExit as end:  # argparse, after --help and --version
        return _said(end)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever reads us has read enough
        _throw_away(sys.stdout)
        return 0
    except Exception as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
            log.complain(
                "there is no room left on the disk of that folder, not even for a note: free some and try again"
            )
            return config.ENVIRONMENT
        log.logger.debug("the fault in full:", exc_info=True)
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        log.complain(f"stopped by {what} ({_where(error)}). This is a fault of dir_sync, not yours; -v tells more")
        return FAULT
    finally:
        log.close()


def run(argv: list[str]) -> int:
    """``run DIR ...``, and what is meant when no command is named: share a folder until a signal ends it."""
    asked = read_config(argv)
    log.setup(asked.verbosity, asked.log_file)
    from dir_sync.daemon import run as run_daemon  # only now: it brings everything else with it

    return run_daemon(asked)


def status(argv: list[str]) -> int:
    """``status DIR``: what the node that runs on a folder says of itself."""
    parser = _command_parser(
        "status", "Tell how the node that runs on DIR is doing: its peers, what is under way, what it holds."
    )
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object")
    words = parser.parse_args(argv)
    answer = _ask(words.folder, {"command": "status"})
    if words.json:
        print(json.dumps(answer))
    else:
        print("\n".join(render(answer)))
    return 0


def approve(argv: list[str]) -> int:
    """``approve DIR``: what the brake holds was meant."""
    parser = _command_parser(
        "approve",
        "What the brake holds was done on purpose: it happens, on all machines. May be said on any of them.",
    )
    files = _ask(parser.parse_args(argv).folder, {"command": "approve"})["files"]
    print(f"{how_many(files, 'file')}: what was held happens now, on all machines" if files else _NOTHING_HELD)
    return 0


def reject(argv: list[str]) -> int:
    """``reject DIR``: what the brake holds is to come back."""
    parser = _command_parser(
        "reject",
        "What the brake holds was a mistake: the files are to be what they were, on all machines, also those that went in the"
        " minute before. May be said on any of them.",
    )
    files = _ask(parser.parse_args(argv).folder, {"command": "reject"})["files"]
    if not files:
        print(_NOTHING_HELD)
        return 0
    print(
        f"{how_many(files, 'file')}: what was held does not happen, and what went in the minute before comes back, on all"
        " machines; what is in no history any more is named in the log"
    )
    return 0


def history_(argv: list[str]) -> int:
    """``history DIR [PATH]``: what was replaced or deleted."""
    parser = _command_parser(
        "history",
        "What synchronization replaced or deleted in DIR, newest first. Each content is kept on the machines where it was"
        "\nreplaced: the machine where somebody made the change kept nothing, the others did; while a node runs on DIR, those"
        "\nthat are connected are asked, too.",
    )
    parser.add_argument("path", metavar="PATH", nargs="?", help="only of this file, or of all in this folder")
    parser.add_argument("--limit", metavar="N", type=_type(_count), default=50, help="so many (default: 50; 0: all)")
    words = parser.parse_args(argv)
    from dir_sync import history

    with history.open_book(config.checked_folder(words.folder)) as book:
        path = b"" if words.path is None else book.path_of(words.path, whole=True)
        entries = book.entries(path)
        if path:
            entries = book.of(path, entries)
        if not entries:
            print("nothing was replaced or deleted")
            return 0
        shown = entries[: words.limit or None]
        print("\n".join(history.table(shown)))
        if len(shown) < len(entries):
            print(f"and {how_many(len(entries) - len(shown), 'older one')} (--limit 0 shows all)")
    return 0


def restore(argv: list[str]) -> int:
    """``restore DIR PATH``: an old version comes back."""
    parser = _command_parser(
        "restore",
        "Bring back what DIR/PATH was: the newest version in the history, the one that --version names, or what it was at a"
        "\ntime. For a folder: all that is missing in it. What is there now is kept in the history in turn.",
    )
    parser.add_argument("path", metavar="PATH", help="a file or folder in DIR")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", metavar="ID", help="this version, as 'history' names it")
    which.add_argument("--at", metavar="TIME", help="as it was then: 10m (ago), 14:30, 2026-11-21, '2026-11-21 14:30'")
    parser.add_argument("--to", metavar="FILE", help="write it there instead, and leave DIR alone")
    words = parser.parse_args(argv)
    from dir_sync import history

    with history.open_book(config.checked_folder(words.folder)) as book:
        path = book.path_of(words.path)
        entries = book.of(path, book.entries(path))
        if words.version is not None:
            entries = [entry for entry in entries if entry.id == words.version]
        too_new: list[history.Entry] = []
        if words.at is not None:
            entries, too_new = history.there_at(entries, history.moment(words.at, time.time_ns()))
        first = history.fitting(entries)
        if path not in first and words.version is None:  # a folder: what is there now was not asked for
            first = {name: entry for name, entry in first.items() if words.at is not None or not book.is_there(name)}
        if not first and too_new:
            oldest = history.local(min(entry.version.mtime for entry in too_new))
            raise ConfigError(
                f"what {words.path} was then is not known: the oldest version is of {oldest}, see 'main.py history'"
            )
        if not first:
            raise ConfigError(f"{book.none_has} of {words.path}: see 'main.py history'")
        if words.to is not None:
            if len(first) > 1:
                raise ConfigError("--to takes one file, and this is a folder", config.USAGE)
            (entry,) = first.values()
            book.copy_out(entry, words.to)
            print(f"{words.to}: as {words.path} was until {history.local(entry.version.time_ns)}")
            return 0
        for entry in first.values():
            book.check(entry)  # all of it, or nothing
        for entry in first.values():
            name = show(entry.version.path)
            if book.restore(entry):
                print(f"{name}: as it was until {history.local(entry.version.time_ns)}")
            else:
                print(f"{name}: is already what it was then")
        book.finish()
    return 0


def conflicts(argv: list[str]) -> int:
    """``conflicts DIR [keep|restore ID ...]``: what lost against a concurrent change."""
    parser = _command_parser(
        "conflicts",
        "Versions that lost against a change made on another machine at the same time, here or on a connected machine."
        "\nWithout more words they are listed; 'restore ID' brings one back (what won is kept in turn), 'keep ID' leaves it as"
        "\nit is. Either settles the conflict: it is forgotten, here and on the connected machines.",
    )
    parser.add_argument("what", choices=("keep", "restore"), nargs="?", help="what to do with ...")
    parser.add_argument("ids", metavar="ID", nargs="*", help="... these ('all': all of them)")
    words = parser.parse_args(argv)
    if words.what is not None and not words.ids:
        raise ConfigError(f"{words.what} which? Name their IDs, or 'all'", config.USAGE)
    from dir_sync import history

    with history.open_book(config.checked_folder(words.folder)) as book:
        entries = book.entries(conflicts=True)
        known: dict[str, list[history.Entry]] = {}
        for entry in entries:
            known.setdefault(entry.id, []).append(entry)
        ids = list(known) if words.ids == ["all"] else list(dict.fromkeys(words.ids))
        if unknown := [one for one in ids if one not in known]:
            raise ConfigError(f"there is no conflict {unknown[0]}: see 'main.py conflicts {words.folder}'")
        if words.what is None or not ids:
            print("\n".join(history.table(entries)) if entries else "no conflicts")
            return 0
        chosen = [entry for one in ids for entry in known[one]]
        if words.what == "restore":
            newest = [known[one][0] for one in ids]
            for entry in newest:
                book.check(entry)
            for entry in newest:
                book.restore(entry)
                on = "here" if not entry.holder else f"on {show(os.fsencode(entry.on))}"
                print(f"{show(entry.version.path)}: as it was {on} until {history.local(entry.version.time_ns)}")
            book.finish()
        book.settle(chosen)
        if words.what == "keep":
            print(f"{len(chosen):,} settled; the versions stay in the history for the usual time")
    return 0


def undo(argv: list[str]) -> int:
    """``undo DIR --since TIME``: the whole folder, or what one node did, is again as it was."""
    parser = _command_parser(
        "undo",
        "Have all of DIR as it was at a time, on all machines; or with --by, undo what one node did since then. What is there"
        "\nnow is kept in the history, and an undo can itself be undone.",
    )
    parser.add_argument(
        "--since", metavar="TIME", required=True, help="10m (ago; s, m, h, d, w), 14:30, 2026-11-21, '2026-11-21 14:30'"
    )
    parser.add_argument("--by", metavar="NODE", help="only what this node did: its name, or the beginning of its id")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would happen")
    words = parser.parse_args(argv)
    from dir_sync import history

    with history.open_book(config.checked_folder(words.folder)) as book:
        since_ns = history.moment(words.since, time.time_ns())
        answer = book.undo(since_ns, words.by, words.dry_run)
        print("\n".join(history.told(answer, since_ns, words.dry_run)))
        if not words.dry_run and answer["changes"]:
            left = book.wait()
            if left:
                print(f"still on the way: {how_many(left, 'path')}, see 'main.py status {words.folder}'")
    return 0


_NOTHING_HELD = "nothing is held: there was nothing to decide"

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "run": run,
    "status": status,
    "approve": approve,
    "reject": reject,
    "history": history_,
    "restore": restore,
    "undo": undo,
    "conflicts": conflicts,
}
"""The first word is a command only if it stands here; a folder of such a name is written ./run."""


def read_config(argv: list[str]) -> Config:
    """The words after a command. ConfigError if one is wrong; SystemExit after --help or --version."""
    try:
        words = _parser().parse_args(argv)
    except BrokenPipeError:  # whoever asked for --help or --version has read enough
        raise SystemExit(0) from None
    folder = _folder(words.folder)
    log_file = _absolute("--log-file", words.log_file) if words.log_file is not None else None
    if log_file is not None and config.is_shared(log_file, folder):
        raise ConfigError(
            "--log-file is inside DIR: each line would be synchronized, which is a line again", config.USAGE
        )
    least, most = _history_bounds(words.history_min, words.history_max)
    if len(words.peers) > limits.LINKS_MAX:
        raise ConfigError(f"more than {limits.LINKS_MAX} peers", config.USAGE)
    return Config(
        folder=folder,
        broadcast_port=words.broadcast_port,
        listen_port=words.listen_port,
        signature_dir=_absolute("--signature-dir", words.signature_dir),
        peers=tuple(dict.fromkeys(words.peers)),
        name=words.name if words.name is not None else config.host_name(),
        folder_name=words.folder_name,
        interface=words.interface,
        verbosity=-1 if words.quiet else words.verbose,
        log_file=log_file,
        fresh=words.fresh,
        brake_files=words.brake_files,
        brake_percent=words.brake_percent,
        brake_rewrites=words.brake_rewrites,
        brake_rewrite_percent=words.brake_rewrite_percent,
        history_days=words.history_days,
        history_share=words.history_share,
        history_min=least,
        history_max=most,
    )


def _folder(text: str) -> str:
    """The folder to share. One that was shared before is waited for: its disk may not be there yet."""
    try:
        return config.checked_folder(text)
    except ConfigError:
        folder = root.known_as(text)
        if folder and root.reason_to_wait(folder, None):
            return folder
        raise


def _history_bounds(least: int | None, most: int | None) -> tuple[int, int]:
    """At least, at most: a bound that is not given gives way to the one that is."""
    if least is not None and most is not None and least > most:
        raise ConfigError("--history-min is more than --history-max", config.USAGE)
    if least is None:
        least = min(config.HISTORY_MIN, config.HISTORY_MAX if most is None else most)
    return least, max(config.HISTORY_MAX, least) if most is None else most


class _Parser(argparse.ArgumentParser):
    """argparse, but an error is a ConfigError: one line, said in one place."""

    def error(self, message: str) -> NoReturn:
        if message == "the following arguments are required: DIR":
            message = "no DIR: which folder? For example: main.py ~/shared (--help tells more)"
        raise ConfigError(message.removeprefix("argument "), config.USAGE)


def _parser() -> _Parser:
    parser = _Parser(
        prog="main.py",
        usage="main.py [run] DIR [-b PORT] [-l PORT] [-s DIR] [options]",
        description=HELP,
        epilog=EXAMPLE,
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=WIDTH),
    )
    add = parser.add_argument
    add("folder", metavar="DIR", help="the folder to share; it has to exist")
    add(
        "-b",
        "--broadcast-port",
        metavar="PORT",
        type=_type(config.checked_port),
        default=config.BROADCAST_PORT,
        help="UDP port on which the machines find each other, the same on all (default: %(default)s)",
    )
    add(
        "-l",
        "--listen-port",
        metavar="PORT",
        type=_type(config.checked_port),
        default=config.LISTEN_PORT,
        help="TCP port on which this one takes connections; may differ (default: %(default)s)",
    )
    add(
        "-s",
        "--signature-dir",
        metavar="DIR",
        default=config.SIGNATURE_DIR,
        help="cache of block signatures; may be deleted at any time (default: %(default)s)",
    )
    add("--signature_dir", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    add(
        "--peer",
        metavar="HOST[:PORT]",
        dest="peers",
        action="append",
        type=_type(_peer),
        default=[],
        help=f"dial this one, where broadcast does not reach it (port: {config.LISTEN_PORT}); repeatable",
    )
    add(
        "--name",
        type=_type(config.checked_name),
        help="name of this node, for people (default: the host's name)",
    )
    add(
        "--folder",
        metavar="NAME",
        dest="folder_name",
        type=_type(config.checked_name),
        default=config.FOLDER_NAME,
        help="name of the shared folder: nodes share what they name alike (default: %(default)s)",
    )
    add(
        "--interface",
        metavar="ADDRESS|NAME",
        type=_type(config.checked_name),
        help="announce and listen only there (default: on all interfaces)",
    )
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument("-v", "--verbose", action="count", default=0, help="say more")
    loudness.add_argument("-q", "--quiet", action="store_true", help="say only what needs attention")
    add("--log-file", metavar="FILE", help="also write the log there, with dates")
    add(
        "--history-days",
        metavar="N",
        type=_type(_days),
        default=config.HISTORY_DAYS,
        help="keep what was replaced or deleted so long (default: %(default)s) ...",
    )
    add(
        "--history-share",
        metavar="P",
        type=_type(_percent),
        default=config.HISTORY_SHARE,
        help="... and as long as it takes no more than so many percent of the disk (default: %(default)s),",
    )
    add(
        "--history-min",
        metavar="SIZE",
        type=_type(config.checked_size),
        help="but at least this (default: 1G; it gives way when the disk is full)",
    )
    add(
        "--history-max",
        metavar="SIZE",
        type=_type(config.checked_size),
        help="and at most this (default: 50G)",
    )
    add("--new", dest="fresh", action="store_true", help="begin with an empty DIR, though it was shared before")
    add(
        "--brake-files",
        metavar="N",
        type=_type(_count),
        default=config.BRAKE_FILES,
        help="ask first, if so many files or more are missing at a look, or are removed by one node within a minute ..."
        " (default: %(default)s; 0: never ask)",
    )
    add(
        "--brake-percent",
        metavar="P",
        type=_type(_percent),
        default=config.BRAKE_PERCENT,
        help="... and more than so much of all files (default: %(default)s)",
    )
    add(
        "--brake-rewrites",
        metavar="N",
        type=_type(_count),
        default=config.BRAKE_REWRITES,
        help="the same for files that one node rewrites within a minute (default: %(default)s; 0: never ask) ...",
    )
    add(
        "--brake-rewrite-percent",
        metavar="P",
        type=_type(_percent),
        default=config.BRAKE_REWRITE_PERCENT,
        help="... if they are more than so much of all files (default: %(default)s)",
    )
    add("--version", action="version", version=f"dir_sync {__version__}")
    return parser


def _command_parser(name: str, description: str) -> _Parser:
    parser = _Parser(
        prog=f"main.py {name}",
        description=description,
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=WIDTH),
    )
    parser.add_argument("folder", metavar="DIR", help="the shared folder")
    return parser


def _ask(text: str, question: Answer) -> Answer:
    """The answer of the node that runs on a folder; ConfigError if there is none."""
    if reason := root.paused(text):
        raise ConfigError(f"the node is paused: {reason}; it goes on by itself")
    folder = config.checked_folder(text)
    try:
        answer = ask(folder, question)
    except NoDaemon:
        raise ConfigError(f"no node is running on {text}: start it with 'main.py {text}'") from None
    except OSError as error:
        raise ConfigError(f"the node that runs on {text} does not answer: {error.strerror or error}") from None
    if "error" in answer:
        raise ConfigError(str(answer["error"]))
    return answer


def _type(check: Callable[[str], T]) -> Callable[[str], T]:
    """A check of ours as a type of argparse's, which puts the option's name before the reason."""

    def convert(text: str) -> T:
        try:
            return check(text)
        except (ConfigError, ValueError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 12:
        return int(text)
    raise ConfigError("a whole number is needed", config.USAGE)


def _at_most(text: str, most: int) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 12 and int(text) <= most:
        return int(text)
    raise ConfigError(f"a whole number from 0 to {most:,} is needed", config.USAGE)


def _days(text: str) -> int:
    return _at_most(text, config.HISTORY_DAYS_MOST)


def _percent(text: str) -> int:
    return _at_most(text, 100)


def _peer(text: str) -> tuple[str, int]:
    return utils.parse_host_port(text, config.LISTEN_PORT)


def _absolute(option: str, path: str) -> str:
    if not path or "\0" in path:
        raise ConfigError(f"{option}: this is not a path", config.USAGE)
    try:
        return os.path.abspath(os.path.expanduser(path))  # --option=~/x: no shell expands that
    except OSError:
        raise ConfigError(f"{option}: the current folder is gone, give a full path") from None


def _said(end: SystemExit) -> int:
    """Exit code after a text on stdout. Flushed here: at exit a reader that has gone costs a traceback."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _throw_away(sys.stdout)
    return end.code if isinstance(end.code, int) else 0


def _throw_away(stream: TextIO) -> None:
    """What is left in its buffer is flushed again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _where(error: BaseException) -> str:
    """File and line where it happened, the innermost of ours."""
    place, at = "somewhere", error.__traceback__
    here = os.path.dirname(os.path.abspath(__file__))
    while at is not None:
        code = at.tb_frame.f_code
        if os.path.abspath(code.co_filename).startswith(here + os.sep):
            place = f"{os.path.relpath(code.co_filename, os.path.dirname(here))}:{at.tb_lineno}"
        at = at.tb_next
    return place
