"""The note about a pause: what a command writes is what the next program reads."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from dir_sync.config import ConfigError
from dir_sync.core.pausing import NO_END, Pause, Wish
from dir_sync.core.status import PauseStatus
from dir_sync.folder import pauses
from dir_sync.index import Index

NOW_S = 1_700_000_000.5


def test_what_a_command_notes_is_there_after_a_restart(tmp_path: Path) -> None:
    path = str(tmp_path / "index.db")
    for question, expected in (
        ({"command": "pause"}, Wish(True, NO_END)),
        ({"command": "pause", "for_s": 60}, Wish(True, 1_700_000_060)),
        ({"command": "resume"}, None),
    ):
        index = Index(path, Random(1))
        assert pauses.asked(index, dict(question), NOW_S) == expected
        index.commit()
        index.close()
        index = Index(path, Random(1))
        assert pauses.noted(index) == expected
        index.close()


def test_who_asks_commits_in_its_own_way() -> None:
    """A node keeps its engine from a disk that hangs."""
    index = Index(":memory:", Random(1))
    index.commit()
    pauses.asked(index, {"command": "pause"}, NOW_S)
    assert index.is_dirty
    index.close()


def test_a_resume_while_the_schedule_says_off_counts_until_it_changes() -> None:
    index = Index(":memory:", Random(1))
    assert pauses.asked(index, {"command": "resume"}, NOW_S, 1_700_003_600) == Wish(False, 1_700_003_600)
    index.close()


@pytest.mark.parametrize("for_s", [0, -5, True, "60", 1.5, 10**9])
def test_a_time_that_is_none_changes_nothing(for_s: object) -> None:
    index = Index(":memory:", Random(1))
    pauses.asked(index, {"command": "pause"}, NOW_S)
    with pytest.raises(ConfigError):
        pauses.asked(index, {"command": "pause", "for_s": for_s}, NOW_S)
    assert pauses.noted(index) == Wish(True, NO_END)
    index.close()


def test_the_answer_says_how_it_was_and_how_it_is() -> None:
    paused = {"was_paused": False, "paused": True, "until_s": 7, "overruled_until_s": None}
    assert pauses.answer_of(None, Pause(7)) == paused
    goes_on = {"was_paused": True, "paused": False, "until_s": 0, "overruled_until_s": None}
    assert pauses.answer_of(Pause(7), None) == goes_on


def test_a_command_that_needs_the_folder_to_be_exchanged_says_why_it_is_not() -> None:
    pauses.refuse_if(None, "/shared")
    with pytest.raises(ConfigError, match=r"/shared is paused; to go on: .* resume /shared"):
        pauses.refuse_if(PauseStatus(0, False), "/shared")
    with pytest.raises(ConfigError, match=r"is paused until 2023-11-1\d "):
        pauses.refuse_if(PauseStatus(1_700_000_000, False), "/shared")
