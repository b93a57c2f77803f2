"""What happens in all folders, while it happens: the events of their nodes, collected for the pages.

In:   streams of events of nodes, as the command `events` reads them. Out: rows, newest first, for lists that are paged through.
Rule: nodes are listened to only while a page is open. Each folder has a thread of its own, which ends within a second.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

from dir_sync.core import notes
from dir_sync.core.live_notes import TransferMoved
from dir_sync.core.model import show
from dir_sync.core.note_json import from_json
from dir_sync.network.control import Answer, NoDaemon, listen
from dir_sync.reporting.event_words import EventWords
from dir_sync.web.nodes import SharedFolder

__all__ = ["Activity", "rows_of"]

_KEPT_MAX = 10_000
_FIRST_LAST = 500  # events of the past with which a stream begins
_TICK_S = 0.5
_END_WITHIN_S = 5.0
_BAD = frozenset(
    {
        *("conflict", "loss_held", "peer_held", "still_held", "loss_held_there", "held_there", "no_room", "rotten"),
        *("skipped", "blocked", "unreadable", "cannot_write", "unfit", "cannot_restore", "bad_content", "bad_rule"),
        *("silent_change", "suspicious"),
    }
)
_KEYS = ("path", "peer", "maker", "size", "source", "changes", "files", "peers")
_ONE_OF = {"received_many": "received", "sent_many": "sent"}


class Activity:
    """Any thread."""

    def __init__(self, on_news: Callable[[], None] = lambda: None) -> None:
        """`on_news` is called, on any thread, when there are more rows."""
        self._lock = threading.Lock()
        self._on_news = on_news
        self._rows: deque[Answer] = deque(maxlen=_KEPT_MAX)
        self._last: dict[str, int] = {}  # the id of the last event of each folder
        self._listening: dict[str, tuple[threading.Thread, threading.Event]] = {}
        self.count = 0  # of all rows that ever came

    def follow(self, folders: Iterable[SharedFolder]) -> None:
        """From now on listen to the nodes of these folders, and to no others."""
        wanted = {folder.id: folder for folder in folders}
        for id_, (thread, ending) in list(self._listening.items()):
            if id_ not in wanted or not thread.is_alive():
                ending.set()
                del self._listening[id_]
        for id_, folder in wanted.items():
            if id_ not in self._listening:
                ending = threading.Event()
                thread = threading.Thread(target=self._listen, args=(folder, ending), name="activity", daemon=True)
                self._listening[id_] = thread, ending
                thread.start()

    def end(self) -> None:
        threads = [thread for thread, _ in self._listening.values()]
        self.follow(())
        for thread in threads:
            thread.join(_END_WITHIN_S)

    def rows(self, find: str = "") -> list[Answer]:
        """Newest first. `find`: only those with that text."""
        with self._lock:
            rows = list(self._rows)
        rows.reverse()
        rows.sort(key=lambda row: -float(row["time_s"]))
        wanted = find.casefold()
        return [row for row in rows if wanted in row["text"].casefold()] if wanted else rows

    def _listen(self, folder: SharedFolder, ending: threading.Event) -> None:
        since = self._last.get(folder.id)
        question: Answer = {
            "command": "events",
            "since": since,
            "last": _FIRST_LAST if since is None else None,
            "wait": True,
        }
        words = EventWords(folder.path)
        try:
            for answer in listen(folder.path, question, _TICK_S):
                if ending.is_set() or "error" in answer:
                    return
                if answer:
                    self._take(folder, rows_of(folder, answer, words), answer.get("id"))
        except (NoDaemon, OSError):
            pass  # it has ended; when another one runs, the sampler lets us listen to that

    def _take(self, folder: SharedFolder, rows: list[Answer], id_: object) -> None:
        with self._lock:
            self._rows.extend(rows)
            self.count += len(rows)
            if isinstance(id_, int):
                self._last[folder.id] = id_
        if rows:
            self._on_news()


def rows_of(folder: SharedFolder, answer: Answer, words: EventWords) -> list[Answer]:
    """An event as rows: one for each line of the log. `text` is the line; a page may say it in another language."""
    event = from_json(answer)
    if event is None or isinstance(event, TransferMoved):  # the page of transfers shows that
        return []
    time_s = float(answer.get("time", 0))
    kind = str(answer["event"])
    known = {key: answer[key] for key in _KEYS if key in answer}
    lines = words.of(event)
    each = [known] * len(lines)
    if isinstance(event, notes.ReceivedMany | notes.SentMany) and len(lines) == len(event.files):
        kind = _ONE_OF[kind]
        each = [{"path": show(path), "peer": event.peer, "size": size} for path, size in event.files]
    elif len(lines) != 1 or (isinstance(event, notes.InSync) and event.apart):  # the words of one event do not fit
        each, kind = [{}] * len(lines), ""
    return [
        {
            **one,
            **{
                "folder": folder.id,
                "time_s": time_s,
                "event": kind,
                "text": line,
                "bad": answer["event"] in _BAD,
            },
        }
        for one, line in zip(each, lines, strict=True)
    ]
