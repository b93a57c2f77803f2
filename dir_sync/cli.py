"""The command line: words in, an exit code out.

In: sys.argv[1:]. Out: a Config for the daemon; or one line on stderr and exit code 2 (the command line is
wrong) or 1 (anything else). Rule: no traceback reaches the user; nothing starts before all words are right.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

from dir_sync import __version__, config, log, utils
from dir_sync.config import Config, ConfigError
from dir_sync.core import limits

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
"""


def main(argv: list[str]) -> int:
    """Run one command. Returns the exit code and never raises; ends the process only through its caller."""
    try:
        command = COMMANDS[argv[0]] if argv and argv[0] in COMMANDS else None
        return command(argv[1:]) if command else run(argv)
    except ConfigError as error:
        log.complain(str(error))
        return error.exit_code
    except SystemExit as end:  # argparse, after --help and --version
        return _said(end)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
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


COMMANDS: dict[str, Callable[[list[str]], int]] = {"run": run}
"""The first word is a command only if it stands here; a folder of such a name is written ./run."""


def read_config(argv: list[str]) -> Config:
    """The words after a command. ConfigError if one is wrong; SystemExit after --help or --version."""
    try:
        words = _parser().parse_args(argv)
    except BrokenPipeError:  # whoever asked for --help or --version has read enough
        raise SystemExit(0) from None
    folder = config.checked_folder(words.folder)
    log_file = _absolute("--log-file", words.log_file) if words.log_file is not None else None
    if log_file is not None and config.is_shared(log_file, folder):
        raise ConfigError(
            "--log-file is inside DIR: each line would be synchronized, which is a line again", config.USAGE
        )
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
    )


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
    add("--version", action="version", version=f"dir_sync {__version__}")
    return parser


def _type(check: Callable[[str], T]) -> Callable[[str], T]:
    """A check of ours as a type of argparse's, which puts the option's name before the reason."""

    def convert(text: str) -> T:
        try:
            return check(text)
        except (ConfigError, ValueError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


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
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # what is left in the buffer is flushed again at exit
        os.close(nowhere)
    return end.code if isinstance(end.code, int) else 0


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
