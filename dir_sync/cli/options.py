"""The options of a node.

In:   the arguments after a command, as argparse found them. Out: a Config; or ConfigError, one line for the user.
Rule: nothing is created here, and the only look-ups are of names.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable

from dir_sync import __version__, config, utils
from dir_sync.cli import hook_options, log_options, merging, preserving, scrubbing, speed
from dir_sync.cli.overview import EXAMPLE, HELP
from dir_sync.cli.parser import Parser, checked, count
from dir_sync.config import Config, ConfigError
from dir_sync.core import limits
from dir_sync.core.mode import Mode
from dir_sync.folder import root
from dir_sync.reporting import shell

__all__ = ["KEY_FILE", "STORAGE", "add_node_options", "config_of", "run_parser"]

STORAGE = "Storage"  # the folder that --create makes, if none is named
KEY_FILE = "DIR_SYNC_KEY_FILE"  # the environment variable with the key file, if no option names one


def config_of(given: argparse.Namespace, path: str, name: str, label: str = "") -> Config:
    """The settings of one folder: its options, its path, the name under which it is shared, and what the log says first of it.
    ConfigError if one is wrong."""
    folder = _folder(path)
    log_file = _absolute("--log-file", given.log_file) if given.log_file is not None else None
    key_file = _key_file(given.key_file, folder)
    least, most = _history_bounds(given.history_min, given.history_max)
    if len(given.peers) > limits.LINKS_MAX:
        raise ConfigError(f"more than {limits.LINKS_MAX} peers", config.USAGE)
    if given.no_discovery and given.no_listen and not given.peers:
        raise ConfigError(
            "--no-discovery and --no-listen: without --peer, this node would never meet another", config.USAGE
        )
    return Config(
        folder=folder,
        broadcast_port=given.broadcast_port,
        listen_port=given.listen_port,
        signature_dir=_absolute("--signature-dir", given.signature_dir),
        peers=tuple(dict.fromkeys(given.peers)),
        name=given.name if given.name is not None else config.host_name(),
        folder_name=name,
        label=label,
        interface=given.interface,
        discovers=not given.no_discovery,
        listens=not given.no_listen,
        verbosity=-1 if given.quiet else given.verbose,
        log_file=log_options.checked_log_file(log_file, folder),
        log_max_size=given.log_max_size,
        log_keep=given.log_keep,
        key_file=key_file,
        join=given.join,
        fresh=given.fresh,
        **hook_options.settings_of(given),
        brake_files=given.brake_files,
        brake_percent=given.brake_percent,
        brake_rewrites=given.brake_rewrites,
        brake_rewrite_percent=given.brake_rewrite_percent,
        mode=given.mode,
        merge=merging.checked(given.merge),
        file_interval=given.file_interval,
        scrub=given.scrub,
        default_rules=given.default_rules,
        preserve=given.preserve,
        speed=speed.speed_of(given),
        schedule=tuple(given.schedule),
        max_file_size=given.max_file_size,
        min_free=given.min_free,
        clock_ahead=given.clock_ahead,
        history_days=given.history_days,
        history_share=given.history_share,
        history_min=least,
        history_max=most,
    )


def run_parser() -> Parser:
    """The parser of ``run``."""
    parser = Parser("", HELP, EXAMPLE, "~/shared", "[run] DIR... [-b PORT] [-l PORT] [-s DIR] [options]")
    parser.add_argument(
        "folders",
        metavar="DIR",
        nargs="*",
        help="the folder to share; it has to exist. Several are shared under their own names, or as NAME=DIR. Without any:"
        " those of the configuration file",
    )
    basic = add_node_options(parser)
    basic.add_argument(
        "--config", metavar="FILE", help="read folders and options from FILE ('config --example' prints one)"
    )
    return parser


def add_node_options(parser: Parser) -> argparse._ArgumentGroup:
    """The options of a node, also for a command that is one for a while. Returns the group of the basic ones."""
    basic = parser.add_argument_group("basic options")
    _basic(basic.add_argument)
    speed.add_options(parser.add_second_group(speed.TITLE).add_argument)
    log_options.add_options(parser.add_argument_group("log"))
    hook_options.add_options(parser.add_second_group("when something happens").add_argument)
    _advanced(parser.add_second_group("advanced: old versions, and the brake that holds mass deletions").add_argument)
    return basic


def _basic(add: Callable[..., object]) -> None:
    add(
        "-b",
        "--broadcast-port",
        metavar="PORT",
        type=checked(config.checked_port),
        default=config.BROADCAST_PORT,
        help="UDP port on which machines find each other; the same on all (default: %(default)s)",
    )
    add(
        "-l",
        "--listen-port",
        metavar="PORT",
        type=checked(config.checked_port),
        default=config.LISTEN_PORT,
        help="TCP port for connections; may differ from machine to machine (default: %(default)s)",
    )
    add(
        "-s",
        "--signature-dir",
        metavar="DIR",
        default=config.SIGNATURE_DIR,
        help="cache of block signatures, safe to delete at any time (default: %(default)s)",
    )
    add("--signature_dir", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    add(
        "--peer",
        metavar="HOST[:PORT]",
        dest="peers",
        action="append",
        type=checked(_peer),
        default=[],
        help=f"connect to this machine, for networks where broadcasts do not reach it (default port:"
        f" {config.LISTEN_PORT}); repeatable",
    )
    add(
        "--no-discovery",
        action="store_true",
        help="send no broadcasts and listen to none: only machines that --peer names on one of the two sides connect",
    )
    add(
        "--no-listen",
        action="store_true",
        help="only connect to others, and let nobody connect to this machine (a spoke of a hub)",
    )
    add("--name", type=checked(config.checked_name), help="name of this node in logs (default: the host name)")
    add(
        "--folder",
        metavar="NAME",
        dest="folder_name",
        type=checked(config.checked_name),
        help=f"nodes share folders that have the same NAME (default: {config.FOLDER_NAME})",
    )
    add(
        "--mode",
        type=checked(config.checked_mode),
        default=Mode.TWO_WAY,
        help="two-way; send-only: what others change is listed ('diverged'), not taken; receive-only: what is changed"
        " here stays here, and is listed; mirror: what is changed here is undone at once (default: two-way)",
    )
    merging.add_option(add)
    add(
        "--no-default-ignores",
        dest="default_rules",
        action="store_false",
        help="share also editors' swap and lock files, .DS_Store, Thumbs.db and partial downloads ('ignore DIR' lists the"
        " rules; your own go into DIR/.syncignore)",
    )
    preserving.add_option(add)
    scrubbing.add_option(add)
    add(
        "--interface",
        metavar="ADDRESS|NAME",
        type=checked(config.checked_name),
        help="use this network interface only (default: all)",
    )
    add(
        "--key-file",
        metavar="FILE",
        help=f"belong to the closed mesh whose key is in FILE (see 'new-key'); or set {KEY_FILE}",
    )
    add(
        "--join",
        metavar="CODE",
        help="join a closed mesh with the code that 'invite' printed on another machine, then run",
    )
    add(
        "--create",
        action="store_true",
        help=f"make DIR if it does not exist; without DIR: the folder {STORAGE} in the current folder",
    )
    add("--version", action="version", version=f"dir_sync {__version__}", help="print the version and exit")
    add("-h", "--help", action="help", help="print this help and exit")


def _advanced(add: Callable[..., object]) -> None:
    add(
        "--history-days",
        metavar="N",
        type=checked(_days),
        default=config.HISTORY_DAYS,
        help="keep old versions for N days (default: %(default)s)",
    )
    add(
        "--history-share",
        metavar="P",
        type=checked(_percent),
        default=config.HISTORY_SHARE,
        help="but use at most P %% of the disk for them (default: %(default)s)",
    )
    add(
        "--history-min",
        metavar="SIZE",
        type=checked(config.checked_size),
        help="but always allow SIZE, if the disk is not full (default: 1G)",
    )
    add(
        "--history-max",
        metavar="SIZE",
        type=checked(config.checked_size),
        help="and never use more than SIZE (default: 50G); the last two minutes are kept anyway",
    )
    add(
        "--new",
        dest="fresh",
        action="store_true",
        help="start with an empty DIR, though it was shared from here before",
    )
    add(
        "--clock-ahead",
        metavar="DAYS",
        type=checked(_days),
        default=config.CLOCK_AHEAD,
        help="a version dated more than DAYS ahead of this machine's clock does not win over later edits"
        " (default: %(default)s)",
    )
    add(
        "--brake-files",
        metavar="N",
        type=checked(count),
        default=config.BRAKE_FILES,
        help="hold deletions and ask when at least N files vanish at once, or one node deletes them within a minute"
        " (default: %(default)s; 0: never) ...",
    )
    add(
        "--brake-percent",
        metavar="P",
        type=checked(_percent),
        default=config.BRAKE_PERCENT,
        help="... and they are more than P %% of all files (default: %(default)s)",
    )
    add(
        "--brake-rewrites",
        metavar="N",
        type=checked(count),
        default=config.BRAKE_REWRITES,
        help="hold rewrites and ask when one node rewrites at least N files within a minute (default: %(default)s;"
        " 0: never) ...",
    )
    add(
        "--brake-rewrite-percent",
        metavar="P",
        type=checked(_percent),
        default=config.BRAKE_REWRITE_PERCENT,
        help="... and they are more than P %% of all files (default: %(default)s)",
    )


def _folder(text: str) -> str:
    """The folder to share. One that was shared before may be missing: its disk may not be mounted yet."""
    try:
        return config.checked_folder(text)
    except ConfigError as error:
        folder = root.known_as(text)
        if folder and root.reason_to_wait(folder, None):
            return folder
        if text.isprintable() and _is_free(text):
            raise ConfigError(f"{error}; make it with: mkdir -p -- {shlex.quote(text)}", error.exit_code) from None
        raise


def _is_free(path: str) -> bool:
    """True if a folder could be made at this path."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return bool(path) and not os.path.islink(path.rstrip("/"))
    except (OSError, ValueError):
        pass
    return False


