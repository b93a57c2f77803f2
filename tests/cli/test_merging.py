"""The option --merge, with and without the library for it."""

from __future__ import annotations

import importlib.util
import shlex
import sys

import pytest

from dir_sync.cli import merging
from dir_sync.config import ConfigError


def test_without_the_library_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not merge needs it not."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "merge3" else object())
    with pytest.raises(ConfigError) as caught:
        merging.checked("text")
    said = str(caught.value)
    assert "\n" not in said
    assert "--merge text needs the Python package merge3" in said
    assert said.endswith(f"{shlex.quote(sys.executable)} -m pip install merge3")
    assert merging.checked("off") == "off"


def test_with_the_library_texts_are_merged() -> None:
    assert merging.checked("text") == "text"
