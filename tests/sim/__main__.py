"""python -m tests.sim --seeds N [--from K] [--jobs J] [--KIND] [--hashes] | --seed N [--trace]: try worlds."""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from tests.sim.ignoring import rules_of
from tests.sim.keeping import keeps_of
from tests.sim.limiting import limits_of
from tests.sim.linking import links_of
from tests.sim.merging import merges_of
from tests.sim.modes import modes_of
from tests.sim.world import Broken, run


class Attempt(NamedTuple):
    seed: int
    trouble: str  # what broke; "": nothing
    log_hash: str  # of all events, jobs, notes and messages of that world, in order; "": it broke


def changes_of(seed: int, kind: str) -> dict[str, Any]:
    """What is different in a world of this kind: "sealed": its links are those of a closed mesh; "modes": its nodes have
    modes; "rules": people write rules for paths that are not shared; "keeps": some nodes keep owner, ACLs and
    extended attributes; "links": some keep names of one file; "limits": nodes keep a part of their disks free, or have
    limits of bytes per second, or share no file above a size; "merge": people change lines of texts, and nodes merge."""
    if kind == "rules":
        return rules_of(seed)
    if kind == "keeps":
        return keeps_of(seed)
    if kind == "links":
        return links_of(seed)
    if kind == "limits":
        return limits_of(seed)
    if kind == "merge":
        return merges_of(seed)
    return modes_of(seed) if kind == "modes" else {"sealed": True} if kind == "sealed" else {}


def attempt(seed: int, kind: str = "") -> Attempt:
    try:
        return Attempt(seed, "", run(seed, changes=changes_of(seed, kind)).log_hash)
    except Broken as error:
        return Attempt(seed, str(error), "")
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({os.path.basename(where.filename)}:{where.lineno})"
        return Attempt(seed, text, "")


def attempts(seeds: list[int], jobs: int, kind: str = "") -> list[Attempt]:
    return list(as_they_come(seeds, jobs, kind))


def as_they_come(seeds: list[int], jobs: int, kind: str = "") -> Iterator[Attempt]:
    """The attempts in the order of `seeds`, each as soon as it is over."""
    if jobs == 1:
        yield from (attempt(seed, kind) for seed in seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(partial(attempt, kind=kind), seeds, chunksize=max(1, min(20, len(seeds) // (4 * jobs))))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--trace", action="store_true")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--sealed", dest="kind", action="store_const", const="sealed", help="all links are those of a closed mesh"
    )
    kinds.add_argument("--modes", dest="kind", action="store_const", const="modes", help="the nodes have modes")
    kinds.add_argument("--rules", dest="kind", action="store_const", const="rules", help="people write rules to ignore")
    kinds.add_argument(
        "--keeps", dest="kind", action="store_const", const="keeps", help="nodes keep attributes of files"
    )
    kinds.add_argument(
        "--limits", dest="kind", action="store_const", const="limits", help="nodes have limits: of room, speed or size"
    )
    kinds.add_argument("--links", dest="kind", action="store_const", const="links", help="nodes keep names of one file")
    kinds.add_argument("--merge", dest="kind", action="store_const", const="merge", help="texts in conflict are merged")
    parser.add_argument(
        "--hashes",
        action="store_true",
        help="print one hash per seed: the same before and after a change that changes nothing",
    )
    arguments = parser.parse_args()
    if arguments.seed is not None:
        try:
            world = run(
                arguments.seed, print if arguments.trace else None, changes=changes_of(arguments.seed, arguments.kind)
            )
        except Broken as error:
            print(f"seed {arguments.seed}: {error}")
            return 1
        print(f"seed {arguments.seed}: good, log {world.log_hash[:16]}, {dict(world.stats)}")
        return 0
    began = time.perf_counter()
    seeds = list(range(arguments.first, arguments.first + arguments.seeds))
    failed: list[str] = []
    for one in as_they_come(seeds, arguments.jobs, arguments.kind):
        if arguments.hashes:
            print(f"{one.seed} {one.log_hash or 'broken'}", flush=True)
        if one.trouble:  # at once: a long run may be ended before its end
            failed.append(one.trouble)
            if len(failed) <= 40:
                print(f"seed {one.seed}: {one.trouble[:400]}", flush=True)
    groups = Counter(" ".join(text.split()[:6]) for text in failed)
    for words, count in groups.most_common(12) if len(failed) > 8 else ():
        print(f"{count:5} x {words}")
    took = time.perf_counter() - began
    print(f"{len(seeds)} seeds in {took:.1f} s ({len(seeds) / took:.1f} a second), {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
