"""Whether a folder is paused: by a command, or by a schedule.

In:   what a person has said last (`pause`, `resume`), whether the schedule says `off` now, and the time. Out: the pause, or none.
Rule: what a person says counts more than the schedule: a pause until it is over, a resume until the schedule changes next.
A wish is kept as text, so that it survives the end of the program.
Used by: cli.headlines, cli.pausing, daemon.pausing, daemon.rehearsal, daemon.status, folder.pauses, history.story,
reporting.event_words.
"""

from __future__ import annotations

from dir_sync.core.named import NamedTuple

__all__ = ["NOTE", "NO_END", "Pause", "Wish", "judge", "overruled_until", "read_wish"]

NOTE = "paused"  # the note of the index with the wish
NO_END = 0
_UNIX_S_MAX = 1 << 40


class Pause(NamedTuple):
    """A folder is paused: nothing of it is sent or taken."""

    until_s: int  # Unix time; NO_END: until a person resumes it
    scheduled: bool = False  # by the schedule


class Wish(NamedTuple):
    """What a person has said last."""

    pauses: bool
    until_s: int  # Unix time from which it does not count any more; NO_END: it counts for good

    def counts(self, now_s: float) -> bool:
        return self.until_s == NO_END or now_s < self.until_s

    def to_text(self) -> str:
        return f"{'pause' if self.pauses else 'resume'} {self.until_s}"


def read_wish(text: object) -> Wish | None:
    """The wish of such a text; None: there is none, or the text is damaged."""
    word, _, until = text.partition(" ") if isinstance(text, str) else ("", "", "")
    if word not in ("pause", "resume") or not (until.isascii() and until.isdigit()) or int(until) > _UNIX_S_MAX:
        return None
    return Wish(word == "pause", int(until))


def judge(wish: Wish | None, off_until_s: int | None, now_s: float) -> Pause | None:
    """`off_until_s`: when the schedule goes on, Unix time; None: it does not say `off` now. None: it is not paused."""
    if wish is not None and wish.counts(now_s):
        return Pause(wish.until_s) if wish.pauses else None
    return None if off_until_s is None else Pause(off_until_s, scheduled=True)


def overruled_until(wish: Wish | None, off_until_s: int | None, now_s: float) -> int | None:
    """Until when a `resume` counts more than the schedule, which says `off` now: Unix time; NO_END: for good; None: none does."""
    if wish is None or wish.pauses or off_until_s is None or not wish.counts(now_s):
        return None
    return wish.until_s
