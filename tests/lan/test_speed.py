"""Limits of speed with real nodes: bulk keeps to them, and small changes go past it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .changes import write
from .checker import wait_equal, wait_for
from .lan import Lan

pytestmark = pytest.mark.lan

RATE = 2_000_000
SIZE = 8_000_000


@pytest.mark.parametrize(
    ("sender", "receiver", "files"),
    [
        (("--limit-up", "2M"), (), 1),
        (("--schedule", "off", "--schedule", "up=2M"), (), 1),
        (("--limit-up-per-peer", "2M"), (), 400),
        ((), ("--limit-down", "2M"), 400),
        ((), ("--limit-down-per-peer", "2M/s"), 1),
    ],
)
def test_bulk_keeps_to_the_limit_and_a_small_change_overtakes_it(
    new_lan: Callable[..., Lan], sender: tuple[str, ...], receiver: tuple[str, ...], files: int
) -> None:
    lan = new_lan(2)
    one, two = lan
    rng = random.Random(files)
    for number in range(files):
        write(one.dir / f"bulk{number}", rng.randbytes(SIZE // files))
    one.start(*sender)
    two.start(*receiver)
    began = time.monotonic()  # nothing is on its way before this
    wait_for(lambda: any(two.dir.glob("bulk*")) or has_parts(two.dir), 60, "the bulk is on its way")
    write(one.dir / "small", b"small")
    wait_for((two.dir / "small").exists, 60, "the small change is there")
    assert len(list(two.dir.glob("bulk*"))) < files, "the bulk would have taken seconds"
    wait_equal(lan.roots, 120)
    assert time.monotonic() - began > SIZE / RATE * 0.9


def has_parts(folder: Path) -> bool:
    return any((folder / ".dir_sync" / "staging").glob("part-*"))
