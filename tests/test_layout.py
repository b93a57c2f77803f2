"""The shape of the house beside its imports: what modules may not use, that each says what it is, and where its tests lie."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from tests.test_imports import (
    PACKAGE,
    ROOT,
    SOURCES,
    forgotten,  # noqa: F401 - a fixture: the trees go with the last test here, too
    imports,
    is_core,
    trees,
)

IMPURE = {
    *("asyncio", "concurrent", "ctypes", "datetime", "logging", "mmap", "multiprocessing", "os", "pathlib"),
    *("queue", "random", "secrets", "select", "selectors", "shutil", "signal", "socket", "sqlite3", "ssl"),
    *("subprocess", "sys", "tempfile", "threading", "time", "uuid"),
}
"""What the core must not import: I/O, clocks, threads, random numbers, logs."""


TIMELESS = {"asyncio", "logging", "random", "secrets", "socket", "threading", "time", "uuid"}
"""What the deciding modules must not import: time is an argument, chance is handed in."""

MACHINE_PATHS = re.compile(r"/(?:home|Users)/(?!you\b|user\b|anna\b)[a-z]|(?<![\w.])/roo[t]/|[A-Z]:\\Users\\")

TEST_LINES_MAX = 800


TESTED_WITH_OTHERS = {
    # regions of the table of work: some twenty lines each, and what joins them is the table
    **dict.fromkeys(("arrivals", "attempts", "expected", "folder_waits", "holders", "obstacles"), "regions"),
    **dict.fromkeys(("out_of_reach", "retries", "room_queues"), "regions"),
    **dict.fromkeys(("path_jobs", "path_work"), "work"),
    # no machines: queues are fields of the board, and these have no behaviour of their own
    "queues": "board",
    **dict.fromkeys(("constants", "machines", "values"), "engine"),
}
"""Modules of the engine whose tests stand in another test module, and which."""


WHOLE_PROGRAM = {"imports", "crash", "fuzz", "lan", "membership", "nasty", "sim", "fresh"}
"""Folders of tests that belong to no package."""


OUTSIDE = {
    "fresh",
    "debian",
    "docs",
    "docs_commands",
    "imports",
    "layout",
    "packaging",
    "readme",
    "release",
    "rooms",
    "run_script",
    "scripts",
    "setup_script",
    "site",
}
"""Test modules of what lies outside dir_sync: the rules of its layout, the README, the scripts."""

TEXT = {".py", ".md", ".toml", ".txt", ".sql", ".sh", ".cfg", ".yml", ".yaml", ".json", ""}


@pytest.mark.parametrize("module", [module for module in SOURCES if is_core(module)])
def test_the_core_is_pure(module: str) -> None:
    impure = {name for name in imports(module, trees()[module]) if name.partition(".")[0] in IMPURE}
    assert not impure
    for node in ast.walk(trees()[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("open", "print", "input", "__import__"), f"line {node.lineno}"


@pytest.mark.parametrize(
    "module", [module for module in SOURCES if module.split(".")[0] in ("engine", "index", "ports")]
)
def test_what_decides_knows_no_time_and_no_chance(module: str) -> None:
    impure = {name for name in imports(module, trees()[module]) if name.partition(".")[0] in TIMELESS}
    assert not impure


@pytest.mark.parametrize("module", SOURCES)
def test_every_module_says_what_it_is(module: str) -> None:
    words = ast.get_docstring(trees()[module])
    assert words
    assert words.splitlines()[0].endswith((".", ":", "?")), "the first line is a sentence"


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_test_module_says_what_it_is_and_is_not_too_long(path: Path) -> None:
    text = path.read_text("utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= TEST_LINES_MAX


@pytest.mark.parametrize("module", sorted(path.stem for path in (PACKAGE / "engine").glob("[a-z]*.py")))
def test_each_machine_of_the_engine_has_tests_of_its_own(module: str) -> None:
    name = TESTED_WITH_OTHERS.get(module, module)
    path = ROOT / "tests" / "engine" / f"test_{name}.py"
    assert path.is_file(), f"no tests drive dir_sync/engine/{module}.py alone (tests/engine/kit.py)"
    tree = ast.parse(path.read_text("utf-8"))
    assert any(isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in tree.body)


def test_modules_that_are_tested_with_others_are_there_and_have_no_tests_of_their_own() -> None:
    assert not {module for module in TESTED_WITH_OTHERS if f"engine.{module}" not in SOURCES}
    assert not [each for each in TESTED_WITH_OTHERS if (ROOT / "tests" / "engine" / f"test_{each}.py").exists()]


def test_what_is_tested_of_a_package_lies_where_the_package_lies() -> None:
    """tests/ mirrors dir_sync/: a folder of tests is named after a package, or is one of those for the whole program."""
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    folders = {path.name for path in (ROOT / "tests").iterdir() if (path / "__init__.py").exists()}
    assert folders - packages == WHOLE_PROGRAM
    flat = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}
    assert flat - {path.stem for path in PACKAGE.glob("*.py")} == OUTSIDE


def test_of_the_simulator_one_room_knows_the_inside_of_the_engine() -> None:
    """`seams` says what the others see of it; `sabotage` and `planted_links` plant faults there."""
    for path in sorted((ROOT / "tests" / "sim").glob("*.py")):
        if path.stem in ("seams", "sabotage", "planted_links"):
            continue
        tree = ast.parse(path.read_text("utf-8"))
        inside = {name for name in imports(f"tests.sim.{path.stem}", tree) if name.startswith("dir_sync.engine.")}
        assert inside <= {"dir_sync.engine.Now"}, path.name
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
                assert ".engine" not in ast.unparse(node.value), f"{path.name}:{node.lineno}"


def test_files_name_no_folder_of_a_developers_machine() -> None:
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    here = re.compile(rf"(?<![\w.~-]){re.escape(str(ROOT))}(?![\w-])") if len(ROOT.parts) > 2 else None
    guilty = []
    for name in listed.decode("utf-8", "surrogateescape").split("\0"):
        path = ROOT / name
        if not name or path.suffix not in TEXT or not path.is_file():
            continue
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            if MACHINE_PATHS.search(line) or (here is not None and here.search(line)):
                guilty.append(f"{name}:{number}")
    assert not guilty


# --- that a newcomer finds each module by what the folders say -------------------------------------------------------

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.parent not in (PACKAGE, PACKAGE / "core")], ids=lambda p: p.stem
)
def test_a_package_says_what_is_in_it(path: Path) -> None:
    words = ast.get_docstring(ast.parse((path.parent / "__init__.py").read_text("utf-8"))) or ""
    assert re.search(rf"\b{path.stem}\b", words), f"{path.parent.name}/__init__.py does not name {path.stem}"


def drawn(tree: str) -> list[str]:
    """The files of a drawn folder tree, as paths. Several names may stand in a line; deeper lines may be parts of one."""
    found, folders = [], [(-1, "")]
    for line in tree.splitlines():
        depth = len(line) - len(line.lstrip())
        while depth <= folders[-1][0]:
            folders.pop()
        if folder := re.match(r"\s*(\w+)/(?:\s|$)", line):
            folders.append((depth, f"{folders[-1][1]}{folder[1]}/"))
        elif names := re.match(r"\s*((?:\w+\.py,? ?)+)", line):
            found += [folders[-1][1] + name for name in re.findall(r"\w+\.py", names[1])]
    return found


def test_the_tree_of_docs_architecture_has_each_module_once() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    tree = text[text.index("```\nmain.py") + 4 :].partition("\n```")[0]
    assert sorted(drawn(tree)) == sorted(["main.py", *(str(path.relative_to(ROOT)) for path in MODULES)])


def test_a_drawn_tree_is_read() -> None:
    assert drawn("a.py   one\nb/   two: c.py\n  d.py, e.py  three\n    f.py\n  g/\n    h.py i.py  four\nj.py") == [
        *("a.py", "b/d.py", "b/e.py", "b/f.py", "b/g/h.py", "b/g/i.py", "j.py")
    ]
