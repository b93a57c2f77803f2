"""The size of the rooms, and the rules for the machines of the engine: who touches what.

A list of exceptions here may only get shorter: an entry that is not needed any more fails.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dir_sync"
FILES = {str(path.relative_to(PACKAGE)): path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
ROOMS = [name for name in FILES if name.startswith("files/") and not name.endswith("__init__.py")]
MACHINES = [name for name in FILES if name.startswith("engine/") and not name.endswith("__init__.py")]


@functools.cache
def trees() -> dict[str, ast.Module]:
    """What each module says. Not read at import: every process of a run imports this file, and one of them needs it."""
    return {name: ast.parse(text) for name, text in FILES.items()}


@pytest.fixture(autouse=True, scope="module")
def forgotten() -> Iterator[None]:
    """Trees are large, and slow down whatever comes after them."""
    yield
    trees.cache_clear()


LINES_MAX = 400
FIELDS_MAX = 12
METHODS_MAX = 25  # of a machine of the engine, beside __init__

TOO_LONG = set[str]()
"""Modules that are still too long."""

TOO_MANY_FIELDS = set[str]()
"""Classes with too many fields that do not say why."""

FOREIGN_WRITES = set[str]()
"""Fields of another machine or of the board that a machine assigns to, or changes in place."""

WRITING_PREDICATES = set[str]()
"""Questions that still change something."""

REASON = "It has more fields than"
"""How the docstring of a class begins the sentence that gives the reason."""

VERBS_OF_THE_BOARD = {"pending_looks", "announcements", "listings", "losers", "plan_queue", "links", "scan"}
"""Objects on the board that have verbs of their own: to call these is what they are for."""

IN_PLACE = {
    *("add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "insert", "move_to_end", "pop"),
    *("popitem", "popleft", "remove", "setdefault", "sort", "update"),
}

QUESTION = re.compile(r"_?(is|are|has|have|may|can|must|knows|keeps|comes|waits|lacks|holds|differs|needs)_\w+")
CHANGES = {
    *("add", "append", "appendleft", "clear", "discard", "drop", "extend", "insert", "note", "order", "plan_later"),
    *("pop", "popleft", "push", "put", "remove", "send", "setdefault", "update", "order_change", "order_discard"),
}


def test_no_module_is_too_long() -> None:
    found = {name for name, text in FILES.items() if text.count("\n") > LINES_MAX}
    assert found == TOO_LONG


def test_no_machine_has_too_many_methods() -> None:
    for name in MACHINES:
        for cls in ast.walk(trees()[name]):
            if isinstance(cls, ast.ClassDef):
                methods = [one for one in cls.body if isinstance(one, ast.FunctionDef) and one.name != "__init__"]
                assert len(methods) <= METHODS_MAX, f"{name}: {cls.name}"


def fields_of(cls: ast.ClassDef) -> set[str]:
    """What instances hold: declared in the class, or assigned to self in any method."""
    found = {
        node.target.id for node in cls.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    for node in ast.walk(cls):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id == "self":
                found.add(node.attr)
    return found


def machines_given(cls: ast.ClassDef) -> set[str]:
    """Fields that are machines below, as the constructor got them."""
    for node in cls.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            return {
                target.attr
                for statement in node.body
                if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Name)
                for target in statement.targets
                if isinstance(target, ast.Attribute) and target.attr == "_" + statement.value.id
            }
    return set()


def test_a_class_with_many_fields_says_why() -> None:
    found = set()
    for name, tree in trees().items():
        for cls in ast.walk(tree):
            if not isinstance(cls, ast.ClassDef):
                continue
            fields = fields_of(cls)
            if name in MACHINES:
                fields -= machines_given(cls)
            if len(fields) > FIELDS_MAX and REASON not in (ast.get_docstring(cls) or ""):
                found.add(f"{name}: {cls.name}")
    assert found == TOO_MANY_FIELDS


@pytest.mark.parametrize("name", MACHINES + [name for name in FILES if name.startswith(("disk/", "files/", "index/"))])
def test_a_machine_touches_no_private_name_of_another(name: str) -> None:
    for node in ast.walk(trees()[name]):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            is_record = node.attr in ("_replace", "_make", "_fields", "_asdict")
            assert is_own or is_record, f"{name}:{node.lineno}: {ast.unparse(node)}"


def writes(function: ast.FunctionDef) -> Iterator[str]:
    """What a function does to anything but its own variables."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
            targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]
            for target in targets:
                for each in ast.walk(target):
                    is_stored = isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store)
                    is_entry = isinstance(each, ast.Subscript) and isinstance(each.value, ast.Attribute)
                    if is_stored or is_entry:
                        yield ast.unparse(each)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            if ast.unparse(node.func.value).startswith("self."):
                yield ast.unparse(node.func)


def test_a_question_changes_nothing() -> None:
    found = set()
    for name in [*MACHINES, *ROOMS]:
        for node in ast.walk(trees()[name]):
            if isinstance(node, ast.FunctionDef) and QUESTION.fullmatch(node.name) and any(writes(node)):
                found.add(f"{name}: {node.name}")
    assert found == WRITING_PREDICATES


