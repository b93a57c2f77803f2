"""Times of folders: set when all is calm, and announced once more when people have worked in them."""

from __future__ import annotations

from dir_sync.core.jobs import ApplyItem, ApplyJob, Cause, TreeOp
from dir_sync.core.messages import ModificationUpdate
from dir_sync.engine.folder_times import FolderTimes
from dir_sync.engine.publisher import Publisher
from tests.engine.kit import OTHER, PEER, Alone, folder, record


def test_times_are_set_children_first_and_only_of_folders_that_are_here_and_free() -> None:
    kit = Alone(FolderTimes)
    for path in (b"d", b"d/e", b"busy"):
        kit.has(folder(path))
    kit.has(record(b"file", b"1"))
    kit.work.jobs.begin_apply(ApplyItem(b"busy", TreeOp.META, folder(b"busy"), b"", Cause.REPLACED), None)
    for path in (b"d", b"d/e", b"busy", b"file", b"gone"):
        kit.it.set_later(path, 7)
    kit.it.set_mtimes()
    assert [(item.path, item.mtime) for job in kit.out(ApplyJob) for item in job.items] == [(b"d/e", 7), (b"d", 7)]
    assert kit.work.jobs.is_at(b"d")
    kit.effects()
    kit.it.set_mtimes()
    assert kit.effects() == []


def test_a_time_that_is_not_as_told_is_announced_to_who_has_asked() -> None:
    kit = Alone(FolderTimes)
    for node, asks in ((PEER, True), (OTHER, False)):
        kit.real(Publisher).peer_came(kit.connects(node, asks))
    kit.it.mark_active(b"d", 5)
    kit.it.mark_active(b"same", 6)
    kit.it.mark_active(b"unknown", None)
    assert kit.it.begin_checks() == [b"d", b"same", b"unknown"]
    for path in (b"d", b"same", b"unknown", b"another"):
        kit.it.checked(path, 6)
    kit.it.announce_mtimes()
    (update,) = kit.said(PEER)
    assert isinstance(update, ModificationUpdate)
    assert update.times == ((b"d", 6), (b"unknown", 6))
    assert kit.said(OTHER) == []
    kit.effects()
    kit.it.announce_mtimes()
    assert kit.effects() == []


def test_what_was_told_last_is_remembered_while_more_happens() -> None:
    kit = Alone(FolderTimes)
    kit.it.mark_active(b"d", 5)
    kit.it.mark_active(b"d", None)
    assert kit.it.active_folders == {b"d": 5}
    kit.it.mark_active(b"", 5)
    assert b"" not in kit.it.active_folders
