"""--preserve with real daemons: owner, extended attributes, ACLs; a node in the middle that keeps nothing passes them on."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from .changes import append, blob, write
from .checker import wait_equal, wait_for
from .lan import Lan, Node

pytestmark = pytest.mark.lan

SOON_S = 30.0
USER, GROUP, MATE = 4321, 2500, 2600
NOBODY = 2**32 - 1
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
FOR_MATE = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 6, NOBODY), (2, 4, MATE), (4, 4, NOBODY), (16, 4, NOBODY), (32, 0, NOBODY))
)


def attributes(path: Path) -> dict[str, object]:
    found: dict[str, object] = {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in os.listxattr(path, follow_symlinks=False)
        if name.startswith(("user.", "system.posix"))
    }
    return found | {"owner": (path.lstat().st_uid, path.lstat().st_gid)}


def all_of(root: Path) -> dict[str, dict[str, object]]:
    return {
        str(path.relative_to(root)): attributes(path)
        for path in root.rglob("*")
        if ".dir_sync" not in path.relative_to(root).parts
    }


def test_owner_attributes_and_acls_of_a_tree(new_lan: Callable[..., Lan]) -> None:
    """Three nodes; the one in the middle keeps nothing. A new tree, changes of attributes alone, an edit and a rename in the
    middle, and what changes while a node is off."""
    lan = new_lan(3)
    a, middle, c = lan

    def begin(node: Node) -> None:
        node.start("--preserve", "owner,xattrs,acls", "--no-discovery", "--peer", middle.address)

    write(a.dir / "d/small", b"small")
    write(a.dir / "d/large", blob(3 << 20, "large"))
    (a.dir / "d/link").symlink_to("small")
    try:
        os.setxattr(a.dir / "d/small", "user.colour", b"red")
        os.setxattr(a.dir / "d/small", ACCESS, FOR_MATE)
        os.setxattr(a.dir / "d", DEFAULT, FOR_MATE)
        for name in ("d", "d/large", "d/link"):
            os.chown(a.dir / name, USER, GROUP, follow_symlinks=False)
    except OSError as error:
        pytest.skip(f"not here: {error}")
    lan.cut(a, c)  # they reach only the one in the middle
    middle.start("--no-discovery")
    for node in (a, c):
        begin(node)
    wait_equal(lan.roots, SOON_S)
    plain = {"owner": (os.geteuid(), os.getegid())}

    def like_a() -> bool:
        return all_of(c.dir) == all_of(a.dir)

    wait_for(like_a, SOON_S, "the attributes of the tree")
    assert all(found == plain for found in all_of(middle.dir).values())
    before = sum(lan.wire_bytes())
    os.setxattr(c.dir / "d/large", "user.colour", b"blue")
    os.chown(c.dir / "d/small", USER, USER)
    os.removexattr(c.dir / "d", DEFAULT)
    wait_for(like_a, SOON_S, "changes of attributes alone")
    assert attributes(a.dir / "d/large")["user.colour"] == b"blue"
    assert sum(lan.wire_bytes()) - before < 1 << 20, "the content of the large file travelled, too"

    append(middle.dir / "d/small", b" edited")
    (middle.dir / "d/large").rename(middle.dir / "d/renamed")
    wait_equal(lan.roots, SOON_S)
    wait_for(like_a, SOON_S, "they survive an edit and a rename where they are not kept")
    assert attributes(a.dir / "d/small")["owner"] == (USER, USER)
    assert attributes(c.dir / "d/renamed") == {"user.colour": b"blue", "owner": (USER, GROUP)}

    c.stop()
    os.setxattr(c.dir / "d/renamed", "user.colour", b"green")
    os.setxattr(c.dir / "d", "user.of", b"the folder")
    begin(c)
    wait_for(
        lambda: attributes(a.dir / "d").get("user.of") == b"the folder" and like_a(), SOON_S, "what changed meanwhile"
    )
    assert attributes(a.dir / "d/renamed")["user.colour"] == b"green"

    write(c.dir / "d/small", b"new")
    os.setxattr(c.dir / "d/small", "user.colour", b"blue")
    wait_for(lambda: like_a() and attributes(a.dir / "d/small")["user.colour"] == b"blue", SOON_S, "an edit")
    restored = a.run_to_end("restore", a.dir, "d/small")
    assert restored.code == 0, restored.err
    wait_for(lambda: attributes(c.dir / "d/small")["user.colour"] == b"red" and like_a(), SOON_S, "what was restored")
    for node in lan:
        node.stop()


def test_what_a_machine_cannot_keep_is_said_once(new_lan: Callable[..., Lan]) -> None:
    """Ordinary users cannot give files away; their extended attributes are kept all the same. The option is switched on for
    folders that were shared before, too."""
    lan = new_lan(2)
    a, b = lan
    write(a.dir / "f", b"x")
    try:
        os.setxattr(a.dir / "f", "user.colour", b"red")
    except OSError as error:
        pytest.skip(f"not here: {error}")
    lan.start()
    lan.meet("start")
    wait_equal(lan.roots, SOON_S)
    assert os.listxattr(b.dir / "f") == []
    lan.stop()
    for node in lan:
        try:
            node.launch([
                "setpriv", "--bounding-set=-chown", "--inh-caps=-chown", "env", "PYTHONDONTWRITEBYTECODE=1",
                os.sys.executable, node.main, node.dir, "-s", node.signatures, "--preserve", "owner,xattrs",
            ])  # fmt: skip
        except FileNotFoundError:
            pytest.skip("no setpriv here")
    wait_for(lambda: os.listxattr(b.dir / "f") == ["user.colour"], SOON_S, "the attribute")
    for node in lan:
        assert node.log().count("--preserve owner: that needs root") == 1
        node.stop()


def test_a_machine_that_keeps_them_from_now_on_is_given_what_the_others_keep(new_lan: Callable[..., Lan]) -> None:
    """Two machines share a folder without the option, and are started anew with it, one after the other. Nobody loses what
    only one disk had, and the second one gets it; also what it edited and renamed while it was off."""
    lan = new_lan(2)
    anna, bob = lan
    for name in ("d/edited", "d/renamed", "d/same"):
        write(anna.dir / name, name.encode())
    os.mkdir(anna.dir / "empty")
    lan.start()
    lan.meet("start")
    wait_equal(lan.roots, SOON_S)
    anna.stop()
    try:
        for path in (*anna.dir.glob("d/*"), anna.dir / "d", anna.dir / "empty"):
            os.chown(path, USER, GROUP)
            os.setxattr(path, "user.colour", b"red")
            os.setxattr(path, ACCESS, FOR_MATE)
    except OSError as error:
        pytest.skip(f"not here: {error}")
    keep = ("--preserve", "acls,xattrs,owner")
    anna.start(*keep)
    lan.meet("kept")
    wait_equal(lan.roots, SOON_S)
    wanted = all_of(anna.dir)
    assert "user.colour" not in attributes(bob.dir / "d/same")
    bob.stop()
    append(bob.dir / "d/edited", b" by bob")
    (bob.dir / "d/renamed").rename(bob.dir / "d/new")
    wanted["d/new"] = wanted.pop("d/renamed")
    bob.start(*keep)
    wait_equal(lan.roots, SOON_S)
    wait_for(lambda: all_of(bob.dir) == wanted, SOON_S, "the attributes at the second machine")
    assert all_of(anna.dir) == wanted
    assert (anna.dir / "d/edited").read_bytes() == b"d/edited by bob"
    for node in lan:
        node.stop()
