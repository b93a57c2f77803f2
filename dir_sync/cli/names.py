"""The names under which several folders are shared, and which folders one process can share.

In:   the words for folders on the command line, `DIR` or `NAME=DIR`; Configs. Out: names and paths; Configs that go together.
Raises ConfigError, one line for the user.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from dir_sync import __version__, config
from dir_sync.config import Config, ConfigError
from dir_sync.core import limits
from dir_sync.core.model import show

__all__ = ["Clash", "is_named", "name_and_folder", "together"]


class Clash(ConfigError):
    """Two folders cannot be shared together. `second`: the name of the one that was named later."""

    def __init__(self, message: str, second: str) -> None:
        super().__init__(message, config.USAGE)
        self.second = second


def is_named(word: str, where: str = "") -> bool:
    """True for NAME=DIR. A folder that exists under just these letters is meant instead. `where`: the folder in which the word
    was typed; "": this one."""
    name, equals, _ = word.partition("=")
    return bool(equals) and "/" not in name and not os.path.lexists(os.path.join(where, word))


def name_and_folder(word: str) -> tuple[str, str]:
    """The name under which a folder is shared, and its path. Without a given name, it is that of the folder."""
    if is_named(word):
        name, _, folder = word.partition("=")
        return _checked(name, f"write another name before ={folder}"), folder
    folder = os.path.basename(os.path.abspath(os.path.expanduser(config.existing(word)))) if word else ""
    return _checked(folder, f"give it a name: NAME={word}"), word


def together(configs: Sequence[Config]) -> tuple[Config, ...]:
    """All of them, for one process. ConfigError if two of them cannot be shared together."""
    if len(configs) > limits.FOLDERS_MAX:
        raise ConfigError(f"{len(configs)} folders; one process shares at most {limits.FOLDERS_MAX}", config.USAGE)
    names: dict[str, str] = {}
    for one in configs:
        if one.folder_name in names:
            first, second = _shown(names[one.folder_name]), _shown(one.folder)
            raise ConfigError(
                f"{first} and {second} would both be shared as '{one.folder_name}': write NAME=DIR for one of them",
                config.USAGE,
            )
        names[one.folder_name] = one.folder
    earlier: list[Config] = []
    for one in configs:
        for other in earlier:
            outer, inner = sorted((one.folder, other.folder), key=len)
            if outer == inner:
                raise Clash(f"{_shown(inner)} is named twice", one.folder_name)
            if inner.startswith(outer.rstrip("/") + "/"):
                raise Clash(f"{_shown(inner)} is inside {_shown(outer)}: share only one of them", one.folder_name)
        earlier.append(one)
    if len(configs) > 1 and not _fit(configs):
        raise ConfigError(
            f"the names of these {len(configs)} folders are too long to be told together: give them shorter names, or share"
            " fewer of them",
            config.USAGE,
        )
    return tuple(configs)


def _fit(configs: Sequence[Config]) -> bool:
    """True if the first message of a connection, which names all folders, is not too long. Ids and sequences are those that need
    most room."""
    from dir_sync.core.messages import (
        PROTOCOL,
        FolderIndex,
        Hello,
        LocalError,
    )  # imported late: other commands need none

    id_ = os.urandom(8 * (len(configs) + 2)).hex()
    folders = tuple(
        FolderIndex(one.folder_name, id_[16 * at : 16 * at + 16], limits.SEQUENCE_MAX, True)
        for at, one in enumerate(configs, 2)
    )
    try:
        Hello(PROTOCOL, id_[:16], configs[0].name, id_[16:32], 65535, folders, version=__version__).encode()
    except LocalError:
        return False
    return True


def _checked(name: str, advice: str) -> str:
    try:
        return config.checked_name(name)
    except ConfigError as error:
        raise ConfigError(f"{error}; {advice}", config.USAGE) from None


def _shown(folder: str) -> str:
    return show(os.fsencode(folder))
