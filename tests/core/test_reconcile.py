"""Merging: its laws, and whole random histories of one path on a few nodes, with the real decisions."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dir_sync.core import limits
from dir_sync.core.content import first_scan_record
from dir_sync.core.model import Kind, Record, Stamp, beats, has_seen, join, leq
from dir_sync.core.reconcile import Answer, Join, Nothing, Offer, Take, answer, changed, decide

NODES = ("a", "b", "c")


@st.composite
def versions(draw: st.DrawFn, live: bool | None = None) -> Record:
    """A version of one path. Stamps name versions: equal stamps mean equal content and equal lineage."""
    ns, node = draw(st.integers(1, 6)), draw(st.sampled_from(NODES))
    is_live = (ns + NODES.index(node)) % 3 > 0 if live is None else live
    entries = draw(st.dictionaries(st.sampled_from(NODES), st.integers(1, 4)))
    made = tuple(sorted({NODES[ns % len(NODES)]: 1, node: 1}.items()))
    vector = join(made, tuple(sorted(entries.items())))
    lineage = () if made == vector else made
    content = f"{ns}{node}".encode().ljust(32) if is_live else b""
    kind = Kind.FILE if is_live else Kind.ABSENT
    return Record(b"x", kind, len(content), content, 0, 0o644 if is_live else 0, Stamp(ns, node), vector, lineage)


def offers(*records: Record) -> list[Offer]:
    return [Offer(f"p{number}", record, False) for number, record in enumerate(records)]


def merge(mine: Record, *theirs: Record) -> Record | None:
    """What is held afterwards; None where a tombstone has to be answered."""
    match decide(mine, offers(*theirs)):
        case Nothing():
            return mine
        case Join(record) | Take(record, _):
            return record
        case Answer():
            return None


def is_exception(*records: Record) -> bool:
    """True if a tombstone meets a live record that it has not seen: the one exception of the join."""
    return any(
        gone.kind == Kind.ABSENT and edit.kind != Kind.ABSENT and gone.stamp > edit.stamp and not has_seen(gone, edit)
        for gone, edit in itertools.permutations(records, 2)
    )


@given(versions())
def test_idempotent(mine: Record) -> None:
    assert decide(mine, offers(mine)) == Nothing()


@given(versions(), versions())
def test_commutative(mine: Record, theirs: Record) -> None:
    assume(not is_exception(mine, theirs))
    assume(mine.stamp != theirs.stamp or mine[:7] == theirs[:7])
    assert merge(mine, theirs) == merge(theirs, mine)


@pytest.mark.parametrize("live", [True, False])
@given(st.data())
def test_associative(live: bool, data: st.DataObject) -> None:
    first, second, third = (data.draw(versions(live)) for _ in range(3))
    left, right = merge(first, second), merge(second, third)
    assert left is not None
    assert right is not None
    assert merge(left, third) == merge(first, right) == merge(first, second, third)


@given(versions(), st.lists(versions(), max_size=4), st.randoms())
def test_the_order_of_offers_does_not_matter(mine: Record, theirs: list[Record], rng: Random) -> None:
    assume(len({record.stamp for record in (mine, *theirs)}) == len(theirs) + 1)
    mixed = offers(*theirs)
    rng.shuffle(mixed)
    assert decide(mine, mixed) == decide(mine, offers(*theirs))


@given(versions(), versions())
def test_a_winner_is_above_both(mine: Record, theirs: Record) -> None:
    best = merge(mine, theirs)
    if best is not None and not is_exception(mine, theirs):
        assert best.stamp == max(mine.stamp, theirs.stamp)
        assert leq(mine.vector, best.vector)
        assert leq(theirs.vector, best.vector)


@given(versions(live=True), versions(live=False))
def test_an_answer_is_above_both_and_has_seen_both(mine: Record, gone: Record) -> None:
    above = answer(mine, gone, "d", 9)
    assert above.stamp > max(mine.stamp, gone.stamp)
    assert above.content == mine.content
    assert has_seen(above, mine) or mine.vector == above.vector
    assert leq(join(mine.vector, gone.vector), above.vector)


@given(versions(), versions(live=True), st.integers(0, 10))
def test_a_change_is_newer_than_what_it_replaces(previous: Record, now: Record, stamp_ns: int) -> None:
    after = changed(previous, now, "a", 7, stamp_ns)
    assert after.stamp > previous.stamp
    assert has_seen(after, previous)
    assert not has_seen(previous, after)


@pytest.mark.parametrize("far", [limits.STAMP_NS_MADE_MAX, limits.STAMP_NS_MAX, 2**80])
def test_a_change_of_what_comes_from_beyond_all_clocks_is_newer(far: int) -> None:
    """A file of the year 2446, found by a first scan; one changed while the clock stood there."""
    found = first_scan_record(b"x", Kind.FILE, 1, b"f" * 32, far, 0o644)
    made = changed(None, found, "fff", 1, far)
    for before in (found, made):
        after = changed(before, found._replace(content=b"e" * 32), "000", 1, 10**18)
        assert after.stamp > before.stamp
        assert isinstance(decide(before, offers(after)), Take)


def test_a_loser_in_the_vector_says_nothing_about_the_content() -> None:
    """Two nodes delete a name; an edit won against the first delete, and the second one knew that edit."""
    edit = Record(b"x", Kind.FILE, 1, b"e" * 32, 0, 0o644, Stamp(20, "a"), (("a", 1), ("b", 5)))
    gone = Record(b"x", Kind.ABSENT, 0, b"", 0, 0, Stamp(30, "a"), (("a", 2),))
    assert has_seen(gone, edit)
    assert isinstance(decide(edit, offers(gone)), Take)


def test_a_content_that_others_keep_with_knowledge_of_a_tombstone_is_kept() -> None:
    """Clocks lie years apart. An edit by a clock that is far behind replaced a tombstone, and lost against an edit that did
    not know the tombstone and is dated a little below it. Its holders know the tombstone: none of them is told of it again,
    to reassert the edit."""
    late, year_ns = 1_800_000_000 * 10**9, 366 * 86_400 * 10**9
    before = Record(b"x", Kind.FILE, 1, b"o" * 32, 0, 0o644, Stamp(late - 100 * 10**9, "b"), (("b", 1),))
    nothing = before._replace(kind=Kind.ABSENT, size=0, content=b"", mode=0)
    gone = changed(before, nothing, "b", 2, late)
    behind = changed(gone, before._replace(content=b"a" * 32), "a", 1, late - 3 * year_ns, late - 2 * year_ns)
    edit = changed(before, before._replace(content=b"c" * 32), "c", 1, late - 6 * 10**9)
    assert beats(behind, gone)
    assert beats(edit, behind)
    assert beats(gone, edit)
    taken = decide(behind, offers(edit))
    assert isinstance(taken, Take)
    there = taken.record
    assert there.content == edit.content
    assert decide(edit, offers(behind)) == Join(there)
    for mine in (gone, None):
        known = offers(there) if mine is not None else offers(gone, there)
        for some in (known, known[::-1]):
            decision = decide(mine, some)
            assert isinstance(decision, Take)
            assert decision.record == there
            assert not decision.conflict
    spent = {(there.stamp, gone.stamp)}
    assert decide(gone, offers(there), spent) == Nothing(), "it wins only once"
    assert isinstance(decide(there, offers(gone)), Answer)
    assert isinstance(decide(gone, offers(edit)), Nothing), (
        "whoever has it and does not know the tombstone reasserts it"
    )


class Mesh:
    """Some nodes, one path, a queue for each direction of each link."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.count = 2 + seed % 4
        self.rows: list[Record | None] = [None] * self.count
        self.offers: list[dict[int, Record]] = [{} for _ in range(self.count)]
        self.sequences = [0] * self.count
        self.queues: dict[tuple[int, int], list[Record]] = {}
        self.edits: list[Record] = []
        self.deletes: list[Record] = []
        self.answers: list[Record] = []

    def put(self, node: int, record: Record) -> None:
        self.sequences[node] += 1
        self.rows[node] = record
        for other in range(self.count):
            if other != node:
                self.queues.setdefault((node, other), []).append(record)

    def act(self, node: int, content: bytes, mtime: int) -> None:
        mine = self.rows[node]
        if not content and (mine is None or mine.kind == Kind.ABSENT):
            return
        kind = Kind.FILE if content else Kind.ABSENT
        now = Record(b"x", kind, len(content), content, 0, 0, Stamp(1, ""), ())
        record = changed(mine, now, str(node), self.sequences[node] + 1, min(mtime, 1_000))
        (self.edits if content else self.deletes).append(record)
        self.put(node, record)

    def receive(self) -> None:
        source, target = self.rng.choice(sorted(pair for pair, queue in self.queues.items() if queue))
        self.offers[target][source] = self.queues[(source, target)].pop(0)
        while True:
            mine = self.rows[target]
            known = [Offer(str(peer), record, False) for peer, record in sorted(self.offers[target].items())]
            match decide(mine, known):
                case Nothing():
                    return
                case Join(record) | Take(record, _):
                    self.put(target, record)
                case Answer(top):
                    assert mine is not None
                    again = answer(mine, top, str(target), self.sequences[target] + 1)
                    self.answers.append(again)
                    self.put(target, again)

    def run(self) -> None:
        for number in range(14):
            content = b"" if self.rng.random() < 0.35 else b"%d" % number
            mtime = self.rng.choice([self.rng.randrange(1_000), 500 + number])
            self.act(self.rng.randrange(self.count), content, mtime)
            for _ in range(self.rng.randrange(6)):
                if any(self.queues.values()):
                    self.receive()
        for _ in range(5_000):
            if not any(self.queues.values()):
                return
            self.receive()
        raise AssertionError("it runs on")


