"""Text files that a page shows and changes.

In:   a path of this program's own choice, texts. Out: the file, replaced in one step.
Rule: what somebody else has written meanwhile is never replaced unseen.
"""

from __future__ import annotations

import os

from dir_sync.config import ConfigError
from dir_sync.core.model import show

__all__ = ["read_text", "replace_text"]

_BYTES_MAX = 1_000_000


def read_text(path: bytes) -> str:
    """ "" if there is no such file. Bytes that are no UTF-8 become surrogates, and come back as they were."""
    try:
        with open(path, "rb") as file:
            data = file.read(_BYTES_MAX + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"{show(path)} cannot be read: {error.strerror}") from None
    if len(data) > _BYTES_MAX:
        raise ConfigError(f"{show(path)} is too large to be shown here")
    return data.decode("utf-8", "surrogateescape")


def replace_text(path: bytes, was: str, text: str, beside: bytes) -> None:
    """`was`: what the page has shown. `beside`: a name on the same file system for the new file until it is whole.
    ConfigError if something else is there now."""
    if read_text(path) != was:
        raise ConfigError(f"{show(path)} was changed meanwhile: look at it again")
    try:
        mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else None
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            with open(handle, "wb") as file:
                file.write(text.encode("utf-8", "surrogateescape"))
                file.flush()
                os.fsync(file.fileno())
                if mode is not None:
                    os.fchmod(file.fileno(), mode)
            os.replace(beside, os.path.realpath(path))
        except OSError:
            os.unlink(beside)
            raise
    except OSError as error:
        raise ConfigError(f"{show(path)} cannot be written: {error.strerror}") from None
