"""main.py with one folder on a disk that hangs while a file exists: whatever asks that disk waits.

Environment: HANGS_WHILE is the file, HANGING_FOLDER the folder, DIR_SYNC_MAIN_PY the program.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from collections.abc import Callable
from typing import Any

FLAG, FOLDER, MAIN = (os.environ[name] for name in ("HANGS_WHILE", "HANGING_FOLDER", "DIR_SYNC_MAIN_PY"))
sys.path.insert(0, os.path.dirname(MAIN))

from dir_sync.disk.real import RealDisk  # noqa: E402
from dir_sync.index.database import Database  # noqa: E402


def wait() -> None:
    while os.path.exists(FLAG):
        time.sleep(0.01)


def hanging(kind: type, name: str, is_there: Callable[[Any], bool]) -> None:
    real = getattr(kind, name)

    def call(it: Any, *args: Any, **more: Any) -> Any:
        if is_there(it):
            wait()
        return real(it, *args, **more)

    setattr(kind, name, call)


def on_the_disk(kind: type, path_of: Callable[[tuple[Any, ...]], Any]) -> Callable[[Any], bool]:
    """Whether an object of this class is in the folder: its constructor is told where."""
    there: set[int] = set()
    make = kind.__init__  # type: ignore[misc]

    def made(it: Any, *args: Any, **more: Any) -> None:
        if os.fsdecode(path_of(args)).startswith(FOLDER):
            there.add(id(it))
        make(it, *args, **more)

    kind.__init__ = made  # type: ignore[misc]
    return lambda it: id(it) in there


disk = on_the_disk(RealDisk, lambda args: args[0])
for verb in ("is_root_here", "stat", "list", "open", "create", "sync_all", "batch", "close"):
    if hasattr(RealDisk, verb):
        hanging(RealDisk, verb, disk)
database = on_the_disk(Database, lambda args: args[0])
for verb in ("commit", "close"):
    hanging(Database, verb, database)

real_statvfs = os.statvfs


def statvfs(path: Any) -> Any:
    if not isinstance(path, int) and os.fsdecode(path).startswith(FOLDER):
        wait()
    return real_statvfs(path)


os.statvfs = statvfs  # type: ignore[assignment]
sys.argv[0] = MAIN
runpy.run_path(MAIN, run_name="__main__")
