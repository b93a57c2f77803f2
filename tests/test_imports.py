"""The shape of the house: who may import whom, what the core may touch, and that nothing lies about unused.

Imports are read from the source, wherever they stand: at the top, in a function, under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.import_table import MACHINES, MAY_IMPORT, MESSAGES, ROOMS

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dir_sync"


def module_of(path: Path) -> str:
    """dir_sync/core/wire.py -> "core.wire"; a package is told by its folder, dir_sync itself by ""."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@functools.cache
def trees() -> dict[str, ast.Module]:
    """What each module says. Not read at import: every process of a run imports this file, and one of them needs it."""
    return {module: ast.parse(path.read_text("utf-8"), str(path)) for module, path in SOURCES.items()}


@pytest.fixture(autouse=True, scope="module")
def forgotten() -> Iterator[None]:
    """Trees are large, and slow down whatever comes after them."""
    yield
    trees.cache_clear()


def is_core(module: str) -> bool:
    return module == "core" or module.startswith("core.")


def imports(module: str, tree: ast.AST) -> set[str]:
    """Full names of all that a module imports: "os.path", "dir_sync.core.wire"."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import in line {node.lineno}"
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(module: str, tree: ast.AST) -> set[str]:
    """The modules of dir_sync that one imports, by the names of MAY_IMPORT; those that do not exist, too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in names if name.removeprefix("dir_sync.") in SOURCES}
            found |= modules if modules == names else modules | {node.module or ""}
    here = {name.removeprefix("dir_sync").removeprefix(".") for name in found if name.split(".")[0] == "dir_sync"}
    return here - {module}


@functools.cache
def graph() -> dict[str, set[str]]:
    """Which of our modules each one imports."""
    return {module: ours(module, tree) for module, tree in trees().items()}


@pytest.mark.parametrize("module", SOURCES)
def test_imports_go_one_way(module: str) -> None:
    if is_core(module):
        strangers = {other for other in graph()[module] if not is_core(other)}
        assert not strangers, "core imports only core"
        return
    assert module in MAY_IMPORT, f"dir_sync/{module}.py is not in the table: who may it import?"
    strangers = {other for other in graph()[module] if not is_core(other)} - MAY_IMPORT[module]
    assert not strangers, f"dir_sync/{module}.py may not import these"


def test_the_table_holds_no_circle() -> None:
    """What may be imported is an order: each row is reached after the rows that it names."""
    settled: set[str] = set()
    edges = {module: set(row) for module, row in MAY_IMPORT.items()}
    while ready := {module for module, row in edges.items() if row <= settled} - settled:
        settled |= ready
    assert settled == set(edges)


def test_the_table_names_only_modules_and_imports_that_there_are() -> None:
    assert set(MAY_IMPORT) == {module for module in SOURCES if not is_core(module)}
    unused = {(module, other) for module, row in MAY_IMPORT.items() for other in row - graph()[module]}
    assert not unused


def test_messages_are_layered_and_known_as_one_package() -> None:
    inside = {module for module in SOURCES if module.startswith("core.messages.")}
    found = {module: graph()[module] for module in inside}
    assert found == {f"core.messages.{name}": {f"core.{other}" for other in row} for name, row in MESSAGES.items()}
    strangers = {module for module in SOURCES if graph()[module] & inside} - inside
    assert strangers == {"core.messages"}


def test_a_machine_knows_only_those_below_it() -> None:
    for number, machine in enumerate(MACHINES):
        above = {f"engine.{other}" for other in MACHINES[number:]} | {"engine", "engine.engine", "engine.machines"}
        assert not graph()[f"engine.{machine}"] & above, machine


def test_a_room_below_file_sync_knows_only_those_below_it() -> None:
    assert {module for module in SOURCES if module.startswith("files.")} == {f"files.{room}" for room in ROOMS}
    said = re.findall(r"^    (\w+) ", ast.get_docstring(trees()["files"]) or "", re.MULTILINE)
    assert said == ROOMS, "the docstring of the package names them in this order"
    for number, room in enumerate(ROOMS):
        assert not graph()[f"files.{room}"] & {f"files.{other}" for other in ROOMS[number:]}, room
    strangers = {module for module in SOURCES if any(other.startswith("files") for other in graph()[module])}
    assert {module for module in strangers if not module.startswith("files.")} == {"file_sync"}


def test_main_reaches_every_module() -> None:
    door = ast.parse((ROOT / "main.py").read_text("utf-8"))
    reached: set[str] = set()
    ahead = ours("main", door)
    while ahead:
        module = ahead.pop()
        if module not in reached:
            reached.add(module)
            ahead |= graph().get(module, set()) | {module.rpartition(".")[0]}  # a package is imported with its modules
    assert not set(SOURCES) - reached - {""}, "nobody imports these"
    assert not reached - set(SOURCES), "these are imported and do not exist"


def test_whoever_says_who_uses_it_says_it_truly() -> None:
    """A name stands for a module, by its last part or in full, or for all modules of a package. tests/test_rooms.py is
    stricter with the machines, the disk, the daemon and the rooms below FileSync."""
    untrue = {}
    for module, tree in trees().items():
        words = " ".join((ast.get_docstring(tree) or "").split())
        if module.split(".")[0] in ("engine", "disk", "daemon", "files") or "Used by" not in words:
            continue
        said = re.search(r"Used by: ([\w., ]+?)\.(?: |$)", words)
        names = set(said.group(1).split(", ")) if said else set()
        users = {other for other, row in graph().items() if module in row}
        of = {
            name: {user for user in users if user == name or user.startswith(f"{name}.") or user.endswith(f".{name}")}
            for name in names
        }
        if not names or not all(of.values()) or users - set().union(*of.values()):
            untrue[module] = (sorted(names), sorted(users))
    assert not untrue
