"""Routes about settings: the configuration file as text, checked before it counts, and read again by the node that runs with it.

In:   the text of the page. Out: what is right or wrong with it, in one line with the number of the line.
"""

from __future__ import annotations

import os

from dir_sync.cli.asked import default_file
from dir_sync.cli.config_file import example, read_file
from dir_sync.cli.configuring import read_again
from dir_sync.config import ConfigError
from dir_sync.core.model import show
from dir_sync.folder.running import running
from dir_sync.network.control import Answer
from dir_sync.web.replies import Asked, get, post
from dir_sync.web.saving import read_text, replace_text

__all__ = ["ROUTES"]


def _file() -> str:
    return os.path.abspath(default_file())


def _settings(asked: Asked) -> Answer:
    file = _file()
    return {
        "file": show(os.fsencode(file)),
        "exists": os.path.exists(file),
        "text": read_text(os.fsencode(file)),
        "example": example(_shared_now(asked)),
        "running": running(file) is not None,
    }


def _shared_now(asked: Asked) -> dict[str, str]:
    """The folders whose nodes run, by the names under which they are shared: an example with them is right as it is."""
    states = (asked.nodes.state(folder) for folder in asked.nodes.folders())
    named = ((one.status["folder_name"], one.folder.path) for one in states if one.status is not None)
    return {name: path for name, path in named if f"{name}{path}".isprintable()}


def _check(asked: Asked) -> Answer:
    return {"folders": _checked(asked.text("text"))}


def _checked(text: str) -> list[str]:
    """The names of the folders in a configuration file with that text. ConfigError with the line that is wrong."""
    return [one.folder_name for one in read_file(_file(), data=text.encode("utf-8", "surrogateescape"))]


def _save(asked: Asked) -> Answer:
    """Write the file if it is right, and let the node read it, if one runs with it."""
    text = asked.text("text")
    folders = _checked(text)
    file = _file()
    try:
        os.makedirs(os.path.dirname(file), 0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{show(os.fsencode(file))} cannot be written: {error.strerror}") from None
    replace_text(os.fsencode(file), asked.text("was"), text, os.fsencode(f"{file}.{os.getpid()}.new"))
    is_running = running(file) is not None
    return {"folders": [one.folder_name for one in read_again(file)] if is_running else folders, "reloaded": is_running}


ROUTES = [
    get("/api/settings", _settings),
    post("/api/settings/check", _check),
    post("/api/settings", _save),
]