@pytest.mark.parametrize("block", range(4))
def test_random_histories(block: int) -> None:
    """They come to rest, agree, keep the newest edit if nobody deleted it knowingly, and bring nothing back."""
    for seed in range(block * 150, block * 150 + 150):
        mesh = Mesh(seed)
        mesh.run()
        first = mesh.rows[0]
        # (Which of several makers of one content each of them has heard of may differ: that is the lineage.)
        assert len({row and row._replace(lineage=()) for row in mesh.rows}) == 1, f"seed {seed}: they differ"
        if not mesh.edits:
            continue
        assert first is not None
        newest = max(mesh.edits + mesh.answers, key=lambda record: record.stamp)
        if not any(has_seen(gone, newest) for gone in mesh.deletes):
            assert first.kind != Kind.ABSENT, f"seed {seed}: an edit died"
        unseen = any(
            gone.stamp > edit.stamp and not has_seen(gone, edit) for gone in mesh.deletes for edit in mesh.edits
        )
        last = [
            record
            for record in (*mesh.edits, *mesh.deletes)
            if not any(other is not record and has_seen(other, record) for other in (*mesh.edits, *mesh.deletes))
        ]
        if not unseen and all(record.kind == Kind.ABSENT for record in last):
            assert first.kind == Kind.ABSENT, f"seed {seed}: a delete was undone"


