"""Files that are made from the code and kept in the repository: they are written, or compared with what would be written.

Used by: the programs that make them (cli_doc, events_doc, options_doc, shell_files).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["write_or_check"]


def write_or_check(made: Mapping[Path, str], words: list[str]) -> int:
    """The exit code. `words`: of the command line; with --check nothing is written, and 1 says that a file is another one."""
    if words == ["--check"]:
        return int(any(not path.exists() or path.read_text("utf-8") != text for path, text in made.items()))
    for path, text in made.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return 0
