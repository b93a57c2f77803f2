"""Routes about files and their old versions: lists of both, page by page, one file's timeline, restoring.

In:   questions of the pages. Out: rows of lists; the histories of this node and of its peers, as the command `history` has them.
Rule: a list that is paged through stays the same meanwhile: it is made at its first page, and kept for a while.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from dir_sync.cli.ignoring import rules_above
from dir_sync.cli.why import story_of
from dir_sync.cli.why_words import render
from dir_sync.config import ConfigError
from dir_sync.core import limits
from dir_sync.core.kind_words import KIND_WORDS
from dir_sync.core.model import Kind, Stat, show, show_text
from dir_sync.core.parents import parents_of
from dir_sync.disk import RealDisk
from dir_sync.history.choice import Entry
from dir_sync.history.client import HistoryClient, open_history
from dir_sync.history.words import full
from dir_sync.network.control import Answer
from dir_sync.ports import DiskError
from dir_sync.web.replies import Asked, get, key_of, path_of, post
from dir_sync.web.routes.ignoring import rule_row
from dir_sync.web.texts import BEGINNING_BYTES, decoded

__all__ = ["ROUTES", "Lists", "entry_of", "is_text_now", "version_row"]

T = TypeVar("T")

_FOUND_MAX = 10_000  # names that a search finds
_KEPT_S = 300.0
_LISTS_MAX = 16


class Lists:
    """The lists that pages are going through. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], tuple[float, list[Any]]] = OrderedDict()

    def rows(self, key: tuple[str, ...], is_first_page: bool, make: Callable[[], list[T]]) -> list[T]:
        now_s = time.monotonic()
        with self._lock:
            made_s, rows = self._kept.get(key, (-_KEPT_S, []))
        if is_first_page or now_s - made_s >= _KEPT_S:
            rows = make()
            with self._lock:
                self._kept[key] = now_s, rows
                self._kept.move_to_end(key)
                while len(self._kept) > _LISTS_MAX:
                    self._kept.popitem(last=False)
        return rows


_LISTS = Lists()


def _page(
    asked: Asked, what: str, words: tuple[str, ...], make: Callable[[], list[T]], row: Callable[[T], Answer]
) -> Answer:
    offset, most = asked.page()
    rows = _LISTS.rows((asked.shared.id, what, *words), offset == 0, make)
    return {"count": len(rows), "offset": offset, "rows": [row(one) for one in rows[offset : offset + most]]}


# --- what is here -------------------------------------------------------------------------------------------------------


def _files(asked: Asked) -> Answer:
    at = path_of(asked.query.get("dir", ""), whole=True)
    text = asked.find
    folder = asked.shared.path

    def make() -> list[tuple[bytes, Stat]]:
        return _found(folder, at, text) if text else _listed(folder, at)

    answer = _page(asked, "files", (key_of(at), text), make, _file_row)
    above = [*reversed(parents_of(at)), at] if at else []
    return answer | {"above": [{"key": key_of(one), "name": full(one.rpartition(b"/")[2])} for one in above]}


def _listed(folder: str, at: bytes) -> list[tuple[bytes, Stat]]:
    disk = RealDisk(folder)
    try:
        found = disk.list(at)
    finally:
        disk.close()
    if found is None:
        raise ConfigError(f"{show(at)} is not a folder now")
    prefix = at + b"/" if at else b""
    return sorted(
        ((prefix + name, stat) for name, stat in found if name != limits.RESERVED_NAME),
        key=lambda one: (one[1].kind != Kind.DIRECTORY, one[0].lower(), one[0]),
    )


def _found(folder: str, at: bytes, text: str) -> list[tuple[bytes, Stat]]:
    """Entries below with that text in their names, in any case of letters."""
    wanted = text.casefold()
    found: list[tuple[bytes, Stat]] = []
    ahead = [at]
    disk = RealDisk(folder)
    try:
        while ahead and len(found) < _FOUND_MAX:
            here = ahead.pop()
            prefix = here + b"/" if here else b""
            try:
                entries = disk.list(here) or []
            except DiskError:
                continue
            for name, stat in entries:
                if name == limits.RESERVED_NAME:
                    continue
                if wanted in show(name).casefold():
                    found.append((prefix + name, stat))
                if stat.kind == Kind.DIRECTORY:
                    ahead.append(prefix + name)
    finally:
        disk.close()
    return sorted(found[:_FOUND_MAX])