def _history_bounds(least: int | None, most: int | None) -> tuple[int, int]:
    """At least, at most (bytes): a default bound is adjusted to a given one."""
    if least is not None and most is not None and least > most:
        raise ConfigError("--history-min is more than --history-max", config.USAGE)
    if least is None:
        least = min(config.HISTORY_MIN, config.HISTORY_MAX if most is None else most)
    return least, max(config.HISTORY_MAX, least) if most is None else most


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


def _key_file(given: str | None, folder: str) -> str | None:
    """The file with the key of a closed mesh; None: none is named."""
    option, path = ("--key-file", given) if given is not None else (KEY_FILE, os.environ.get(KEY_FILE, ""))
    if given is None and not path:
        return None
    if path.strip().lower().startswith("dsk1-"):
        raise ConfigError(
            f"{option} takes the name of a file, and not the key itself: other users of this machine can see it there, so"
            f" make a new one: {shell.command('new-key', 'FILE')}",
            config.USAGE,
        )
    key_file = _absolute(option, path)
    if config.is_shared(key_file, folder):
        raise ConfigError(f"{option} is inside DIR, and would be synchronized: move it elsewhere", config.USAGE)
    return key_file


def _absolute(option: str, path: str) -> str:
    if not path or "\0" in path:
        raise ConfigError(f"{option}: this is not a path", config.USAGE)
    try:
        return os.path.abspath(os.path.expanduser(path))  # --option=~/x: no shell expands that
    except OSError:
        raise ConfigError(f"{option}: the current folder is gone, give a full path") from None
