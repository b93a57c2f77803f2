"""A few power cuts, and a fault that has to be found. More of them: python -m tests.crash images."""

from __future__ import annotations

from pathlib import Path

import pytest

from .faults import plant
from .images import storm, why_not

pytestmark = pytest.mark.lan

IMAGES = 5
TRIES = 8


@pytest.fixture(scope="module", autouse=True)
def possible() -> None:
    reason = why_not()
    if reason:
        pytest.skip(reason)


def test_some_power_cuts() -> None:
    with storm(seed=1) as running:
        cuts = list(running.cuts(IMAGES))
    assert not cuts[-1].wrong, "\n".join(cuts[-1].wrong)
    assert len(cuts) == IMAGES
    assert any(cut.told for cut in cuts), "each was cut when there was nothing to do"


def test_a_daemon_that_does_not_wait_for_the_medium_is_found(tmp_path: Path) -> None:
    with storm(2, plant(tmp_path, "nothing waits for the medium")) as running:
        cuts = list(running.cuts(TRIES))
    assert cuts[-1].wrong
