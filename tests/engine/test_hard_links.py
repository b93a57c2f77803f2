"""Names of one file: which id a look gives, which names are joined, and what is never changed in place."""

from __future__ import annotations

from typing import Any

from dir_sync.core.hard_links import file_id_of, first_said, id_now, new_id, with_id
from dir_sync.core.jobs import ApplyItem, ApplyResult, Cause, Naming, Result, TreeOp
from dir_sync.core.model import Record, fingerprint
from dir_sync.core.reconcile import Take
from dir_sync.engine.hard_links import HardLinks
from dir_sync.index import Row
from tests.engine.kit import Alone, later, record, stat

ID, OTHER_ID = "0" * 24, "1" * 24


def fp(inode: int, content: bytes = b"content") -> bytes:
    return fingerprint(stat(content, inode=inode))


def name(path: bytes, file_id: str | None = ID, content: bytes = b"content") -> Record:
    return with_id(record(path, content), file_id)


def alone(**answers: Any) -> Alone[HardLinks]:
    kit = Alone(HardLinks, answers=answers)
    kit.board.links.is_on = True
    return kit


def has(kit: Alone[HardLinks], path: bytes, inode: int, file_id: str | None = ID) -> Row:
    return kit.has(name(path, file_id), fp(inode))


def test_the_id_of_a_name() -> None:
    one, two = name(b"b", None), name(b"a", None)
    assert id_now(None, False, []) is None
    assert id_now(ID, True, []) == ID  # apart by our doing
    assert id_now(ID, False, []) == ""  # replaced by its user
    assert id_now(None, False, [one, two]) == new_id(two)
    assert id_now(None, False, [one, name(b"c", OTHER_ID)]) == OTHER_ID
    assert id_now(OTHER_ID, True, [name(b"c")]) == ID
    assert id_now("", True, [name(b"c")]) == ID


def test_the_record_that_says_so_first_is_the_same_everywhere_and_the_file_with_more_names_wins() -> None:
    found = with_id(record(b"a", b"content", node="=ab"), None)
    assert first_said(found, ID, 2) == first_said(found, ID, 2)
    assert first_said(found, ID, 3).stamp > first_said(found, OTHER_ID, 2).stamp > found.stamp


def test_another_name_of_a_known_file_gets_its_id_and_the_other_name_is_looked_at() -> None:
    kit = alone()
    row = has(kit, b"a", 7, None)
    file_id, others_differ = kit.it.id_at(name(b"b", None), fp(7), None)
    assert (file_id, others_differ) == (new_id(row.record), True)
    has(kit, b"b", 7, file_id)
    kit.it.ask_others(b"b", row.record.content, fp(7))
    assert kit.is_looked_at(b"a")
    assert kit.it.looked_at(b"a") == (row, with_id(row.record, file_id))
    assert kit.it.looked_at(b"a") is None


def test_another_content_is_no_other_name() -> None:
    kit = alone()
    has(kit, b"a", 7, None)
    assert kit.it.id_at(name(b"b", None, b"another"), fp(7, b"another"), None) == (None, False)


def test_a_name_of_a_file_that_is_here_is_linked() -> None:
    kit = alone()
    mate = has(kit, b"a", 7)
    wanted = later(mate.record, b"content")._replace(path=b"b", attributes=mate.record.attributes)
    item, take = ApplyItem(b"b", TreeOp.INSTALL, wanted, b"", Cause.REPLACED), Take(wanted, False)
    assert kit.it.link_to(item, take)
    assert kit.changes() == [(item._replace(copy_path=b"a", copy_fp=mate.fp, naming=Naming.LINK), take)]


def test_a_name_with_another_id_or_another_mode_is_not() -> None:
    kit = alone()
    has(kit, b"a", 7, OTHER_ID)
    kit.has(name(b"c")._replace(mode=0o600), fp(8))
    wanted = name(b"b")
    item = ApplyItem(b"b", TreeOp.INSTALL, wanted, b"", Cause.REPLACED)
    assert not kit.it.link_to(item, Take(wanted, False))
    assert kit.changes() == []


def test_a_file_is_not_changed_in_place_for_a_name_whose_other_name_stays_as_it_is() -> None:
    kit = alone()
    row = has(kit, b"a", 7)
    has(kit, b"b", 7)
    wanted = later(row.record, b"content")._replace(mode=0o600, attributes=row.record.attributes)
    item, take = ApplyItem(b"a", TreeOp.META, wanted, row.fp, Cause.REPLACED), Take(wanted, False)
    assert kit.it.stays_apart(row, item, take)
    apart = item._replace(act=TreeOp.INSTALL, copy_path=b"a", copy_fp=row.fp, naming=Naming.APART)
    assert kit.changes() == [(apart, take)]


def test_it_is_changed_in_place_if_all_names_are_to_be_so() -> None:
    kit = alone()
    row, other = has(kit, b"a", 7), has(kit, b"b", 7)
    wanted = later(row.record, b"content")._replace(mode=0o600, attributes=row.record.attributes)
    kit.announces(later(other.record, b"content")._replace(mode=0o600, attributes=row.record.attributes))
    item = ApplyItem(b"a", TreeOp.META, wanted, row.fp, Cause.REPLACED)
    assert not kit.it.stays_apart(row, item, Take(wanted, False))
    kit.work.jobs.begin_apply(ApplyItem(b"b", TreeOp.META, other.record, other.fp, Cause.REPLACED), None)
    assert kit.it.stays_apart(row, item, Take(wanted, False))  # it waits for the job at the other name
    assert kit.changes() == []
    assert kit.planned_later() == {b"a"}


def test_names_are_joined_to_the_file_that_has_most_of_them() -> None:
    kit = alone()
    for path, inode in ((b"a", 7), (b"b", 8), (b"c", 8)):
        has(kit, path, inode)
    kit.it.look_for_all()
    kit.it.run()
    (change,) = kit.changes()
    assert change[1] is None
    assert (change[0].path, change[0].copy_path, change[0].naming) == (b"a", b"b", Naming.JOIN)


def test_a_file_that_can_have_no_other_name_is_not_tried_again() -> None:
    kit = alone()
    has(kit, b"a", 7)
    has(kit, b"b", 8)
    kit.board.links.add(b"b")
    kit.it.run()
    ((item, _),) = kit.changes()
    kit.board.links.came_back(item, ApplyResult(b"b", Result.IMPOSSIBLE))
    kit.it.run()
    assert kit.board.links.refused == {7}
    kit.board.links.add(b"a")
    kit.it.run()
    assert [(item.path, item.copy_path) for item, _ in kit.changes()] == [(b"b", b"a")]


def test_a_file_that_was_not_as_its_row_says_is_looked_at_and_avoided() -> None:
    kit = alone()
    mate = has(kit, b"a", 7)
    has(kit, b"b", 8)
    kit.board.links.add(b"b")
    kit.it.run()
    ((item, _),) = kit.changes()
    kit.board.links.came_back(item, ApplyResult(b"b", Result.MISSING))
    kit.it.run()
    assert kit.asked("sources.avoid_source") == [(b"a", mate.fp)]
    assert kit.is_looked_at(b"a")
    assert kit.is_looked_at(b"b")


def test_a_renamed_name_takes_its_file_along_only_as_it_is() -> None:
    kit = alone()
    row = has(kit, b"a", 7)
    target = name(b"new")
    assert kit.it.may_be_moved(row, target._replace(mode=0o600))
    has(kit, b"b", 7)
    assert kit.it.may_be_moved(row, target)
    assert not kit.it.may_be_moved(row, target._replace(mode=0o600))
    assert file_id_of(target) == ID
