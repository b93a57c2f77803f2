"""The configuration file: folders and options as TOML.

In:   the path of a file. Out: a Config for each folder; an example, made from the options of the command line.
Rule: each option has a key of its name. What is wrong is one line with the file, the line, and what is allowed.
Raises ConfigError.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from dir_sync import config
from dir_sync.cli.names import Clash, together
from dir_sync.cli.options import config_of, run_parser
from dir_sync.config import Config, ConfigError
from dir_sync.core.model import show
from dir_sync.reporting import shell

__all__ = ["NODE_KEYS", "ONE_FOLDER_KEYS", "example", "read_file", "settings"]

NODE_KEYS = frozenset(
    {
        "broadcast_port",
        "interface",
        "limit_down",
        "limit_down_per_peer",
        "limit_up",
        "limit_up_per_peer",
        "listen_port",
        "log_file",
        "log_keep",
        "log_max_size",
        "name",
        "no_discovery",
        "no_listen",
        "peer",
        "quiet",
        "schedule",
        "verbose",
    }
)
"""What all folders of a node have in common."""

ONE_FOLDER_KEYS = frozenset({"join", "new"})
"""What is about one folder alone, and stands in its table."""
_NO_KEYS = frozenset({"config", "folder"})  # --folder: a folder has the name of its table
_PATHS = frozenset({"dir", "key_file", "log_file", "signature_dir"})
_DIR = "dir"
_FOLDERS = "folders"
_BYTES_MAX = 1_000_000


def settings() -> dict[str, argparse.Action]:
    """The options that have a key, by that key."""
    found = {}
    for action in run_parser().options:
        key = max(action.option_strings, key=len).removeprefix("--").replace("-", "_")
        if action.help != argparse.SUPPRESS and action.dest not in ("help", "version") and key not in _NO_KEYS:
            found[key] = action
    return found


def read_file(
    path: str,
    given: Mapping[str, object] | None = None,
    make: Callable[[str], None] | None = None,
    data: bytes | None = None,
) -> tuple[Config, ...]:
    """`given`: options of the command line, which count more than those of the file. `make`: makes a folder that `create` names
    and that does not exist; None: such a folder is no error, and is left out. `data`: in place of what the file holds."""
    file = _File(os.path.abspath(os.path.expanduser(path)), data)
    known = settings()
    top = {key: value for key, value in file.tables.items() if key != _FOLDERS}
    folders = file.tables.get(_FOLDERS, {})
    if not isinstance(folders, dict) or not folders:
        raise file.error((), _FOLDERS, 'there is no folder: add a table, such as [folders.notes] with dir = "~/notes"')
    values = vars(run_parser().parse_args(["DIR"])) | file.values((), top, known)
    configs = []
    for name, table in folders.items():
        where = (_FOLDERS, name)
        if not isinstance(table, dict):
            raise file.error((_FOLDERS,), name, f'a table is needed: [folders.{name}] with dir = "..."')
        if _DIR not in table:
            raise file.error((), f"{_FOLDERS}.{name}", f'which folder? Add dir = "..." to [folders.{name}]')
        shared = file.path(where, _DIR, table[_DIR])
        mine = file.values(where, {key: value for key, value in table.items() if key != _DIR}, known)
        options = argparse.Namespace(**values | mine | dict(given or {}))
        try:
            if options.create and make is not None:
                make(shared)
            elif options.create and not os.path.lexists(shared):
                continue
            config.checked_folder(shared)
        except ConfigError as error:
            raise file.error(where, _DIR, str(error)) from None
        try:
            config.checked_name(name)
            configs.append(config_of(options, shared, name, name))
        except ConfigError as error:
            raise file.error((), f"{_FOLDERS}.{name}", str(error)) from None
    try:
        return together(configs)
    except Clash as clash:
        raise file.error((), f"{_FOLDERS}.{clash.second}", str(clash)) from None
    except ConfigError as error:
        raise file.error((), _FOLDERS, str(error)) from None


class _File:
    """A file that could be read, and where things stand in it."""

    def __init__(self, path: str, data: bytes | None = None) -> None:
        self._path = path
        content = self._read() if data is None else data
        if len(content) > _BYTES_MAX:
            raise ConfigError(f"{self._shown} is too large for a configuration file", config.USAGE)
        try:
            self._text = content.decode("utf-8")
            self.tables: dict[str, Any] = tomllib.loads(self._text)
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            raise ConfigError(f"{self._shown}:{line}: this is not UTF-8", config.USAGE) from None
        except tomllib.TOMLDecodeError as error:
            found = re.search(r"^(.*) \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
            what, line_text = (found[1], found[2] or "") if found else (str(error), "")
            number = int(line_text or self._text.count("\n") + 1)
            raise ConfigError(f"{self._shown}:{number}: this is no TOML: {what}", config.USAGE) from None
        except (ValueError, RecursionError):  # a number with too many digits; brackets in brackets
            raise ConfigError(f"{self._shown}: this is no TOML", config.USAGE) from None

    def _read(self) -> bytes:
        try:
            with open(self._path, "rb") as file:
                return file.read(_BYTES_MAX + 1)
        except OSError as error:
            raise ConfigError(f"{self._shown}: {error.strerror}", config.USAGE) from None

    @property
    def _shown(self) -> str:
        return show(os.fsencode(self._path))

    def values(
        self, where: tuple[str, ...], table: Mapping[str, Any], known: Mapping[str, argparse.Action]
    ) -> dict[str, Any]:
        """The options of a table, checked, by their names in the parser. `where`: the names of the table."""
        found: dict[str, Any] = {}
        for key, value in table.items():
            action = known.get(key)
            if action is None:
                raise self.error(where, key, _unknown(key, where, known))
            if where and key in NODE_KEYS:
                raise self.error(where, key, "all folders have this in common: write it above the first table")
            if not where and key in ONE_FOLDER_KEYS:
                raise self.error(where, key, "this is about one folder: write it into its table")
            if key in _PATHS:
                value = self.path(where, key, value)
            found[action.dest] = self._checked(where, key, action, value)
        return found

    def path(self, where: tuple[str, ...], key: str, value: object) -> str:
        """A path in the file: relative to the file's folder."""
        if not isinstance(value, str) or not value or "\0" in value:
            raise self.error(where, key, "a path is needed, in quotes")
        if key == "key_file" and value.lower().startswith("dsk1-"):
            return value  # a key itself, which is refused in words
        return os.path.join(os.path.dirname(self._path), os.path.expanduser(value))

    def _checked(self, where: tuple[str, ...], key: str, action: argparse.Action, value: object) -> Any:
        if action.nargs == 0 and isinstance(action.default, bool):
            if not isinstance(value, bool):
                raise self.error(where, key, "true or false is needed")
            return bool(action.const) if value else not action.const  # no_default_ignores turns something off
        if action.nargs == 0:
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 9:
                raise self.error(where, key, "a whole number from 0 to 9 is needed")
            return value
        if isinstance(action.default, list):
            if not isinstance(value, list):
                raise self.error(where, key, 'a list is needed, such as ["one", "two"]')
            return [self._one(where, key, action, one) for one in value]
        return self._one(where, key, action, value)

    def _one(self, where: tuple[str, ...], key: str, action: argparse.Action, value: object) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self.error(where, key, "a text in quotes or a whole number is needed")
        if action.type is None:
            return str(value)
        assert callable(action.type)
        try:
            return action.type(str(value))
        except argparse.ArgumentTypeError as error:
            raise self.error(where, key, str(error)) from None

    def error(self, where: tuple[str, ...], key: str, what: str) -> ConfigError:
        shown = "" if key.startswith(_FOLDERS) else f"{show(key.encode('utf-8'))}: "
        return ConfigError(f"{self._shown}:{self._line_of(where, key)}: {shown}{what}", config.USAGE)

    def _line_of(self, where: tuple[str, ...], key: str) -> int:
        """The line in which a key of a table stands, or a table. The last line if that is written in another way."""
        table: tuple[str, ...] = ()
        last = 1
        for number, line in enumerate(self._text.splitlines(), 1):
            last = number
            if header := re.match(r"\s*\[+\s*([^\]]*?)\s*\]+\s*(#.*)?$", line):
                table = _names(header[1])
                if ".".join(table) == key and not where:
                    return number
            elif assigned := re.match(
                r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=", line
            ):
                full = table + _names(assigned[1])
                if full == (*where, key) or (not where and ".".join(full).startswith(key + ".")):
                    return number
        return last


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(one[0] or one[1] or one[2] for one in re.findall(r"\"([^\"]*)\"|'([^']*)'|([\w-]+)", dotted))


