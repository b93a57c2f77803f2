"""For all tests: no test leaves a thread alive or a database open; how hard hypothesis looks; what runs only when asked for.

HYPOTHESIS_PROFILE=thorough (or pytest --hypothesis-profile=thorough) looks twenty times harder than "ci".
--patient runs what takes minutes, too.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import ends

HERE = Path(__file__).parent
LONG_FIRST = (
    *("sim", "lan", "crash", "web", "test_readme.py", "test_packaging.py", "test_setup_script.py", "test_debian.py"),
    *("test_site.py", "test_release.py", "daemon", "membership"),
)
"""Folders and files in tests/ that take long: processes that share the work begin with them. The simulator computes while the
nodes of others wait, and what is left at the end is so small that no process has much to do alone."""

END_WITHIN_S = 2.0  # what was told to stop at the end of a test is given so long to do it

# A busy machine is no fault of a test.
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("ci", _patient, max_examples=100)
settings.register_profile("thorough", _patient, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# PYTHON=... scripts/test chose who runs us. The scripts that we test are to find one on their own.
os.environ.pop("PYTHON", None)

signal.signal(
    signal.SIGHUP, signal.SIG_DFL
)  # nohup leaves it ignored, and the nodes that tests start would ignore it, too


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--patient", action="store_true", help="also what takes minutes")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "patient: takes minutes; runs only with --patient")


def _rank(item: pytest.Item) -> int:
    top = item.path.relative_to(HERE).parts[0] if HERE in item.path.parents else ""
    return LONG_FIRST.index(top) if top in LONG_FIRST else len(LONG_FIRST)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several processes
        items.sort(key=_rank)
    if config.getoption("--patient"):
        return
    for item in items:
        if item.get_closest_marker("patient"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: runs with --patient"))


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Fails a test that left a thread alive."""
    before = set(threading.enumerate())
    yield
    end_s = time.monotonic() + END_WITHIN_S
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(max(0.0, end_s - time.monotonic()))
    alive = [thread.name for thread in left if thread.is_alive()]
    assert not alive, f"threads left alive: {', '.join(alive)}"


@pytest.fixture(autouse=True)
def no_database_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closes what the test opened by `closed_at_end`; fails a test that leaves another database open.

    Python 3.13 warns of such a connection when it is collected, in whatever test that happens. This names the right one,
    on every Python."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*args, **options)
        opened.append(connection)
        return connection

    monkeypatch.setattr(sqlite3, "connect", noted)
    with ends.one_test():
        yield
    left = sum(map(_is_open, opened))
    for connection in opened:
        connection.close()
    assert not left, f"{left} of {len(opened)} databases left open"


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        return connection.total_changes >= 0
    except sqlite3.ProgrammingError:
        return False
