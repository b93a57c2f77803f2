"""python -m tests.many_folders [--folders 20] [--files 5000] [--rounds 3]: what many folders cost in one process.

It starts a node with one folder that has all the files, and a node with as many files in many folders, in turns: first with
a new index, then again. It prints, of the fastest round of each, the seconds until the last folder is scanned and the
resident memory then, and what the second node has in relation to the first. The exit code is 1 if that is above 1.15.

Nothing is sent: the nodes use loopback, without discovery. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

MAIN = Path(__file__).resolve().parents[1] / "main.py"
MOST = 1.15
WITHIN_S = 600.0
POLL_S = 0.02
IN_A_FOLDER = 100


class Cost(NamedTuple):
    seconds: float
    mib: float


def fill(folder: Path, files: int) -> Path:
    for number in range(files):
        below = folder / f"{number // IN_A_FOLDER}"
        if number % IN_A_FOLDER == 0:
            below.mkdir(parents=True)
        (below / f"{number}").write_bytes(b"%d" % number)
    return folder


def is_scanned(folder: Path, files: int, environment: dict[str, str]) -> bool:
    words = [sys.executable, str(MAIN), "status", str(folder), "--json"]
    said = subprocess.run(words, capture_output=True, env=environment, check=False)
    if said.returncode:
        return False
    status = json.loads(said.stdout)
    return not status["scanning"] and status["files"] == files


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def resident_mib(process: int) -> float:
    text = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS:")) / 1024


def cost(folders: list[Path], files: int, base: Path) -> Cost:
    """Of a start, until each folder is scanned. `files`: in each."""
    environment = os.environ | {"HOME": str(base), "XDG_STATE_HOME": str(base / "state")}
    words = [
        *map(str, folders),
        "--no-discovery",
        "--interface",
        "lo",
        "-l",
        str(free_port()),
        "-s",
        str(base / "signatures"),
    ]
    log_path = base / "log"
    begun = time.monotonic()
    with log_path.open("wb") as log:
        node = subprocess.Popen([sys.executable, str(MAIN), *words], env=environment, stdout=log, stderr=log)
    try:
        while log_path.read_text().count("the folder holds") < len(folders):
            if node.poll() is not None or time.monotonic() - begun > WITHIN_S:
                raise SystemExit(f"the node has not scanned its folders:\n{log_path.read_text()}")
            time.sleep(POLL_S)
        took, mib = time.monotonic() - begun, resident_mib(node.pid)
        assert all(is_scanned(folder, files, environment) for folder in folders), "all files are known"
    finally:
        node.send_signal(signal.SIGTERM)
        node.wait()
    return Cost(took, mib)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folders", type=int, default=20)
    parser.add_argument("--files", type=int, default=5_000, help="in each folder")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    found: dict[tuple[str, bool], list[Cost]] = {}
    for number in range(given.rounds):
        with tempfile.TemporaryDirectory() as place:
            one, many = Path(place, "one"), Path(place, "many")
            whole = [fill(one / "shared", given.folders * given.files)]
            parts = [fill(many / f"shared{at}", given.files) for at in range(given.folders)]
            turns = [("one folder", whole, given.folders * given.files, one), ("many", parts, given.files, many)]
            for name, folders, files, base in turns if number % 2 else turns[::-1]:
                for again in (False, True):
                    found.setdefault((name, again), []).append(cost(folders, files, base))
    is_good = True
    for again in (False, True):
        one_cost, many_cost = (
            Cost(*map(min, zip(*found[name, again], strict=True))) for name in ("one folder", "many")
        )
        ratios = [after / before for before, after in zip(one_cost, many_cost, strict=True)]
        is_good &= max(ratios) <= MOST
        print(
            f"{'second' if again else 'first'} start: one folder {one_cost.seconds:.2f} s, {one_cost.mib:.0f} MiB;"
            f" {given.folders} folders {many_cost.seconds:.2f} s, {many_cost.mib:.0f} MiB:"
            f" {ratios[0]:.2f} x the time, {ratios[1]:.2f} x the memory"
        )
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
