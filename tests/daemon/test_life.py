"""How long a folder that could not be shared is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from dir_sync.daemon import life
from dir_sync.daemon.life import Life
from tests.daemon.standins import config


def full(one: Life) -> None:
    one.failed(OSError("full"))


def hung(one: Life) -> None:
    one.hangs()
    assert one._question is not None
    one._question.join(10)


@pytest.mark.parametrize("ended", [full, hung])
def test_the_pauses_grow_until_it_runs_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ended: Callable[[Life], None]
) -> None:
    clock = SimpleNamespace(mono=1_000.0)
    monkeypatch.setattr(life, "time", SimpleNamespace(monotonic=lambda: clock.mono))
    monkeypatch.setattr("dir_sync.folder.root.say_paused", lambda folder, reason: None)
    one = Life(config(folder=str(tmp_path)), lambda: None)

    def pause_after(seconds: float) -> float:
        one.began()
        clock.mono += seconds
        ended(one)
        return one.due_s() - float(clock.mono)

    pauses = [pause_after(seconds) for seconds in (100.0, 1.0, 1.0, 1.0, 1.0, 1.0, 100.0)]
    assert pauses == [2.0, *sorted(pauses[1:-1]), 2.0]
    assert 2.0 < pauses[1] < pauses[2]
    assert pauses[-2] == 30.0
