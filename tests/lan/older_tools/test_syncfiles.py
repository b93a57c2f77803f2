"""syncfiles: two folders are made the same once, by hash and time. Its example, with `once` on both sides."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.lan.changes import SECOND_NS, put
from tests.lan.checker import wait_equal
from tests.lan.lan import Lan

pytestmark = pytest.mark.lan

EARLY_NS = 1_577_836_800 * SECOND_NS  # in 2020
LATE_NS = EARLY_NS + 3_600 * SECOND_NS


def both_once(lan: Lan) -> list[dict[str, Any]]:
    """`once` runs on both machines at the same time. What each of them says."""

    def run(at: int) -> dict[str, Any]:
        node, other = lan[at], lan[1 - at]
        words = ("once", node.dir, "-s", node.signatures, "--no-discovery", "--peer", other.address, "--json")
        ended = node.run_to_end(*words, limit_s=90.0)
        assert ended.code == 0, ended
        found: dict[str, Any] = json.loads(ended.out)
        return found

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, (0, 1)))


def test_two_folders_are_made_the_same_by_hash_and_time() -> None:
    with Lan(2) as lan:
        one, two = (node.dir for node in lan)
        put(one / "only in one", b"1", EARLY_NS)
        put(two / "folder" / "only in two", b"2", EARLY_NS)
        put(one / "equal", b"the same", EARLY_NS)
        put(two / "equal", b"the same", EARLY_NS)
        put(one / "equal but later in two", b"the same, too", EARLY_NS)
        put(two / "equal but later in two", b"the same, too", LATE_NS)
        put(one / "newer in one", b"new", LATE_NS)
        put(two / "newer in one", b"old", EARLY_NS)
        put(one / "newer in two", b"old", EARLY_NS)
        put(two / "newer in two", b"new", LATE_NS)
        inodes = [(root / name).stat().st_ino for root in (one, two) for name in ("equal", "equal but later in two")]

        said = both_once(lan)

        wait_equal(lan.roots, 0)
        for root in (one, two):
            assert (root / "only in one").read_bytes() == b"1"
            assert (root / "folder" / "only in two").read_bytes() == b"2"
            assert (root / "newer in one").read_bytes() == b"new"
            assert (root / "newer in two").read_bytes() == b"new"
        after = [(root / name).stat().st_ino for root in (one, two) for name in ("equal", "equal but later in two")]
        assert after == inodes, "what is equal is not copied"
        for at, other in ((0, "two"), (1, "one")):
            received = set(said[at]["received"]["paths"])
            assert f"newer in {other}" in received
            assert "equal" not in received
            assert f"newer in {'two' if other == 'one' else 'one'}" not in received
        assert all(node.keeps(b"old") for node in lan), "what was replaced is kept"

        again = both_once(lan)  # a second time there is nothing to do
        for one_said in again:
            assert one_said["sent"]["count"] == one_said["received"]["count"] == 0
