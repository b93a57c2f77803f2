"""LAN tests: skipped where no LAN can be built; a failing test shows the end of every node's log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from . import lan as lans
from .lan import MAIN, Lan, why_impossible

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes more than some ten seconds; leave out with -m 'not long'")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if HERE in item.path.parents and item.get_closest_marker("lan")]
    if not ours:
        return
    reason = why_impossible()
    if reason is None and not MAIN.is_file():
        reason = f"no program to test: {MAIN}"
    if reason:
        for item in ours:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:  # the report is what the others made of it
    report = yield
    if report.failed and HERE in item.path.parents:
        for lan in lans.OPEN:
            report.sections.append((f"nodes in {lan.work}", lan.tails()))
    return report


@pytest.fixture(autouse=True)
def no_complaints() -> Iterator[None]:
    """No daemon of a LAN that outlives the test has crashed or logged what it must not."""
    yield
    for lan in lans.OPEN:
        complaints = lan.complaints()
        assert not complaints, complaints


@pytest.fixture
def new_lan() -> Iterator[Callable[..., Lan]]:
    """Makes LANs that end with the test."""
    with ExitStack() as stack:

        def make(count: int, *, default_route: bool = False, one_machine: bool = False) -> Lan:
            return stack.enter_context(Lan(count, default_route=default_route, one_machine=one_machine))

        yield make
