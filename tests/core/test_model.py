"""The vocabulary: which paths may be used, what people are shown of them, and the laws of version vectors."""

from __future__ import annotations

import struct

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core import limits
from dir_sync.core.content import Summed, bucket_of, first_scan_record, in_doubt, summarize
from dir_sync.core.model import (
    Kind,
    PathError,
    Record,
    Stamp,
    Vector,
    check_path,
    is_first_scan,
    join,
    leq,
    parent_of,
    same_content,
    same_meta,
    same_version,
    show,
)
from tests import strategies

GOOD_PATHS = [
    b"a",
    b"a/b",
    b"a/b/c.txt",
    b" ",
    b" a ",
    b"a b/c d",
    b"-rf",
    b"~",
    b"~root/x",
    b"*",
    b"...",
    b"..a",
    b"a..",
    b".a",
    b"a.",
    b"a/...",
    b".. ",
    b" ..",
    b".git",
    b".git/config",
    b"dir_sync",
    b".dir_sync2",
    b".dir_syn",
    b"x.dir_sync",
    b".DIR_SYNC",
    b"a\\b",
    b"..\\x",
    b"C:\\x",
    b"C:",
    b"con",
    b"nul",
    b"a:b",
    b"a\nb",
    b"\n",
    b"\x1b[2J",
    b"\x7f",
    b"\x01",
    b'"',
    b"'; rm -rf",
    b"$(x)",
    b"%s",
    b"\xff",
    b"\xff/\xfe",
    b"\xc3",
    b"\xc0\xae\xc0\xae",  # an overlong ..: other bytes, another name
    b"\xed\xb2\x80",
    "\u00e9/\u65e5\u672c/\U0001f600".encode(),
    "e\u0301".encode(),
    "\u202egnp.exe".encode(),
    "\u2025".encode(),
    "\uff0e\uff0e".encode(),
    "\u2215".encode(),
    b"n" * limits.PART_BYTES_MAX,
    b"a/" * (limits.PATH_DEPTH_MAX - 1) + b"a",
    (b"n" * 255 + b"/") * 15 + b"m" * 255,
    b"proc/self/fd/0",
    b"etc/passwd",
]

BAD_PATHS = [
    b"",
    b".",
    b"..",
    b"/",
    b"//",
    b"/a",
    b"//a",
    b"/etc/passwd",
    b"a/",
    b"a//",
    b"a//b",
    b"../a",
    b"../../a",
    b"a/..",
    b"a/../b",
    b"a/../../b",
    b"./a",
    b"a/.",
    b"a/./b",
    b"./",
    b"../",
    b"/..",
    b"/.",
    b"...//..",
    b"\0",
    b"a\0",
    b"\0a",
    b"a\0b",
    b"a/\0/b",
    b"..\0",
    b".dir_sync",
    b".dir_sync/",
    b".dir_sync/index",
    b"a/.dir_sync",
    b"a/.dir_sync/b",
    b"a/b/c/.dir_sync",
    b".dir_sync/../a",
    b"n" * (limits.PART_BYTES_MAX + 1),
    b"a/" + b"n" * (limits.PART_BYTES_MAX + 1) + b"/b",
    b"\xff" * (limits.PART_BYTES_MAX + 1),
    b"a/" * limits.PATH_DEPTH_MAX + b"a",
    b"a/" * 1_000_000 + b"a",
    b"/".join([b"n" * 250] * 17),
    (b"n" * 255 + b"/") * 16 + b"n",
]


def test_the_tables_are_as_large_as_they_should_be() -> None:
    assert len(set(GOOD_PATHS)) >= 40
    assert len(set(BAD_PATHS)) >= 40
    assert not set(GOOD_PATHS) & set(BAD_PATHS)


@pytest.mark.parametrize("path", GOOD_PATHS, ids=show)
def test_good_paths_are_taken_as_they_are(path: bytes) -> None:
    assert check_path(path) is path


