"""Who made the version that lost a conflict: from the journal, or because only one other machine was ever here."""

from __future__ import annotations

from random import Random

from dir_sync.core.attributes import Attributes
from dir_sync.core.jobs import Cause, Version
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.history.answers import with_makers
from dir_sync.history.codec import id_of, packed
from dir_sync.history.sides import makers_of_losers
from dir_sync.index import Index, PeerSeen
from tests.ends import closed_at_end

ANNA, BOB, CAROL = "aa" * 8, "bb" * 8, "cc" * 8


def record(content: bytes, maker: str, path: bytes = b"f") -> Record:
    return Record(path, Kind.FILE, 1, content * 32, 1, 0o644, Stamp(1, maker), ((maker, 1),))


def lost(content: bytes, path: bytes = b"f", why: Cause = Cause.CONFLICT) -> Version:
    return Version(b"v", path, Kind.FILE, 1, content * 32, 1, 0o644, 9, why, CAROL)


def index_with(*peers: str) -> Index:
    index = closed_at_end(Index(":memory:", Random(1)))
    for peer in peers:
        index.peers.put(peer, PeerSeen(1, 1))
    return index


def test_the_journal_says_who_made_it() -> None:
    index = index_with(BOB, CAROL)
    base, bobs, carols = record(b"x", ANNA), record(b"b", BOB), record(b"c", CAROL)
    for now, before in ((base, None), (bobs, base), (record(b"o", ANNA, b"other"), None), (carols, bobs)):
        index.journal.write(now, before, 1)
    loser, first = lost(b"b"), lost(b"x")
    assert makers_of_losers(index, [loser, first, lost(b"x", why=Cause.REPLACED)], []) == {
        id_of(loser): BOB,
        id_of(first): ANNA,
    }
    assert makers_of_losers(index, [], [lost(b"o", b"other")]) == {}, "that is what is there now"


def test_the_index_says_who_made_what_is_there_now() -> None:
    index = index_with(BOB, CAROL)
    loser = lost(b"b")
    index.rows.put(record(b"n", BOB), b"")
    index.rows.put(record(b"o", CAROL, b"other"), b"")
    answer = {"versions": [packed(loser)], "peers": [{"node": BOB, "versions": [packed(lost(b"x", b"gone"))]}]}
    assert with_makers(index, answer)["winners"] == {"f": BOB}


def test_what_the_only_other_machine_keeps_is_of_that_one() -> None:
    loser = lost(b"b")
    assert makers_of_losers(index_with(BOB), [], [loser]) == {id_of(loser): BOB}
    assert makers_of_losers(index_with(BOB), [loser], [loser]) == {}, "it may be of this machine"
    assert makers_of_losers(index_with(BOB, CAROL), [], [loser]) == {}
    assert makers_of_losers(index_with(), [], []) == {}


def test_who_changed_only_attributes_made_that_version() -> None:
    """Its content is that of a version which another machine made."""
    index = index_with(BOB)
    base = record(b"x", ANNA)
    for now, before in ((base, None), (record(b"n", ANNA), base)):
        index.journal.write(now, before, 1)
    for loser in (lost(b"x")._replace(mode=0o600), lost(b"x")._replace(mtime=2)):
        assert makers_of_losers(index, [], [loser]) == {id_of(loser): BOB}
        assert makers_of_losers(index, [loser], []) == {id_of(loser): ANNA}, "kept here: its content is all there is"
    said = base._replace(attributes=Attributes(xattrs=((b"user.k", b"one"),)), path=b"g")
    for now, before in ((said, None), (record(b"n", ANNA, b"g"), said)):
        index.journal.write(now, before, 1)
    for value, maker in ((b"one", ANNA), (b"two", BOB)):
        loser = lost(b"x", b"g")._replace(attributes=Attributes(xattrs=((b"user.k", value),)))
        assert makers_of_losers(index, [], [loser]) == {id_of(loser): maker}
