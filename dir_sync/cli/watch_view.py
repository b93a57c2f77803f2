"""The live view of ``status --watch``: headline, progress, transfers, peers, what is held, conflicts, last changes.

In:   the folder, and the answers of its node. Out: a screen that is drawn again when something changes and once a second; without
a terminal a plain line when the headline changes.
Rule: `rich` is imported here only. Names are escaped already and are shown as they are. The node may end and come back.
Used by: cli.commands.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dir_sync import config
from dir_sync.cli.dialogue import ask_running
from dir_sync.cli.headlines import COLOURS, ago, going_out, headline, lag, peer_rows, safe_line
from dir_sync.cli.status_words import held_words, status_in
from dir_sync.config import ConfigError
from dir_sync.core.progress import Progress
from dir_sync.core.status import Status
from dir_sync.network.control import Answer
from dir_sync.reporting.live_line import is_live
from dir_sync.reporting.log import human_bytes, human_seconds
from dir_sync.reporting.output import say
from dir_sync.reporting.progress_words import progress_words

__all__ = ["screen", "watch"]

_CHANGE_WITHIN_S = 1.0
_AT_MOST_EACH_S = 0.1  # a folder in which everything changes all the time
_AGAIN_S = 1.0  # until a node that has ended is asked again
_WIDE = 110  # columns: from here on, the table of peers has all of its columns
_NARROW = 60  # columns: below this, the table of peers has fewer of them
_TRANSFERS_MAX = 8
_CHANGES_MAX = 5
_HOW_TO_END = "Ctrl-C ends this view"
_BAR = 20


def watch(folder: str) -> int:
    """Until Ctrl-C. ConfigError if no node runs at the beginning."""
    answer = _ask(folder, 0)  # the first error is an error
    try:
        if is_live(sys.stdout):
            _on_screen(folder, answer)
        else:
            _plainly(folder, answer)
    except KeyboardInterrupt:
        pass
    return config.OK


def _on_screen(folder: str, answer: Answer) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def show(status: Status, why: str) -> None:
            live.update(screen(status, folder, console.width, console.height, time.time(), why), refresh=True)

        _follow(folder, answer, show)


def _plainly(folder: str, answer: Answer) -> None:
    """For a pipe or a file: a line when the headline is another one."""
    last = ""

    def show(status: Status, why: str) -> None:
        nonlocal last
        word = f"{status.headline.value} {why}"
        if word != last:
            last = word
            stamp = time.strftime("%H:%M:%S")
            say(f"{stamp}  {why or headline(status, time.time())}")
            sys.stdout.flush()

    _follow(folder, answer, show)


def _follow(folder: str, answer: Answer, show: Callable[[Status, str], None]) -> None:
    """Show each answer; while no node runs, the last one and why."""
    status = status_in(answer)
    show(status, "")
    number = answer["number"]
    while True:
        time.sleep(_AT_MOST_EACH_S)
        try:
            answer = _ask(folder, number)
            status, number = status_in(answer), answer["number"]
        except ConfigError as error:
            show(status, str(error))
            time.sleep(_AGAIN_S)
            number = 0
        else:
            show(status, "")


def _ask(folder: str, unlike: int) -> Answer:
    return ask_running(folder, {"command": "status", "unlike": unlike, "within_s": _CHANGE_WITHIN_S})


def screen(status: Status, folder: str, width: int, height: int, now_s: float, why: str = "") -> RenderableType:
    """Everything that is shown. `why`: the node does not answer, and this is the last that is known."""
    parts: list[RenderableType] = []
    if why:
        parts.append(Text(f"NOT RUNNING: {why}", "bold red"))
        parts.append(Text("the last that is known:"))
    parts.append(Text(headline(status, now_s), f"bold {COLOURS[status.headline]}"))
    parts.append(Text(safe_line(status)))
    parts.append(Text(f"{status.folder} on {status.name}{_program(status, now_s)}; {_HOW_TO_END}", "dim"))
    for words, progress in (("coming here", status.receiving), (going_out(status), status.sending)):
        if progress is not None:
            parts.append(_whole(words, progress, width))
    transfers = [(one.path, f"from {one.peer}", one.here, one.size, one.per_s) for one in status.transfers]
    transfers += [(one.path, f"to {one.peer}", one.sent, one.size, one.per_s) for one in status.uploads]
    parts += [_transfer(*one, width) for one in transfers[:_TRANSFERS_MAX]]
    if len(transfers) > _TRANSFERS_MAX:
        parts.append(Text(f"and {len(transfers) - _TRANSFERS_MAX:,} more transfers", "dim"))
    if status.peers or status.away:
        parts += [Text(), _peers(status, width, now_s)]
    parts += [Text(line, "red") for line in held_words(status)]
    parts += [Text(f"{one.path}: {one.problem}", "red") for one in status.troubled[:_CHANGES_MAX]]
    if status.conflicts:
        parts.append(Text(f"{status.conflicts:,} in conflict", "yellow"))
    changes = [
        Text(
            f"{ago(one.time_s, now_s):>10}  {'deleted' if one.kind == 'nothing' else 'changed'} {one.path}  ({one.by})"
        )
        for one in status.changes[:_CHANGES_MAX]
    ]
    if changes:
        parts += [Text(), Text("last changes", "bold"), *changes]
    for part in parts:
        if isinstance(part, Text):
            part.no_wrap, part.overflow = True, "ellipsis"
    return Group(*parts[: max(1, height - 1)])


def _program(status: Status, now_s: float) -> str:
    """Empty if the node is so old that it does not say."""
    version = f", version {status.version}" if status.version else ""
    return version + (f", up {human_seconds(max(0, int(now_s) - status.started_s))}" if status.started_s else "")


def _bar(done: int, whole: int, width: int) -> ProgressBar:
    return ProgressBar(total=max(whole, 1), completed=min(done, whole), width=max(5, min(_BAR, width // 4)))


def _whole(words: str, progress: Progress, width: int) -> RenderableType:
    row = Table.grid(padding=(0, 1))
    row.add_column(no_wrap=True)
    row.add_column(no_wrap=True, overflow="ellipsis")
    items, done = progress.files + progress.others, progress.files_done + progress.others_done
    bar = _bar(progress.bytes_done, progress.bytes, width) if progress.bytes else _bar(done, items, width)
    row.add_row(bar, Text(f"{words}: {progress_words(progress)}"))
    return row


def _transfer(path: str, peer: str, done: int, size: int, per_s: int, width: int) -> RenderableType:
    row = Table.grid(padding=(0, 1))
    row.add_column(no_wrap=True)
    row.add_column(no_wrap=True, overflow="ellipsis")
    speed = f", {human_bytes(per_s)}/s" if per_s else ""
    percent = 100 * done // max(size, 1)
    row.add_row(_bar(done, size, width), Text(f"{percent:>3} % of {human_bytes(size)}{speed}  {path} {peer}"))
    return row


def _peers(status: Status, width: int, now_s: float) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    if width < _NARROW:
        for name in ("peer", "lag"):
            table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=9)
        for peer in status.peers:
            table.add_row(Text(peer.name), Text(lag(peer, status.is_reader)))
        for away in status.away[:_TRANSFERS_MAX]:
            table.add_row(Text(away.name), Text(f"seen {ago(away.last_seen_s, now_s)}" if away.last_seen_s else "away"))
        return table
    shown = (0, 1, 2, 3, 4, 5) if width >= _WIDE else (0, 3, 5)
    names = ("peer", "address", "version", "lag", "rate", "last seen")
    for at in shown:
        table.add_column(names[at], no_wrap=True, overflow="ellipsis", min_width=9 if at in (0, 5) else None)
    for row in peer_rows(status, now_s):
        table.add_row(*(Text(row[at]) for at in shown))
    return table