@given(st.integers(1, 2**62), st.integers(1, 2**52), st.integers(1, 1023))
def test_the_same_moment_in_two_lives_of_a_node_gives_two_stamps(ns: int, sequence: int, apart: int) -> None:
    """The later one works with a backup of the index, and does not know of the first."""
    folder = Record(b"a", Kind.DIRECTORY, 0, b"", 0, 0o755, Stamp(1, ""), ())
    file = folder._replace(kind=Kind.FILE)
    before = file._replace(stamp=Stamp(ns, "aa"))
    for previous, now in ((None, folder), (before, file)):
        one, other = (changed(previous, now, "aa", at, ns).stamp for at in (sequence, sequence + apart))
        assert one != other
        assert 0 <= one.ns - min(ns, limits.STAMP_NS_MADE_MAX) <= 1_024


@given(st.integers(1, 2**62), st.integers(1, 2**52))
def test_what_has_a_time_of_its_own_keeps_it(ns: int, sequence: int) -> None:
    now = Record(b"a", Kind.FILE, 0, b"", 0, 0o644, Stamp(1, ""), ())
    assert changed(None, now, "aa", sequence, ns).stamp.ns == min(ns, limits.STAMP_NS_MADE_MAX)


@given(st.integers(10_000, 2**61), st.integers(1, 2**52), st.integers(1, 1_000))
def test_a_file_that_gets_the_time_of_an_earlier_version_gets_another_stamp(ns: int, sequence: int, apart: int) -> None:
    """In between, a node whose clock is far behind has changed it: so the previous stamp is smaller."""
    old = Record(b"a", Kind.FILE, 0, b"1", 0, 0o644, Stamp(1, ""), ())
    first = changed(None, old, "aa", sequence, ns)
    behind = changed(first, old._replace(content=b"2"), "bb", 1, ns // 2, ns // 2)
    again = changed(behind, old._replace(content=b"3"), "aa", sequence + apart, ns)
    assert behind.stamp < first.stamp != again.stamp
    assert 0 <= again.stamp.ns - ns <= 1_024
    for order in ([first, again], [again, first]):
        best = decide(order[0], [Offer("p", order[1], False)])
        assert (best.record if isinstance(best, (Take, Join)) else order[0]).content == b"3"
