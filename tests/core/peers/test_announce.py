"""How what changed here is cut into messages."""

from __future__ import annotations

from itertools import pairwise

import pytest

from dir_sync.core import limits
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.peers.announce import pages


def of(name: bytes, kind: Kind) -> Record:
    content = b"c" * 32 if kind is Kind.FILE else b""
    return Record(name, kind, 1 if content else 0, content, 0o644, 1, Stamp(1, "n"), (("n", 1),))


@pytest.mark.parametrize("most", [2, 3, 4, 5])
def test_no_page_ends_between_the_two_halves_of_a_rename(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Whoever hears of the new name first makes a copy, and puts the file into its history afterwards."""
    monkeypatch.setattr(limits, "PAGE_RECORDS_MAX", most)
    kinds = [
        Kind.DIRECTORY,
        *[Kind.FILE, Kind.ABSENT] * 4,
        Kind.DIRECTORY,
        Kind.FILE,
        Kind.ABSENT,
        Kind.ABSENT,
        Kind.FILE,
    ]
    records = [of(b"%d" % number, kind) for number, kind in enumerate(kinds)]
    made = pages(records)
    assert [record for page in made for record in page] == records
    assert all(0 < len(page) <= most for page in made)
    assert not any(a[-1].kind is Kind.FILE and b[0].kind is Kind.ABSENT for a, b in pairwise(made))


def test_a_page_that_is_full_of_bytes_does_not_part_a_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PAGE_BYTES_MAX", 5_000)
    records = [of(b"%d" % number + b"x" * 1_000, [Kind.FILE, Kind.ABSENT][number % 2]) for number in range(20)]
    made = pages(records)
    assert [record for page in made for record in page] == records
    assert len(made) > 1
    assert all(page[0].kind is Kind.FILE for page in made)
