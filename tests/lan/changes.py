"""What people and programs do to a folder: each a way to set the scene, then a way to change it.

Both get a folder of their own. They are done live and offline alike (test_live.py, test_offline.py).
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

KIB, MIB = 1 << 10, 1 << 20
SECOND_NS = 10**9
EXACT_NS = 1_577_836_800 * SECOND_NS + 123_456_789  # 2020, and a few nanoseconds


def blob(size: int, seed: object = 0) -> bytes:
    """Bytes that do not compress; the same for the same seed."""
    return random.Random(f"{size} {seed}").randbytes(size)


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def put(path: Path, content: bytes, mtime_ns: int) -> Path:
    """A file that is there from one moment to the next, with that mtime: made elsewhere and moved into place.

    (Elsewhere: beside the shared folder, on the same file system; see lan.Node.base.)
    """
    shared = next(folder for folder in path.parents if folder.name == "shared")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = shared.with_name("put")
    beside.write_bytes(content)
    set_mtime(beside, mtime_ns)
    return beside.rename(path)


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def overwrite(path: Path, offset: int, content: bytes) -> None:
    """In place: the same file, the same size."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def set_mtime(path: Path | bytes, ns: int) -> None:
    os.utime(path, ns=(ns, ns), follow_symlinks=False)


def swap(one: Path, other: Path) -> None:
    beside = one.with_name(one.name + ".swapping")
    one.rename(beside)
    other.rename(one)
    beside.rename(other)


@dataclass(frozen=True, slots=True)
class Change:
    name: str
    before: Callable[[Path], object]
    change: Callable[[Path], object]


CHANGES: list[Change] = []


