"""What this node would do with what it is told, as it says to a dry run: by the rules of this folder, and without a trace."""

from __future__ import annotations

import pytest

from dir_sync.core import limits
from dir_sync.core.attributes import Attributes
from dir_sync.core.forecast import Fate
from dir_sync.core.ignore import Rules
from dir_sync.core.messages import Rows, page_size
from dir_sync.core.mode import Mode, own_change
from dir_sync.core.model import Kind, Record
from dir_sync.core.taking import Taking
from dir_sync.core.unable import Unfit
from dir_sync.engine.forecaster import Forecaster
from dir_sync.engine.intake import Intake
from dir_sync.engine.scope import Scope
from dir_sync.index import PeerSeen
from tests.engine.kit import FOLDER, PEER, WALL_NS, Alone, later, record, tombstone


def alone() -> Alone[Forecaster]:
    return Alone(Forecaster, Scope, Intake)


def fate(kit: Alone[Forecaster], told: Record) -> Fate:
    """What would happen. Nothing has happened."""
    kit.index.commit()
    found = kit.it.outcome(told.path, ((PEER, told),))
    assert not kit.index.is_dirty
    assert kit.effects() == []
    assert not kit.planned()
    return found.fate


def test_what_is_here_page_by_page() -> None:
    kit = alone()
    for name in (b"a", b"b", b"c"):
        kit.has(record(name, name))
    kit.has(own_change(record(b"mine", b"m"), WALL_NS, 5))
    records, sequence, is_last = kit.it.rows(0, 2)
    assert ([one.path for one in records], is_last) == ([b"a", b"b"], False)
    records, sequence, is_last = kit.it.rows(sequence, 3)
    assert ([one.path for one in records], is_last) == ([b"c"], True)  # what stays on this node is nobody's
    assert sequence == kit.index.sequences.last
    assert [one.path for one in kit.it.rows(0, 9, with_own=True)[0]] == [b"a", b"b", b"c", b"mine"]


def test_a_page_fits_one_message() -> None:
    """Attributes can make few records large."""
    kit = alone()
    large = Attributes(xattrs=((b"user.x", bytes(limits.XATTRS_BYTES_MAX)),))
    for number in range(200):
        kit.has(record(b"%03d" % number, b"x")._replace(attributes=large))
    after, is_last = 0, False
    found: list[bytes] = []
    while not is_last:
        records, after, is_last = kit.it.rows(after, 1_000)
        found += [one.path for one in records]
        assert 0 < sum(map(page_size, records)) <= limits.PAGE_BYTES_MAX
        Rows(FOLDER, "ab", Mode.TWO_WAY, True, after, is_last, tuple(records)).encode()
    assert found == [b"%03d" % number for number in range(200)]


def test_a_record_that_is_larger_than_a_page_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PAGE_BYTES_MAX", 10)
    kit = alone()
    for name in (b"a", b"b"):
        kit.has(record(name, name))
    records, sequence, is_last = kit.it.rows(0, 9)
    assert ([one.path for one in records], is_last) == ([b"a"], False)
    records, sequence, is_last = kit.it.rows(sequence, 9)
    assert ([one.path for one in records], is_last) == ([b"b"], True)


def test_during_the_first_scan_nothing_is_known() -> None:
    kit = alone()
    assert kit.it.is_ready
    kit.board.scan.begin()
    assert not kit.it.is_ready


def test_each_fate() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"here")).record
    newer, older = later(mine, b"there"), record(b"a", b"other", mine.stamp.ns - 5)
    beside = record(b"a", b"beside", mine.stamp.ns + 5)
    assert fate(kit, record(b"new", b"x")) is Fate.TAKE
    assert fate(kit, newer) is Fate.TAKE
    assert fate(kit, beside) is Fate.CONFLICT
    assert fate(kit, older) is Fate.KEEP
    assert fate(kit, mine) is Fate.KEEP
    assert fate(kit, later(mine, b"here")._replace(mtime=mine.mtime, mode=mine.mode)) is Fate.SAME
    assert fate(kit, tombstone(b"a", ns=mine.stamp.ns + 5)) is Fate.ANSWER
    assert fate(kit, later(mine, None)) is Fate.TAKE


def test_what_would_be_here_then() -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"here")).record
    newer, gone = later(mine, b"there"), tombstone(b"a", ns=mine.stamp.ns + 5)
    assert kit.it.outcome(b"a", ((PEER, newer),)).record == newer
    back = kit.it.outcome(b"a", ((PEER, gone),)).record
    assert back is not None
    assert back.stamp > gone.stamp
    assert back.content == mine.content
    assert kit.it.outcome(b"a", ()).record == mine


def test_the_mode_counts() -> None:
    kit = alone()
    kit.mode_rules.mode = Mode.SEND_ONLY
    mine = kit.has(record(b"a", b"here")).record
    assert fate(kit, later(mine, b"there")) is Fate.REFUSE
    kit.mode_rules.mode = Mode.MIRROR
    assert not kit.mode_rules.knows_mesh  # it will, when it decides
    own = kit.has(own_change(record(b"own", b"here"), WALL_NS, 5)).record
    assert fate(kit, record(b"own", b"there", own.stamp.ns - 9)) is Fate.CONFLICT


def test_rules_and_obstacles_count() -> None:
    kit = alone()
    kit.real(Scope).set_rules(Rules({b"": b"*.o\n"}, defaults=False))
    assert fate(kit, record(b"x.o", b"x")) is Fate.IGNORED
    kit.real(Scope).skip(b"pipe", "not a file")
    kit.effects()
    found = kit.it.outcome(b"pipe/in", ((PEER, record(b"pipe/in", b"x")),))
    assert (found.fate, found.reason) == (Fate.BLOCKED, "pipe is in the way, and is not synchronized")
    kit.work.obstruct(b"f", Kind.OTHER)
    assert fate(kit, record(b"f", b"x")) is Fate.BLOCKED
    big = record(b"big", b"xyz")
    kit.work.unable.hold(b"big", Unfit("too large", least=2))
    assert kit.it.outcome(b"big", ((PEER, big),)).reason == "too large"


def test_the_limit_of_sizes_counts() -> None:
    """Only contents: a time, a mode, a folder or a deletion may always come."""
    kit = alone()
    kit.board.taking = Taking(most=3, large="it is larger than that")
    mine = kit.has(record(b"a", b"12345")).record
    found = kit.it.outcome(b"new", ((PEER, record(b"new", b"1234")),))
    assert (found.fate, found.record, found.reason) == (Fate.BLOCKED, None, "it is larger than that")
    assert fate(kit, record(b"new", b"123")) is Fate.TAKE
    assert fate(kit, later(mine, b"1234")) is Fate.BLOCKED
    assert fate(kit, later(mine, b"12345")._replace(mode=0o600)) is Fate.TAKE
    assert fate(kit, later(mine, None)) is Fate.TAKE


def test_the_room_is_told() -> None:
    kit = alone()
    assert kit.it.room is None
    kit.board.taking = Taking(room=-5, full="--min-free")
    assert kit.it.room == (0, "--min-free")
    kit.board.taking.measured(9, {})
    assert kit.it.room == (9, "--min-free")


@pytest.mark.parametrize("first", [None, 3])
def test_a_deletion_of_the_first_contact_deletes_nothing(first: int | None) -> None:
    kit = alone()
    mine = kit.has(record(b"a", b"here", node="=0123", count=1)).record
    kit.index.peers.put(PEER, PeerSeen(0, first))
    gone = later(mine, None)
    assert fate(kit, gone) is (Fate.ANSWER if first is None else Fate.TAKE)
