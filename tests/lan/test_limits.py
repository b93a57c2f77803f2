"""Limits of how much is taken, with real nodes: --min-free."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from .changes import MIB, blob, write
from .checker import holds, wait_equal, wait_for
from .lan import Lan, has
from .test_nasty_disk import mount

pytestmark = pytest.mark.lan

SOON_S = 60.0


def test_contents_wait_before_the_disk_is_full_and_come_by_themselves(new_lan: Callable[..., Lan]) -> None:
    one, two = lan = new_lan(2)
    mount(two.dir, "size=64m")
    try:
        one.start()
        two.start("--min-free", "50%")
        write(two.dir / "hog", bytes(24 * MIB))
        has(one, "hog", bytes(24 * MIB))
        write(one.dir / "goes", b"soon")
        has(two, "goes", b"soon")
        write(one.dir / "large", blob(16 * MIB, "large"))
        (one.dir / "goes").unlink()
        wait_for(lambda: "--min-free keeps 50% of this disk free" in two.log(), SOON_S, "it is said")
        write(one.dir / "small", b"small")
        has(two, "goes", None)
        has(two, "small", b"small")
        holds(lambda: not (two.dir / "large").exists(), 1.0, "the large one waits")
        out = two.run_to_end("status", two.dir).out
        assert "large waits, and is tried again: --min-free keeps 50% of this disk free" in out
        (two.dir / "hog").unlink()
        wait_equal(lan.roots, SOON_S)
        assert "there is room again" in two.log()
    finally:
        two.kill()
        subprocess.run(["umount", "-l", two.dir], check=True)
