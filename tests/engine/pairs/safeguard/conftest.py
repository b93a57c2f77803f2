"""Two nodes with equal files, for the tests of what is held."""

from __future__ import annotations

import pytest

from tests.engine.pairs.safeguard.tools import files, fill
from tests.pair import Pair


@pytest.fixture
def pair() -> Pair:
    """Two nodes with 20 equal files in one folder, and one beside it."""
    pair = Pair()
    fill(pair.one.disk, 20)
    pair.one.disk.write(b"beside", b"it")
    pair.restart(pair.one)
    assert pair.one.disk.tree() == pair.two.disk.tree()
    assert len(files(pair.two.disk)) == 21
    return pair
