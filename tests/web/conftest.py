"""Fixtures of the tests of the web pages: what this user shares is in a folder of the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.web.kit import Browser, StandIn, stand_in
from tests.web.kit import browser as client
from tests.web.lab import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium


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
    with client() as it:
        yield it


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        it = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield it
        it.close()
