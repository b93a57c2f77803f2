"""Faults planted on purpose in what lists the history at a start (see tests.sim.sabotage, which runs them)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from dir_sync.core.jobs import Version
from dir_sync.files.history_store import HistoryStore
from dir_sync.files.recovery import Recovery

__all__ = ["PLANTED"]


def _recovered_is_not_listed() -> AbstractContextManager[object]:
    original = Recovery.recover

    def recover(self: Any, *arguments: Any) -> list[Version]:
        original(self, *arguments)
        return []

    return patch.object(Recovery, "recover", recover)


def _each_end_is_clean() -> AbstractContextManager[object]:
    """The next start does not look for what is in no list."""
    return patch.object(HistoryStore, "unlisted", lambda *arguments: [])


PLANTED: dict[str, tuple[Callable[[], AbstractContextManager[object]], int]] = {
    "what a start files away is not listed": (_recovered_is_not_listed, 200),
    "each end was a clean one": (_each_end_is_clean, 200),
}
