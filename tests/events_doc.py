"""Writes docs/events.md, the table of all kinds of events, from the types themselves.

python -m tests.events_doc            writes it
python -m tests.events_doc --check    exit code 1 if it is not what would be written
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from dir_sync.core.note_json import KINDS
from tests.generated import write_or_check

PAGE = Path(__file__).resolve().parent.parent / "docs" / "events.md"

HEAD = """\
# Events

`events DIR` prints what happens in a folder, while it happens; `events DIR --json` prints one JSON object in a line for each
event. This page is made from the program by `python -m tests.events_doc`; a test fails if it says something else.

    main.py events ~/shared                                     # for people, in the words of the log
    main.py events ~/shared --json --follow                     # for programs; it goes on when the node starts again
    main.py events ~/shared --only conflict,peer_held           # some kinds only
    main.py events ~/shared --json --since 1795855422617777     # what came after that event

The first object is `begun`. When the node ends, the last one is `ended`. Later versions may add kinds and keys.

| key of each event | value |
|---|---|
| `event` | The kind: see below. |
| `id` | A number that grows with each event, also over restarts. `begun`, `missed`, `ended`: that of the one before. |
| `time` | When it happened (Unix time, seconds). |
| `more` | Only with `received_many` and `sent_many`, if not all files are named: how many are not. |

Keys that several kinds have:

| key | value |
|---|---|
| `path` | Below the shared folder, escaped as everywhere ([names](cli.md#names)), and never cut. "" is the folder itself. |
| `peer` | The name of the node at the other end of the connection; "" if there is none. |
| `maker` | The name of the node on which the change was made; "" if it is not known. |
| `size`, `took_ms` | Bytes of the whole content; milliseconds that the transfer took. |
| `travelled` | Bytes that went over the network: fewer than `size`, if the receiver had the beginning already. |
| `problem`, `reason` | What is wrong; why this was done or skipped, as text. |
| `source` | The name that the file had before. |
| `direction` | Of a transfer: `receive` or `send`. `done` and `per_s`: bytes that are there, and bytes a second. |
| `version` | The name of that version in the history. |

The node keeps the last 1,000 events in memory, and `events` begins with the last 10 of them, or with those that `--last` or
`--since` name. At most 16 programs listen to one folder at a time. The node waits for none of them: what comes faster than a
program reads is dropped once 10,000 events wait for it, and `missed` stands in that place. Without a listener, nothing is
written or converted.

A program that would rather not start another one connects to the Unix socket `DIR/.dir_sync/control`, sends the line
`{"command": "events", "last": 10}` (or `"since": ID`; with `"wait": false` it ends after what was there already), and reads the
same lines. It must not close its side of the connection before it has read all that it wants.

## A command of yours, and notifications

    main.py ~/shared --on-event ~/bin/tell-me                        # conflicts, what is held, trouble, all in sync
    main.py ~/shared --on-event 'mail -s "dir_sync" anna' --on-event-kinds conflict,peer_held
    main.py ~/shared --notify                                        # on the desktop

`--on-event CMD` runs CMD for each event of `--on-event-kinds`. No shell is involved: CMD is split into words as a
shell does it, and nothing in it is expanded (`sh -c '...'` is a shell, if you need one). CMD gets the JSON object as
a line on stdin, with `dir` (the folder) and `folder` (its name) beside the keys above, and each value that is no list
in its environment: `DIR_SYNC_EVENT`, `DIR_SYNC_DIR`, `DIR_SYNC_FOLDER`, `DIR_SYNC_PATH`, `DIR_SYNC_PEER` ... One runs
at a time, in the order of the events; after 60 s it is killed, with all that it has started. What it prints goes
nowhere. If it fails, the log says so once, until it works again. If it is too slow, events are left out, and the log
says how many. The node waits for none of this, also not when it ends.

`--notify` shows desktop notifications with `notify-send` for conflicts, what is held, trouble, and when all is in
sync; what comes within two seconds is one notification. It is off unless you ask for it: a node often runs as a
service, where no desktop is. If there is no session or no `notify-send`, the log says so.

Both are keys of the configuration file, too, for all folders or for one: `on_event`, `on_event_kinds`, `notify`.

## All kinds

| event | keys | what happened |
|---|---|---|
"""


def page() -> str:
    """The text of docs/events.md."""
    return HEAD + "\n".join(_rows()) + "\n"


def _rows() -> Iterator[str]:
    for name, kind in KINDS.items():
        keys = ", ".join(f"`{field}`" for field in kind._fields)
        words = " ".join((inspect.getdoc(kind) or "").split()).removeprefix("For people (`core.notes`): ")
        words = re.sub(r"`([A-Z]\w+)`", lambda found: f"`{_called(found[1])}`", words)
        yield f"| `{name}` | {keys} | {words[:1].upper()}{words[1:]} |"


def _called(kind: str) -> str:
    """`ReceivedMany` in a docstring is the name of another kind."""
    return next((name for name, one in KINDS.items() if one.__name__ == kind), kind)


def main(words: list[str]) -> int:
    return write_or_check({PAGE: page()}, words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
