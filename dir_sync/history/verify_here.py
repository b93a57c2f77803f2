"""What `verify` does while no node runs: what is here is read again, and compared with the index. Nobody else is asked.

In:   a folder. Out: the answer that a node gives to `verify`, now and then while it reads, and at last with what was found.
Rule: it changes nothing. While it reads, the lock of the index prevents any node from starting.
Used by: cli.verifying.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from dir_sync.config import ConfigError
from dir_sync.core import limits
from dir_sync.core.model import FINGERPRINT_BYTES, show, show_text
from dir_sync.core.verify import Checked, Entry, Item, Outcome, Verified, VerifyJob, compare, entry_of
from dir_sync.disk import RealDisk, truthful
from dir_sync.file_sync import FileSync
from dir_sync.history.restorer import NoSignatures
from dir_sync.history.source import index_unless_a_node_runs
from dir_sync.index import Index
from dir_sync.network.control import Answer

__all__ = ["verify_here"]

_ROWS = 500  # at a time
_LISTED_MAX = 1_000


def verify_here(folder: str) -> Iterator[Answer]:
    """Nothing if a node runs. ConfigError if the folder was never shared, or if something else has its lock."""
    if not os.path.isfile(os.path.join(folder, ".dir_sync", "index.db")):
        raise ConfigError(
            f"{show(os.fsencode(folder))} was never shared from here: there is no index to compare it with"
        )
    with index_unless_a_node_runs(folder) as index:
        if index is None:
            return
        disk = RealDisk(folder)
        try:
            yield from _read(index, FileSync(truthful(disk), lambda _: True, NoSignatures(), time.time_ns, "verify"))
        finally:
            disk.close()


def _read(index: Index, reader: FileSync) -> Iterator[Answer]:
    names = {name for key, name in index.notes.below("name ").items() if key != index.identity.replica}
    files, size = index.rows.count_live()
    answer: Answer = {
        **{"number": 0, "over": False, "again": 0, "entries": 0, "bytes": 0, "files": files, "size": size, "peers": []},
        **{"away": sorted(show_text(str(name)) for name in names), "found": 0, "findings": [], "healed": []},
        **{"kept_apart": 0, "apart": []},
    }
    yield answer
    wrong: dict[bytes, Entry] = {}
    after = b""
    while rows := index.tree.live_from(after, _ROWS):
        items = [Item(row.record.path, row.record.kind, row.fp, row.record.size, row.record.content) for row in rows]
        after = items[-1].path
        # one that was not looked at to its end has no fingerprint
        checked = [Checked(item, Outcome.CHANGED) for item in items if len(item.fp) < FINGERPRINT_BYTES]
        left = tuple(item for item in items if len(item.fp) >= FINGERPRINT_BYTES)
        while left:
            done = reader.perform(VerifyJob("", left, limits.VERIFY_SLICE_BYTES))
            assert isinstance(done, Verified)
            left = left[len(done.checked) :]
            checked += done.checked
            answer["bytes"] += done.read
            answer["entries"] += len(done.checked)
            yield answer
        wrong |= {one.item.path: entry_of(one) for one in checked if one.outcome is not Outcome.SAME}
    found = compare(wrong, {})
    answer["found"], answer["over"] = len(found), True
    answer["findings"] = [{"path": show(one.path), "what": one.what.value, "at": ""} for one in found[:_LISTED_MAX]]
    yield answer
