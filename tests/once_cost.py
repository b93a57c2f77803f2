"""python -m tests.once_cost [--files 10000] [--rounds 10] [--only CASE ...]: what `once` costs on two equal folders.

Two machines (network namespaces) have the same files with the same times. By turns it runs `rsync -a` in both directions
against a daemon of rsync, and `once` in four cases: against a node that runs there, or against another `once`; with the
index of an earlier run, or without one. It prints the medians of the wall time and of the CPU time of all processes on both
machines, and what `once` has in relation to rsync. The exit code is 1 if one of these is above 2.0.

It needs root, rsync and a machine that does nothing else. DIR_SYNC_MAIN is the program to measure.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.lan.checker import wait_for
from tests.lan.lan import Lan, Node

MOST = 2.0
IN_A_FOLDER = 100
RSYNC_PORT = 8730
OPTIONS = ("--no-discovery", "--name", "measured")


class Cost(NamedTuple):
    wall_s: float
    cpu_s: float


def fill(folder: Path, files: int) -> None:
    rng = random.Random(0)
    for number in range(files):
        below = folder / f"{number // IN_A_FOLDER}"
        below.mkdir(parents=True, exist_ok=True)
        (below / f"file{number}.txt").write_bytes(rng.randbytes(rng.randrange(200, 4_000)))


def cpu_s_of(process: int) -> float:
    """Of the process and of its children that have ended."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def cpu_s_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(work: Callable[[], None], others: tuple[int, ...]) -> Cost:
    """`others`: processes that were there before, and work, too."""
    before, begun = sum(map(cpu_s_of, others)) + cpu_s_of_children(), time.monotonic()
    work()
    wall_s = time.monotonic() - begun
    return Cost(wall_s, sum(map(cpu_s_of, others)) + cpu_s_of_children() - before)


def rsync(node: Node, other: Node) -> None:
    there = f"rsync://{other.address}:{RSYNC_PORT}/shared/"
    for source, target in ((f"{node.dir}/", there), (there, f"{node.dir}/")):
        words = ("rsync", "-a", "--exclude=.dir_sync", source, target)
        subprocess.run(node.within(*words), check=True, stdin=subprocess.DEVNULL)


def serve_rsync(node: Node) -> subprocess.Popen[bytes]:
    settings = node.base / "rsyncd.conf"
    settings.write_text(f"use chroot = no\nuid = 0\ngid = 0\n[shared]\npath = {node.dir}\nread only = no\n")
    words = ("rsync", "--daemon", "--no-detach", f"--config={settings}", f"--port={RSYNC_PORT}")
    return subprocess.Popen(node.within(*words), stdin=subprocess.DEVNULL)


def once(node: Node, other: Node) -> None:
    words = ("once", node.dir, "-s", node.signatures, "--peer", f"{other.address}:{other.port}", *OPTIONS)
    ended = node.run_to_end(*words, "-l", str(node.port), limit_s=120)
    if ended.code:
        raise SystemExit(f"once ended with {ended.code}: {ended.out}{ended.err}")


def two_onces(node: Node, other: Node) -> None:
    with ThreadPoolExecutor(2) as pool:
        for ended in [pool.submit(once, node, other), pool.submit(once, other, node)]:
            ended.result()


def forget(*nodes: Node) -> None:
    """As if nothing of the program had ever run there."""
    for node in nodes:
        shutil.rmtree(node.dir / ".dir_sync", ignore_errors=True)
        shutil.rmtree(node.signatures, ignore_errors=True)


def start(node: Node) -> tuple[int, ...]:
    node.start("--no-discovery", "--name", "there")
    wait_for(lambda: "the folder holds" in node.log(this_run=True), 60, "the node has scanned its folder")
    return (node.pid,)


def measured(lan: Lan, case: str) -> Cost:
    node, other = lan
    if case == "rsync":
        server = serve_rsync(other)
        time.sleep(0.3)
        try:
            return timed(lambda: rsync(node, other), (server.pid,))
        finally:
            server.terminate()
            server.wait()
    if "node" in case:
        there = start(other)
        if "without" in case:
            forget(node)
        else:
            once(node, other)
        time.sleep(0.5)  # what the node does after a contact belongs to no command
        cost = timed(lambda: once(node, other), there)
        other.stop()
        return cost
    if "without" in case:
        forget(node, other)
    return timed(lambda: two_onces(node, other), ())


CASES = ("rsync", "node, with index", "node, without", "once, with index", "once, without")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", nargs="*", choices=CASES, default=CASES)
    given = parser.parse_args()
    found: dict[str, list[Cost]] = {}
    with Lan(2) as lan:
        fill(lan[0].dir, given.files)
        subprocess.run(["cp", "-a", f"{lan[0].dir}/.", lan[1].dir], check=True)
        two_onces(*lan)
        for _ in range(given.rounds):
            for case in CASES:
                if case in given.only or case == "rsync":
                    found.setdefault(case, []).append(measured(lan, case))
    is_good = True
    by_rsync = found["rsync"]
    for case, costs in found.items():
        wall_s, cpu_s = (statistics.median(column) for column in zip(*costs, strict=True))
        wall, cpu = (
            statistics.median(mine[at] / its[at] for mine, its in zip(costs, by_rsync, strict=True)) for at in (0, 1)
        )
        print(f"{case:18} wall {wall_s:.3f} s, {wall:.2f} x; CPU {cpu_s:.3f} s, {cpu:.2f} x", flush=True)
        is_good &= max(wall, cpu) <= MOST
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
