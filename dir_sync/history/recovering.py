"""At the start of a folder: what the last run displaced and did not record is listed.

In:   the folder's index and its files. Out: versions, which the index lists from then on.
Rule: the index says that it lists the whole history only after a clean end. While that is not so, each start looks through
the history; so it is unsaid, durably, before anything goes into the history.
"""

from __future__ import annotations

from dir_sync.core.jobs import Version
from dir_sync.file_sync import FileSync
from dir_sync.folder.state import AT_REST
from dir_sync.index import Index

__all__ = ["recover_history"]


def recover_history(index: Index, sync: FileSync) -> list[Version]:
    """Record what the last run displaced and did not record. Raises DiskError; sqlite3.Error if the disk is full."""
    names = sync.prepare()
    was_at_rest = index.notes.get(AT_REST)
    found = [] if was_at_rest else sync.unlisted(index.versions.has, index.path_with)
    index.notes.put(AT_REST, 0)
    if was_at_rest and names:
        index.commit()
    found = [*found, *sync.recover(names, index.versions.with_content, index.path_with, index.file_at)]
    for version in found:
        index.versions.put(version)
    return found
