"""``python -m tests.fuzz --inputs N [--from SEED]``: what strangers can say to a closed node. Exit code 1 if it broke something,
or if memory grew.

Each 10,000 inputs are made from one seed, so that what was found can be found again: --inputs 10000 --from SEED.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.fuzz.targets import Targets

INPUTS_A_SEED = 10_000
GROWTH_MIB_MAX = 4.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="how many (default: %(default)s)")
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="SEED", help="the first seed")
    given = parser.parse_args()
    begun = time.monotonic()
    read: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    memory: list[float] = []
    done = faults = 0
    while done < given.inputs:
        seed = given.first + done // INPUTS_A_SEED
        targets = Targets(seed)
        for number in range(min(INPUTS_A_SEED, given.inputs - done)):
            try:
                name, is_accepted = targets.one()
            except Exception:
                faults += 1
                print(f"seed {seed}, input {number}:\n{traceback.format_exc()}")
                if faults == 10:
                    return 1
                continue
            read[name] += 1
            accepted[name] += is_accepted
        done += min(INPUTS_A_SEED, given.inputs - done)
        del targets
        gc.collect()
        memory.append(_memory_mib())
    for name, count in sorted(read.items()):
        print(f"{count:>9,} {name}, {accepted[name]:,} of them accepted")
    warm = memory[min(len(memory) - 1, len(memory) // 10)]
    print(
        f"{done:,} inputs, {faults} faults, {time.monotonic() - begun:.0f} s,"
        f" memory {warm:.1f} MiB after a tenth, {memory[-1]:.1f} MiB at the end"
    )
    return 1 if faults or memory[-1] - warm > GROWTH_MIB_MAX else 0


def _memory_mib() -> float:
    """Resident, of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("a Linux without VmRSS")


if __name__ == "__main__":
    sys.exit(main())
