"""The options of a node as values of JSON: a command in another process uses some of them, or compares its own.

In:   a Config. Out: a JSON object, with a key for each field.
Rule: values that are equal here are equal there, in whichever order a set has them. The code of an invitation is left out.
"""

from __future__ import annotations

from typing import Any

from dir_sync.config import Config
from dir_sync.core.frozen import fields_of

__all__ = ["settings_json"]


def settings_json(settings: Config) -> dict[str, Any]:
    return {name: _plain(getattr(settings, name)) for name in fields_of(Config)[0] if name != "join"}


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value if value is None or type(value) in (bool, int, str) else str(value)
