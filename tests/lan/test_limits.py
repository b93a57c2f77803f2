"""Limits of how much is taken, with real nodes: --min-free, --max-file-size."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable

import pytest

from .changes import MIB, blob, put, write
from .checker import holds, wait_equal, wait_for
from .lan import Lan, Node, content, has
from .test_nasty_disk import mount

pytestmark = pytest.mark.lan

SOON_S = 60.0
OLD_NS = 1_600_000_000 * 10**9


def declined_by(node: Node) -> dict[str, object]:
    """What the only peer of a node says that it does not have, by reason."""
    (peer,) = json.loads(node.run_to_end("status", node.dir, "--json").out)["peers"]
    return {one.pop("reason"): one for one in peer["declined"]}


def test_contents_wait_before_the_disk_is_full_and_come_by_themselves(new_lan: Callable[..., Lan]) -> None:
    one, two = lan = new_lan(2)
    mount(two.dir, "size=64m")
    try:
        one.start()
        two.start("--min-free", "50%")
        write(two.dir / "hog", bytes(24 * MIB))
        has(one, "hog", bytes(24 * MIB))
        write(one.dir / "goes", b"soon")
        has(two, "goes", b"soon")
        put(one.dir / "large", blob(16 * MIB, "large"), OLD_NS)  # at once: half of it would have room
        (one.dir / "goes").unlink()
        wait_for(lambda: "--min-free keeps 50% of this disk free" in two.log(), SOON_S, "it is said")
        write(one.dir / "small", b"small")
        has(two, "goes", None)
        has(two, "small", b"small")
        holds(lambda: not (two.dir / "large").exists(), 1.0, "the large one waits")
        out = two.run_to_end("status", two.dir).out
        assert "large waits, and is tried again: --min-free keeps 50% of this disk free" in out
        why = "vm keeps a part of its disk free, and has no room for more: 1 file"
        wait_for(lambda: why in one.log(), SOON_S, "the other side is told why")
        now = f"not in sync: {why} (16.8 MB)"
        wait_for(lambda: now in one.run_to_end("status", one.dir).out, SOON_S, "as it is now")
        (two.dir / "hog").unlink()
        wait_equal(lan.roots, SOON_S)
        assert "there is room again" in two.log()
    finally:
        two.kill()
        subprocess.run(["umount", "-l", two.dir], check=True)


def test_large_files_are_neither_sent_nor_taken_and_nothing_is_deleted(new_lan: Callable[..., Lan]) -> None:
    one, two = lan = new_lan(2)
    write(one.dir / "mine", bytes(3_000))
    write(one.dir / "grows", b"small")
    write(two.dir / "theirs", bytes(3_001))
    one.start("--max-file-size", "2k")
    two.start()
    has(two, "grows", b"small")
    write(one.dir / "grows", b"large" * 1_000)
    write(one.dir / "last", b"small")
    has(two, "last", b"small")
    wait_for(lambda: "the other machines keep the last version" in one.log(), SOON_S, "it is said")
    wait_for(lambda: "theirs" in one.log(), SOON_S, "what is not taken is said")
    assert (content(two, "grows"), content(two, "mine"), content(one, "theirs")) == (b"small", None, None)
    out = one.run_to_end("status", one.dir).out
    for name in ("grows", "mine"):
        assert f"{name} is larger than the --max-file-size of this machine" in out
    assert "theirs is not taken: elsewhere it is larger than the --max-file-size of this machine" in out
    assert re.search("^UP TO DATE with .*, but for 1 file that this machine does not take$", out, re.MULTILINE)
    assert "  not taken: theirs (it is larger than " in one.log(), "it is no warning"
    why = "vm takes no files above 2.00 kB: 1 file (3.00 kB)"
    wait_for(lambda: why in two.log(), SOON_S, "the other side is told why")
    assert f"everything is in sync, but {why}" in two.run_to_end("status", two.dir).out
    declined = {
        "too-large": {"files": 1, "bytes": 3_001, "others": 0, "limit": 2_000},
        "diverged": {"files": 1, "bytes": 5, "others": 0, "limit": 0},  # it has a larger one of its own
    }
    wait_for(lambda: declined_by(two) == declined, SOON_S, "the figures are those of both files")
    one.stop()
    one.start("--max-file-size", "1M")
    wait_equal(lan.roots, SOON_S)
    assert content(two, "grows") == b"large" * 1_000
