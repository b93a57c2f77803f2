"""The command line: arguments in, an exit code out.

In: sys.argv[1:]. Out: the exit code of the command (docs/cli.md has the table); on an error one line on stderr. Rule:
the user never sees a traceback; nothing starts before all arguments are checked.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from types import ModuleType

from dir_sync import __version__, config
from dir_sync.cli.asked import Asked, read_asked
from dir_sync.config import Config, ConfigError
from dir_sync.core.model import show
from dir_sync.daemon.signals import Ending, has_terminal
from dir_sync.daemon.supervisor import Supervisor
from dir_sync.reporting import log, output, shell

__all__ = ["COMMANDS", "main"]

FAULT = 1  # exit code: an error of the program itself
INTERRUPTED = 130  # exit code: SIGINT before the node could end cleanly


def main(argv: list[str]) -> int:
    """Run one command. Returns the exit code and never raises; ends the process only through its caller."""
    try:
        output.prepare()
        code = _obey(argv)
        output.finish()
        return code
    except ConfigError as error:
        log.complain(str(error))
        _answer_as_json(argv, error)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has closed it
        output.throw_away()
        return config.OK
    except output.OutputError as error:
        output.throw_away()
        log.complain(f"the output cannot be written: {error}")
        return config.ENVIRONMENT
    except ImportError as error:
        log.complain(f"a Python package is missing or damaged ({error}); {shell.how_to_repair()}")
        return config.ENVIRONMENT
    except Exception as error:
        return _failed(error)
    finally:
        log.close()


def _answer_as_json(argv: list[str], error: ConfigError) -> None:
    """With --json, programs get an object also if the command fails. Never raises."""
    if "--json" not in argv or not argv or argv[0] not in COMMANDS:
        return
    import json

    try:
        output.say(json.dumps({"error": str(error), "exit_code": error.exit_code}))
        output.finish()
    except (OSError, output.OutputError):
        output.throw_away()


def _obey(argv: list[str]) -> int:
    try:
        if argv and argv[0] in COMMANDS:
            return COMMANDS[argv[0]](argv[1:])
        _check_first_word(argv)
        return run(argv)
    except SystemExit as end:  # argparse, after --help and --version
        return end.code if isinstance(end.code, int) else config.OK


def run(argv: list[str]) -> int:
    """``run DIR ...``, also the default without a command: share folders until a signal comes."""
    asked = read_asked(argv)
    supervisor = Supervisor.of_environment()
    ending = Ending(stays=_stays(asked, supervisor))
    ending.listen()  # before all else, because the imports take a moment
    _begin_with(asked)
    from dir_sync.daemon.process import run as run_daemon  # imported late: it loads everything else

    if asked.file is None:
        return run_daemon(asked.configs, ending, None, supervisor)
    from dir_sync.daemon.rereading import Rereading

    rereading = Rereading(asked.file, lambda: _begin_with(read_asked(argv)))
    return run_daemon(asked.configs, ending, rereading, supervisor)


def _stays(asked: Asked, supervisor: Supervisor) -> bool:
    """True if SIGHUP does not say that the terminal was closed, but that a file is to be read again or opened anew."""
    if asked.file is not None or supervisor.is_there:
        return True
    return asked.configs[0].log_file is not None and not has_terminal()


def _begin_with(asked: Asked) -> tuple[Config, ...]:
    """The log is as the settings say, and this machine belongs to the meshes whose codes they have."""
    first = asked.configs[0]
    log.setup(first.verbosity, first.log_file, first.log_max_size, first.log_keep)
    for one in asked.configs:
        if one.join is not None:
            from dir_sync.cli.inviting import join_first

            join_first(one, one.join)
    return asked.configs


def help_(argv: list[str]) -> int:
    """``help [COMMAND]``: the same as ``[COMMAND] --help``."""
    _check_first_word(argv)
    if argv and argv[0] not in COMMANDS and not argv[0].startswith("-"):
        raise ConfigError(
            f"there is no command {show(os.fsencode(argv[0]))}; all of them: {shell.command('--help')}", config.USAGE
        )
    return _obey([*argv[:1], "--help"])


def version(argv: list[str]) -> int:
    """``version``: the same as ``--version``."""
    output.say(f"dir_sync {__version__}")
    return config.OK


def _late(room: Callable[[], ModuleType], name: str) -> Callable[[list[str]], int]:
    """A command of a room that is loaded on demand: a running node needs none of them."""

    def command(argv: list[str]) -> int:
        gc.enable()  # `dir_sync.__main__` switched it off
        run_it: Callable[[list[str]], int] = getattr(room(), name)
        return run_it(argv)

    return command


def _background() -> ModuleType:
    from dir_sync.cli import background

    return background


def _service() -> ModuleType:
    from dir_sync.cli import service

    return service


def _commands() -> ModuleType:
    from dir_sync.cli import commands

    return commands


def _conflicting() -> ModuleType:
    from dir_sync.cli import conflicting

    return conflicting


def _deciding() -> ModuleType:
    from dir_sync.cli import deciding

    return deciding


def _configuring() -> ModuleType:
    from dir_sync.cli import configuring

    return configuring


def _ignoring() -> ModuleType:
    from dir_sync.cli import ignoring

    return ignoring


def _inviting() -> ModuleType:
    from dir_sync.cli import inviting  # needs cryptography, as the next two do

    return inviting


def _members() -> ModuleType:
    from dir_sync.cli import members

    return members


def _mesh() -> ModuleType:
    from dir_sync.cli import mesh

    return mesh


def _modes() -> ModuleType:
    from dir_sync.cli import modes

    return modes


def _pausing() -> ModuleType:
    from dir_sync.cli import pausing

    return pausing


def _doctor() -> ModuleType:
    from dir_sync.cli import doctor

    return doctor


def _why() -> ModuleType:
    from dir_sync.cli import why

    return why


def _verifying() -> ModuleType:
    from dir_sync.cli import verifying

    return verifying


def _webbing() -> ModuleType:
    from dir_sync.cli import webbing

    return webbing


def _watching() -> ModuleType:
    from dir_sync.cli import watching

    return watching


def _waiting() -> ModuleType:
    from dir_sync.cli import waiting

    return waiting


def completion(argv: list[str]) -> int:
    """``completion SHELL``: what a shell needs to complete commands."""
    from dir_sync.cli.completing import completion as run_it

    return run_it(argv)


def once(argv: list[str]) -> int:
    """``once DIR``: make a folder the same as on other machines, then end."""
    from dir_sync.cli.once import once as run_once  # imported late: a running node needs none of it

    return run_once(argv)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "run": run,
    "start": _late(_background, "start"),
    "stop": _late(_background, "stop"),
    "restart": _late(_background, "restart"),
    "service": _late(_service, "service"),
    "once": once,
    "status": _late(_commands, "status"),
    "events": _late(_watching, "events"),
    "wait": _late(_waiting, "wait"),
    "held": _late(_deciding, "held"),
    "approve": _late(_deciding, "approve"),
    "reject": _late(_deciding, "reject"),
    "history": _late(_commands, "history_"),
    "restore": _late(_commands, "restore"),
    "undo": _late(_commands, "undo"),
    "conflicts": _late(_conflicting, "conflicts"),
    "doctor": _late(_doctor, "doctor"),
    "why": _late(_why, "why"),
    "verify": _late(_verifying, "verify"),
    "diverged": _late(_modes, "diverged"),
    "override": _late(_modes, "override"),
    "revert": _late(_modes, "revert"),
    "pause": _late(_pausing, "pause"),
    "resume": _late(_pausing, "resume"),
    "ignore": _late(_ignoring, "ignore"),
    "invite": _late(_inviting, "invite"),
    "join": _late(_inviting, "join"),
    "members": _late(_members, "members"),
    "remove": _late(_members, "remove"),
    "new-key": _late(_mesh, "new_key"),
    "key": _late(_mesh, "key"),
    "leave": _late(_mesh, "leave"),
    "config": _late(_configuring, "config_"),
    "reload": _late(_configuring, "reload"),
    "web": _late(_webbing, "web"),
    "completion": completion,
    "help": help_,
    "version": version,
}
"""The first argument is a command only if it is in this table; a folder with such a name is written ./run."""


def _check_first_word(argv: list[str]) -> None:
    """ConfigError if it looks like a mistyped command and no such folder exists."""
    first = argv[0] if argv else ""
    if len(argv) > 1 and argv[1] in COMMANDS and first not in COMMANDS and not first.startswith("-"):
        right = shell.command(argv[1], first, *argv[2:])
        raise ConfigError(f"the command comes first: {right}", config.USAGE)
    if (
        first in COMMANDS
        or not first
        or first.startswith("-")
        or "/" in first
        or "\0" in first
        or os.path.lexists(first)
    ):
        return
    from difflib import get_close_matches

    meant = get_close_matches(first.lower(), COMMANDS, 1, 0.65)
    if meant:
        raise ConfigError(
            f"{first}: no such command or folder; did you mean '{shell.command(meant[0])}'?",
            config.USAGE,
        )


def _failed(error: Exception) -> int:
    if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
        log.complain("the disk of that folder is full, even for a command's own notes: free some space and try again")
        return config.ENVIRONMENT
    log.logger.debug("the fault in full:", exc_info=True)
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    log.complain(f"stopped by {what} ({_where(error)}). This is a fault of dir_sync, not yours: please report it")
    return FAULT


def _where(error: BaseException) -> str:
    """File and line of the error, in the innermost function of this program."""
    place, at = "somewhere", error.__traceback__
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # the package
    while at is not None:
        code = at.tb_frame.f_code
        if os.path.abspath(code.co_filename).startswith(here + os.sep):
            place = f"{os.path.relpath(code.co_filename, os.path.dirname(here))}:{at.tb_lineno}"
        at = at.tb_next
    return place
