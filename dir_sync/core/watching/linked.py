"""Which names one file has: what the watcher does not say of a change through one of several hard links.

In:   files that were changed, by inode; files that a look found to have one name.
Out:  the names that belonged together at the last change; whether a file is known to have one name only.
Rule: what is known of one name holds for the results of one job: a program may give the file another name at any time.
"""

from __future__ import annotations

__all__ = ["LinkedNames"]

_LINKED_MAX = 10_000  # inodes


class LinkedNames:
    """By inode: the names of files that were changed through one of several; and files with one name."""

    def __init__(self) -> None:
        self.names: dict[int, set[bytes]] = {}
        self._alone: set[int] = set()
        self._alone_ms = 0  # when (ms) that was found

    def has_one_name(self, inode: int, now_ms: int) -> None:
        """A look has found this file, and it has one name."""
        if self._alone_ms != now_ms:
            self._alone_ms, self._alone = now_ms, set()
        self._alone.add(inode)
        self.names.pop(inode, None)

    def may_have_others(self, inode: int, now_ms: int) -> bool:
        """False: the job whose results are handled now has found that the file has one name."""
        return inode != 0 and (self._alone_ms != now_ms or inode not in self._alone)

    def take(self, inode: int) -> set[bytes]:
        """The names that belonged together at the last change."""
        return self.names.pop(inode, set())

    def keep(self, inode: int, names: set[bytes]) -> None:
        """These names belong together."""
        if len(self.names) >= _LINKED_MAX:
            self.names.clear()
        self.names[inode] = names
