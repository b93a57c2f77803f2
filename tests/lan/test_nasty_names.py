"""Nasty cases: names. The numbers are those of tests/nasty/catalogue.py, which also says where the others are."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from .changes import append, write
from .checker import survey, wait_equal, wait_for
from .lan import Lan, Node, command

pytestmark = pytest.mark.lan

SOON_S = 30.0


@pytest.fixture(scope="module")
def pair() -> Iterator[Lan]:
    with Lan(2) as lan:
        lan.start()
        lan.meet("start")
        yield lan


def arrives(lan: Lan, at: Node, folder: str, limit_s: float = SOON_S) -> None:
    wait_equal(lan.roots, limit_s, like=survey(at.dir, only=folder), only=folder)


def test_names_004_composed_and_decomposed_twins(pair: Lan) -> None:
    """Two files, whatever a person sees; each is edited on the other node."""
    twins = ["caf\u00e9", "cafe\u0301", "\u212b", "\u00c5", "A\u030a", "\uac00", "\u1100\u1161"]
    for turn, node in enumerate(pair):
        for name in twins:
            append(write_if_new(node, f"twins/{name}"), f"{turn}{name}".encode())
            arrives(pair, node, "twins")
    assert len(os.listdir(os.fsencode(pair[0].dir / "twins"))) == len(twins)
    for name in twins:
        assert (pair[1].dir / "twins" / name).read_text() == f"0{name}1{name}"


def write_if_new(node: Node, name: str) -> os.PathLike[str]:
    path = node.dir / name
    return path if path.exists() else write(path, b"")


def test_names_005_names_as_long_as_they_may_be(pair: Lan) -> None:
    """250 to 255 bytes: made, edited, renamed, displaced into the history, deleted."""
    names = ["x" * size for size in range(250, 256)] + ["\u00e9" * 127, "." + "y" * 254, "z" * 251 + ".txt"]
    for name in names:
        write(pair[0].dir / "long" / name, name.encode())
    arrives(pair, pair[0], "long")
    for name in names:
        write(pair[1].dir / "long" / name, b"edited " + name.encode())  # no history keeps what is only appended to
    arrives(pair, pair[1], "long")
    for at, name in enumerate(names):
        assert pair[0].keeps(name.encode())
        (pair[0].dir / "long" / name).rename(pair[0].dir / "long" / f"{at}{name}"[: len(name) - 1])
    arrives(pair, pair[0], "long")
    for path in list((pair[1].dir / "long").iterdir()):
        path.unlink()
    arrives(pair, pair[1], "long")
    assert os.listdir(pair[0].dir / "long") == []


def chain(root: os.PathLike[str], names: list[str]) -> None:
    """Nested folders, each made from within the one above: the whole path may be too long for the kernel."""
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for name in names:
        os.mkdir(name, dir_fd=handle)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=handle)
        with open(os.open("file", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=below), "wb") as file:
            file.write(b"deep")
        os.close(handle)
        handle = below
    os.close(handle)


def depth_of(root: os.PathLike[str], name: str) -> int:
    """How many folders of that name are nested, each with its file."""
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    depth = 0
    try:
        while True:
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=handle)
            os.close(handle)
            handle = below
            os.stat("file", dir_fd=handle)
            depth += 1
    except FileNotFoundError:
        return depth
    finally:
        os.close(handle)


@pytest.mark.parametrize(
    ("name", "count", "at_least"),
    [
        pytest.param("p" * 200, 30, 19, id="006_a_path_of_more_than_4096_bytes"),
        pytest.param("d", 1000, 250, id="013_a_thousand_folders_deep"),
    ],
)
def test_names_that_lead_too_far(pair: Lan, name: str, count: int, at_least: int) -> None:
    """What is within the bounds arrives, what is beyond stays where it is, is named, and holds nothing up."""
    a, b = pair
    wait_equal(pair.roots, SOON_S)
    (a.dir / "far").mkdir()
    chain(a.dir / "far", [name] * count)
    write(a.dir / "far sibling", b"goes on")
    wait_for((b.dir / "far sibling").exists, SOON_S, "the sibling")
    wait_for(lambda: depth_of(b.dir / "far", name) >= at_least, SOON_S, "what is not too far")
    assert depth_of(a.dir / "far", name) == count
    assert depth_of(b.dir / "far", name) < count
    append(a.dir / "far sibling", b" and on")
    wait_for(lambda: b"on and on" in (b.dir / "far sibling").read_bytes(), SOON_S, "an edit")
    wait_for(lambda: "not synchronized: far/" in a.log(), SOON_S, "it is said")
    command("rm", "-r", a.dir / "far")
    append(a.dir / "far sibling", b", once more")
    wait_for(lambda: b"once more" in (b.dir / "far sibling").read_bytes(), SOON_S, "another edit")
    if count < 100:  # else it takes a while: one folder after the other
        wait_equal(pair.roots, SOON_S)


@pytest.mark.patient
def test_names_012_a_hundred_thousand_names_in_one_folder(pair: Lan) -> None:
    a, b = pair
    (a.base / "crowd").mkdir()
    for at in range(100_000):
        (a.base / "crowd" / f"{at:06}").write_bytes(b"%d" % at)
    (a.base / "crowd").rename(a.dir / "crowd")
    wait_equal(pair.roots, 400, only="crowd")
    append(b.dir / "crowd/050000", b" edited")
    wait_for(lambda: b"edited" in (a.dir / "crowd/050000").read_bytes(), SOON_S, "an edit among them")
    (a.dir / "crowd").rename(a.base / "crowd")
    wait_for(lambda: not (b.dir / "crowd").exists(), 400, "they are gone")
