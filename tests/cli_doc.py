"""Writes two parts of docs/cli.md: the exit codes, from the table in the code, and what `--json` prints, from json_schemas.

python -m tests.cli_doc            writes them
python -m tests.cli_doc --check    exit code 1 if they are not what would be written
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from dir_sync.cli import COMMANDS
from dir_sync.cli.exits import EXITS, GENERAL, exits_of
from tests.generated import write_or_check
from tests.json_schemas import SCHEMAS, STREAMS, WITHOUT

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"


def page(text: str) -> str:
    """The page with both parts as they have to be."""
    for name, lines in (("exit codes", _exits()), ("json", _schemas())):
        begin, end = f"<!-- {name}: python -m tests.cli_doc -->\n", f"<!-- end of {name} -->\n"
        part = begin + "".join(f"{line}\n" for line in lines) + end
        text, count = re.subn(re.escape(begin) + ".*?" + re.escape(end), lambda _, part=part: part, text, flags=re.S)  # type: ignore[misc]
        assert count == 1, f"docs/cli.md has no place for the {name}"
    return text


def _exits() -> Iterator[str]:
    yield "| code | meaning |"
    yield "|---|---|"
    yield from (f"| {code} | {words} |" for code, words in GENERAL.items())
    yield ""
    yield "| command | codes |"
    yield "|---|---|"
    for name in EXITS:
        codes = "; ".join(f"{code} {words}" for code, words in exits_of(name).items())
        yield f"| `{name}` | {codes} |"


def _schemas() -> Iterator[str]:
    for name in COMMANDS:
        if name in SCHEMAS:
            rows = list(SCHEMAS[name].items())
            several = " (several objects, one in a line)" if name in STREAMS else ""
            if rows[0][0] == "*":
                yield f"**`{name} --json`**{several}: {rows[0][1][1]}."
            else:
                yield f"**`{name} --json`**{several}"
                yield ""
                yield "| key | type | meaning |"
                yield "|---|---|---|"
                yield from (_row(key, *row) for key, row in rows if "*" not in key)
            yield ""
    yield "Without `--json`: " + "; ".join(f"`{name}` ({why})" for name, why in WITHOUT.items()) + "."


def _row(key: str, kind: str, words: str) -> str:
    words = words.replace("|", "\\|")
    absent = " It may be absent." if key.endswith("?") and "[]" not in key else ""
    said = f"{words[:1].upper()}{words[1:]}{'.' if words else ''}{absent}".strip()
    return f"| `{key.rstrip('?')}` | {kind.replace('|', ' or ')} | {said} |"


def main(words: list[str]) -> int:
    return write_or_check({PAGE: page(PAGE.read_text("utf-8"))}, words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
