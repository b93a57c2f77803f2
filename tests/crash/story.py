"""What the users of two machines do, and what has to be true of their folders whatever dies meanwhile.

A story is a list of scenes, each one user's doing on one machine. Families of paths are disjoint: what a machine could
not hear of because it was dead is never what its own user goes on with, so the end is known: `Story.tree`.
Every content is written once, and by its digest one knows of any file what it is. Of each machine the story knows which
contents were there, and which of them its own user replaced or deleted knowingly; all others are owed.

The checks say what is wrong, in words: [] if nothing is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.lan.changes import KIB, MIB, blob
from tests.lan.checker import Entry, survey
from tests.lan.lan import Node

HUGE = 5 * MIB  # more than dir_sync.core.limits.LARGE_FILE_BYTES: another pool of workers has it
BIG = 700 * KIB  # large enough for a delta, and for more than one chunk
SHOWN = 12

A, B = 0, 1


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(slots=True)
class Machine:
    """One folder, as its user knows it."""

    root: Path
    had: set[str] = field(default_factory=set)  # contents that were under a name here
    given_up: set[str] = field(default_factory=set)  # of those: what its own user replaced or deleted

    @property
    def owed(self) -> set[str]:
        return self.had - self.given_up


class Story:
    """Two machines; what was ever written; how the tree has to be in the end."""

    def __init__(self, roots: Iterable[Path]) -> None:
        self.machines = [Machine(root) for root in roots]
        self.written: dict[str, str] = {}  # digest -> what it is called in complaints
        self.tree: dict[str, str] = {}  # path -> "folder", "link TARGET" or the digest of a file
        self.durably = False  # users wait for the medium

    # --- what users do

    def content(self, label: str, size: int) -> bytes:
        made = blob(size, label)
        self.written[digest_of(made)] = label
        return made

    def has(self, at: int, *paths: str) -> bool:
        """The user there sees exactly what the story says: only then he goes on with it."""
        return all(self._is(at, path) == self.tree.get(path) for path in paths)

    def _is(self, at: int, path: str) -> str | None:
        full = self.machines[at].root / path
        if full.is_symlink():
            return f"link {os.readlink(full)}"
        if full.is_dir():
            return "folder"
        return digest_of(full.read_bytes()) if full.exists() else None

    def write(self, at: int, path: str, content: bytes, *, in_place: bool = False) -> None:
        full = self.machines[at].root / path
        self.folder(at, str(Path(path).parent))
        self._give_up(at, path)
        self.written.setdefault(digest_of(content), path)
        if in_place:
            with full.open("r+b") as file:
                file.write(content)
        else:
            beside = self.machines[at].root.with_name("beside")
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                self._wait_for(file.fileno())
            beside.replace(full)
        self._wait_for_name(full)
        self.tree[path] = digest_of(content)
        self.machines[at].had.add(digest_of(content))

    def folder(self, at: int, path: str) -> None:
        if path == ".":
            return
        full = self.machines[at].root / path
        full.mkdir(parents=True, exist_ok=True)
        self._wait_for_name(full)
        for each in (Path(path), *Path(path).parents[:-1]):
            self.tree[str(each)] = "folder"

    def link(self, at: int, path: str, target: str) -> None:
        full = self.machines[at].root / path
        beside = full.with_name(".beside")
        beside.unlink(missing_ok=True)
        os.symlink(target, beside)
        beside.replace(full)
        self._wait_for_name(full)
        self.tree[path] = f"link {target}"

    def rename(self, at: int, path: str, to: str) -> None:
        root = self.machines[at].root
        (root / path).rename(root / to)
        self._wait_for_name(root / path)
        for old in [each for each in self.tree if each == path or each.startswith(path + "/")]:
            self.tree[to + old[len(path) :]] = self.tree.pop(old)

    def swap(self, at: int, path: str, other: str) -> None:
        self.rename(at, path, "swapping")
        self.rename(at, other, path)
        self.rename(at, "swapping", other)

    def delete(self, at: int, path: str) -> None:
        full = self.machines[at].root / path
        for each in [each for each in self.tree if each == path or each.startswith(path + "/")]:
            self._give_up(at, each)
            del self.tree[each]
        if full.is_dir() and not full.is_symlink():
            shutil.rmtree(full)
        else:
            full.unlink()
        self._wait_for_name(full)

    def copy(self, at: int, path: str, to: str) -> None:
        root = self.machines[at].root
        shutil.copy(root / path, root / to)
        self.tree[to] = self.tree[path]

    def chmod(self, at: int, path: str, mode: int, mtime_ns: int) -> None:
        full = self.machines[at].root / path
        full.chmod(mode)
        os.utime(full, ns=(mtime_ns, mtime_ns))

    def hard_link(self, at: int, path: str, to: str) -> None:
        root = self.machines[at].root
        os.link(root / path, root / to)
        self.tree[to] = self.tree[path]

    def _give_up(self, at: int, path: str) -> None:
        """What the user there replaces or deletes: he sees what is there now."""
        full = self.machines[at].root / path
        if full.is_file() and not full.is_symlink():
            self.machines[at].given_up.add(digest_of(full.read_bytes()))

    def _wait_for(self, handle: int) -> None:
        if self.durably:
            os.fsync(handle)

    def _wait_for_name(self, full: Path) -> None:
        if self.durably:
            handle = os.open(full.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    # --- what has to be true

    def whole(self, at: int) -> list[str]:
        """No file has a content that nobody has written. What is here from now on counts as having been here."""
        wrong = []
        machine = self.machines[at]
        for path, entry in survey(machine.root).items():
            if entry.kind == "file" and entry.sha256 not in self.written:
                wrong.append(f"{'AB'[at]}: {path!r} is half made: {entry.size} bytes that nobody has written")
            elif entry.kind == "file":
                assert entry.sha256
                machine.had.add(entry.sha256)
        return wrong

    def lost(self, at: int) -> list[str]:
        """What was here and was not given up by its own user is in the tree or in the history (or, as long as the daemon
        is dead, where its next start looks for it)."""
        machine = self.machines[at]
        here = {entry.sha256 for entry in survey(machine.root).values()} | set(kept(machine.root))
        return [f"{'AB'[at]}: {self.written[digest]!r} is lost" for digest in sorted(machine.owed - here)]

    def as_told(self, at: int) -> list[str]:
        """The tree is exactly what the users have made."""
        found = {os.fsdecode(path): _told(entry) for path, entry in survey(self.machines[at].root).items()}
        return [
            f"{'AB'[at]}: {path!r} is {self._named(found.get(path))}, not {self._named(self.tree.get(path))}"
            for path in sorted(found.keys() | self.tree.keys())
            if found.get(path) != self.tree.get(path)
        ]

    def _named(self, what: str | None) -> str:
        return "absent" if what is None else self.written.get(what, what)


def _told(entry: Entry) -> str:
    if entry.kind == "directory":
        return "folder"
    if entry.kind == "link":
        return f"link {os.fsdecode(entry.target or b'')}"
    return entry.sha256 or ""


def kept(root: Path) -> dict[str, Path]:
    """The files in the history of a folder, and what is on its way there: by digest of their content."""
    found = {}
    for path in (*_files(root / ".dir_sync/versions"), *_files(root / ".dir_sync/staging")):
        if path.parent.name == "staging" and not path.name.startswith(("swap-", "old-")):
            continue
        found[digest_of(path.read_bytes())] = path
    return found


def _files(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):
        for name in names:
            path = Path(where, name)
            if path.is_file() and not path.is_symlink():
                yield path


def is_noted(root: Path, name: str) -> bool:
    """The index of a node (that may be dead) has a file of this name at the top of its folder."""
    with tempfile.TemporaryDirectory() as aside:
        for path in (root / ".dir_sync").glob("index.db*"):
            shutil.copy(path, aside)
        with closing(sqlite3.connect(f"{aside}/index.db")) as database:
            query = "SELECT 1 FROM row WHERE parent=? AND name=? AND kind=1"
            return database.execute(query, (b"", os.fsencode(name))).fetchone() is not None


def staged(root: Path) -> list[str]:
    folder = root / ".dir_sync/staging"
    return sorted(os.listdir(folder)) if folder.exists() else []


def litter(root: Path) -> list[str]:
    """What is left in the staging folder and should not be: deltas are kept there as long as a peer may want them."""
    return [name for name in staged(root) if not name.startswith("delta-")]


def own_state(node: Node, *, pruned: bool = False) -> list[str]:
    """Of a node that does not run: is its index sound, and does `history` list all that is kept, and nothing else (unless
    something was removed by hand)?"""
    wrong = []
    with closing(sqlite3.connect(f"file:{node.dir}/.dir_sync/index.db?mode=ro", uri=True)) as database:
        (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
        listed = {os.fsdecode(name) for (name,) in database.execute("SELECT name FROM version")}
    if verdict != "ok":
        wrong.append(f"{node}: its index is damaged: {verdict}")
    there = set()
    for where, _, names in os.walk(node.versions):
        there |= {os.path.relpath(os.path.join(where, name), node.dir) for name in names}
    wrong += [f"{node}: {name} is in the history and `history` does not know it" for name in sorted(there - listed)]
    wrong += [f"{node}: `history` lists {name}, which is not there" for name in sorted(listed - there) if not pruned]
    ended = node.run_to_end("history", node.dir)
    if ended.code or ended.errors:
        wrong.append(f"{node}: `history` ends with {ended.code}: {ended.err.strip()}")
    wrong += [f"{node}: {name} is left in the staging folder" for name in litter(node.dir)]
    return wrong


# --- the scenes ------------------------------------------------------------------------------------------------------

Scene = Callable[[Story], object]
OLD_NS = 1_600_000_000 * 10**9


def before(story: Story) -> None:
    """What both have when they meet for the first time."""
    for name in ("edit", "move", "gone", "mode", "swap one", "swap two", "type"):
        story.write(A, name, story.content(f"{name}, first", 900))
    for number in range(5):
        story.write(A, f"several/{number}", story.content(f"several {number}, first", 300))
    for name in ("one", "in/two", "in/three"):
        story.write(A, f"folder/{name}", story.content(f"folder {name}", 400))
    story.folder(A, "folder/empty")
    story.link(A, "link", "edit")
    for name in ("edit", "move", "gone", "hard"):
        story.write(B, f"b {name}", story.content(f"b {name}, first", 900))
    story.hard_link(B, "b hard", "b hard too")
    story.write(B, "b big", story.content("b big, first", BIG))
    for name in ("one", "two"):
        story.write(B, f"b folder/{name}", story.content(f"b folder {name}", 400))


def edit(story: Story) -> None:
    story.write(A, "edit", story.content("edit, second", 1000))


def create_many(story: Story) -> None:
    for number in range(9):
        story.write(A, f"many/{number % 3}/{number}", story.content(f"many {number}", 100 + 50 * number))


def edit_several(story: Story) -> None:
    for number in range(5):
        story.write(A, f"several/{number}", story.content(f"several {number}, second", 310))


def move(story: Story) -> None:
    story.rename(A, "move", "moved")


def delete(story: Story) -> None:
    story.delete(A, "gone")


def delete_folder(story: Story) -> None:
    story.delete(A, "folder")


def create_huge(story: Story) -> None:
    story.write(A, "huge", story.content("huge, first", HUGE))


def edit_huge(story: Story) -> None:
    made = bytearray(story.content("huge, first", HUGE))
    made[MIB : MIB + 5000] = blob(5000, "huge, second")
    story.written[digest_of(made)] = "huge, second"
    story.write(A, "huge", bytes(made))


def copy_huge(story: Story) -> None:
    story.copy(A, "huge", "huge copy")


def change_mode(story: Story) -> None:
    story.chmod(A, "mode", 0o640, OLD_NS)


def change_types(story: Story) -> None:
    story.link(A, "link", "elsewhere")
    story.delete(A, "type")
    story.write(A, "type/in", story.content("type in", 200))


def change_type_back(story: Story) -> None:
    if story.has(A, "type/in"):
        story.delete(A, "type")
        story.write(A, "type", story.content("type, second", 250))


def swap(story: Story) -> None:
    story.swap(A, "swap one", "swap two")


def edit_what_has_two_names(story: Story) -> None:
    if story.has(A, "b hard"):
        story.write(A, "b hard", story.content("b hard, second", 950))


def b_edits(story: Story) -> None:
    story.write(B, "b edit", story.content("b edit, second", 990))
    story.rename(B, "b move", "b moved")
    story.delete(B, "b gone")


def b_creates(story: Story) -> None:
    for number in range(4):
        story.write(B, f"b new/{number}", story.content(f"b new {number}", 500))
    story.delete(B, "b folder")


def b_edits_big(story: Story) -> None:
    made = bytearray(story.content("b big, first", BIG))
    made[MIB // 4 : MIB // 4 + 3000] = blob(3000, "b big, second")
    story.written[digest_of(made)] = "b big, second"
    story.write(B, "b big", bytes(made))


def they_take_turns_1(story: Story) -> None:
    story.write(A, "turns", story.content("turns, A", 100))


def they_take_turns_2(story: Story) -> None:
    if story.has(B, "turns"):
        story.write(B, "turns", story.content("turns, B", 110))


def they_take_turns_3(story: Story) -> None:
    if story.tree.get("turns") and story.has(A, "turns"):
        story.write(A, "turns", story.content("turns, A again", 120))


def they_take_turns_4(story: Story) -> None:
    # Not promised: that what came for the first time and was not noted stays deleted (a file not yet installed looks the same).
    if story.tree.get("turns") and story.has(B, "turns") and is_noted(story.machines[B].root, "turns"):
        story.delete(B, "turns")


SCENES: list[list[Scene]] = [
    [edit],
    [create_many],
    [edit_several],
    [move, delete, delete_folder],
    [create_huge],
    [edit_huge, change_mode],
    [copy_huge, change_types],
    [change_type_back, swap],
    [edit_what_has_two_names, b_edits],
    [b_creates, they_take_turns_1],
    [b_edits_big, they_take_turns_2],
    [they_take_turns_3],
    [they_take_turns_4],
]
"""What is done at once, before anybody looks whether both have the same."""
