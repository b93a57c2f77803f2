"""Writes docs/options.md, the table of all options of a node, from the parser that reads them.

python -m tests.options_doc            writes it
python -m tests.options_doc --check    exit code 1 if it is not what would be written
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from dir_sync.cli.config_file import NODE_KEYS, ONE_FOLDER_KEYS, settings
from dir_sync.cli.options import run_parser
from tests.generated import write_or_check

PAGE = Path(__file__).resolve().parent.parent / "docs" / "options.md"

HEAD = """\
# Options of a node

All options of `main.py DIR...`. `scripts/run --help` shows the same. This page is made from the program by
`python -m tests.options_doc`; a test fails if it says something else.

The third column says where the option stands in the [configuration file](cli.md#the-configuration-file): `top` above the
first table, for all folders of the node; `folder` in the table of a folder; `both` in either, and the folder's counts more.
The key has the name of the long option, with `_` for `-`.
"""


def page() -> str:
    """The text of docs/options.md."""
    return "\n".join([HEAD, *_tables()]) + "\n"


def _tables() -> Iterator[str]:
    keys = {action.dest: key for key, action in settings().items()}
    for group in run_parser()._action_groups:
        rows = [each for each in group._group_actions if each.option_strings and each.help != argparse.SUPPRESS]
        if rows:
            title = group.title or ""
            yield f"## {title[:1].upper()}{title[1:]}\n"
            yield "| option | default | file | meaning |"
            yield "|---|---|---|---|"
            yield from (_row(action, keys.get(action.dest)) for action in rows)
            yield ""


def _row(action: argparse.Action, key: str | None) -> str:
    words = ", ".join(f"`{word}`" for word in action.option_strings)
    if action.nargs != 0:
        words = f"{words[:-1]} {action.metavar or action.dest.upper()}`"
    meaning = " ".join((action.help or "").replace("%%", "%").replace("%(default)s", str(action.default)).split())
    default = ""
    if found := re.search(r" ?\(default: ([^;)]*)(; [^)]*)?\)", meaning):
        default = found[1]
        rest = f" ({found[2][2:]})" if found[2] else ""
        meaning = meaning[: found.start()] + rest + meaning[found.end() :]
    where = ""
    if key is not None:
        where = "top" if key in NODE_KEYS else "folder" if key in ONE_FOLDER_KEYS else "both"
    cells = (words, f"`{default}`" if re.fullmatch(r"(?!all$)[\w./-]+", default) else default, where, meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main(words: list[str]) -> int:
    return write_or_check({PAGE: page()}, words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
