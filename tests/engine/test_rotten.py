"""Files that are known to have gone bad: how long, under which names, and what becomes of looks at them."""

from __future__ import annotations

from dir_sync.core import limits, notes
from dir_sync.core.looks import Listing, MadeDelta, Seen
from dir_sync.core.model import NS_PER_S, Kind, Record, Stat, fingerprint
from dir_sync.core.verify import Checked, Item, Outcome
from dir_sync.engine import rotten
from dir_sync.engine.rotten import RottenFiles
from tests.engine.kit import WALL_NS, Alone, record, seen, stat

GOOD, BAD = b"good", b"baad"
THERE = stat(BAD, inode=7)
FP = fingerprint(THERE)
LATER = THERE._replace(ctime=THERE.ctime + 5)


def made() -> Alone[RottenFiles]:
    return Alone(RottenFiles)


def with_rot(kit: Alone[RottenFiles], *paths: bytes, heals: bool = False) -> Record:
    paths = paths or (b"a",)
    for path in paths:
        kit.has(record(path, GOOD), FP)
    found = record(paths[0], GOOD)
    kit.it.read([checked(found, Outcome.ROTTEN)], heals)
    return found


def checked(found: Record, outcome: Outcome, fp: bytes = FP) -> Checked:
    item = Item(found.path, Kind.FILE, fp, found.size, found.content)
    return Checked(item, outcome, record(b"x", BAD).content if outcome is Outcome.ROTTEN else b"")


def look(path: bytes = b"a", data: bytes = BAD, there: Stat = LATER) -> Seen:
    return seen(path, data)._replace(fp=fingerprint(there), mtime=there.mtime)


def known(kit: Alone[RottenFiles]) -> list[bytes]:
    return [path for path, _, _ in kit.it.known()]


def test_the_bad_bytes_are_seen_as_the_recorded_ones_under_each_name() -> None:
    kit = made()
    good = with_rot(kit)
    for path in (b"a", b"new"):
        found = kit.it.as_recorded(look(path))
        assert (found.content, found.data, found.fp) == (good.content, None, fingerprint(LATER))
    assert kit.it.take_again() == [], "it was only listed"


def test_what_is_to_be_healed_is_healed_under_its_new_fingerprint() -> None:
    kit = made()
    good = with_rot(kit, heals=True)
    kit.it.read([checked(good, Outcome.ROTTEN)], False)  # somebody else only wants to know
    kit.it.as_recorded(look(b"new"))
    (again,) = kit.it.take_again()
    assert (again.item.path, again.item.fp, again.item.content) == (b"new", fingerprint(LATER), good.content)
    assert kit.it.take_again() == []


def test_a_delta_from_bad_bytes_is_dropped() -> None:
    kit = made()
    with_rot(kit)
    delta = MadeDelta(b"delta", b"b", b"c", 3)
    assert kit.it.as_recorded(look()._replace(delta=delta)).delta is None
    assert kit.calls == [("deltas_out.drop_delta", delta)]


def test_other_bytes_another_time_size_or_inode_are_edits() -> None:
    kit = made()
    with_rot(kit)
    edits = [
        look(data=b"edit"),
        look(there=LATER._replace(mtime=LATER.mtime + 1)),
        look(there=LATER._replace(inode=8)),
        look(there=LATER._replace(size=5)),
    ]
    assert [kit.it.as_recorded(one) for one in edits] == edits


def test_it_is_known_until_it_is_good_or_healed_and_after_a_restart() -> None:
    for end in ("good", "healed", ""):
        kit = made()
        good = with_rot(kit)
        assert list(RottenFiles(kit.board, kit.it._deltas_out).known()) == [(b"a", WALL_NS // NS_PER_S, False)]
        if end == "good":
            kit.it.read([checked(good, Outcome.SAME)], False)
        elif end == "healed":
            kit.index.rows.set_fp(b"a", fingerprint(stat(GOOD, inode=9)))
            kit.it.healed(FP)
        assert known(kit) == ([] if end else [b"a"])
        assert known(Alone(RottenFiles)) == []
        kit.index.commit()
        assert [path for path, _, _ in RottenFiles(kit.board, kit.it._deltas_out).known()] == ([] if end else [b"a"])


def test_an_edited_file_is_not_known_to_be_bad() -> None:
    kit = made()
    with_rot(kit)
    kit.has(record(b"a", b"edit"), fingerprint(stat(b"edit", inode=7)))
    assert known(kit) == []


def test_the_other_names_of_a_healed_file_are_looked_at() -> None:
    kit = made()
    with_rot(kit, b"a", b"b", b"c")
    kit.has(record(b"other", GOOD), fingerprint(stat(GOOD, inode=12)))
    kit.index.rows.set_fp(b"a", fingerprint(stat(GOOD, inode=9)))
    kit.it.healed(FP)
    assert [path in kit.board.pending_looks for path in (b"a", b"b", b"c", b"other")] == [False, True, True, False]
    assert known(kit) == [b"b", b"c"]
    assert kit.it.is_bad(fingerprint(LATER))


def test_a_name_with_the_same_ctime_and_the_recorded_content_proves_that_nobody_changed_it() -> None:
    kit = made()
    good = record(b"a", GOOD)
    kit.has(good, FP)
    edit = look()
    assert kit.it.as_recorded(edit) == edit, "a program may have put the time back"
    kit.has(record(b"b", GOOD), fingerprint(LATER))
    assert kit.it.as_recorded(edit).content == good.content
    assert kit.told() == [notes.Rotten(b"a", 4)]
    assert known(kit) == [b"a", b"b"]


def test_with_very_many_those_that_are_others_by_now_are_forgotten() -> None:
    kit = made()
    for number in range(rotten._MOST + 1):
        found = record(b"%d" % number, GOOD)
        fp = fingerprint(stat(BAD, inode=100 + number))
        kit.has(found, fp)
        kit.it.read([checked(found, Outcome.ROTTEN, fp)], False)
    assert len(known(kit)) == rotten._MOST
    kit.index.rows.forget(b"0")
    kit.it.read([checked(found, Outcome.ROTTEN, fp)], False)
    assert b"%d" % rotten._MOST in known(kit)


def test_a_listing_that_has_read_bad_bytes_under_a_new_name() -> None:
    kit = made()
    good = with_rot(kit)
    listing = Listing(b"", [], seen=(look(b"new"), look(b"edit", b"edit")))
    assert [one.content for one in kit.it.listed_as_recorded(listing).seen] == [
        good.content,
        look(data=b"edit").content,
    ]


def test_of_a_large_file_another_name_proves_nothing() -> None:
    """Its row may have got that ctime without being read: a program may have written to the file, and put the time back."""
    kit = made()
    size = limits.LARGE_FILE_BYTES
    there, later = THERE._replace(size=size), LATER._replace(size=size)
    kit.has(record(b"a", GOOD)._replace(size=size), fingerprint(there))
    kit.has(record(b"b", GOOD)._replace(size=size), fingerprint(later))
    edit = look()._replace(size=size, fp=fingerprint(later))
    assert kit.it.as_recorded(edit) == edit
    assert kit.told() == []
