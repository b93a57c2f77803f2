"""Faults planted on purpose in what reads, writes and replaces files (see tests.sim.sabotage, which runs them)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from dir_sync.disk import SpelledDisk
from dir_sync.files import fingerprints
from dir_sync.files.batches import Batches
from dir_sync.files.downloads import Downloads
from dir_sync.files.history_store import HistoryStore
from dir_sync.files.prepare import Preparer
from dir_sync.files.replace import Match, Replacer
from tests.sim.memory_disk import MemoryDisk

__all__ = ["PLANTED"]


def _copies_unverified() -> AbstractContextManager[object]:
    def copy(self: Any, item: Any, writer: Any) -> None:
        reader = self._disk.open(item.copy_path)
        writer.copy_from(reader, 0, 0, item.target.size)
        reader.close()

    return patch.object(Preparer, "_copy", copy)


def _unexpected_is_fine() -> AbstractContextManager[object]:
    return patch.object(Replacer, "expected", lambda self, path, expect: self._disk.stat(path))


def _any_inode_will_do() -> AbstractContextManager[object]:
    return patch.object(Replacer, "compare", lambda self, name, out, there, digest: Match.SAME)


def _size_and_time_will_do() -> AbstractContextManager[object]:
    def compare(self: Any, name: bytes, out: Any, there: Any, digest: bytes) -> Match:
        return Match.SAME if fingerprints.is_same(out, there) else Match.OTHER

    return patch.object(Replacer, "compare", compare)


def _the_unread_is_known() -> AbstractContextManager[object]:
    original = Replacer.compare

    def compare(*arguments: Any) -> Match:
        match = original(*arguments)
        return Match.SAME if match is Match.UNREAD else match

    return patch.object(Replacer, "compare", compare)


def _content_unsynced() -> AbstractContextManager[object]:
    return patch.object(Batches, "_sync_files", lambda *arguments: None)


def _names_unsynced() -> AbstractContextManager[object]:
    return patch.object(Batches, "_sync_folders", lambda *arguments: None)


def _no_history() -> AbstractContextManager[object]:
    def file_away(self: Any, name: bytes, *rest: object) -> None:
        self._disk.remove_file(name)

    return patch.object(HistoryStore, "file_away", file_away)


def _resumed_unread() -> AbstractContextManager[object]:
    original = Downloads._open

    def open_stage(self: Any, job: Any) -> Any:
        stage = original(self, job)
        if stage.length:
            stage.hasher.reset()
        return stage

    return patch.object(Downloads, "_open", open_stage)


def _index_trusted_after_a_crash() -> AbstractContextManager[object]:
    def has_kept(self: Any, version: Any, digest: bytes) -> bool:
        index = self._now_ns.__self__.index  # of the node whose clock it is
        return bool(index.rows.by_content(digest)) or version is not None

    return patch.object(HistoryStore, "has_kept", has_kept)


@contextmanager
def _young_trusted() -> Iterator[None]:
    with patch.object(fingerprints, "RACY", b""):
        yield


def _root_always_here() -> AbstractContextManager[object]:
    return patch.object(MemoryDisk, "is_root_here", lambda self: True)


def _exchange_the_other_way() -> AbstractContextManager[object]:
    return patch.object(Replacer, "exchange", lambda self, path, swap, there: self._disk.exchange(swap, path))


def _any_spelling_will_do() -> AbstractContextManager[object]:
    return patch.object(SpelledDisk, "_is_listed", lambda self, path: True)


def _others_are_left_alone() -> AbstractContextManager[object]:
    return patch.object(MemoryDisk, "is_only_replaceable", lambda self, path: False)


PLANTED: dict[str, tuple[Callable[[], AbstractContextManager[object]], int]] = {
    "copies are not verified": (_copies_unverified, 400),
    "what is found is not compared with what was expected": (_unexpected_is_fine, 100),
    "what comes out of an exchange is not looked at": (_any_inode_will_do, 300),
    "what is as large and as old is what it was": (_size_and_time_will_do, 60),
    "what cannot be read is what it was": (_the_unread_is_known, 60),
    "contents are not synced": (_content_unsynced, 60),
    "names are not synced": (_names_unsynced, 100),
    "what is displaced is deleted": (_no_history, 60),
    "a resumed transfer is not read again": (_resumed_unread, 300),
    "the index is believed after a crash": (_index_trusted_after_a_crash, 300),
    "a file of the same moment is believed": (_young_trusted, 300),
    "a folder that is gone is empty": (_root_always_here, 60),
    "the last that is heard of what is replaced is that it left": (_exchange_the_other_way, 60),
    "a name is what a look by it finds": (_any_spelling_will_do, 40),
    "another user's file keeps its mode and time": (_others_are_left_alone, 60),
}
