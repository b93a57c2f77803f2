"""python -m tests.fresh: from a bare system to the first synced file, measured (see tests/fresh/__init__.py).

Exit code: 0 if all that was tried took no longer than --within; 1 if something failed or took longer; 77 if nothing could
be tried. What is skipped is in the table, with the reason.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import systems
from .machines import Failed, Node, Tree, until, wire
from .ways import ROOT, Way, building, ways

NOTHING_TRIED = 77
INSIDE = "DIR_SYNC_FRESH_INSIDE"  # set in the namespaces that all of this runs in
MARGIN_OF_TAIL = 15


@dataclass
class Result:
    system: str
    way: str
    python: str = ""
    install_s: float = 0.0
    first_s: float = 0.0
    """From the start of the nodes to the first file."""
    edit_ms: float = 0.0
    trouble: str = ""
    skipped: bool = False
    within_s: float = field(default=60.0, repr=False)

    def total_s(self) -> float:
        return self.install_s + self.first_s

    def is_good(self) -> bool:
        return not self.trouble and self.total_s() <= self.within_s

    def row(self) -> list[str]:
        if self.trouble:
            return [self.system, self.way, self.python, "", "", "", "", self.trouble]
        verdict = "ok" if self.is_good() else f"more than {self.within_s:g} s"
        numbers = [
            f"{self.install_s:.1f} s",
            f"{self.first_s:.1f} s",
            f"{self.total_s():.1f} s",
            f"{self.edit_ms:.0f} ms",
        ]
        return [self.system, self.way, self.python, *numbers, verdict]


HEAD = ["system", "way", "Python", "installed in", "first file", "from bare", "an edit", ""]


def table(results: list[Result]) -> str:
    rows = [HEAD, *(result.row() for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def try_way(way: Way, tree: Tree, result: Result) -> None:
    """Installs, starts two nodes, and measures. Failed is raised if something goes wrong."""
    greeting = tree.place / "home/anna/shared/greeting.txt"
    with wire() as namespaces:
        begun = time.monotonic()
        for line in way.install:
            tree.type(line)
        (tree.place / "home/bob/shared").mkdir()
        installed = time.monotonic()
        nodes = [Node(tree, name, namespaces[name], way.start) for name in namespaces]
        anna, bob = nodes
        greeting.write_text("hello\n")
        until(lambda: bob.has("hello\n"), "the first file is at bob", anna.is_up)
        first = time.monotonic()
        until(lambda: "everything is in sync" in anna.log.read_text("utf-8", "replace"), "anna says so", anna.is_up)
        edited = time.monotonic()
        (bob.home / "shared/greeting.txt").write_text("hello, too\n")
        until(lambda: anna.has("hello, too\n"), "an edit is at anna", bob.is_up)
        result.edit_ms = (time.monotonic() - edited) * 1000
        result.install_s, result.first_s = installed - begun, first - installed
        for node in nodes:
            node.end()
    result.python = tree.type("python3 --version").removeprefix("Python ")


def tail(log: Path) -> str:
    lines = [
        line
        for each in sorted(log.parent.glob(f"{log.stem}*.log"))
        for line in each.read_text("utf-8", "replace").splitlines()
    ]
    return "\n".join(f"    {line}" for line in lines[-MARGIN_OF_TAIL:])


class Trial:
    """All ways on one system."""

    def __init__(self, system: systems.System, folder: Path, within_s: float) -> None:
        self.system, self.folder, self.within_s = system, folder, within_s
        self.bare = folder / system.suite
        self.package: Path | None = None

    def new_tree(self, name: str) -> Tree:
        place = self.folder / f"{self.system.suite}-{name}"
        subprocess.run(["cp", "-a", "--reflink=auto", self.bare, place], check=True)
        subprocess.run(["git", "clone", "-q", "--no-local", ROOT, place / "source"], check=True)
        return Tree(place, self.folder / f"{self.system.suite}-{name}.log")

    def build_package(self, tree: Tree) -> None:
        tree.type(building())
        (made,) = (tree.place / "home/anna/dir_sync/dist").glob("*.deb")
        self.package = Path(shutil.copy(made, self.folder))

    def run(self, name: str, way: Way, builds: bool) -> Result:
        result = Result(self.system.name, way.name, within_s=self.within_s)
        tree = self.new_tree(name)
        try:
            if name == "package":
                assert self.package is not None
                shutil.copy(self.package, tree.place / "home/anna")
            try_way(way, tree, result)
            if builds:
                self.build_package(tree)
        except (Failed, subprocess.TimeoutExpired) as error:
            result.trouble = f"FAILED: {error}"
            print(tail(tree.log), file=sys.stderr)
        finally:
            tree.close()
            shutil.rmtree(tree.place)
        return result


def try_system(system: systems.System, words: argparse.Namespace, folder: Path) -> list[Result]:
    mirror = systems.mirrors(words.mirror)[system.vendor]
    checked = not words.no_check_gpg
    try:
        systems.look(system, mirror, folder, checked)
        trial = Trial(system, folder, words.within)
        if not trial.bare.exists():
            print(f"{system.name}: debootstrap", file=sys.stderr)
            systems.make(system, mirror, trial.bare, checked)
    except systems.Missing as missing:
        return [Result(system.name, "", trouble=f"skipped: {missing}", skipped=True)]
    results = []
    known = ways()
    for name in words.ways:
        if name == "package" and trial.package is None:
            results.append(Result(system.name, known[name].name, trouble="skipped: no package was built", skipped=True))
            continue
        print(f"{system.name}: {known[name].name}", file=sys.stderr)
        results.append(trial.run(name, known[name], builds=name == "readme" and "package" in words.ways))
    if not words.keep:
        shutil.rmtree(trial.bare)
    return results


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.fresh", description=__doc__.partition("\n")[0])
    made.add_argument("systems", nargs="*", help=f"of {', '.join(systems.SYSTEMS)} (default: all)")
    made.add_argument(
        "--ways", default="readme,pipx,package", help="the package is built after 'readme' (default: %(default)s)"
    )
    made.add_argument(
        "--mirror",
        action="append",
        default=[],
        metavar="VENDOR=URL",
        help="where debian or ubuntu is; also DIR_SYNC_DEBIAN_MIRROR, DIR_SYNC_UBUNTU_MIRROR (default: as apt here)",
    )
    made.add_argument("--no-check-gpg", action="store_true", help="take packages without looking at their signatures")
    made.add_argument(
        "--within", type=float, default=60.0, metavar="S", help="from bare to the first file (default: 60)"
    )
    made.add_argument("--folder", type=Path, help="where the trees are made (default: a temporary folder)")
    made.add_argument("--keep", action="store_true", help="keep the bare trees in --folder, for the next time")
    return made


def run_in(words: argparse.Namespace, folder: Path) -> list[Result]:
    return [result for name in words.systems for result in try_system(systems.SYSTEMS[name], words, folder)]


def main(arguments: list[str]) -> int:
    made = parser()
    words = made.parse_args(arguments)
    words.systems = words.systems or list(systems.SYSTEMS)
    words.ways = words.ways.split(",")
    if unknown := [name for name in words.systems if name not in systems.SYSTEMS]:
        made.error(f"unknown system: {unknown[0]}")
    if unknown := [name for name in words.ways if name not in ways()]:
        made.error(f"unknown way: {unknown[0]}")
    try:
        systems.mirrors(words.mirror)
    except ValueError as error:
        made.error(str(error))
    if os.geteuid() == 0 and shutil.which("unshare") and INSIDE not in os.environ:
        # Mounts and processes of namespaces of our own end with them, whatever happens.
        inside = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        again = [*inside, sys.executable, "-m", "tests.fresh", *arguments]
        return subprocess.run(again, env={**os.environ, INSIDE: "yes"}, check=False).returncode
    if words.folder:
        words.folder.mkdir(parents=True, exist_ok=True)
        results = run_in(words, words.folder.resolve())
    else:
        words.keep = False
        with tempfile.TemporaryDirectory(prefix="dir-sync-fresh-") as place:
            results = run_in(words, Path(place))
    print(table(results))
    tried = [result for result in results if not result.skipped]
    if not tried:
        return NOTHING_TRIED
    return 0 if all(result.is_good() for result in tried) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
