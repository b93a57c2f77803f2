"""``python -m tests.membership --worlds N [--from SEED]``: many random worlds. Exit code 1 if a promise was broken."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time

from tests.membership.faults import FAULTS
from tests.membership.world import Broken, liveness, play


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.membership", description=__doc__)
    parser.add_argument("--worlds", type=int, default=2_000, help="how many (default: %(default)s)")
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="SEED", help="the first one")
    parser.add_argument("--fault", choices=FAULTS, help="plant this fault: a world should notice it")
    given = parser.parse_args()
    begun = time.monotonic()
    broken = 0
    with FAULTS[given.fault][0]() if given.fault else _nothing():
        for seed in range(given.first, given.first + given.worlds):
            try:
                play(seed, own_keys=seed % 2 == 1)
                if not liveness(seed, 1 + seed % 2, at_once=seed % 4 == 1):
                    raise Broken("the rest did not end on one key")
            except Broken as error:
                broken += 1
                print(f"seed {seed}: {error}")
    print(f"{given.worlds:,} worlds, {broken:,} broken, {time.monotonic() - begun:.0f} s")
    return 1 if broken else 0


def _nothing() -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


if __name__ == "__main__":
    sys.exit(main())
