"""The progress of a synchronization in words, for the log, `status` and `wait`.

In:   a Progress, a Lack, a reason. Out: one short line of text, without names.
Used by: cli.headlines, cli.waiting, cli.watch_view, cli.why_words, reporting.narrator, reporting.sentences.
"""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.declined import REASONS, WORDS, Reason
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.core.progress import Progress
from dir_sync.reporting.log import how_many, human_bytes, human_seconds

__all__ = ["amount", "going_out_to", "not_taken_words", "progress_words", "time_left", "why_not"]


def progress_words(progress: Progress) -> str:
    """``12,300 of 20,001 files, 400 MB of 2.20 GB (18 %), 11.0 MB/s, 3 min left``"""
    words = []
    if progress.files:
        words.append(f"{progress.files_done:,} of {how_many(progress.files, 'file')}")
    if progress.bytes:
        percent = 100 * progress.bytes_done // progress.bytes
        words.append(f"{human_bytes(progress.bytes_done)} of {human_bytes(progress.bytes)} ({percent} %)")
    if progress.others:
        words.append(f"{progress.others_done:,} of {how_many(progress.others, 'other change')}")
    if progress.per_s:
        words.append(f"{human_bytes(progress.per_s)}/s")
    if progress.left_s is not None:
        words.append(f"{time_left(progress.left_s)} left")
    return ", ".join(words)


def going_out_to(machines: int) -> str:
    """``going out to 3 machines``: a file that all of them get counts three times."""
    return f"going out to {machines:,} machines" if machines > 1 else "going out"


def time_left(seconds: int) -> str:
    """As exact as an estimate is: whole minutes from two minutes on."""
    if seconds >= 120 and seconds < 3_600:
        return f"{round(seconds / 60)} min"
    return human_seconds(max(1, seconds))


def amount(lack: Lack) -> str:
    """``3 files (2.00 MB) and 1 other change``"""
    words = []
    if lack.files:
        words.append(f"{how_many(lack.files, 'file')} ({human_bytes(lack.bytes)})")
    if lack.others:
        words.append(how_many(lack.others, "other change"))
    return " and ".join(words) or ("nothing" if lack == NOTHING else human_bytes(lack.bytes))


def not_taken_words(reason: str, lack: Lack, limit: int = 0) -> str:
    """``takes no files above 1.00 MB: 3 files (2.00 GB)``: after the name of a node. `reason`: a value of core.declined.Reason.
    `limit`: bytes of the largest file that it takes; 0: not known."""
    least = "at least " if lack.files + lack.others >= limits.DECLINED_PATHS_MAX else ""
    return f"{why_not(reason, limit)}: {least}{amount(lack)}"


def why_not(reason: str, limit: int = 0) -> str:
    """The same, without how much it is."""
    known = REASONS.get(reason)
    if known is Reason.TOO_LARGE and limit:
        return f"takes no files above {human_bytes(limit)}"
    return "does not take" if known is None else WORDS[known]
