"""The means of the other tests here: figures are taken, and an attacker hears what it is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..checker import wait_for
from ..lan import Lan
from ..stranger import digest_of
from .attacker import Attacker, measured
from .victims import SOON_S, Victims

pytestmark = pytest.mark.lan


def test_an_attacker_listens_and_serves(new_lan: Callable[..., Lan]) -> None:
    victims = Victims(new_lan(3))
    victims.start()
    content = b"of an attacker" * 10_000
    with measured(victims.a, victims.b) as figures, Attacker(victims.place, victims.a) as attacker:
        attacker.open().state()
        attacker.contents[digest_of(content)] = content
        attacker.listen()
        attacker.update(("create", attacker.record("offered", content=content), None))
        wait_for((victims.b.dir / "offered").exists, SOON_S, "what the attacker serves")
        wait_for(lambda: len(figures.latencies_ms) >= 3, SOON_S, "an honest user works")
        wait_for(lambda: attacker.heard["MODIFICATION_UPDATE"] >= 3, SOON_S, "it is told what the honest user does")
    assert (victims.b.dir / "offered").read_bytes() == content
    assert attacker.served >= len(content)
    assert figures.late == 0
    assert set(figures.cpu_s) == {str(victims.a), str(victims.b)}
    assert "honest changes" in str(figures)