def fields_reached(target: ast.expr) -> list[str]:
    """The attributes between `self` and what is changed: `self._board.out` reaches `_board` and `out`."""
    names: list[str] = []
    while isinstance(target, ast.Attribute | ast.Subscript):
        if isinstance(target, ast.Attribute):
            names.append(target.attr)
        target = target.value
    return names[::-1] if isinstance(target, ast.Name) and target.id == "self" else []


def changed_in(tree: ast.AST) -> Iterator[tuple[list[str], bool]]:
    """What is assigned to, deleted or changed in place, as `fields_reached`; and whether a method does it."""
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        is_call = False
        if isinstance(node, ast.Assign | ast.Delete):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in IN_PLACE:
            targets, is_call = [node.func.value], True
        for target in targets:
            for each in target.elts if isinstance(target, ast.Tuple) else [target]:
                yield fields_reached(each), is_call


def foreign_writes(tree: ast.AST) -> set[str]:
    machines = {Path(name).stem for name in MACHINES} - {
        "work"
    }  # the regions of the work table have rules of their own
    found = set()
    for names, is_call in changed_in(tree):
        if len(names) < 2 or names[0].lstrip("_") not in machines:
            continue
        is_verb = is_call and names[0].lstrip("_") == "board" and names[1] in VERBS_OF_THE_BOARD and len(names) == 2
        if not is_verb:
            found.add(".".join(names))
    return found


def test_a_machine_writes_only_its_own_fields() -> None:
    found = {f"{name}: {write}" for name in MACHINES for write in foreign_writes(trees()[name])}
    assert found == FOREIGN_WRITES


@pytest.mark.parametrize(
    "text",
    [
        "self._board.jobs_out -= 1",
        "self._transfers.large[token] = fetch",
        "self._sources.bases.pop(path, None)",
        "del self._sources.origins[path]",
        "a, self._brakes.own.before = 1, 2",
        "self._board.listings.failed.clear()",
    ],
)
def test_a_foreign_write_is_seen(text: str) -> None:
    assert foreign_writes(ast.parse(text))


def test_each_machine_says_truly_who_uses_it() -> None:
    users: dict[str, set[str]] = {name: set() for name in MACHINES}
    for name in MACHINES:
        for node in ast.walk(trees()[name]):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dir_sync.engine."):
                users["engine/" + node.module.rpartition(".")[2] + ".py"].add(Path(name).stem)
    for name in MACHINES:
        words = " ".join((ast.get_docstring(trees()[name]) or "").split())
        said = re.search(r"Used by: ([\w, ]+)\.", words)
        if said is not None:
            assert set(said.group(1).split(", ")) == (users[name] - {"machines"} or {"engine"}), name
        else:
            assert name in ("engine/board.py", "engine/engine.py", "engine/values.py", "engine/constants.py"), name


def test_each_module_of_the_disk_says_truly_who_uses_it() -> None:
    modules = {Path(name).stem: tree for name, tree in trees().items() if name.startswith("disk/")}
    users: dict[str, set[str]] = {module: set() for module in modules}
    for module, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and module != "__init__":
                names = {alias.name for alias in node.names} if node.module == "dir_sync.disk" else set()
                for used in names | {(node.module or "").removeprefix("dir_sync.disk.")}:
                    users.get(used, set()).add(module)
    for module, tree in modules.items():
        words = " ".join((ast.get_docstring(tree) or "").split())
        said = re.search(r"Used by: ([\w, ]+)\.", words)
        assert (set(said.group(1).split(", ")) if said else set()) == users[module], module


def test_each_module_of_the_daemon_says_truly_who_uses_it() -> None:
    modules = {Path(name).stem: tree for name, tree in trees().items() if name.startswith("daemon/")}
    del modules["__init__"]
    users: dict[str, set[str]] = {module: set() for module in modules}
    for name, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dir_sync.daemon."):
                users.setdefault(node.module.rpartition(".")[2], set()).add(Path(name).stem)
    for module, tree in modules.items():
        said = re.search(r"Used by: ([\w, ]+)\.", " ".join((ast.get_docstring(tree) or "").split()))
        assert said is not None, module
        assert set(said.group(1).split(", ")) == users[module], module


def test_each_room_below_file_sync_says_truly_who_uses_it() -> None:
    """`file_sync` makes all of them; it is named where it hands jobs over."""
    users: dict[str, set[str]] = {Path(name).stem: set() for name in ROOMS}
    for name in ROOMS:
        for node in ast.walk(trees()[name]):
            if isinstance(node, ast.ImportFrom) and node.module == "dir_sync.files":
                for alias in node.names:
                    users[alias.name].add(Path(name).stem)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dir_sync.files."):
                users[str(node.module).rpartition(".")[2]].add(Path(name).stem)
    for name in ROOMS:
        said = (ast.get_docstring(trees()[name]) or "").rpartition("Used by:")[2]
        named = set(re.findall(r"`(\w+)`", said))
        assert named, name
        assert named - {"file_sync"} == users[Path(name).stem], name
