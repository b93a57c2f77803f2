"""Disks that take a name for another one (vfat, exFAT): real ones, mounted from a file, as the folder of one of three nodes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .changes import MIB, blob, write
from .checker import holds, wait_for
from .lan import Lan

pytestmark = pytest.mark.lan

SOON_S = 60.0
FORMATS = {"vfat": ("mkfs.vfat", "-F", "32", "-s", "1"), "exfat": ("mkfs.exfat",)}
MOUNTS = {
    "vfat": (("mount", "-t", "vfat", "-o", "utf8=1"), ("mount", "-t", "vfat")),
    "exfat": (("mount", "-t", "exfat"), ("mount.exfat-fuse",)),
}


def run(*command: str | Path) -> str:
    """What it says, if it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return (done.stderr or done.stdout).strip().splitlines()[-1] if done.returncode else ""


@pytest.fixture(params=FORMATS)
def mesh(request: pytest.FixtureRequest, new_lan: Callable[..., Lan]) -> Iterator[Lan]:
    """Three nodes; the folder of the second is on a disk that is blind to case."""
    kind: str = request.param
    format_ = FORMATS[kind]
    if not shutil.which(format_[0]):
        pytest.skip(f"no `{format_[0]}`")
    lan = new_lan(3)
    image = lan.work / "image"
    with image.open("wb") as file:
        file.truncate(64 * MIB)
    run(*format_, image)
    found = subprocess.run(["losetup", "-f", "--show", image], check=False, capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"no loop device can be had here: {found.stderr.strip()}")
    loop = found.stdout.strip()
    try:
        reason = ""
        for command in MOUNTS[kind]:
            reason = run(*command, loop, lan[1].dir) if shutil.which(command[0]) else f"no `{command[0]}`"
            if not reason:
                break
        if reason:
            pytest.skip(f"no {kind} can be mounted here: {reason}")
        try:
            yield lan
        finally:
            lan[1].kill()
            subprocess.run(["umount", "-l", lan[1].dir], check=True)
    finally:
        subprocess.run(["losetup", "-d", loop], check=False)


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".dir_sync" not in path.relative_to(root).parts
    }


def test_two_names_that_a_disk_takes_for_one(mesh: Lan) -> None:
    """One of them is there, the other one is held back; nothing gets into the wrong file, on any machine."""
    a, b, c = mesh
    for name in ("readme", "README", "docs/a", "Docs/b"):
        write(a.dir / name, b"of " + name.encode())
    write(a.dir / "large", blob(3 * MIB, "small letters"))
    mesh.start()
    mesh.meet("start")
    wait_for(lambda: (c.dir / "Docs" / "b").exists() and (b.dir / "large").exists(), SOON_S, "all that can be had")
    write(a.dir / "LARGE", blob(3 * MIB, "capitals"))
    wait_for(lambda: contents(c.dir) == contents(a.dir), SOON_S, "the healthy ones are equal")
    wait_for(lambda: "LARGE" in b.log(), SOON_S, "it is said")
    first = next(name for name in os.listdir(b.dir) if name.lower() == "readme")
    second = {"readme": "README", "README": "readme"}[first]
    status = b.run_to_end("status", b.dir).out
    assert f"{second} cannot be here: this disk takes the name for that of {first}" in status, status

    write(b.dir / first, b"edited on the blind disk")
    b.stop()
    b.start()  # and looks at everything
    wait_for(lambda: (a.dir / first).read_bytes() == b"edited on the blind disk", SOON_S, "the edit")
    wait_for(lambda: "LARGE" in b.log(this_run=True), SOON_S, "it is said in this run, too")
    write(a.dir / second, b"edited on the healthy one")
    mesh.meet("edited")

    def is_right() -> bool:
        here, there = contents(a.dir), contents(c.dir)
        return (
            here == there
            and here[first] == b"edited on the blind disk"
            and here[second] == b"edited on the healthy one"
            and here["LARGE"] == blob(3 * MIB, "capitals")
            and here["docs/a"] == b"of docs/a"
            and here["Docs/b"] == b"of Docs/b"
        )

    wait_for(is_right, SOON_S, "each name has its own content")
    before = b.wire_bytes()
    holds(is_right, 2.0, "it stays so")
    assert b.wire_bytes() - before < 200_000, "what has no room is fetched again and again"
    assert b.log(this_run=True).count("cannot be on this disk") <= 2, b.tail()

    (a.dir / first).unlink()
    wait_for(lambda: contents(b.dir).get(second) == b"edited on the healthy one", SOON_S, "the held one comes")
    (b.dir / "large").unlink()
    wait_for(lambda: contents(b.dir).get("LARGE") == blob(3 * MIB, "capitals"), SOON_S, "the held one comes")
    wait_for(lambda: not (a.dir / "large").exists(), SOON_S, "the first one goes everywhere")
    assert (a.dir / "LARGE").exists()


def test_renames_that_change_only_the_case(mesh: Lan) -> None:
    a, b, c = mesh
    write(a.dir / "note", blob(2 * MIB, "note"))
    write(a.dir / "Pictures" / "one", b"1")
    write(a.dir / "Pictures" / "more" / "two", b"2")
    mesh.start()
    mesh.meet("start")
    wait_for(lambda: contents(b.dir) == contents(a.dir) == contents(c.dir), SOON_S, "equal at first")
    sent = b.wire_bytes()
    (a.dir / "note").rename(a.dir / "NOTE")
    (a.dir / "Pictures").rename(a.dir / "pictures")

    def equal() -> bool:
        here = contents(a.dir)
        return here == contents(b.dir) == contents(c.dir) and "NOTE" in here and "pictures/more/two" in here

    wait_for(equal, SOON_S, "made on a healthy machine")
    assert {"NOTE", "pictures"} <= set(os.listdir(b.dir))
    assert not list((b.dir / ".dir_sync" / "versions").rglob("*-note")), "it was renamed, not copied"

    os.rename(b.dir / "NOTE", b.dir / "aside")  # as people have to do it there
    os.rename(b.dir / "aside", b.dir / "Note")
    os.rename(b.dir / "pictures", b.dir / "aside")
    os.rename(b.dir / "aside", b.dir / "PICTURES")

    def arrived() -> bool:
        here = contents(a.dir)
        names = {name for name in here if "start" not in name}
        return here == contents(b.dir) == contents(c.dir) and {"Note", "PICTURES/one", "PICTURES/more/two"} <= names

    wait_for(arrived, SOON_S, "made on the blind one")
    old = {"NOTE", "note", "aside", "pictures"}
    wait_for(lambda: not old & {*os.listdir(a.dir), *os.listdir(c.dir)}, SOON_S, "the old names go")
    assert b.wire_bytes() - sent < MIB, "renames need no contents"
