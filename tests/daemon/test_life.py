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


@pytest.mark.parametrize("files", [(), ("x",)])
def test_another_folder_in_its_place_is_shared_once_the_user_says_that_it_is_meant_to_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, files: tuple[str, ...]
) -> None:
    """A disk was replaced. The words that are logged name the way out, and it is one: after `reload` the folder has another
    Config, and so another Life."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shared = tmp_path / "small"
    shared.mkdir()
    monkeypatch.setattr("dir_sync.folder.root._known", lambda: {str(shared): -1})
    for name in files:
        (shared / name).touch()
    one = Life(config(folder=str(shared), fresh=False), lambda: None)
    one.is_shared((1, 1))
    with caplog.at_level("WARNING", "dir_sync"):
        assert not one.is_ready()
    (said,) = caplog.messages
    assert "small is another folder now: it has no .dir_sync" in said
    assert "start with --new; or in a configuration file write 'new = true' into its table, run 'reload'" in said
    assert Life(config(folder=str(shared), fresh=True), lambda: None).is_ready()
