"""Names in .dir_sync: each prefix says one thing."""

from __future__ import annotations

from dir_sync.core import names
from dir_sync.core.names import DELTA_IN, STAGING, is_delta_in, part_name, staging_name


def test_no_prefix_hides_another() -> None:
    """The next start looks at them one by one: only a part of a kind may begin like its kind."""
    kinds = [names.PART, names.DELTA, names.NEW, names.GROW, names.SWAP, names.OLD]
    assert not [(a, b) for a in kinds for b in kinds if a != b and a.startswith(b)]
    assert names.DELTA_IN.startswith(names.DELTA)
    assert names.NEW_GROW.startswith(names.NEW)


def test_a_delta_on_its_way_here_is_told_from_one_of_ours() -> None:
    assert is_delta_in(staging_name(DELTA_IN, b"tag", 7))
    assert not is_delta_in(staging_name(names.DELTA, b"tag", 7))
    assert not is_delta_in(part_name(b"in-"))
    assert staging_name(names.SWAP, b"tag", 7) == STAGING + b"/swap-tag-7"
    assert part_name(b"\x01\xff") == STAGING + b"/part-01ff"
