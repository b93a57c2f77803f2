"""Contents on their way to a path, and those that have come and are not in their place.

In:   transfers that begin and end; what they brought; who wants a content that is on its way to another path.
Out:  which content comes where, and what has come; marks for whoever waited for it.
Rule: of two paths that want one content, one gets it, and the other is copied from there.
Used by: work.
"""

from __future__ import annotations

from dir_sync.core.model import Record
from dir_sync.core.transfer import Fetch
from dir_sync.engine.board import Board
from dir_sync.engine.constants import READY_BYTES_MAX
from dir_sync.engine.path_jobs import PathJobs
from dir_sync.engine.retries import Retries
from dir_sync.engine.values import Ready

__all__ = ["Arrivals"]


class Arrivals:
    """Contents on their way to a path, and those that have come and are not in their place."""

    def __init__(self, board: Board, jobs: PathJobs, retries: Retries) -> None:
        self._board = board
        self._jobs = jobs
        self._retries = retries
        self._ready: dict[bytes, Ready] = {}
        self._ready_bytes = 0
        self._fetches: dict[bytes, Fetch] = {}
        self._arriving_at: dict[bytes, bytes] = {}  # content -> path that it is on its way to
        self._copies: dict[bytes, dict[bytes, None]] = {}  # that path -> others that want the same, and wait for it

    def begin_fetch(self, fetch: Fetch) -> None:
        self._fetches[fetch.target.path] = fetch
        self._arriving_at[fetch.target.content] = fetch.target.path

    def fetch(self, path: bytes) -> Fetch | None:
        return self._fetches.get(path)

    def fetches(self) -> list[tuple[bytes, Fetch]]:
        return list(self._fetches.items())

    def is_coming_to(self, path: bytes) -> bool:
        """True if a content is on its way to a path, or has come for it."""
        return path in self._fetches or path in self._ready

    @property
    def is_fetching(self) -> bool:
        return bool(self._fetches)

    def end_fetch(self, fetch: Fetch) -> None:
        path = fetch.target.path
        if self._fetches.get(path) is fetch:
            del self._fetches[path]
            self.wake_copies(path)

    def redirect_fetch(self, fetch: Fetch, target: Record) -> None:
        """What is on its way is the beginning of what is wanted now, maybe under another name."""
        old = fetch.target.path
        if self._fetches.get(old) is fetch:
            del self._fetches[old]
        fetch.target, fetch.size = target, target.size
        self.begin_fetch(fetch)
        self.wake_copies(old)

    def hand_over(self, path: bytes, target: Record) -> None:
        """What has come, or comes, to `path` is wanted under another name now."""
        fetch, ready = self._fetches.pop(path, None), self._ready.pop(path, None)
        if fetch is not None:
            fetch.target = target
            self._fetches[target.path] = fetch
        if ready is not None:
            self._ready[target.path] = ready
        self._arriving_at[target.content] = target.path
        self.wake_copies(path)

    def make_ready(self, path: bytes, ready: Ready) -> None:
        self.unready(path)
        size = 0 if ready.data is None else len(ready.data)
        if self._ready_bytes + size > READY_BYTES_MAX:
            return  # it will be pulled when its turn comes
        self._ready[path] = ready
        self._ready_bytes += size
        self._arriving_at[ready.digest] = path

    def unready(self, path: bytes, keep_file: bool = False) -> None:
        ready = self._ready.pop(path, None)
        if ready is None:
            return
        self.wake_copies(path)
        if ready.data is not None:
            self._ready_bytes -= len(ready.data)
        if ready.staged is not None and not keep_file:
            self._board.order_discard((ready.staged,))

    def ready(self, path: bytes) -> Ready | None:
        return self._ready.get(path)

    @property
    def has_ready(self) -> bool:
        return bool(self._ready)

    def is_half_full(self, size: int) -> bool:
        """True if so many bytes more would take more than half of the memory for what has come."""
        return self._ready_bytes + size > READY_BYTES_MAX // 2

    def staged_names(self) -> set[bytes]:
        return {ready.staged for ready in self._ready.values() if ready.staged is not None}

    def is_staged(self, name: bytes) -> bool:
        """True if a staging file has come for a path, or is just being put there."""
        return any(ready.staged == name for ready in self._ready.values()) or self._jobs.uses(name)

    def path_it_arrives_at(self, content: bytes) -> bytes | None:
        """The path that a content is on its way to."""
        path = self._arriving_at.get(content)
        if path is None:
            return None
        fetch, ready, doing = self._fetches.get(path), self._ready.get(path), self._jobs.applying(path)
        if (
            (fetch is not None and fetch.target.content == content)
            or (ready is not None and ready.digest == content and not self._retries.is_troubled(path))
            or (doing is not None and doing.target.content == content)
        ):
            return path
        del self._arriving_at[content]
        return None

    def expect(self, content: bytes, path: bytes) -> None:
        """A content will come to a path: by a transfer, a copy, or a job."""
        self._arriving_at[content] = path

    def is_expected(self, content: bytes) -> bool:
        return content in self._arriving_at

    def expected(self) -> list[bytes]:
        """Contents that will come, as far as is remembered."""
        return list(self._arriving_at)

    def forget_those_that_came(self) -> None:
        """No job and no transfer is under way: else each content would be remembered for good."""
        if len(self._arriving_at) > len(self._ready) and not self._fetches:
            self._arriving_at = {ready.digest: path for path, ready in self._ready.items()}

    def drop_below(self, folder: bytes) -> None:
        """Nothing can be had in a folder."""
        for path in [other for other in self._ready if other.startswith(folder + b"/")]:
            self.unready(path)

    def await_content(self, path: bytes, other: bytes) -> None:
        """The same content is on its way to another path, and is copied from there."""
        self._copies.setdefault(other, {})[path] = None

    def awaiting_content(self, path: bytes) -> list[bytes]:
        """Who waits for what is on its way to `path`."""
        return list(self._copies.get(path, ()))

    def wake_copies(self, path: bytes) -> None:
        if self._copies:
            self._board.plan_queue.update(self._copies.pop(path, {}))