def _unknown(key: str, where: tuple[str, ...], known: Mapping[str, argparse.Action]) -> str:
    allowed = sorted([*(set(known) - NODE_KEYS), _DIR] if where else [*known, _FOLDERS])
    guess = get_close_matches(key, allowed, 1)
    meant = f" (did you mean {guess[0]}?)" if guess else ""
    return f"there is no such key{meant}; allowed here: {', '.join(allowed)}"


def example(shared: Mapping[str, str] | None = None) -> str:
    """A configuration file with each key, its default and its meaning. `shared`: folders by the names under which they are
    shared, in the place of two that only show how it is done."""
    lines = [
        "# The folders that dir_sync shares from this machine, and how. Without DIR, the program reads this file from",
        "# ~/.config/dir_sync/config.toml; another one with --config FILE.",
        f"# After a change: {shell.command('reload')}",
        "# Relative paths begin in the folder of this file. A key with # has this value already, unless it is not set.",
        "",
        "# --- for all folders ---",
    ]
    known = settings()
    for key in sorted(known, key=lambda key: key not in NODE_KEYS):
        if key in ONE_FOLDER_KEYS:
            continue
        if key not in NODE_KEYS and lines[-1] != "" and not any("below" in line for line in lines):
            lines += ["", "# --- for all folders; a table below may say otherwise for its own folder ---"]
        lines += _explained(key, known[key])
    lines += [
        "",
        "# --- the folders: each has the name under which all machines share it ---",
        "",
        *(_folders(shared) if shared else [*_folders({"notes": "~/notes", "photos": "~/photos"}), "history_days = 90"]),
        *(line for key in sorted(ONE_FOLDER_KEYS) for line in _explained(key, known[key])),
    ]
    return "\n".join(lines)


