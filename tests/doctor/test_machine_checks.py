"""Judgements about this machine: of each check both outcomes."""

from __future__ import annotations

import pytest

from dir_sync.doctor.machine_checks import (
    Inotify,
    OpenFiles,
    Rsync,
    judge_inotify,
    judge_librsync,
    judge_open_files,
    judge_python,
    judge_user_state,
)
from dir_sync.doctor.verdict import Verdict

OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL
LIMITS = Inotify(10_000, 100, 128, 3, folders=500, is_watched=False)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (LIMITS, OK),
        (LIMITS._replace(folders=9_500), WARN),
        (LIMITS._replace(folders=9_901), FAIL),
        (LIMITS._replace(folders=9_901, is_watched=True), OK),  # its watches are among the used ones
        (LIMITS._replace(watches_used=9_500, is_watched=True), WARN),
        (LIMITS._replace(is_watched=True, unwatched=2), WARN),
    ],
)
def test_watches(found: Inotify, verdict: Verdict) -> None:
    watches, instances = judge_inotify(found)
    assert watches.verdict is verdict
    assert instances.verdict is OK
    if verdict is not OK:
        limit = int(watches.fix[0].split("max_user_watches=")[1].split()[0])
        assert limit > found.watches_used + found.folders
        assert watches.fix[1] == "sudo sysctl --system"


def test_instances() -> None:
    assert judge_inotify(LIMITS._replace(instances_used=127, needs_instance=True))[1].verdict is OK
    full = judge_inotify(LIMITS._replace(instances_used=128, needs_instance=True))[1]
    assert full.verdict is FAIL
    assert "max_user_instances" in full.fix[0]
    assert judge_inotify(LIMITS._replace(instances_used=128))[1].verdict is OK, "the node has its own already"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (OpenFiles(1_024, 4_096, 40), OK),
        (OpenFiles(512, 4_096, 40), WARN),
        (OpenFiles(128, 4_096, 40), FAIL),
        (OpenFiles(1_024, 4_096, 1_000), FAIL),
    ],
)
def test_open_files(found: OpenFiles, verdict: Verdict) -> None:
    check = judge_open_files(found)
    assert check.verdict is verdict
    assert bool(check.fix) == (verdict is not OK)


@pytest.mark.parametrize(
    ("found", "verdict", "words"),
    [
        (Rsync(is_there=True, works=True), OK, "applied"),
        (Rsync(is_there=False, works=False), WARN, "changed files travel whole"),
        (Rsync(True, False, "what it makes is something else"), FAIL, "something else"),
    ],
)
def test_librsync(found: Rsync, verdict: Verdict, words: str) -> None:
    check = judge_librsync(found)
    assert check.verdict is verdict
    assert words in check.text
    assert bool(check.fix) == (verdict is not OK)


def test_python() -> None:
    assert judge_python((3, 13, 1), (), "mend").verdict is OK
    assert judge_python((3, 10, 9), (), "mend").verdict is FAIL
    missing = judge_python((3, 11, 2), ("blake3",), "mend")
    assert missing.verdict is FAIL
    assert "blake3" in missing.text
    assert missing.fix == ("mend",)


def test_what_is_remembered() -> None:
    assert judge_user_state("~/.local/state/dir_sync", "", "mkdir").verdict is OK
    check = judge_user_state("/nowhere", "/nowhere cannot be written", "mkdir")
    assert (check.verdict, check.fix) == (WARN, ("mkdir",))
