"""Contents on their way to a path, and contents that arrived and are not installed yet.

In:   transfers that begin and end; the contents they brought; paths that want a content on its way to another path.
Out:  which content is on its way to which path, which ones arrived; marks for the paths that waited for one.
Rule: if two paths want one content, it is fetched for one and copied to the other.
Used by: work, folder_waits.
"""

from __future__ import annotations

from collections.abc import Iterator

from dir_sync.core.model import Record
from dir_sync.core.transfers.transfer import Fetch
from dir_sync.engine.board import Board
from dir_sync.engine.constants import READY_BYTES_MAX
from dir_sync.engine.expected import Copies, Expected
from dir_sync.engine.path_jobs import PathJobs
from dir_sync.engine.path_work import PathTable
from dir_sync.engine.retries import Retries
from dir_sync.engine.values import Ready

__all__ = ["Arrivals"]


class Arrivals:
    """Contents on their way to a path, and contents that arrived and are not installed yet."""

    def __init__(
        self, board: Board, paths: PathTable, jobs: PathJobs, retries: Retries, expected: Expected, copies: Copies
    ) -> None:
        self._board = board
        self._paths = paths
        self._jobs = jobs
        self._retries = retries
        self._expected = expected
        self._copies = copies
        self.fetching: dict[bytes, None] = {}  # paths with a transfer, in the order in which they began
        self._come: dict[bytes, None] = {}  # paths whose content has arrived, in the order of arrival
        self._ready_bytes = 0

    def begin_fetch(self, fetch: Fetch) -> None:
        self._set_fetch(fetch.target.path, fetch)
        self._expected.add(fetch.target.content, fetch.target.path)

    def _set_fetch(self, path: bytes, fetch: Fetch | None) -> None:
        self._paths.at(path).fetch = fetch
        if fetch is not None:
            self.fetching[path] = None
        else:
            del self.fetching[path]
            self._paths.touch(path)

    def fetch(self, path: bytes) -> Fetch | None:
        entry = self._paths.get(path)
        return None if entry is None else entry.fetch

    def fetches(self) -> list[tuple[bytes, Fetch]]:
        found = ((path, self.fetch(path)) for path in self.fetching)
        return [(path, fetch) for path, fetch in found if fetch is not None]

    def is_coming_to(self, path: bytes) -> bool:
        """True if a content is being fetched for this path, or has arrived for it."""
        entry = self._paths.get(path)
        return entry is not None and (entry.fetch is not None or entry.ready is not None)

    @property
    def is_fetching(self) -> bool:
        return bool(self.fetching)

    def end_fetch(self, fetch: Fetch) -> None:
        path = fetch.target.path
        if self.fetch(path) is fetch:
            self._set_fetch(path, None)
            self._copies.wake(path)

    def redirect_fetch(self, fetch: Fetch, target: Record) -> None:
        """Continue a transfer for a newer version that begins with the content being fetched, possibly under another
        name."""
        old = fetch.target.path
        if self.fetch(old) is fetch:
            self._set_fetch(old, None)
        fetch.target, fetch.size = target, target.size
        self.begin_fetch(fetch)
        self._copies.wake(old)

    def hand_over(self, path: bytes, target: Record) -> None:
        """Give up `path` as the destination: its content is wanted at another path now."""
        fetch, ready = self.fetch(path), self.ready(path)
        if fetch is not None:
            self._set_fetch(path, None)
            fetch.target = target
            self._set_fetch(target.path, fetch)
        if ready is not None:
            self._set_ready(path, None)
            self._set_ready(target.path, ready)
        self._expected.add(target.content, target.path)
        self._copies.wake(path)

    def make_ready(self, path: bytes, ready: Ready) -> None:
        self.unready(path)
        size = 0 if ready.data is None else len(ready.data)
        if self._ready_bytes + size > READY_BYTES_MAX:
            return  # the file is copied or fetched again when its path is planned
        self._set_ready(path, ready)
        self._ready_bytes += size
        self._expected.add(ready.digest, path)

    def _set_ready(self, path: bytes, ready: Ready | None) -> None:
        self._paths.at(path).ready = ready
        if ready is not None:
            self._come[path] = None
        else:
            del self._come[path]
            self._paths.touch(path)

    def unready(self, path: bytes, keep_file: bool = False) -> None:
        ready = self.ready(path)
        if ready is None:
            return
        self._set_ready(path, None)
        self._copies.wake(path)
        if ready.data is not None:
            self._ready_bytes -= len(ready.data)
        if ready.staged is not None and not keep_file:
            self._board.order_discard((ready.staged,))

    def ready(self, path: bytes) -> Ready | None:
        entry = self._paths.get(path)
        return None if entry is None else entry.ready

    def is_ready(self, path: bytes) -> bool:
        return path in self._come

    def all_ready(self) -> list[tuple[bytes, Ready]]:
        """The contents that have come, by path."""
        found = ((path, self.ready(path)) for path in self._come)
        return [(path, ready) for path, ready in found if ready is not None]

    @property
    def has_ready(self) -> bool:
        return bool(self._come)

    def is_half_full(self, size: int) -> bool:
        """True if `size` more bytes would fill more than half of the memory reserved for arrived contents."""
        return self._ready_bytes + size > READY_BYTES_MAX // 2

    def staged_names(self) -> set[bytes]:
        return {ready.staged for _, ready in self.all_ready() if ready.staged is not None}

    def is_staged(self, name: bytes) -> bool:
        """True if this staging file holds the content of a path, or is being installed just now."""
        return any(ready.staged == name for _, ready in self.all_ready()) or self._jobs.uses(name)

    def path_it_arrives_at(self, content: bytes) -> bytes | None:
        """The path for which a content is being fetched; None if there is none."""
        path = self._expected.path_of(content)
        if path is None:
            return None
        fetch, ready, doing = self.fetch(path), self.ready(path), self._jobs.applying(path)
        if (
            (fetch is not None and fetch.target.content == content)
            or (ready is not None and ready.digest == content and not self._retries.is_troubled(path))
            or (doing is not None and doing.target.content == content)
        ):
            return path
        self._expected.remove(content)
        return None

    def forget_those_that_came(self) -> None:
        """Forget expected contents. Called when no job and no transfer is active; otherwise the table would only
        grow."""
        if len(self._expected) > len(self._come) and not self.fetching:
            self._expected.replace({ready.digest: path for path, ready in self.all_ready()})

    def drop_below(self, folder: bytes) -> None:
        """Drop everything that is wanted below a folder in which nothing can be installed."""
        for path in [other for other in self._come if other.startswith(folder + b"/")]:
            self.unready(path)

    def check(self) -> Iterator[str]:
        """Yield each invariant that is violated between two turns."""
        size = 0
        for path, entry in self._paths.items():
            if (entry.fetch is not None) != (path in self.fetching) or (entry.ready is not None) != (
                path in self._come
            ):
                yield f"{path!r} is in the list of transfers or of contents, and has none, or the other way round"
            if entry.fetch is not None and entry.fetch.target.path != path:
                yield f"the transfer to {path!r} is one to {entry.fetch.target.path!r}"
            if entry.fetch is not None and entry.fetch.peer not in self._board.peers:
                yield f"what comes to {path!r} comes from {entry.fetch.peer}, who is not connected"
            if entry.ready is not None and entry.ready.data is not None:
                size += len(entry.ready.data)
            is_coming = entry.fetch is not None or entry.ready is not None or self._jobs.is_at(path)
            if entry.copies is not None and not is_coming:
                yield f"{min(entry.copies)!r} waits for what comes to {path!r}, and nothing does"
        if size != self._ready_bytes:
            yield f"{size} bytes in memory are counted as {self._ready_bytes}"