def _folders(shared: Mapping[str, str]) -> list[str]:
    """A table for each, with an empty line between two of them. JSON texts are TOML texts, too."""
    tables = [
        f"[folders.{name if re.fullmatch('[A-Za-z0-9_-]+', name) else _quoted(name)}]\ndir = {_quoted(path)}"
        for name, path in shared.items()
    ]
    return "\n\n".join(tables).split("\n")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _explained(key: str, action: argparse.Action) -> Iterator[str]:
    words = " ".join((action.help or "").replace("%%", "%").split())
    said = re.search(r"\(default: ([^;)]*)", words)  # of an option without a value, its help says what counts then
    words = words.replace("%(default)s", "X").replace(" (default: X)", "").replace("(default: X; ", "(")
    words = re.sub(r" \(default: [^)]*\)", "", words)
    yield ""
    yield f"# {words}"
    default = action.default
    if default is None and said and re.fullmatch(r"[0-9]+[kMGT]?", said[1]):
        yield f'#{key} = "{said[1]}"'
    elif default is None:
        yield f'#{key} = "{action.metavar or key.upper()}"  # not set{f": {said[1]}" if said else ""}'
    elif isinstance(default, bool):
        yield f"#{key} = {str(default == action.const).lower()}"
    elif isinstance(default, int):
        yield f"#{key} = {default}"
    elif isinstance(default, list):
        yield f"#{key} = []"
    else:
        yield f'#{key} = "{getattr(default, "value", default)}"'
