"""Whatever a stranger sends before any proof is refused in the one way that is meant; a short run of `strangers`."""

from __future__ import annotations

from tests.security.strangers import tried


def test_a_few_thousand_inputs() -> None:
    found = tried(6_000, 7)
    assert found["answered"] <= 4, "each first frame that is right counts once"
    assert found["refused"] > 1_000
    assert found["nothing"] > 3_000
    assert found["heard"] > 50
    assert found["foreign"] > 50
