"""Text about the history: times, the table of versions, what an undo does.

In:   answers of a HistoryClient, and times as people type them. Out: lines; names are escaped, and never cut.
"""

from __future__ import annotations

import os
import re
import time

from dir_sync.config import USAGE, ConfigError
from dir_sync.core import limits
from dir_sync.core.jobs import Version
from dir_sync.core.kind_words import KIND_WORDS
from dir_sync.core.model import FIRST_CONTACT, Kind, Stat, show
from dir_sync.core.names import is_version
from dir_sync.history.choice import Entry
from dir_sync.history.codec import bytes_of
from dir_sync.network.control import Answer
from dir_sync.reporting.log import how_many, human_bytes

__all__ = [
    "FIRST_SYNC",
    "NAMED_MAX",
    "describe_undo",
    "full",
    "local",
    "maker",
    "moment",
    "older_won",
    "size_words",
    "summary",
    "table",
    "undo_json",
]

NAMED_MAX = 20  # paths that are named one by one; the others are counted

FIRST_SYNC = "first sync"  # for FIRST_CONTACT
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


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


def maker(by: str) -> str:
    """Who made a change, for a table. Of what two machines had before they met for the first time, nobody knows."""
    return FIRST_SYNC if by == FIRST_CONTACT else show(bytes_of(by))


def older_won(lost: Version, won: Stat | None) -> bool:
    """True if the loser of a conflict is newer than what is there now: the mode of a machine decided. Some file systems keep
    times of two seconds."""
    return won is not None and Kind.FILE is lost.kind is won.kind and lost.mtime - won.mtime > 2 * 10**9


def full(path: bytes) -> str:
    """A whole path, escaped."""
    return show(path, limits.SHOWN_PATH_CHARS_MAX)


def table(entries: list[Entry]) -> list[str]:
    """One line for each version, under a heading: when and why it was displaced, and by whom."""
    rows = [("ID", "WHEN", "WHY", "SIZE", "BY", "ON", "PATH")]
    for entry in entries:
        version = entry.version
        by = maker(entry.by)
        size = size_words(version.kind, version.size)
        on = show(bytes_of(entry.on))
        rows.append((entry.id, local(version.time_ns), version.why.value, size, by, on, full(version.path)))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return [
        "  ".join([*(word.ljust(width) for word, width in zip(row[:6], widths, strict=True)), row[6]]) for row in rows
    ]


def size_words(kind: Kind, size: int) -> str:
    return "link" if kind == Kind.SYMLINK else human_bytes(size)


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
    else:
        lines.append(f"nothing {'would be' if dry_run else 'is'} restored to its state at {local(since_ns)}:")
    if answer.get("asked_peers"):
        gone = f"of {local(since_ns)} is no longer kept here or on any connected machine"
    else:
        gone = f"of {local(since_ns)} is not kept here (no node runs here, so no other machine was asked)"
    rows = [_change(one) for one in wanted[:NAMED_MAX]]
    rows += [("leave", "-", full(bytes_of(one["path"])), f"the version {gone}") for one in lost[:NAMED_MAX]]
    rows += [
        ("leave", "-", full(bytes_of(one["path"])), f"{show(bytes_of(one['by']))} has changed it since")
        for one in left[:NAMED_MAX]
    ]
    lines += _table(rows)
    for some, words in ((wanted, ""), (lost, f", left as they are: the version {gone}"), (left, _CHANGED_SINCE)):
        if len(some) > NAMED_MAX:
            lines.append(f"  and {len(some) - NAMED_MAX:,} more{words}")
    return lines


_CHANGED_SINCE = ", left as they are: others have changed them since"
_PATH_WIDTH_MAX = 40  # of a column; what is longer moves its note aside


def _table(rows: list[tuple[str, str, str, str]]) -> list[str]:
    """What is done, the size, the path, and a note."""
    if not rows:
        return []
    rows = [("WHAT", "SIZE", "PATH", ""), *rows]
    what, size, path = (max(len(row[at]) for row in rows) for at in range(3))
    path = min(path, _PATH_WIDTH_MAX)
    return [f"  {row[0]:{what}}  {row[1]:>{size}}  {row[2]:{path}}  {row[3]}".rstrip() for row in rows]


def _change(one: Answer) -> tuple[str, str, str, str]:
    """A row of the table."""
    path = full(bytes_of(one["path"]))
    if one["kind"] == Kind.ABSENT:
        return "delete", "-", path, "it did not exist then"
    size = human_bytes(one["size"]) if one["kind"] == Kind.FILE else "-"
    source = bytes_of(str(one.get("source", one["path"])))
    note = "" if one["replaces"] else "it comes back"
    if source != bytes_of(one["path"]):
        is_kept = is_version(source)
        note = "a later version begins with it" if is_kept else f"{full(source)} begins with it"
    elif one.get("unsure"):
        note = "what was appended since then is cut off"
    return "restore", size, path, note


def undo_json(answer: Answer, dry_run: bool) -> Answer:
    """What an undo does, for programs."""
    changes = [
        {
            "path": full(bytes_of(one["path"])),
            "action": "leave" if one["lost"] else "delete" if one["kind"] == Kind.ABSENT else "restore",
            "kind": KIND_WORDS[Kind(one["kind"])],
            "size": one["size"],
            "problem": "the version is not kept any more" if one["lost"] else "",
        }
        for one in answer["changes"]
    ]
    left = [{"path": full(bytes_of(one["path"])), "by": show(bytes_of(one["by"]))} for one in answer["left"]]
    return {"dry_run": dry_run, "since_s": answer["since_ns"] // 10**9, "changes": changes, "left": left}
