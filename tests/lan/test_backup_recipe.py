"""docs/backup.md, word for word, with the real restic: a folder that is in use is backed up, and comes back equal."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from .changes import append, blob, write
from .checker import differences, wait_equal, wait_for
from .lan import Lan, Node

RECIPE = Path(__file__).parents[2] / "docs" / "backup.md"
SOON_S = 60.0

pytestmark = [
    pytest.mark.lan,
    pytest.mark.skipif(not shutil.which("restic"), reason="no `restic` (package restic)"),
]


def commands(heading: str) -> str:
    """The lines of the block under that heading."""
    section = RECIPE.read_text("utf-8").partition(f"\n## {heading}\n")[2]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found, f"docs/backup.md has no commands under '{heading}'"
    return found[1]


def obey(node: Node, heading: str) -> str:
    """Do what the recipe says, as the user of that node, whose shared folder is ~/shared."""
    disk = node.base / "disk"
    disk.mkdir(exist_ok=True)
    shared = node.home / "shared"
    if not shared.is_symlink():
        shared.symlink_to(node.dir)
    script = commands(heading).replace("/mnt/backup", str(disk))
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        env=node.environment({"RESTIC_CACHE_DIR": str(node.base / "cache")}),
        cwd=node.base,
        capture_output=True,
        text=True,
        timeout=SOON_S,
        check=False,
    )
    assert done.returncode == 0, f"{heading}: {done.stdout}{done.stderr}"
    return done.stdout


def test_a_backup_of_a_live_folder_comes_back_equal(new_lan: Callable[..., Lan]) -> None:
    """Files come from another machine all the time. Each file of that backup is a whole version of it; and of a backup made
    later, when nothing is going on, the whole tree is equal."""
    lan = new_lan(2)
    maker, member = lan
    for number in range(20):
        write(maker.dir / f"folder {number}" / "file", blob(3_000, number))
    (maker.dir / "link").symlink_to("folder 1/file")
    (maker.dir / "empty").mkdir()
    os.chmod(write(maker.dir / "a script", b"#!/bin/sh\n"), 0o755)
    maker.start()
    member.start()
    wait_equal(lan.roots, SOON_S)
    obey(member, "Set it up, once")

    versions: dict[str, set[str]] = {f"live {number}": set() for number in range(5)}
    is_over = threading.Event()

    def work() -> None:
        turn = 0
        while not is_over.is_set():
            for name, made in versions.items():
                content = blob(40_000, (name, turn))
                made.add(hashlib.sha256(content).hexdigest())
                write(maker.dir / "next", content).rename(maker.dir / name)
            append(maker.dir / "a log", b"one more line\n")
            turn += 1
            is_over.wait(0.02)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        wait_for(lambda: all((member.dir / name).exists() for name in versions), SOON_S, "the live files have come")
        for _ in range(3):
            obey(member, "Back up")
    finally:
        is_over.set()
        worker.join()
    obey(member, "Restore")
    restored = member.home / "restored"
    for name, made in versions.items():
        assert hashlib.sha256((restored / name).read_bytes()).hexdigest() in made, f"half of {name} was backed up"
    assert not list(restored.rglob(".dir_sync")), "what belongs to this machine alone is in the backup"
    shutil.rmtree(restored)

    wait_equal(lan.roots, SOON_S)
    obey(member, "Back up")
    assert "shared" in obey(member, "Look whether it is whole")
    obey(member, "Restore")
    assert not differences(member.dir, restored)