def change(before: Callable[[Path], object]) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Decorates what changes the folder that `before` has filled."""

    def add(then: Callable[[Path], None]) -> Callable[[Path], None]:
        CHANGES.append(Change(then.__name__, before, then))
        return then

    return add


def nothing(root: Path) -> None:
    root.mkdir(exist_ok=True)


def some_files(root: Path) -> None:
    for at, size in enumerate((0, 1, 1000, 4096, 70_000)):
        write(root / f"file{at}", blob(size, at))


def some_folders(root: Path) -> None:
    """A tree of folders: 3 levels, 39 files, some empty folders."""
    for a in range(3):
        for b in range(3):
            for c in range(3):
                write(root / f"tree/a{a}/b{b}/file{c}", blob(500 * c + 1, (a, b, c)))
            (root / f"tree/a{a}/b{b}/empty").mkdir()
        for c in range(4):
            write(root / f"tree/a{a}/file{c}", blob(2_000, (a, c)))


# --- content --------------------------------------------------------------------------------------


@change(nothing)
def create_files_of_all_sizes(root: Path) -> None:
    for size in (0, 1, 1000, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB + 7, 5 * MIB):
        write(root / f"new/{size}", blob(size))


@change(nothing)
def create_many_files(root: Path) -> None:
    for at in range(300):
        write(root / f"many/{at % 20}/{at}", blob(at * 7, at))


@change(lambda root: [write(root / str(size), blob(size)) for size in (10, 3000, 200_000, 3 * MIB)])
def edit_in_place(root: Path) -> None:
    for path in root.iterdir():
        size = path.stat().st_size
        overwrite(path, size // 2, blob(size // 10, "edited"))


@change(some_files)
def edit_by_writing_anew(root: Path) -> None:
    for path in root.iterdir():
        path.write_bytes(blob(path.stat().st_size + 3, "anew"))


@change(some_files)
def append_to_files(root: Path) -> None:
    for path in root.iterdir():
        append(path, b"one more line\n")


@change(some_files)
def insert_at_the_front(root: Path) -> None:
    for path in root.iterdir():
        path.write_bytes(b"header\n" + path.read_bytes())


@change(lambda root: [write(root / str(at), blob(300_000, at)) for at in range(3)])
def truncate_and_extend(root: Path) -> None:
    os.truncate(root / "0", 0)
    os.truncate(root / "1", 123_457)
    os.truncate(root / "2", 20 * MIB)  # a hole at its end


@change(some_files)
def write_the_same_bytes_again(root: Path) -> None:
    for path in root.iterdir():
        path.write_bytes(path.read_bytes())


@change(some_files)
def change_a_file_ten_times_in_a_row(root: Path) -> None:
    for turn in range(10):
        (root / "file3").write_bytes(blob(4096, turn))


@change(some_files)
def bring_back_an_older_file(root: Path) -> None:
    """cp -p: the mtime goes back, and yet it is the latest change."""
    write(root / "file2", b"an older version")
    set_mtime(root / "file2", EXACT_NS)


# --- names ----------------------------------------------------------------------------------------


@change(some_files)
def rename_files(root: Path) -> None:
    (root / "file1").rename(root / "renamed")
    (root / "file2").rename(root / "FILE2")
    (root / "file4").rename(root / "file4.old")


@change(some_files)
def rename_onto_another_file(root: Path) -> None:
    (root / "file2").rename(root / "file3")


@change(some_folders)
def move_into_folders_and_out(root: Path) -> None:
    (root / "new/deeper").mkdir(parents=True)
    (root / "tree/a0/file0").rename(root / "new/deeper/file0")
    (root / "tree/a0/b0/file1").rename(root / "tree/a1/b1/moved")
    (root / "tree/a2/b2/file2").rename(root / "file2")


@change(some_folders)
def rename_a_tree(root: Path) -> None:
    (root / "tree").rename(root / "renamed")


@change(some_folders)
def move_a_tree_into_another_and_rename_files_in_it(root: Path) -> None:
    (root / "tree/a0").rename(root / "tree/a1/b0/a0")
    (root / "tree/a1/b0/a0/file0").rename(root / "tree/a1/b0/a0/renamed")
    append(root / "tree/a1/b0/a0/file1", b"edited too")


@change(some_files)
def swap_names(root: Path) -> None:
    swap(root / "file1", root / "file2")
    (root / "file0").rename(root / "beside")  # and a ring of three
    (root / "file3").rename(root / "file0")
    (root / "file4").rename(root / "file3")
    (root / "beside").rename(root / "file4")


@change(some_folders)
def swap_folders(root: Path) -> None:
    swap(root / "tree/a0", root / "tree/a1")
    swap(root / "tree/a2/b0", root / "tree/a2/b1")


@change(some_folders)
def exchange_a_folder_with_its_child(root: Path) -> None:
    (root / "tree/a0/b0").rename(root / "beside")
    (root / "tree/a0").rename(root / "beside/a0")
    (root / "beside").rename(root / "tree/a0")


def every_odd_name() -> Iterator[bytes]:
    yield from (bytes([byte]) for byte in range(1, 256) if byte not in b"./")
    yield from (b"x" * 255, "é".encode() * 127, b"\xff" * 255, b"." * 255)
    yield from (b"-rf", b"--help", b"~", b"~root", b"con", b"nul.txt", b"a:b", b"C:\\x", b"..\\x", b"$HOME")
    yield from (
        b"...",
        b".. ",
        b" lead",
        b"trail ",
        b"trail.",
        b"line\nbreak",
        b"a\x1b]0;title\x07b",
        b"tab\t",
    )
    yield from ("e\u0301".encode(), "é".encode(), "txt.\u202eexe".encode(), "zero\u200bwidth".encode())
    yield from (b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"half\xc3", b"%00", b"%2e%2e", b"?*[]{}")
    yield from (
        b".dir_sync2",
        b".dir_syn",
        b"x.dir_sync",
        b".DIR_SYNC",
        b"file.swp",
        b"#lock",
        b"#auto#",
        b"n~",
    )


@change(nothing)
def create_odd_names(root: Path) -> None:
    top = os.fsencode(root)
    for name in every_odd_name():
        with open(os.path.join(top, name), "wb") as file:
            file.write(name)


def some_odd_names(root: Path) -> None:
    top = os.fsencode(root)
    for name in [*every_odd_name()][-30:]:
        os.mkdir(os.path.join(top, name))
        with open(os.path.join(top, name, name), "wb") as file:
            file.write(name)


@change(some_odd_names)
def change_odd_names(root: Path) -> None:
    top = os.fsencode(root)
    for at, name in enumerate([*every_odd_name()][-30:]):
        folder = os.path.join(top, name)
        if at % 3 == 0:
            with open(os.path.join(folder, name), "ab") as file:
                file.write(b"edited")
        elif at % 3 == 1:
            os.rename(folder, folder[:-1] + b"\xfe")
        else:
            os.remove(os.path.join(folder, name))
            os.symlink(name, os.path.join(folder, name))


DEEP = Path(*["d" * 200] * 15, *["e"] * 60)


@change(lambda root: write(root / DEEP / "file", b"deep down"))
def change_deep_down(root: Path) -> None:
    write(root / DEEP / "file", b"deep down, edited")
    write(root / DEEP / "other", b"deep down, new")
    (root / DEEP.parts[0]).rename(root / "renamed")


# --- deleting -------------------------------------------------------------------------------------


@change(some_files)
def delete_files(root: Path) -> None:
    for at in (0, 2, 4):
        (root / f"file{at}").unlink()


@change(some_folders)
def delete_folders(root: Path) -> None:
    shutil.rmtree(root / "tree/a1")
    (root / "tree/a0/b0/empty").rmdir()


@change(some_folders)
def delete_and_create_again(root: Path) -> None:
    path = root / "tree/a0/file0"
    path.unlink()
    path.write_bytes(b"born again")
    shutil.rmtree(root / "tree/a1/b0")
    write(root / "tree/a1/b0/other", b"another folder of that name")


# --- folders, links, types ------------------------------------------------------------------------


@change(nothing)
def create_empty_folders(root: Path) -> None:
    (root / "one/two/three").mkdir(parents=True)
    for at in range(30):
        (root / f"row/{at}").mkdir(parents=True)


def some_links(root: Path) -> None:
    write(root / "folder/file", b"linked to")
    os.symlink("folder/file", root / "to file")
    os.symlink("folder", root / "to folder")
    os.symlink("nowhere", root / "dangling")


@change(nothing)
def create_links(root: Path) -> None:
    some_links(root)
    os.symlink("/etc/hostname", root / "absolute")
    os.symlink("/", root / "to the top")
    os.symlink("loop2", root / "loop1")
    os.symlink("loop1", root / "loop2")
    os.symlink("self", root / "self")
    os.symlink(".", root / "here")
    os.symlink("..", root / "folder/up")
    os.symlink("../../../../../../../../../etc", root / "far up")
    os.symlink(b"bad\xff\nname", os.path.join(os.fsencode(root), b"odd \xfe"))
    os.symlink("long/" * 800 + "end", root / "long")
    set_mtime(root / "dangling", EXACT_NS)


@change(some_links)
def change_links(root: Path) -> None:
    (root / "dangling").unlink()
    os.symlink("elsewhere", root / "dangling")
    (root / "to folder").unlink()
    append(root / "to file", b", and written through the link")
    os.symlink("to file", root / "to link")
    (root / "folder").rename(root / "folder2")


TYPES: dict[str, Callable[[Path], object]] = {
    "file": lambda path: path.write_bytes(b"a file now"),
    "folder": lambda path: write(path / "in/it", b"in a folder now"),
    "empty": lambda path: path.mkdir(),
    "link": lambda path: os.symlink("a link now", path),
}


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def one_of_each_type(root: Path) -> None:
    for old, make in TYPES.items():
        for new in TYPES:
            make(root / f"{old} to {new}")


@change(one_of_each_type)
def change_types(root: Path) -> None:
    for old in TYPES:
        for new, make in TYPES.items():
            if old != new:
                remove(root / f"{old} to {new}")
                make(root / f"{old} to {new}")


@change(lambda root: (some_folders(root), write(root / "file", b"a file")))
def swap_a_file_with_a_folder(root: Path) -> None:
    swap(root / "file", root / "tree/a0")
    swap(root / "tree/a1/file0", root / "tree/a1/b0")


@change(lambda root: (some_files(root), os.link(root / "file2", root / "hard link")))
def edit_one_of_two_hard_links(root: Path) -> None:
    append(root / "file2", b"seen under both names")
    os.link(root / "file3", root / "another")


# --- what stat says -------------------------------------------------------------------------------


def files_of_all_modes(root: Path) -> None:
    for mode in (0o000, 0o400, 0o444, 0o600, 0o644, 0o755, 0o777, 0o111):
        write(root / f"file {mode:o}", b"x").chmod(mode)
        folder = root / f"folder {mode:o}"
        write(folder / "file", b"y")
        folder.chmod(mode)


@change(nothing)
def create_files_of_many_modes(root: Path) -> None:
    files_of_all_modes(root)


@change(files_of_all_modes)
def chmod(root: Path) -> None:
    for path in root.iterdir():
        path.chmod((path.stat().st_mode & 0o777) ^ 0o750)


@change(files_of_all_modes)
def edit_read_only_files(root: Path) -> None:
    append(root / "file 400", b"more")
    write(root / "folder 444/new", b"new")
    (root / "folder 0/file").unlink()


SECONDS = {
    "1901": -(2**31),
    "1969": -1,
    "1970": 0,
    "1970 too": 1,
    "2001": 10**9,
    "2038": 2**31,
    "2106": 2**32,
    "2446": 15_032_385_535,
}


@change(lambda root: [write(root / name, b"x") for name in SECONDS])
def touch(root: Path) -> None:
    for name, seconds in SECONDS.items():
        set_mtime(root / name, seconds * SECOND_NS)
        set_mtime(write(root / f"{name} new", b"y"), seconds * SECOND_NS + 987_654_321)
    os.symlink("x", root / "link")
    set_mtime(root / "link", EXACT_NS)


@change(some_files)
def touch_now(root: Path) -> None:
    for path in root.iterdir():
        os.utime(path)


# --- copies ---------------------------------------------------------------------------------------


@change(some_folders)
def copy_files_and_folders(root: Path) -> None:
    shutil.copy(root / "tree/a0/file0", root / "tree/a0/copy")  # a new mtime
    shutil.copy2(root / "tree/a0/file1", root / "copy2")  # the old mtime
    shutil.copytree(root / "tree/a1", root / "tree/copy of a1", symlinks=True)
    write(root / "big", blob(2 * MIB))
    shutil.copy(root / "big", root / "big copy")
    shutil.copy(root / "big", root / "big copy, edited")
    append(root / "big copy, edited", b"edited")
