"""Each planted fault still finds the line that it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from .faults import CHANGES, plant


@pytest.mark.parametrize("name", CHANGES)
def test_it_can_be_planted(tmp_path: Path, name: str) -> None:
    assert plant(tmp_path, name).is_file()
