"""The ways to install, as the documentation has them: their lines are read from it, so a false line fails here.

What is put in: the address to clone from is the last commit of this checkout; `sudo` goes, because a bare system has none
and its only user is root; apt-get stands for apt, and does not ask. The Debian package is built beforehand, in another
tree of the same system: who installs it has the file.

It may import the standard library alone. tests/fresh/__main__.py uses it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = "/source"
"""Where a tree has a clone of this checkout."""


@dataclass(frozen=True)
class Way:
    name: str
    install: list[str]
    """What is typed to install, in this order; a `cd` counts for the lines after it."""
    start: str
    """What starts a node for ~/shared."""


def block(page: str, heading: str, number: int = 0) -> list[str]:
    """The lines of an indented block below a heading."""
    text = (ROOT / page).read_text("utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.M | re.S)
    assert found, f"{page} has no heading '{heading}'"
    blocks = re.findall(r"(?:^    .*\n)+", found[1], re.M)
    return [line[4:] for line in blocks[number].splitlines()]


def typed(lines: list[str]) -> list[str]:
    """The lines as root types them on a bare system. A `cd` is put before each line that comes after it."""
    made, where = [], ""
    for line in lines:
        line = line.partition("  #")[0].replace("sudo ", "")
        line = re.sub(r"\bapt(-get)? (install|update)\b", r"DEBIAN_FRONTEND=noninteractive apt-get \2 -y -qq", line)
        line = re.sub(r"(?<=git clone )\S+", SOURCE, line)
        if line.startswith("cd "):
            where += f"{line} && "
        else:
            made.append(where + line)
    return made


def ways() -> dict[str, Way]:
    """By the word that --ways takes."""
    make, start = (line for line in block("README.md", "Run") if line.startswith(("mkdir", "scripts/run")))
    package = block("docs/install.md", "A Debian package", 1)
    installed = package.pop()
    assert installed == start.replace("scripts/run", "dir-sync")
    return {
        "readme": Way("README", [*typed(block("README.md", "Install")), make], f"/home/anna/dir_sync/{start}"),
        "pipx": Way("pipx", [*typed(block("docs/install.md", "pipx")), make], installed),
        "package": Way("Debian package", [*typed(package), make], installed),
    }


def building() -> str:
    """What makes the package, in a tree where the README's way was gone."""
    (line,) = block("docs/install.md", "A Debian package")
    return typed(["cd dir_sync", line])[0]
