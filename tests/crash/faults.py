"""The program with one line changed: faults that have to be found (a check that cannot fail is worth nothing), and one
worker in each pool, so that every job is done by the same thread in each run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.lan.lan import MAIN


@dataclass(frozen=True, slots=True)
class Change:
    file: str
    right: str
    wrong: str


CHANGES = {
    "one worker": Change("daemon/jobs.py", "\n_WORKERS = 3", "\n_WORKERS = 1"),
    "written under the final name": Change(
        "files/install.py",
        "self._disk.rename(made[0], path)\n",
        "self._disk.rename(made[0], path) if made[1].kind != Kind.FILE else"
        " self._disk.create(path).copy_from(self._disk.open(made[0]), 0, 0, made[1].size)\n",
    ),
    "what is displaced is removed": Change(
        "files/history_store.py",
        "self._disk.rename(name, kept)\n",
        "self._disk.remove_file(name)\n",
    ),
    "what was displaced is cleared at the next start": Change(
        "files/recovery.py",
        "elif stat.kind == Kind.FILE and not name.startswith(NEW):\n",
        "elif False:\n",
    ),
    "what was displaced and not noted is forgotten": Change(
        "history/recovering.py",
        "found = [] if was_at_rest else",
        "found = [] if True else",
    ),
    "contents are not synced": Change(
        "files/batches.py",
        "synced = self._sync_files(items, unsynced, staged, results, together)\n",
        "synced = True\n",
    ),
    "nothing waits for the medium": Change(
        "disk/linux.py",
        "_syncfs.restype = ctypes.c_int\n",
        "_syncfs = lambda fd: 0\nos.fsync = os.fdatasync = lambda fd: None\n",
    ),
}


def plant(folder: Path, *names: str) -> Path:
    """A copy of the program in `folder`, with these changes; its main.py."""
    shutil.copytree(MAIN.parent / "dir_sync", folder / "dir_sync", ignore=shutil.ignore_patterns("__pycache__"))
    for name in names:
        change = CHANGES[name]
        path = folder / "dir_sync" / change.file
        text = path.read_text()
        assert text.count(change.right) == 1, f"the line to change is there {text.count(change.right)} times"
        path.write_text(text.replace(change.right, change.wrong))
    return Path(shutil.copy(MAIN, folder / "main.py"))