@pytest.mark.parametrize("path", BAD_PATHS, ids=lambda path: show(path, 40))
def test_bad_paths_are_refused_in_one_line(path: bytes) -> None:
    with pytest.raises(PathError) as caught:
        check_path(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_the_longest_path() -> None:
    longest = b"/".join([b"n" * 255] * 16)[: limits.PATH_BYTES_MAX]
    assert len(longest) == 4095
    assert check_path(longest)
    tail = b"/".join([b"n" * 240] * 17)
    assert len(tail) == limits.PATH_BYTES_MAX
    assert check_path(tail)
    with pytest.raises(PathError):
        check_path(b"n" + tail)


def may_be_used(path: bytes) -> bool:
    """The rule of the protocol, said once more and slowly."""
    parts = path.split(b"/")
    return (
        1 <= len(path) <= 4096
        and len(parts) <= 256
        and all(1 <= len(part) <= 255 for part in parts)
        and not {b".", b"..", b".dir_sync"} & set(parts)
        and 0 not in path
    )


@given(
    st.one_of(
        strategies.paths(),
        st.lists(
            st.sampled_from([b"/", b".", b"..", b"a", b".dir_sync", b"\0", b"\xff", b"n" * 250, b"/a" * 120]),
            max_size=8,
        ).map(b"".join),
    )
)
def test_the_rule_for_paths(path: bytes) -> None:
    try:
        found = check_path(path) == path
    except PathError:
        found = False
    assert found == may_be_used(path)


@pytest.mark.parametrize(("path", "parent"), [(b"a", b""), (b"a/b", b"a"), (b"a/b/c", b"a/b"), (b"\xff/\n", b"\xff")])
def test_parents(path: bytes, parent: bytes) -> None:
    assert parent_of(path) == parent


# What people see


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"a/b c.txt", "a/b c.txt"),
        (b"", ""),
        ("\u00e9\u65e5\U0001f600".encode(), "\u00e9\u65e5\U0001f600"),
        (b"a\nb", "a\\nb"),
        (b"a\r\tb", "a\\r\\tb"),
        (b"\x1b[2J", "\\x1b[2J"),
        (b"\x7f", "\\x7f"),
        (b"\0", "\\x00"),
        (b"\xff", "\\xff"),
        (b"a\\nb", "a\\\\nb"),
        ("\u202egnp".encode(), "\\u202egnp"),
        ("\u0085\u2028".encode(), "\\u0085\\u2028"),
        ("\u00a0".encode(), "\\u00a0"),
    ],
)
def test_a_path_is_shown_so_that_it_forges_nothing(path: bytes, shown: str) -> None:
    assert show(path) == shown


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_shown_paths_are_printable_and_differ(one: bytes, other: bytes) -> None:
    assert show(one).isprintable()
    assert (show(one) == show(other)) == (one == other)


@given(st.binary(max_size=60), st.integers(1, 20))
def test_shown_paths_are_cut(path: bytes, width: int) -> None:
    whole = show(path, 10_000)
    assert show(path, width) == (whole if len(whole) <= width else whole[: width - 1] + "\u2026")


# Stamps and vectors


@given(strategies.stamps(), strategies.stamps(), strategies.stamps())
def test_stamps_are_totally_ordered(one: Stamp, other: Stamp, third: Stamp) -> None:
    assert (one < other) + (one == other) + (other < one) == 1
    if one < other < third:
        assert one < third
    if one.ns != other.ns:
        assert (one < other) == (one.ns < other.ns)


VECTOR = strategies.small_vectors()


@given(VECTOR, VECTOR, VECTOR)
def test_leq_is_a_partial_order(one: Vector, other: Vector, third: Vector) -> None:
    assert leq(one, one)
    assert leq((), one)
    if leq(one, other) and leq(other, one):
        assert one == other
    if leq(one, other) and leq(other, third):
        assert leq(one, third)


@given(VECTOR, VECTOR)
def test_leq_is_entry_by_entry(one: Vector, other: Vector) -> None:
    entries = [(dict(one).get(node, 0), dict(other).get(node, 0)) for node in "abc"]
    assert leq(one, other) == all(mine <= theirs for mine, theirs in entries)


@given(VECTOR, VECTOR, VECTOR)
def test_join_is_the_least_upper_bound(one: Vector, other: Vector, third: Vector) -> None:
    both = join(one, other)
    assert leq(one, both)
    assert leq(other, both)
    if leq(one, third) and leq(other, third):
        assert leq(both, third)
    assert list(both) == sorted(both)
    assert len(dict(both)) == len(both)


@given(VECTOR, VECTOR, VECTOR)
def test_join_does_not_mind_order(one: Vector, other: Vector, third: Vector) -> None:
    assert join(one, other) == join(other, one)
    assert join(join(one, other), third) == join(one, join(other, third))
    assert join(one, one) == one
    assert join(one, ()) == one
    assert leq(one, other) == (join(one, other) == other)


def of(vector: Vector, ns: int = 1, node: str = "a", **other: object) -> Record:
    return Record(b"p", Kind.FILE, 1, b"d" * 32, 5, 0o644, Stamp(ns, node), vector)._replace(**other)


# Records


def test_what_is_the_same() -> None:
    file = of((("a", 1),))
    assert same_content(file, file._replace(mtime=6, mode=0o600, stamp=Stamp(9, "b")))
    assert not same_content(file, file._replace(content=b"e" * 32))
    assert not same_content(file._replace(content=b""), file._replace(content=b"", kind=Kind.SYMLINK))
    assert same_meta(file, file._replace(content=b"e" * 32))
    assert not same_meta(file, file._replace(mtime=6))
    assert not same_meta(file, file._replace(mode=0o600))
    folder = file._replace(kind=Kind.DIRECTORY)
    assert same_meta(folder, folder._replace(mtime=6))
    assert not same_meta(folder, folder._replace(mode=0o700))
    link = file._replace(kind=Kind.SYMLINK)
    assert not same_meta(link, link._replace(mtime=6))
    assert same_version(file, file._replace(vector=(("a", 1),)))
    assert not same_version(file, file._replace(mtime=6)), "somebody has given out one stamp twice"
    assert same_version(folder, folder._replace(mtime=6))
    assert not same_version(file, file._replace(stamp=Stamp(2, "a")))
    assert not same_version(file, file._replace(vector=(("a", 2),)))


