"""Text about the history: times, the table of versions, what an undo does.

In:   answers of a HistoryClient, and times as people type them. Out: lines; names are escaped, and never cut.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

from dir_sync.config import USAGE, ConfigError
from dir_sync.core.model import Kind, show
from dir_sync.core.names import HISTORY
from dir_sync.history.choice import Entry
from dir_sync.history.codec import bytes_of
from dir_sync.network.control import Answer
from dir_sync.reporting.log import how_many, human_bytes

__all__ = ["NAMED_MAX", "describe_undo", "full", "local", "moment", "summary", "table"]

NAMED_MAX = 20  # paths that are named one by one; the others are counted

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_PATH_CHARS_MAX = 32_768  # longer than any escaped path: a printed path can be typed again


def moment(text: str, now_ns: int) -> int:
    """A typed time in ns: `10m` (ago; s, m, h, d, w), `14:30`, `2026-11-21`, `2026-11-21 14:30[:05]` (or with a T in
    between); local time. ConfigError."""
    ago = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    if ago:
        return now_ns - int(ago[1]) * _UNITS_S[ago[2]] * 10**9
    wanted = text.replace("T", " ") if re.fullmatch(r"\d{4}-\d{2}-\d{2}T[\d:]+", text) else text
    if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", wanted):
        wanted = f"{time.strftime('%Y-%m-%d', time.localtime(now_ns / 1e9))} {wanted}"
    for form in _FORMS:
        try:
            return int(time.mktime(time.strptime(wanted, form))) * 10**9
        except (ValueError, OverflowError):
            continue
    raise ConfigError(
        f"cannot read '{show(os.fsencode(text))}' as a time; examples: 10m (ago), 14:30, 2026-11-21,"
        " '2026-11-21 14:30'",
        USAGE,
    )


def local(time_ns: int) -> str:
    """Local time, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_ns / 1e9))


def full(path: bytes) -> str:
    """A whole path, escaped."""
    return show(path, _PATH_CHARS_MAX)


def table(entries: list[Entry]) -> list[str]:
    """One line for each version, under a heading."""
    rows = [("ID", "UNTIL", "WHY", "SIZE", "BY", "ON", "PATH")]
    for entry in entries:
        version = entry.version
        by = show(bytes_of(entry.by))
        size = "link" if version.kind == Kind.SYMLINK else human_bytes(version.size)
        on = show(bytes_of(entry.on))
        rows.append((entry.id, local(version.time_ns), version.why.value, size, by, on, full(version.path)))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return [
        "  ".join([*(word.ljust(width) for word, width in zip(row[:6], widths, strict=True)), row[6]]) for row in rows
    ]


def summary(lines: list[str], count: int, what: str) -> list[str]:
    """A line for each path, up to a limit; for more than one path also the sum: `count` of them are `what`
    ("restored")."""
    shown = lines[:NAMED_MAX]
    if len(lines) > NAMED_MAX:
        shown.append(f"and {len(lines) - NAMED_MAX:,} more")
    if len(lines) > 1:
        shown.append(f"{how_many(count, 'path')} {what}")
    return shown


def describe_undo(answer: Answer, asked_ns: int, dry_run: bool) -> list[str]:
    """What an undo does, a line for each path, up to a limit. `asked_ns`: since when to undo."""
    changes, left, since_ns = answer["changes"], answer["left"], answer["since_ns"]
    lost = [one for one in changes if one["lost"]]
    wanted = [one for one in changes if not one["lost"]]
    if not changes and not left:
        return [f"nothing has changed since {local(since_ns)}"]
    if since_ns > asked_ns:
        until = f"changes before {local(since_ns)}, when this node began to share the folder, are not known here"
        return [*describe_undo(answer, since_ns, dry_run), until]
    lines = []
    if wanted:
        what = "would restore" if dry_run else "restoring"
        their = "its" if len(wanted) == 1 else "their"
        lines.append(f"{what} {how_many(len(wanted), 'path')} to {their} state at {local(since_ns)}:")
    lines += [f"  {full(bytes_of(one['path']))}: {_change(one, dry_run)}" for one in wanted[:NAMED_MAX]]
    if len(wanted) > NAMED_MAX:
        lines.append(f"  and {len(wanted) - NAMED_MAX:,} more")
    if answer.get("asked_peers"):
        gone = f"of {local(since_ns)} is no longer kept here or on any connected machine"
    else:
        gone = f"of {local(since_ns)} is not kept here (no node runs here, so no other machine was asked)"
    lines += _left_alone(
        lost, lambda one: f"left as it is: the version {gone}", f"left as they are: the version {gone}"
    )
    lines += _left_alone(
        left,
        lambda one: f"left as it is: {show(bytes_of(one['by']))} has changed it since",
        "left as they are: others have changed them since",
    )
    return lines


def _change(one: Answer, dry_run: bool) -> str:
    if one["kind"] == Kind.ABSENT:
        return "will be deleted (it did not exist then)" if dry_run else "deleted (it did not exist then)"
    size = f" ({human_bytes(one['size'])})" if one["kind"] == Kind.FILE else ""
    source = bytes_of(str(one.get("source", one["path"])))
    if source != bytes_of(one["path"]):
        is_kept = source.startswith(HISTORY + b"/")
        return f"the old version{size}, with which {'a later one' if is_kept else show(source)} begins"
    if one.get("unsure"):
        return f"the old version{size}: what was appended since then is cut off"
    return f"{'the old version' if one['replaces'] else 'comes back'}{size}"


def _left_alone(some: list[Answer], words: Callable[[Answer], str], of_more: str) -> list[str]:
    lines = [f"  {full(bytes_of(one['path']))}: {words(one)}" for one in some[:NAMED_MAX]]
    if len(some) > NAMED_MAX:
        lines.append(f"  and {len(some) - NAMED_MAX:,} more: {of_more}")
    return lines
