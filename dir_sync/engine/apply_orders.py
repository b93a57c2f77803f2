"""Changes of the tree that are to be ordered, and the jobs into which they go.

In:   changes, each with the peer whose change it carries out; jobs that came back.
Out:  apply jobs.
Rule: of one peer at most two jobs are carried out at a time, because the workers do no more for it at once. What else
comes meanwhile goes into the next job, all together: each job costs a commit and a sync of the disk.
Used by: applier.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.jobs import ApplyItem, ApplyJob, TreeOp

__all__ = ["ApplyOrders"]

_ITEMS_SHARED_MAX = (
    64  # of a job, while several peers compete: a sync of the disk for others waits for that of this job
)
_JOBS_OUT = 2  # of one peer; a job that is full is ordered at once


class ApplyOrders:
    """Changes of the tree that are to be ordered, and the jobs that are out."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[ApplyItem]] = {}  # by peer
        self.large: list[tuple[str, ApplyItem]] = []
        self._out: dict[bytes, str] = {}  # the first path of each job that is out -> its peer

    def add(self, peer: str, *items: ApplyItem) -> None:
        self.waiting.setdefault(peer, []).extend(items)

    def add_large(self, peer: str, item: ApplyItem) -> None:
        """A change that takes long: it gets a job and a worker of its own."""
        self.large.append((peer, item))

    def take(self, is_shared: bool = False) -> list[ApplyJob]:
        """Remove and return what is ordered now. `is_shared`: others wait for the disk meanwhile, so jobs are small."""
        jobs: list[ApplyJob] = []
        if not (self.waiting or self.large):
            return jobs
        for peer, items in list(self.waiting.items()):
            *full, rest = _batches(items, _ITEMS_SHARED_MAX if is_shared else limits.APPLY_ITEMS_MAX)
            jobs += [self._job(peer, batch) for batch in full]
            if rest and sum([one == peer for one in self._out.values()]) < _JOBS_OUT:
                jobs.append(self._job(peer, rest))
                rest = []
            if rest:
                self.waiting[peer] = rest
            else:
                del self.waiting[peer]
        jobs += [ApplyJob((item,), bulk=True, peer=peer) for peer, item in self.large]
        self.large.clear()
        return jobs

    def _job(self, peer: str, items: list[ApplyItem]) -> ApplyJob:
        self._out[items[0].path] = peer
        return ApplyJob(tuple(items), peer=peer)

    def came_back(self, first: bytes) -> None:
        """The job whose first change is at this path was carried out."""
        self._out.pop(first, None)


def _batches(items: list[ApplyItem], most: int) -> list[list[ApplyItem]]:
    """The changes in batches of at most `most` for one job each. All but the last are full; the last may be empty."""
    sizes = [item[2][2] if item[1] is TreeOp.INSTALL else _bytes_of(item) for item in items]
    if len(items) < most and sum(sizes) < limits.APPLY_BYTES_MAX:
        return [items]
    batches: list[list[ApplyItem]] = []
    batch: list[ApplyItem] = []
    size = 0
    for item, its_bytes in zip(items, sizes, strict=True):
        batch.append(item)
        size += its_bytes
        if len(batch) >= most or size >= limits.APPLY_BYTES_MAX:
            batches.append(batch)
            batch, size = [], 0
    return [*batches, batch]


def _bytes_of(item: ApplyItem) -> int:
    """What counts of a change for the size of its job. Only an installation writes the content. A rename reads a small file
    again (see `files.replace`), which costs about an eighth of that."""
    if item.act is TreeOp.INSTALL:
        return item.target.size
    return item.target.size // 8 if item.target.size <= limits.MIB else 0
