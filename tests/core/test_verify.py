"""What reading everything again on several nodes has shown, compared."""

from __future__ import annotations

from dir_sync.core.model import Kind
from dir_sync.core.verify import Entry, Finding, Outcome, What, compare, key_of

A = Entry(b"a", Kind.FILE, 3, b"1" * 32)
LINK = Entry(b"l", Kind.SYMLINK, 0, b"a")


def by_path(*entries: Entry) -> dict[bytes, Entry]:
    return {entry.path: entry for entry in entries}


def test_what_is_equal_is_no_finding() -> None:
    assert compare(by_path(A, LINK), {"x": by_path(A, LINK), "y": by_path(LINK, A)}) == []
    assert compare({}, {}) == []


def test_each_wrong_outcome_is_found_where_it_is() -> None:
    for outcome, what in (
        (Outcome.ROTTEN, What.ROTTEN),
        (Outcome.DOUBTFUL, What.DOUBTFUL),
        (Outcome.UNREADABLE, What.UNREADABLE),
        (Outcome.CHANGED, What.CHANGING),
    ):
        bad = A._replace(outcome=outcome)
        assert compare(by_path(bad), {"x": by_path(A)}) == [Finding(b"a", what, "")]
        assert compare(by_path(A), {"x": by_path(bad), "y": by_path(A)}) == [Finding(b"a", what, "x")]


def test_other_versions_differ_and_what_one_lacks_is_missing() -> None:
    other = A._replace(content=b"2" * 32)
    assert compare(by_path(A), {"x": by_path(other)}) == [Finding(b"a", What.DIFFERENT, "x")]
    assert compare(by_path(A), {"x": by_path(LINK._replace(path=b"a"))}) == [Finding(b"a", What.DIFFERENT, "x")]
    assert compare(by_path(A), {"x": {}}) == [Finding(b"a", What.MISSING, "x")]
    assert compare({}, {"x": by_path(A)}) == [Finding(b"a", What.MISSING, "x")]


def test_what_is_different_on_purpose_is_no_finding() -> None:
    bad = A._replace(outcome=Outcome.ROTTEN)
    assert compare({}, {"x": by_path(bad)}, {b"a"}) == []
    assert compare(by_path(bad), {"x": {}}, {b"a"}) == [Finding(b"a", What.ROTTEN, "")], "but rot here is one"


def test_the_order_is_by_folders() -> None:
    assert sorted([b"d/a", b"z", b"a", b"d", b"d/e/f", b"c/x"], key=key_of) == [
        b"a",
        b"d",
        b"z",
        b"c/x",
        b"d/a",
        b"d/e/f",
    ]
