"""Programs that no one here wrote (and the save patterns of some), at work in the folder."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .changes import append, blob, write
from .checker import survey, wait_equal, wait_for
from .lan import Lan, Node

pytestmark = pytest.mark.lan

SOON_S = 60.0


@pytest.fixture(scope="module")
def running() -> Iterator[Lan]:
    with Lan(3) as lan:
        lan.start()
        yield lan


@pytest.fixture
def lan(running: Lan) -> Lan:
    """Three nodes that run and are equal; made anew if an earlier test has left them otherwise."""
    try:
        assert all(node.running for node in running)
        wait_equal(running.roots, 10, contents=False)
    except AssertionError:
        running.reset()
        running.start()
    return running


def arrives(lan: Lan, at: Node, folder: str) -> None:
    wait_equal(lan.roots, SOON_S, like=survey(at.dir, only=folder), only=folder)


def needs(program: str) -> str:
    path = shutil.which(program)
    if not path:
        pytest.skip(f"{program} is not installed")
    return path


def run(*args: str | os.PathLike[str], cwd: Path, home: Path | None = None) -> str:
    """A program that must succeed, far from the settings of the user who runs the tests."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home or cwd), "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1"}
    env |= {"GIT_OPTIONAL_LOCKS": "0", "TERM": "dumb"}
    done = subprocess.run(args, cwd=cwd, env=env, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    output = (done.stdout + done.stderr).decode(errors="backslashreplace")
    assert done.returncode == 0, f"{args}: {output}"
    return output


# --- files that take their time ------------------------------------------------------------------


class Reader:
    """Reads a file again and again while it grows elsewhere: each look is a beginning of what it will be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: set[bytes] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        while not self._end.wait(0.02):
            try:
                self.seen.add(self.path.read_bytes())
            except FileNotFoundError:
                continue

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    def check(self, whole: bytes) -> None:
        torn = [look for look in self.seen if not whole.startswith(look)]
        assert not torn, f"{len(torn)} of {len(self.seen)} looks are no beginnings, such as {torn[0][-100:]!r}"


def test_a_log_that_grows_and_is_never_closed(lan: Lan) -> None:
    path = write(lan[0].dir / "growing/log", b"")
    arrives(lan, lan[0], "growing")
    there = lan[1].dir / "growing/log"
    pause = threading.Event()
    with path.open("ab", buffering=0) as log, Reader(there) as reader:
        for at in range(400):
            log.write(f"{at:06} a line of the log\n".encode())
            pause.wait(0.005)
        # It is still open, and yet it gets there: a log never closes.
        whole = path.read_bytes()
        wait_for(lambda: there.read_bytes() == whole, SOON_S, "the log, though it is still open")
        log.write(b"the last line\n")
        arrives(lan, lan[0], "growing")
    reader.check(whole + b"the last line\n")
    assert len(reader.seen) > 1


def test_a_file_that_is_written_slowly(lan: Lan) -> None:
    whole = blob(3 << 20)
    path = write(lan[1].dir / "slow/first", b"1").with_name("download.iso")
    arrives(lan, lan[1], "slow")
    pause = threading.Event()
    with Reader(lan[2].dir / "slow/download.iso") as reader, path.open("wb", buffering=0) as file:
        for at in range(0, len(whole), 64 << 10):
            file.write(whole[at : at + (64 << 10)])
            pause.wait(0.03)
    arrives(lan, lan[1], "slow")
    reader.check(whole)


def test_a_preallocated_file_that_is_filled_from_both_ends(lan: Lan) -> None:
    path = write(lan[0].dir / "torrent/first", b"1").with_name("movie")
    arrives(lan, lan[0], "torrent")
    pieces = [blob(32 << 10, at) for at in range(64)]
    pause = threading.Event()
    with path.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, 64 * (32 << 10))
        for at in [*range(0, 64, 2), *range(63, 0, -2)]:
            os.pwrite(file.fileno(), pieces[at], at * (32 << 10))
            pause.wait(0.01)
    arrives(lan, lan[0], "torrent")
    assert (lan[2].dir / "torrent/movie").read_bytes() == b"".join(pieces)


# --- save patterns -------------------------------------------------------------------------------


def save_in_place(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def save_like_vim(path: Path, content: bytes) -> None:
    """Probe the folder with 4913, keep a swap file, rename the old one to a backup, write anew, drop both."""
    swap_file = path.with_name(f".{path.name}.swp")
    swap_file.write_bytes(bytes(4096))
    probe = path.with_name("4913")
    probe.touch()
    probe.unlink()
    backup = path.with_name(path.name + "~")
    path.rename(backup)
    with path.open("wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    os.chmod(path, 0o644)
    backup.unlink()
    swap_file.unlink()


def save_beside_and_rename(path: Path, content: bytes) -> None:
    """gedit, VS Code's atomic saves, most libraries."""
    beside = path.with_name(f".goutputstream-{os.urandom(3).hex().upper()}")
    beside.write_bytes(content)
    beside.chmod(0o644)
    beside.rename(path)


def save_like_emacs(path: Path, content: bytes) -> None:
    """A lock that is a dangling link, an auto-save file, a backup that stays."""
    lock = path.with_name(f".#{path.name}")
    os.symlink("user@host.1234:1600000000", lock)
    auto = path.with_name(f"#{path.name}#")
    auto.write_bytes(content[: len(content) // 2])
    backup = path.with_name(path.name + "~")
    shutil.copy2(path, backup)
    path.write_bytes(content)
    auto.unlink()
    lock.unlink()


def save_like_an_office(path: Path, content: bytes) -> None:
    """A lock file, a temporary one, the old one moved aside and removed."""
    lock = path.with_name(f".~lock.{path.name}#")
    lock.write_bytes(b",user,host,;")
    beside = path.with_name("lu1234abcd.tmp")
    beside.write_bytes(content)
    aside = path.with_name(f"{path.name}.old")
    path.rename(aside)
    beside.rename(path)
    aside.unlink()
    lock.unlink()


def save_by_hard_link(path: Path, content: bytes) -> None:
    """Backup by link, then replace by rename."""
    backup = path.with_name(path.name + ".bak")
    backup.unlink(missing_ok=True)
    os.link(path, backup)
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(content)
    beside.rename(path)


def save_by_truncating_first(path: Path, content: bytes) -> None:
    """Shell redirection of a slow program: empty for a moment."""
    with path.open("wb") as file:
        file.flush()
        for at in range(0, len(content), 500):
            file.write(content[at : at + 500])
            file.flush()


SAVES = [
    save_in_place,
    save_like_vim,
    save_beside_and_rename,
    save_like_emacs,
    save_like_an_office,
    save_by_hard_link,
    save_by_truncating_first,
]


@pytest.mark.parametrize("save", SAVES, ids=lambda save: save.__name__)
def test_a_save_pattern(lan: Lan, save: Callable[[Path, bytes], None]) -> None:
    """Quick saves in a row on one node, then some on another; what it leaves beside the file comes along."""
    folder = save.__name__
    write(lan[0].dir / folder / "text.txt", b"in the beginning")
    arrives(lan, lan[0], folder)
    for node, count in ((lan[0], 10), (lan[1], 1), (lan[2], 3)):
        content = b""
        for turn in range(count):
            content = f"turn {turn} on {node}\n".encode() * 100
            save(node.dir / folder / "text.txt", content)
        arrives(lan, node, folder)
        assert (lan[0].dir / folder / "text.txt").read_bytes() == content


def test_sed_in_place(lan: Lan) -> None:
    needs("sed")
    for at in range(20):
        write(lan[0].dir / f"sed/{at}.conf", b"key = old\n" * at)
    arrives(lan, lan[0], "sed")
    run("sh", "-c", "sed -i s/old/new/ *.conf", cwd=lan[1].dir / "sed")
    arrives(lan, lan[1], "sed")
    assert (lan[0].dir / "sed/3.conf").read_bytes() == b"key = new\n" * 3


def test_vim_itself(lan: Lan) -> None:
    vim = needs("vim")
    write(lan[0].dir / "vim/file", b"text\n")
    arrives(lan, lan[0], "vim")
    for turn in range(5):
        at = lan[turn % 3]
        run(vim, "-N", "-u", "NONE", "-es", "-c", f"normal oline {turn}", "-c", "wq", "file", cwd=at.dir / "vim")
        arrives(lan, at, "vim")
    assert (lan[0].dir / "vim/file").read_text().splitlines() == ["text", *(f"line {at}" for at in range(5))]


# --- whole trees at once -------------------------------------------------------------------------


@pytest.mark.long
def test_a_virtual_environment(lan: Lan) -> None:
    """More than a thousand files and links, in folders that are hardly made before they are filled."""
    run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=lan[0].dir, home=lan[0].home)
    assert (lan[0].dir / "venv/bin/python").is_symlink()
    library = Path(os.__file__).parent
    shutil.copytree(
        library / "json", lan[0].dir / "venv/json", ignore=shutil.ignore_patterns("__pycache__"), symlinks=True
    )
    shutil.copytree(library / "email", lan[0].dir / "venv/email", symlinks=True)
    arrives(lan, lan[0], "venv")
    elsewhere = lan[1].dir / "venv"
    run(elsewhere / "bin/python", "-c", "print(1)", cwd=lan[1].base)


def test_tar_x(lan: Lan) -> None:
    """Old mtimes, read-only folders, links, odd names; extracted, and then extracted again over itself."""
    needs("tar")
    tree = lan[0].base / "to pack"
    for at in range(400):
        path = write(tree / f"d{at % 13}/e{at % 7}/file{at}", blob(at * 11, at))
        os.utime(path, ns=(1, 1_200_000_000_123_456_789 + at))
    os.symlink("d1/e1", tree / "link")
    (tree / "d2").chmod(0o555)
    with open(os.path.join(os.fsencode(tree), b"d1/odd\xff\n"), "wb") as file:
        file.write(b"odd")
    archive = lan[0].base / "it.tar"
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as packed:
        packed.add(tree, "tar")
    run("tar", "xpf", archive, cwd=lan[0].dir)
    arrives(lan, lan[0], "tar")
    run("tar", "xpf", archive, cwd=lan[1].dir)
    arrives(lan, lan[1], "tar")
    assert int((lan[2].dir / "tar/d1/e1/file1").stat().st_mtime) == 1_200_000_000


@pytest.mark.long
def test_git(lan: Lan) -> None:
    """A repository of several commits: made on one node, switched on others, packed on the third; sound on all."""
    git = needs("git")
    a, b, c = lan

    def on(node: Node, *args: str) -> str:
        identity = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "-c", "gc.auto=0")
        return run(git, *identity, *args, cwd=node.dir / "git", home=node.home)

    (a.dir / "git").mkdir()
    on(a, "init", "-q", "-b", "main")
    for commit in range(8):
        for at in range(commit * 5 + 10):
            write(a.dir / f"git/src{at % 4}/file{at}.txt", f"{commit} {at}\n".encode() * (at + 1))
        if commit > 3:
            (a.dir / f"git/src0/file{commit * 4 - 16}.txt").unlink()
            os.symlink("file1.txt", a.dir / f"git/src1/link{commit}")
        on(a, "add", "-A")
        on(a, "commit", "-q", "-m", f"commit {commit}")
        on(a, "tag", f"v{commit}")
    arrives(lan, a, "git")
    for tag in ("v0", "v5", "v2", "v7"):
        on(b, "checkout", "-q", tag)
        arrives(lan, b, "git")
        assert on(c, "status", "--porcelain") == ""
        assert on(c, "rev-parse", "HEAD") == on(a, "rev-parse", tag)
    on(c, "checkout", "-q", "-b", "branch", "v3")
    write(c.dir / "git/src0/new", b"on a branch")
    on(c, "add", "-A")
    on(c, "commit", "-q", "-m", "on a branch")
    on(c, "gc", "-q", "--prune=now")
    arrives(lan, c, "git")
    on(a, "checkout", "-q", "main")
    on(a, "merge", "-q", "-m", "merge", "-s", "ours", "branch")
    arrives(lan, a, "git")
    for node in lan:
        on(node, "fsck", "--strict", "--full")
        assert on(node, "status", "--porcelain") == ""
        assert on(node, "log", "--oneline").count("\n") == 10


def test_sqlite(lan: Lan) -> None:
    """Each of its files is whole; at rest the database is sound everywhere, and holds every commit."""
    (lan[0].dir / "sqlite").mkdir()
    for index, rows in ((0, 30), (1, 10)):
        path = lan[index].dir / "sqlite/db"
        database = sqlite3.connect(path)
        database.execute("create table if not exists t (x integer primary key, y blob)")
        for _ in range(rows):
            database.execute("insert into t (y) values (?)", (os.urandom(2000),))
            database.commit()
        database.close()
        arrives(lan, lan[index], "sqlite")
    for node in lan:
        copy = shutil.copy(node.dir / "sqlite/db", node.base / "db")
        database = sqlite3.connect(copy)
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        assert database.execute("select count(*) from t").fetchone() == (40,)
        database.close()


def test_build_and_clean(lan: Lan) -> None:
    """A folder that is filled and removed in a loop, as compilers do; the last state counts."""
    write(lan[0].dir / "build/source.c", b"int main;")
    arrives(lan, lan[0], "build")
    for turn in range(8):
        for at in range(10):
            write(lan[0].dir / f"build/out/obj{at % 3}/{at}.o", blob(3000, (turn, at)))
        append(lan[0].dir / "build/source.c", b"\n")
        if turn < 7:
            shutil.rmtree(lan[0].dir / "build/out")
    arrives(lan, lan[0], "build")
