"""Fixtures of the tests of the web pages: what this user shares is in a folder of the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.kit import Browser, StandIn, browser, stand_in


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def node() -> Iterator[StandIn]:
    with stand_in() as it:
        yield it


@pytest.fixture
def page() -> Iterator[Browser]:
    with browser() as it:
        yield it
