"""Judgements about a folder: of each check both outcomes."""

from __future__ import annotations

import errno

import pytest

from dir_sync.doctor.folder_checks import (
    Abilities,
    Room,
    StateFolder,
    judge_abilities,
    judge_folder,
    judge_room,
    judge_state_folder,
)
from dir_sync.doctor.verdict import Verdict

OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL
ALL = Abilities("ext4", True, True, True, True, (), True, True, True, True)
GB = 10**9


def test_a_file_system_of_linux_can_do_all() -> None:
    (check,) = judge_abilities(ALL, "d")
    assert check.verdict is OK
    assert check.text == "ext4: exchange, ns times, case, Unicode forms, xattrs, holes, links, modes, all names"


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("exchange", "cannot be exchanged"),
        ("nanoseconds", "less exactly"),
        ("case", "readme and README"),
        ("forms", "Unicode"),
        ("xattrs", "extended attributes"),
        ("holes", "sparse"),
        ("links", "symbolic links cannot be here"),
        ("modes", "modes"),
    ],
)
def test_each_ability_that_is_lacking_is_a_warning_of_its_own(field: str, words: str) -> None:
    good, lacking = judge_abilities(ALL._replace(**{field: False}), "d")
    assert (good.verdict, lacking.verdict) == (OK, WARN)
    assert words in lacking.text
    assert lacking.fix
    assert len(judge_abilities(ALL._replace(**{field: None}), "d")) == 1, "it was not tried"


def test_names_that_cannot_be_here() -> None:
    _, names = judge_abilities(ALL._replace(names=("are not UTF-8", "end with a dot or a blank")), "d")
    assert names.verdict is WARN
    assert "are not UTF-8 or end with a dot" in names.text


@pytest.mark.parametrize(
    ("code", "words", "fix"),
    [
        (errno.ENOSPC, "no room is left on its disk", "df -h 'a b'; df -i 'a b'"),
        (errno.EDQUOT, "this user's quota is used up", "quota -s"),
        (errno.EROFS, "mounted read-only", "findmnt -T 'a b'"),
        (errno.EIO, "its disk reports errors", "sudo dmesg"),
        (errno.EACCES, "may not write there", "ls -ld 'a b'"),
        (errno.ENAMETOOLONG, "Odd", "ls -ld 'a b'; findmnt -T 'a b'"),
    ],
)
def test_a_folder_that_cannot_be_written_fails(code: int, words: str, fix: str) -> None:
    (check,) = judge_abilities(Abilities("ext4", trouble="Odd", errno=code), "a b")
    assert check.verdict is FAIL
    assert words in check.text
    assert "nothing can be received" in check.text
    assert check.fix[0].startswith(fix)


@pytest.mark.parametrize(
    ("room", "verdicts"),
    [
        (Room(20 * GB, 100 * GB, 900, 1_000), [OK]),
        (Room(4 * GB, 100 * GB, 900, 1_000), [WARN]),
        (Room(20 * GB, 100 * GB, 900, 1_000, least=30 * GB), [WARN]),
        (Room(10**6, 100 * GB, 900, 1_000), [FAIL]),
        (Room(27_200_000, 31_500_000, 900, 1_000, reserve=630_000), [WARN]),  # a small disk that is nearly empty
        (Room(1_500_000, 31_500_000, 900, 1_000, reserve=630_000), [FAIL]),
        (Room(600_000, 31_500_000, 900, 1_000, reserve=630_000), [FAIL]),
        (Room(20 * GB, 100 * GB, 10, 1_000), [OK, WARN]),
        (Room(20 * GB, 100 * GB, 0, 1_000), [OK, FAIL]),
        (Room(20 * GB, 100 * GB, 0, 0), [OK]),  # btrfs has no such number
    ],
)
def test_room(room: Room, verdicts: list[Verdict]) -> None:
    checks = judge_room(room, "~/a b")
    assert [check.verdict for check in checks] == verdicts
    assert all(check.fix for check in checks if check.verdict is not OK)
    is_full = room.free <= room.reserve
    assert ("no file can be received" in checks[0].text) == is_full


def test_what_does_not_fit_is_said_in_bytes() -> None:
    """Not "no larger file": larger than what is free, without what a node leaves free for its index."""
    (check, *_) = judge_room(Room(5_080_000, 21_000_000, 900, 1_000, reserve=4_080_000), "d")
    assert "a file of more than 1.00 MB cannot be received" in check.text
    assert check.fix[1].startswith("du -sh d/.dir_sync ")


@pytest.mark.parametrize(
    ("found", "verdict", "fix"),
    [
        (StateFolder(exists=False), OK, ""),
        (StateFolder(exists=True), OK, ""),
        (StateFolder(exists=True, mode=0o755), WARN, "chmod 700 d/.dir_sync"),
        (StateFolder(exists=True, mode=0o755, has_modes=False), OK, ""),
        (StateFolder(exists=True, mode=0o500), FAIL, "chmod 700 d/.dir_sync"),
        (StateFolder(exists=True, is_ours=False), FAIL, "sudo chown"),
        (StateFolder(exists=True, is_folder=False), FAIL, "ls -ld"),
    ],
)
def test_state_folder(found: StateFolder, verdict: Verdict, fix: str) -> None:
    (check,) = judge_state_folder(found, "d")
    assert check.verdict is verdict
    assert fix in "".join(check.fix)


def test_an_index_that_was_set_aside() -> None:
    _, index = judge_state_folder(StateFolder(exists=True, damaged=("index.db.damaged-1",)), "d")
    assert index.verdict is WARN


def test_the_folder() -> None:
    assert judge_folder("d", "", "", 7)[0].text == "a node runs for it (process 7)"
    assert judge_folder("d", "", "", 0)[0].verdict is OK
    assert judge_folder("d", "d is inside e, which is shared itself", "", 0)[0].verdict is FAIL
    assert judge_folder("d", "", "d is gone", 0)[0].verdict is FAIL
