"""The token bucket: so much at once, so much a second, and no more when a clock goes back."""

from __future__ import annotations

import pytest

from dir_sync.core.overload.rate import TokenBucket


def test_token_bucket() -> None:
    bucket = TokenBucket(3, 2.0, 1_000)
    assert bucket.is_full(1_000)
    assert [bucket.take(1_000) for _ in range(5)] == [True, True, True, False, False]
    assert bucket.wait_ms(1_000) == pytest.approx(500, abs=1)
    assert not bucket.take(1_400)
    assert bucket.take(1_501)
    assert not bucket.take(0)  # a clock that goes back gives nothing
    assert not bucket.is_full(2_900)
    assert bucket.is_full(10_000)
