"""python -m tests.crash points [...] | images [...]: kill a daemon, or cut its power, many times, and check.

The exit code is 1 if anything was wrong, and 2 if it cannot be tried here.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.crash.faults import plant
from tests.crash.images import storm
from tests.crash.images import why_not as why_no_images
from tests.crash.points import Point, Stage, chosen
from tests.crash.points import why_not as why_no_points
from tests.crash.story import SCENES
from tests.lan.lan import Lan


def points(arguments: argparse.Namespace) -> int:
    begun = time.monotonic()
    tried: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    failed: list[Point] = []
    with Lan(2) as lan, TemporaryDirectory() as folder:
        stage = Stage(lan, SCENES, None if arguments.three_workers else plant(Path(folder), "one worker"))
        if arguments.point:
            todo = [Point.parse(text) for text in arguments.point]
        else:
            everything = stage.count()
            print(f"{len(everything)} calls change the disk", flush=True)
            todo = chosen(everything, arguments.log_every)[arguments.first :: arguments.every]
        for done, point in enumerate(todo):
            outcome = stage.run(point)
            tried[point.kind] += 1
            missed[point.kind] += not outcome.reached
            if outcome.wrong:
                failed.append(point)
                print("\n".join(outcome.wrong))
            verdict = "WRONG" if outcome.wrong else "good"
            where = outcome.scene if outcome.reached else "not reached"
            print(f"{done + 1}/{len(todo)} {point}: {verdict}, {where}, {outcome.took_s:.1f} s", flush=True)
    for kind, count in sorted(tried.items()):
        print(f"{kind:16} {count:5} tried, {count - missed[kind]:5} died there")
    took = time.monotonic() - begun
    print(
        f"{sum(tried.values())} crash points in {took:.0f} s, {sum(missed.values())} not reached, {len(failed)} violations"
    )
    for point in failed:
        print(f"again: python -m tests.crash points --point '{point}'")
    return 1 if failed else 0


def images(arguments: argparse.Namespace) -> int:
    begun = time.monotonic()
    done, wrong = 0, 0
    with storm(arguments.seed) as running:
        for cut in running.cuts(arguments.count):
            done += 1
            wrong += bool(cut.wrong)
            verdict = "WRONG" if cut.wrong else "good"
            print("\n".join(cut.wrong), end="\n" if cut.wrong else "")
            print(
                f"{done}/{arguments.count}: {verdict}, cut {cut.after_s:.2f} s after the last look, {cut.files} files on the"
                f" disk, {cut.told} contents to be had, {cut.took_s:.1f} s",
                flush=True,
            )
    print(f"seed {arguments.seed}: {done} images in {time.monotonic() - begun:.0f} s, {wrong} violations")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("points", help="the daemon dies at each call that changes the disk")
    one.add_argument("--every", type=int, default=1, help="only each N-th point")
    one.add_argument("--first", type=int, default=0, help="from this one on")
    one.add_argument("--log-every", type=int, default=10, help="of the writes into the log of the index, each N-th")
    one.add_argument(
        "--three-workers", action="store_true", help="in each pool, as usual: points differ from run to run"
    )
    one.add_argument("--point", action="append", help="'ROLE KIND NUMBER', as it was printed; repeatable")
    other = commands.add_parser("images", help="the disk loses its power at random moments")
    other.add_argument("--count", type=int, default=200)
    other.add_argument("--seed", type=int, default=1, help="of what the users do; the moments are as chance has it")
    arguments = parser.parse_args()
    reason = why_no_points() if arguments.command == "points" else why_no_images()
    if reason:
        print(f"cannot be tried here: {reason}")
        return 2
    return points(arguments) if arguments.command == "points" else images(arguments)


if __name__ == "__main__":
    sys.exit(main())
