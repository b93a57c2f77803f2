"""A short piece of the soak (python -m tests.soak): five nodes, random work, one fault after the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.soak import Report, Sample, Soak

from .lan import Lan

pytestmark = pytest.mark.lan


def test_a_piece_of_the_soak(new_lan: Callable[..., Lan]) -> None:
    lan = new_lan(5)
    soak = Soak(lan, 11, fault_every_s=2.0, check_every_s=10.0, pause_s=0.1)
    report = soak.run(20.0)
    assert report.violations == []
    assert report.checks == 2
    assert report.faults.total() >= 6
    assert report.tokens > 300
    assert 0 < report.kept < report.tokens
    assert {sample.pid for sample in report.samples if sample.node == "n0"} == {lan[0].pid}, "it is spared"
    assert {sample.node for sample in report.samples} == {node.name for node in lan}


def test_what_is_wrong_is_a_violation(new_lan: Callable[..., Lan]) -> None:
    """A token that nobody ever wrote down anywhere."""
    lan = new_lan(2)
    said: list[str] = []
    soak = Soak(lan, 12, fault_every_s=60.0, check_every_s=60.0, pause_s=0.1, settle_s=0.0, say=said.append)
    soak.ledger.wrote(soak.ledger.new(), "nowhere")
    report = soak.run(1.0)
    assert len(report.violations) == 1
    assert "1 tokens are lost" in report.violations[0]
    assert said[0] == f"WRONG: {report.violations[0]}"


def test_the_slope_is_that_of_the_longest_life() -> None:
    report = Report()
    for at in range(100):
        report.samples.append(Sample("n0", 1, at * 36.0, 1000 + at * 10, 7))
        if at < 10:
            report.samples.append(Sample("n0", 2, at * 36.0, 10**9 * at, 7))
            report.samples.append(Sample("n1", 3, at * 36.0, 10**9 * at, 7))
    assert report.slope("n0", lambda sample: sample.memory) == pytest.approx(1000)
    assert report.slope("n0", lambda sample: sample.handles) == 0
    assert report.slope("nobody", lambda sample: sample.handles) == 0
    assert any("slope +0.0 MiB/h" in line for line in report.lines())
