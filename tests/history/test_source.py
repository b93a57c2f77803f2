"""Whom a command asks about the history: the node, or the index; and what happens while a node starts or ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dir_sync.folder import state
from dir_sync.history import source
from dir_sync.history.source import open_source
from dir_sync.network.control import Answer, NoDaemon


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / ".dir_sync" / "versions").mkdir(parents=True)
    return str(tmp_path)


@pytest.fixture
def locked(folder: str) -> Iterator[int]:
    """A node has the lock, and does not answer yet."""
    handle = state.lock(os.fsencode(folder))
    yield handle
    os.close(handle)


def test_a_node_that_starts_is_waited_for(folder: str, locked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Answer] = []

    def ask(_: str, question: Answer, begins_s: float) -> Answer:
        asked.append(question)
        if len(asked) < 4:
            raise NoDaemon
        return {}

    monkeypatch.setattr(source, "ask", ask)
    with open_source(folder) as found:
        assert found.index is None, "the node is asked"
    assert len(asked) == 4


def test_a_node_that_ends_is_waited_for(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = state.lock(os.fsencode(folder))
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            os.close(handle)

    monkeypatch.setattr(source.time, "sleep", sleep)
    with open_source(folder) as found:
        assert found.index is not None
    assert len(waits) == 3


def test_who_keeps_the_lock_and_says_nothing_is_named(
    folder: str, locked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_STARTS_WITHIN_S", 0.1)
    with pytest.raises(state.Locked, match=rf"process {os.getpid()}\) is already running"), open_source(folder):
        pass
