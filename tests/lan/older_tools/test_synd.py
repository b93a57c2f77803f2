"""Synd: all that its users type is the folder and the other machine, on both."""

from __future__ import annotations

import sys

import pytest

from tests.lan.checker import wait_equal, wait_for
from tests.lan.lan import Lan

pytestmark = pytest.mark.lan

SOON_S = 30.0


def test_a_folder_and_the_other_machine_on_both_ends() -> None:
    with Lan(2) as lan:
        one, two = lan
        (one.dir / "from one").write_text("1")
        (two.dir / "from two").write_text("2")
        for node, other in ((one, two), (two, one)):
            node.launch([sys.executable, node.main, node.dir, "--peer", other.address])
        wait_for(lambda: (one.dir / "from two").exists() and (two.dir / "from one").exists(), SOON_S, "they merge")
        two.stop()
        (one.dir / "from one").write_text("changed while the other was off")
        two.launch([sys.executable, two.main, two.dir, "--peer", one.address])
        wait_for(lambda: "changed" in (two.dir / "from one").read_text(), SOON_S, "pending changes arrive")
        wait_equal(lan.roots, SOON_S)