def _file_row(one: tuple[bytes, Stat]) -> Answer:
    path, stat = one
    return {
        "key": key_of(path),
        "name": full(path.rpartition(b"/")[2]),
        "path": full(path),
        "kind": KIND_WORDS[stat.kind],
        "size": stat.size,
        "mtime_ms": stat.mtime // 10**6,
    }


# --- what was here ------------------------------------------------------------------------------------------------------


def _history(asked: Asked) -> Answer:
    text = asked.find

    def make() -> list[Entry]:
        with open_history(asked.shared.path) as client:
            wanted = text.casefold()
            entries = client.entries()
            return [one for one in entries if wanted in full(one.version.path).casefold()] if text else entries

    return _page(asked, "history", (text,), make, version_row)


def version_row(entry: Entry) -> Answer:
    version = entry.version
    return {
        "id": entry.id,
        "key": key_of(version.path),
        "path": full(version.path),
        "kind": KIND_WORDS[version.kind],
        "size": version.size,
        "mtime_ms": version.mtime // 10**6,
        "until_ms": version.time_ns // 10**6,
        "why": version.why.value,
        "by": show_text(entry.by),
        "on": show_text(entry.on),
        "here": not entry.holder,
    }


def _timeline(asked: Asked) -> Answer:
    path = asked.path
    with open_history(asked.shared.path) as client:
        entries = [one for one in client.entries(path) if one.version.path == path]
        now = client.stat(path)
    return {
        "path": full(path),
        "key": key_of(path),
        "now": None if now is None else _file_row((path, now)),
        "text": is_text_now(asked.shared.path, path, now),
        "ignored": _ignored(asked.shared.path, path, now),
        "versions": [version_row(one) for one in entries],
    }


def is_text_now(folder: str, path: bytes, now: Stat | None) -> bool:
    """False if what is there now begins like something else than text, so that no lines can be compared with it."""
    if now is None or now.kind != Kind.FILE:
        return True
    disk = RealDisk(folder)
    try:
        reader = disk.open(path)
        try:
            data = reader.read(0, BEGINNING_BYTES)
        finally:
            reader.close()
    except DiskError:
        return True  # whoever asks for it hears why it cannot be read
    finally:
        disk.close()
    return decoded(data, len(data) < BEGINNING_BYTES) is not None


def _ignored(folder: str, path: bytes, now: Stat | None) -> Answer | None:
    """The rule by which a path is not shared; None: it is."""
    rule = rules_above(os.fsencode(folder), path).rule_for(path, now is not None and now.kind == Kind.DIRECTORY)
    return None if rule is None else rule_row(rule)


def _why(asked: Asked) -> Answer:
    """The story of a path, in the words of the command `why`."""
    path = asked.path
    with open_history(asked.shared.path) as client:
        _, told = story_of(client, os.fsdecode(path))
    told["folder"] = asked.shared.shown
    return {"lines": render(told, asked.shared.path, os.fsdecode(path)), "waits": len(told["waits"])}


def _restore(asked: Asked) -> Answer:
    path, id_ = path_of(asked.text("path")), asked.text("version")
    with open_history(asked.shared.path) as client:
        entry = entry_of(client, path, id_)
        client.check(entry)
        is_news = client.restore(entry)
        client.finish()
    return {"restored": is_news, "path": full(path)}


def entry_of(client: HistoryClient, path: bytes, id_: str) -> Entry:
    """The version of a path that has that id. ConfigError if it is gone."""
    for one in client.entries(path):
        if one.version.path == path and one.id == id_:
            return one
    raise ConfigError(client.none_of(show(path)))


ROUTES = [
    get("/api/folders/{folder}/files", _files),
    get("/api/folders/{folder}/history", _history),
    get("/api/folders/{folder}/timeline", _timeline),
    get("/api/folders/{folder}/why", _why),
    post("/api/folders/{folder}/restore", _restore),
]
