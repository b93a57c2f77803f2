"""Large pages: used memory moves into them, unused memory does not become used, and nothing happens where they are not wanted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dir_sync.daemon import pages

LARGE = 2 << 20
MOVED = """
import mmap
from dir_sync.daemon.pages import use_large_pages

def figure(name):
    with open("/proc/self/smaps_rollup") as rollup:
        return next(int(line.split()[1]) << 10 for line in rollup if line.startswith(name))

used = mmap.mmap(-1, 8 << 20, mmap.MAP_PRIVATE)
used.write(bytes(8 << 20))
barely = mmap.mmap(-1, 8 << 20, mmap.MAP_PRIVATE)
barely[0] = barely[4 << 20] = 1
rss, large = figure("Rss:"), figure("AnonHugePages:")
moved = use_large_pages()
print(moved, figure("AnonHugePages:") - large, figure("Rss:") - rss, used[:3] == bytes(3), barely[4 << 20])
"""


def test_used_memory_moves_and_unused_memory_stays_unused() -> None:
    """In a process of its own: what a test has moved would stay so."""
    run = subprocess.run([sys.executable, "-c", MOVED], capture_output=True, text=True, check=True, timeout=60)
    moved, large, grown, is_kept, mark = run.stdout.split()
    if moved == "0":
        pytest.skip("this system has no large pages that a program can ask for")
    assert int(moved) % LARGE == 0
    assert int(large) >= 3 * LARGE, "of 8 MiB in use at least three large pages lie inside"
    assert int(grown) < LARGE, "memory that was not used has not become used"
    assert (is_kept, mark) == ("True", "1"), "the content is what it was"


def test_an_administrator_who_does_not_want_them_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = tmp_path / "enabled"
    wanted.write_text("always madvise [never]\n")
    monkeypatch.setattr(pages, "_WANTED", str(wanted))
    monkeypatch.setattr(pages, "_used_ranges", lambda: pytest.fail("looked all the same"))
    assert pages.use_large_pages() == 0
    monkeypatch.setattr(pages, "_WANTED", str(tmp_path / "none"))
    assert pages.use_large_pages() == 0
