"""Links of dry runs: who is served, and that nobody else notices."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from dir_sync.core.forecast import Fate, Outcome
from dir_sync.core.messages import PROTOCOL, Forecast, ForecastRequest, Hello, Rows, RowsRequest
from dir_sync.core.mode import Mode
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.daemon.folder import Folder, Folders
from dir_sync.daemon.observers import OBSERVERS_MAX, Observers
from tests.daemon.standins import FOLDER, Link, Manager
from tests.daemon.standins import Folder as Standin

RECORD = Record(b"a", Kind.FILE, 1, bytes(32), 0, 0o644, Stamp(1, "ab"), (("ab", 1),))


class Forecaster:
    is_ready = True
    room = (5, "full")

    def __init__(self) -> None:
        self.asked: list[object] = []

    def rows(self, after: int, most: int) -> tuple[list[Record], int, bool]:
        self.asked.append(after)
        return [RECORD], 7, True

    def outcome(self, path: bytes, told: object) -> Outcome:
        self.asked.append((path, told))
        return Outcome(Fate.BLOCKED, None, "why")


class Bench:
    def __init__(self, may_write: bool | None = None) -> None:
        self.manager = Manager()
        self.standin = Standin()
        self.forecaster = Forecaster()
        engine = cast(Any, self.standin.engine)
        engine.forecaster, engine.mode_rules.mode = self.forecaster, Mode.MIRROR
        self.folder = Folder(cast(Any, self.standin), *cast(Any, (None, None, None, None)))
        self.folders = Folders([self.folder])
        check = None if may_write is None else (lambda member: bool(may_write))
        self.it = Observers(self.folders, cast(Any, self.manager), check)

    def comes(self, number: int = 1, observes: str = FOLDER) -> Link:
        link = Link(number, "10.0.0.2")
        self.it.came(link.node, Hello(PROTOCOL, "ab", "anna", "1", 0, (), observes))
        return link


def test_what_is_here_and_what_would_happen() -> None:
    bench = Bench()
    link = bench.comes()
    bench.it.on_rows_request(link.node, RowsRequest(FOLDER, 3))
    bench.it.on_forecast_request(link.node, ForecastRequest(FOLDER, "cd", (RECORD,)))
    replica = bench.standin.index.identity.replica
    assert link.sent == [
        Rows(FOLDER, replica, Mode.MIRROR, True, 7, True, (RECORD,), (5, "full")),
        Forecast(FOLDER, ((Fate.BLOCKED, "why"),)),
    ]
    assert bench.forecaster.asked == [3, (b"a", (("cd", RECORD),))]
    assert bench.manager.orders == []
    assert bench.standin.engine.events == []  # no peer has come
    assert not bench.standin.index.peers.replicas()


def test_who_scans_is_asked_again() -> None:
    bench = Bench()
    bench.forecaster.is_ready = False
    link = bench.comes()
    bench.it.on_rows_request(link.node, RowsRequest(FOLDER, 3))
    (said,) = link.sent
    assert isinstance(said, Rows)
    assert (said.ready, said.last, said.records) == (False, False, ())


def test_another_folder_is_not_shown() -> None:
    bench = Bench()
    bench.comes(1, "photos")
    assert bench.manager.orders == [("drop", 1, "no-common-folder")]
    link = bench.comes(2)
    bench.it.on_rows_request(link.node, RowsRequest("photos", 0))
    assert bench.manager.orders[1:] == [("drop", 2, "no-common-folder")]
    assert link.sent == []


def test_others_are_not_answered() -> None:
    """A peer has its own way to ask; and whoever has left does not come back by asking."""
    bench = Bench()
    stranger = Link(5, "10.0.0.3")
    link = bench.comes()
    bench.it.left(link.node)
    for one in (stranger, link):
        bench.it.on_rows_request(one.node, RowsRequest(FOLDER, 0))
        bench.it.on_forecast_request(one.node, ForecastRequest(FOLDER, "cd", (RECORD,)))
        assert one.sent == []
    bench.it.on_rows(link.node, Rows(FOLDER, "ab", Mode.MIRROR, True, 7, True, ()))
    bench.it.on_forecast(link.node, Forecast(FOLDER, ((Fate.TAKE, ""),)))
    assert bench.forecaster.asked == []


def test_only_some_at_one_time() -> None:
    bench = Bench()
    links = [bench.comes(number) for number in range(OBSERVERS_MAX + 1)]
    assert bench.manager.orders == [("drop", OBSERVERS_MAX, "overload")]
    bench.it.left(links[0].node)
    bench.comes(99)
    assert len(bench.manager.orders) == 1


@pytest.mark.parametrize("may_write", [True, False])
def test_a_read_only_member_changes_nothing(may_write: bool) -> None:
    bench = Bench(may_write)
    link = bench.comes()
    link.member = cast(Any, SimpleNamespace())
    bench.it.on_forecast_request(link.node, ForecastRequest(FOLDER, "cd", (RECORD, RECORD)))
    (said,) = link.sent
    assert isinstance(said, Forecast)
    assert [fate for fate, _ in said.outcomes] == [Fate.BLOCKED if may_write else Fate.REFUSE] * 2
