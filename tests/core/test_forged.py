"""Records that a hostile peer has made up: stamps, counters and vectors at their limits, and vectors that lie."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core import limits
from dir_sync.core.model import Kind, Record, Stamp, beats, has_seen, join, leq, with_change
from dir_sync.core.reconcile import Answer, Join, Nothing, Offer, Take, answer, changed, decide

NOW_NS = 1_800_000_000 * 10**9
LATEST_NS = NOW_NS + limits.STAMP_AHEAD_NS
EDGES = (1, NOW_NS, LATEST_NS, LATEST_NS + 1, limits.STAMP_NS_MADE_MAX, limits.STAMP_NS_MAX - 1, limits.STAMP_NS_MAX)
MAKERS = ("a", "b", "evil", "zz")


def made(kind: Kind, ns: int, maker: str, entries: dict[str, int], content: bytes = b"e" * 32) -> Record:
    is_file = kind == Kind.FILE
    body = content if is_file else b""
    return Record(
        b"x", kind, len(body), body, 0, 0o644 if is_file else 0, Stamp(ns, maker), tuple(sorted(entries.items()))
    )


@st.composite
def forged(draw: st.DrawFn) -> Record:
    kind = draw(st.sampled_from([Kind.FILE, Kind.ABSENT]))
    counters = st.sampled_from([1, 5, limits.SEQUENCE_MAX - 1, limits.SEQUENCE_MAX])
    entries = draw(st.dictionaries(st.sampled_from(MAKERS), counters, min_size=1))
    if draw(st.booleans()):
        entries |= {
            f"{number:04x}": limits.SEQUENCE_MAX
            for number in range(limits.VECTOR_ENTRIES_MAX - 5 - draw(st.integers(0, 3)))
        }
    ns = draw(st.one_of(st.sampled_from(EDGES), st.integers(1, limits.STAMP_NS_MAX)))
    maker = draw(st.sampled_from([*MAKERS, "ffff"]))
    entries.setdefault(maker, 1)  # the engine sees to that
    return made(kind, ns, maker, entries)


def is_wire(record: Record) -> bool:
    return (
        1 <= record.stamp.ns <= limits.STAMP_NS_MAX
        and 1 <= len(record.vector) <= limits.VECTOR_ENTRIES_MAX
        and all(1 <= counter <= limits.SEQUENCE_MAX for _, counter in record.vector)
    )


@pytest.fixture(autouse=True, scope="module")
def short_vectors() -> Iterator[None]:
    """So that they are full in no time."""
    with patch.object(limits, "VECTOR_ENTRIES_MAX", 24):
        yield


@given(forged(), st.sampled_from([Kind.FILE, Kind.ABSENT]), st.sampled_from([0, 1, NOW_NS - 1, NOW_NS]))
def test_what_a_user_makes_of_it_wins_over_it(before: Record, kind: Kind, stamp_ns: int) -> None:
    """`fresh` is the maker that the engine takes where its own entry is forged."""
    now = made(kind, 1, "", {}, b"u" * 32)
    after = changed(before, now, "fresh", 7, stamp_ns, LATEST_NS)
    assert is_wire(after)
    assert beats(after, before)
    assert not beats(before, after)
    assert after.stamp.ns <= LATEST_NS + 1_025, "and is dated as all clocks allow"
    for mine, told in ((before, after), (after, before)):
        decision = decide(mine, [Offer("p", told, False)])
        best = decision.record if isinstance(decision, (Take, Join)) else mine
        assert best.stamp == after.stamp
    again = changed(after, now, "fresh", 8, stamp_ns, LATEST_NS)
    assert beats(again, after)
    assert beats(again, before)


@given(forged(), st.integers(1, 1_000))
def test_a_live_file_answers_a_tombstone_once(gone: Record, counter: int) -> None:
    gone = gone._replace(kind=Kind.ABSENT, size=0, content=b"", mode=0)
    mine = made(Kind.FILE, NOW_NS - 10, "a", {"a": counter})
    again = answer(mine, gone, "fresh", 7, NOW_NS, LATEST_NS)
    assert is_wire(again)
    assert beats(again, mine)
    assert beats(again, gone)
    assert not isinstance(decide(again, [Offer("p", gone, False)]), Answer | Take)
    assert not isinstance(decide(mine, [Offer("p", gone, False), Offer("q", again, False)]), Answer)


@given(forged(), forged())
def test_one_of_two_wins_on_both_sides(mine: Record, theirs: Record) -> None:
    assert not (beats(mine, theirs) and beats(theirs, mine))
    if mine != theirs and mine.stamp != theirs.stamp:
        assert beats(mine, theirs) or beats(theirs, mine)


def test_a_full_vector_takes_no_more_makers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VECTOR_ENTRIES_MAX", 4)
    full = tuple((maker, 1) for maker in "bcde")
    assert join(full, (("a", 1), ("b", 3))) == (("b", 3), ("c", 1), ("d", 1), ("e", 1))
    assert leq((("a", 1), ("b", 1)), full)
    assert not leq((("a", 1), ("b", 3)), full)
    after = with_change(full, "x", 9, "e")
    assert dict(after)["x"] == 9
    assert dict(after)["e"] == 1
    assert len(after) <= 4


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 3)), max_size=8))
def test_joining_comes_to_an_end(entries: list[tuple[str, int]]) -> None:
    with patch.object(limits, "VECTOR_ENTRIES_MAX", 4):
        vector = (("a", 1),)
        for entry in entries:
            longer = join(vector, (entry,))
            assert leq((entry,), longer)
            assert leq(vector, longer)
            assert join(longer, (entry,)) == longer
            vector = longer
        assert len(vector) <= 4


class Gossip:
    """Some nodes that hold different forged versions of one path, and tell each other what is new, as long as there is."""

    def __init__(self, seed: int, full: bool) -> None:
        rng = self.rng = Random(seed)
        self.count = 2 + seed % 3
        self.made = 0
        self.spent: list[set[tuple[Stamp, Stamp]]] = [set() for _ in range(self.count)]
        year = 365 * 86_400 * 10**9
        dots = [(maker, counter) for maker in ("e", "f", "g", "h") for counter in (1, 2)]
        garbage = {f"{rng.randrange(100):02}": 1 for _ in range(limits.VECTOR_ENTRIES_MAX - 5)}
        self.rows: list[Record] = []
        for _ in range(self.count):
            maker, counter = rng.choice(dots)
            known = dict(rng.sample(dots, rng.randrange(4))) | {maker: counter}
            known |= garbage if full and rng.random() < 0.3 else {}
            kind = Kind.ABSENT if rng.random() < 0.3 else Kind.FILE
            ns = rng.choice([NOW_NS, NOW_NS + rng.randrange(5) * 9 * year, limits.STAMP_NS_MAX])
            self.rows.append(made(kind, ns, maker, known, bytes([rng.randrange(256)]) * 32))
        self.told: list[tuple[int, int, Record]] = []
        for node in range(self.count):
            self.tell(node)

    def tell(self, node: int) -> None:
        self.told += [(node, other, self.rows[node]) for other in range(self.count) if other != node]

    def turn(self) -> None:
        at = self.rng.randrange(len(self.told))
        source, target, record = self.told.pop(at)
        mine = self.rows[target]
        match decide(mine, [Offer(str(source), record, False)], self.spent[target]):
            case Join(after) | Take(after, _):
                if after.stamp < mine.stamp:
                    self.spent[target].add((after.stamp, mine.stamp))
            case Answer(top):
                self.made += 1
                after = answer(mine, top, f"{target}x{self.made}", self.made, NOW_NS, LATEST_NS)
            case Nothing():
                return
        self.rows[target] = after
        self.tell(target)

    def edit(self, node: int, kind: Kind) -> Record:
        self.made += 1
        now = made(kind, 1, "", {}, b"u" * 32)
        self.rows[node] = changed(self.rows[node], now, f"{node}x{self.made}", self.made, NOW_NS, LATEST_NS)
        self.tell(node)
        return self.rows[node]

    def run(self) -> int:
        for turns in range(3_000):
            if not self.told:
                return turns
            self.turn()
        raise AssertionError("they tell each other without end")


@pytest.mark.parametrize("full", [False, True])
def test_nodes_come_to_rest_and_agree_whatever_is_forged(full: bool) -> None:
    """`full`: some vectors have no room for what others have to say. Then only a user's change is sure to reach all."""
    for seed in range(1_500):
        mesh = Gossip(seed, full)
        mesh.run()
        if not full:
            assert len({row.stamp for row in mesh.rows}) == 1, f"seed {seed}: they differ"
            assert len({(row.kind, row.content) for row in mesh.rows}) == 1
        node = seed % mesh.count
        kind = Kind.FILE if mesh.rows[node].kind == Kind.ABSENT or seed % 2 else Kind.ABSENT
        edited = mesh.edit(node, kind)
        mesh.run()
        assert all(row.stamp == edited.stamp for row in mesh.rows), f"seed {seed}: a user's change has lost"
        assert all(has_seen(row, edited) for row in mesh.rows)
