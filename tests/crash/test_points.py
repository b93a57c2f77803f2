"""A slice of the crash points, and faults that have to be found. All of them: python -m tests.crash points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lan.lan import Lan

from . import story as stories
from .faults import plant
from .points import Stage, chosen, why_not
from .story import Scene

pytestmark = pytest.mark.lan

POINTS = 4
TRIES = 5


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    """Used again and again: a LAN is made in half a second."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Lan(2) as made:
        yield made


def test_a_daemon_that_dies_at_some_of_its_calls(lan: Lan) -> None:
    """Every so manyth of all."""
    stage = Stage(lan)
    points = chosen(stage.count(), log_every=50)
    assert len(points) > 150
    kinds = {point.kind for point in points}
    assert {"renameat2", "fsync", "syncfs", "fdatasync", "pwrite64", "write", "unlinkat", "copy_file_range"} <= kinds
    step = len(points) // POINTS
    outcomes = [stage.run(point) for point in points[step // 2 :: step][:POINTS]]
    for outcome in outcomes:
        assert not outcome.wrong, "\n".join([f"{outcome.point}, in {outcome.scene}:", *outcome.wrong])
    assert any(outcome.reached for outcome in outcomes)


@pytest.mark.parametrize(
    ("fault", "scene", "kind", "touching", "wrong"),
    [
        ("written under the final name", stories.they_take_turns_1, "copy_file_range", "", "half made"),
        pytest.param(
            *("what was displaced is cleared at the next start", stories.edit, "renameat2", "versions/", "lost"),
            marks=pytest.mark.patient,
        ),
        pytest.param(
            *("what was displaced and not noted is forgotten", stories.edit, "fsync", "versions/", "does not know it"),
            marks=pytest.mark.patient,
        ),
    ],
)
def test_a_planted_fault_is_found(
    lan: Lan, tmp_path: Path, fault: str, scene: Scene, kind: str, touching: str, wrong: str
) -> None:
    """... by a death at the very call where it shows, or next to it: what came before is not always done in as many calls."""
    stage = Stage(lan, [[scene]], plant(tmp_path, "one worker", fault))
    calls = stage.count("others")
    point = next(point for point, what in calls.items() if point.kind == kind and touching in what)
    said = []
    for number in range(TRIES):
        step = (number + 1) // 2 if number % 2 else -number // 2
        outcome = stage.run(replace(point, number=max(1, point.number + step)))
        if any(wrong in line for line in outcome.wrong):
            return
        said.append(outcome)
    pytest.fail(f"nobody noticed: {fault}: {said}")


def test_a_loss_without_any_death_is_found(lan: Lan, tmp_path: Path) -> None:
    stage = Stage(lan, [[stories.edit]], plant(tmp_path, "one worker", "what is displaced is removed"))
    outcome = stage.run(None)
    assert any("lost" in line for line in outcome.wrong), outcome
