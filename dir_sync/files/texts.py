"""Reads texts that are kept to be merged from, and merges two of them.

In:   a `KeepTextsJob`: small files, and what each has to be; a `MergeJob`: three contents, compressed.
Out:  `TextsRead`, `Merged`. A file that is not as expected is not read; a merge that takes too long is given up.
Used by: `file_sync`.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable

from blake3 import blake3

from dir_sync.core import limits
from dir_sync.core.merging import is_text
from dir_sync.core.text_jobs import KeepTextsJob, Merged, MergeJob, Text, TextsRead
from dir_sync.ports import Disk, DiskError

__all__ = ["merge", "merge_texts", "read", "unpacked"]

_LEVEL = 1  # of compression: it is fast, and halves most texts


def read(job: KeepTextsJob, disk: Disk) -> TextsRead:
    """Read and compress each text."""
    return TextsRead(job.texts, tuple(_packed(text, disk) for text in job.texts))


def _packed(text: Text, disk: Disk) -> bytes | None:
    try:
        found = disk.read_small(text.at, limits.MERGE_BYTES_MAX)
    except DiskError:
        return None
    if found is None:
        return None
    data = found[1]
    if blake3(data).digest() != text.record.content:
        return None
    return zlib.compress(data, _LEVEL) if is_text(data) else b""


def unpacked(packed: bytes) -> bytes:
    """The text of a compressed one."""
    return zlib.decompress(packed)


def merge(job: MergeJob) -> Merged:
    """Merge two texts; None if both sides changed the same lines, or if it took too long."""
    base, winner, loser = unpacked(job.base), unpacked(job.winner), unpacked(job.loser)
    return Merged(job.path, merge_texts(base, winner, loser, limits.MERGE_MS_MAX / 1000))


def merge_texts(
    base: bytes, mine: bytes, theirs: bytes, within_s: float = 5.0, clock: Callable[[], float] = time.thread_time
) -> bytes | None:
    """The text with the changes of both sides; None if they changed the same lines, or lines side by side, or if it
    would take longer than `within_s` of CPU time."""
    from difflib import Match, SequenceMatcher  # only nodes that merge need these two

    from merge3 import Merge3

    old, ours, others = (text.splitlines(keepends=True) for text in (base, mine, theirs))
    if max(len(old), len(ours), len(others)) > limits.MERGE_LINES_MAX:
        return None
    deadline = clock() + within_s

    class Patient(SequenceMatcher[bytes]):
        """One that gives up at the deadline."""

        def find_longest_match(
            self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
        ) -> Match:
            if clock() > deadline:
                raise TimeoutError
            return super().find_longest_match(alo, ahi, blo, bhi)

    found: list[bytes] = []
    try:
        merge3 = Merge3(old, ours, others, sequence_matcher=Patient)  # type: ignore[arg-type]  # it says list, not tuple
        for what, *some in merge3.merge_groups():
            if what == "conflict":
                return None
            found += some[0]
    except TimeoutError:
        return None
    merged = b"".join(found)
    # A last line without its end may now stand in the middle.
    if any(not line.endswith((b"\n", b"\r")) for line in found[:-1]) or len(merged) > limits.MERGE_BYTES_MAX:
        return None
    return merged