@pytest.mark.parametrize(
    ("kind", "mtime", "ns"),
    [
        (Kind.FILE, 1_700_000_000_000_000_005, 1_700_000_000_000_000_005),
        (Kind.FILE, -5, 1),
        (Kind.FILE, 0, 1),
        (Kind.FILE, 2**80, limits.STAMP_NS_MADE_MAX),
        (Kind.SYMLINK, 77, 77),
        (Kind.DIRECTORY, 77, 1),
    ],
)
def test_first_scans_name_a_record_by_what_it_is(kind: Kind, mtime: int, ns: int) -> None:
    mode = 0o777 if kind == Kind.SYMLINK else 0o640
    record = first_scan_record(b"p", kind, 0, b"c", mtime, mode)
    seconds, fraction = (0, 0) if kind == Kind.DIRECTORY else divmod(mtime, 10**9)
    named_mode = 0 if kind == Kind.SYMLINK else mode
    said = bytes([kind]) + named_mode.to_bytes(2) + seconds.to_bytes(8, signed=True) + fraction.to_bytes(4) + b"c"
    maker = "=" + blake3(said).hexdigest()[:24]
    assert record._replace(stamp=Stamp(1, "a"), vector=()) == Record(
        b"p", kind, 0, b"c", mtime, mode, Stamp(1, "a"), ()
    )
    assert record.stamp == Stamp(ns, maker)
    assert record.vector == ((maker, 1),)
    assert record.mtime == mtime
    assert is_first_scan(record)
    assert not is_first_scan(record._replace(vector=join(record.vector, (("a", 1),))))


def summed(path: bytes, maker: str = "99cc", content: bytes = b"") -> Summed:
    return path, 1, maker, f"{maker}:1", 1, 0o640, 5, 6, "", content


def test_a_summary_is_the_sum_of_tags_by_bucket() -> None:
    """The example of the protocol, 3.4; and what is in the same bucket is added."""
    content = blake3(b"hello").digest()
    one = (b"caf\xe9/a", 1_700_000_000_000_000_005, "99cc", "77aa:3 99cc:7", 1, 0o640, 1_700_000_000, 5, "", content)
    assert bucket_of(one[0]) == 249
    tag = 0xD166EAA728B7218A
    sums = struct.unpack(">1024Q", summarize([one]))
    assert sums[249] == tag
    assert sum(sums) == tag
    twice = struct.unpack(">1024Q", summarize([one, one]))
    assert twice[249] == 2 * tag % 2**64


def test_a_summary_says_all_that_tells_two_records_of_one_stamp_apart() -> None:
    """A node that lost its index may give out one stamp for two contents. Whoever joined both has the vector of both."""
    file = (b"a", 1, "99cc", "99cc:7", int(Kind.FILE), 0o640, 5, 6, "", b"one")
    others: list[Summed] = [
        (*file[:9], b"two"),
        (*file[:8], "[]", b"one"),
        (*file[:7], 7, "", b"one"),
        (*file[:6], 6, 6, "", b"one"),
        (*file[:5], 0o600, 5, 6, "", b"one"),
        (*file[:4], int(Kind.SYMLINK), 0o640, 5, 6, "", b"one"),
        (*file[:3], "99cc:8", *file[4:]),
    ]
    assert len({summarize([one]) for one in (file, *others)}) == 1 + len(others)
    for kind in (Kind.DIRECTORY, Kind.ABSENT):  # their times are no part of the version
        folder = (b"a", 1, "99cc", "99cc:7", int(kind), 0o750)
        assert summarize([(*folder, 5, 6, "", b"")]) == summarize([(*folder, 7, 8, "", b"")])
    link = (b"a", 1, "99cc", "99cc:7", int(Kind.SYMLINK))
    assert summarize([(*link, 0o777, 5, 6, "", b"x")]) == summarize([(*link, 0o755, 5, 6, "", b"x")])


def test_a_summary_in_doubt_differs_in_the_buckets_of_these_paths_alone() -> None:
    summary = summarize([summed(b"a"), summed(b"b")])
    doubted = in_doubt(summary, [b"a", b"nothing here", b"a"])
    pairs = zip(struct.unpack(">1024Q", summary), struct.unpack(">1024Q", doubted), strict=True)
    assert {number for number, (one, two) in enumerate(pairs) if one != two} == {
        bucket_of(b"a"),
        bucket_of(b"nothing here"),
    }
    assert in_doubt(summary, []) == summary


@given(st.lists(st.builds(summed, st.binary(min_size=1), st.text("0123456789abcdef"), st.binary())))
def test_a_summary_does_not_depend_on_the_order(
    records: list[Summed],
) -> None:
    assert summarize(records) == summarize(reversed(records))
    if records:
        path, ns, *rest = records[0]
        assert summarize(records) != summarize([(path, ns + 1, *rest), *records[1:]])  # type: ignore[list-item]
        assert len(summarize(records)) == limits.SUMMARY_BYTES
