"""The bare systems: which there are, where their packages come from, and how a tree of one is made.

It may import the standard library alone. tests/fresh/__main__.py uses it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

TOOLS = {"debootstrap": "debootstrap", "ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux", "git": "git"}
ROOM_BYTES = 3 << 30  # of one tree, its copy for a way to install, and what is installed there
MIRROR_WITHIN_S = 15
MADE_WITHIN_S = 900
SCRIPTS = Path("/usr/share/debootstrap/scripts")


@dataclass(frozen=True)
class System:
    name: str
    vendor: str
    """debian or ubuntu."""
    suite: str
    components: str
    keyring: str
    script: str
    """debootstrap's script, for a debootstrap that is older than the system."""


SYSTEMS = {
    "debian12": System("Debian 12", "debian", "bookworm", "main", "debian-archive-keyring", "sid"),
    "debian13": System("Debian 13", "debian", "trixie", "main", "debian-archive-keyring", "sid"),
    "ubuntu24": System("Ubuntu 24.04", "ubuntu", "noble", "main,universe", "ubuntu-archive-keyring", "gutsy"),
}
MIRRORS = {"debian": "http://deb.debian.org/debian", "ubuntu": "http://archive.ubuntu.com/ubuntu"}
KEYRINGS = Path("/usr/share/keyrings")


class Missing(Exception):
    """What keeps a system from being made on this machine, in words for the table."""


def mirrors(chosen: list[str], apt: Path = Path("/etc/apt")) -> dict[str, str]:
    """The mirror of each vendor: as --mirror says, else the environment, else apt of this machine, else the public one."""
    found = dict(MIRRORS)
    lists = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*"))]
    text = "\n".join(each.read_text("utf-8", "replace") for each in lists if each.is_file())
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for address in re.findall(r"https?://[^\s\]]+", "\n".join(lines)):
        vendor = address.rstrip("/").rpartition("/")[2]
        if vendor in MIRRORS:
            found[vendor] = address.rstrip("/")
    for vendor in MIRRORS:
        found[vendor] = os.environ.get(f"DIR_SYNC_{vendor.upper()}_MIRROR") or found[vendor]
    for word in chosen:
        vendor, equals, address = word.partition("=")
        if not equals or vendor not in MIRRORS:
            raise ValueError(f"'{word}' is no mirror: debian=http://... or ubuntu=http://...")
        found[vendor] = address
    return found


def keyring(system: System) -> Path | None:
    """The file with the keys of the vendor, if this machine has it."""
    path = KEYRINGS / f"{system.keyring}.gpg"
    return path if path.exists() else None


def look(system: System, mirror: str, folder: Path, check_signatures: bool) -> None:
    """Missing is raised if this system cannot be made here."""
    if os.geteuid() != 0:
        raise Missing("needs root")
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            raise Missing(f"no {tool} here: apt install {package}")
    if shutil.disk_usage(folder).free < ROOM_BYTES:
        raise Missing(f"less than {ROOM_BYTES >> 30} GiB free in {folder}")
    if check_signatures and keyring(system) is None:
        raise Missing(f"no {KEYRINGS / system.keyring}.gpg here: install the package with it, or --no-check-gpg")
    try:
        with urllib.request.urlopen(f"{mirror}/dists/{system.suite}/Release", timeout=MIRROR_WITHIN_S):
            pass
    except (OSError, urllib.error.URLError) as error:
        raise Missing(f"{mirror} has no {system.suite}, or cannot be reached ({error})") from error


def make(system: System, mirror: str, tree: Path, check_signatures: bool) -> None:
    """A bare tree: what debootstrap calls minbase, without lists of packages, as on a machine that was just installed."""
    words = ["debootstrap", "--variant=minbase", f"--components={system.components}"]
    found = keyring(system)
    words += [f"--keyring={found}"] if check_signatures and found else ["--no-check-gpg"]
    words += [system.suite, str(tree), mirror]
    if not (SCRIPTS / system.suite).exists():
        words.append(str(SCRIPTS / system.script))
    ended = subprocess.run(words, capture_output=True, text=True, timeout=MADE_WITHIN_S, check=False)
    if ended.returncode != 0:
        raise Missing(f"debootstrap failed: {ended.stdout.strip().splitlines()[-1:]}")
    for folder in ("var/lib/apt/lists", "var/cache/apt/archives"):
        shutil.rmtree(tree / folder)
        (tree / folder / "partial").mkdir(parents=True)
