"""python -m tests.soak [--minutes 30] [--nodes 5]: random work for a long time, and a fault every 20 s.

Users work on every node (tests/lan/ledger.py) while links are cut, nodes are killed, frozen and robbed of their
index (tests/lan/faults.py). Every few minutes they rest: then all folders must be equal, every token that nobody
replaced must be in a tree or a history, and no node may have crashed or complained. The first node is spared what
ends it: its memory and its open handles are measured from the first minute to the last.

Needs root, as tests/lan does. What is wrong is printed at once; the exit code is 1 if anything was.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.lan.checker import holds, wait_equal, wait_for
from tests.lan.faults import Faults
from tests.lan.lan import Lan, Node, why_impossible
from tests.lan.ledger import Ledger, User

FAULTS = (
    *("killed", "stopped", "isolated", "isolated_and_killed", "cut", "unplugged", "frozen", "slow"),
    *("all_killed", "signatures_lost", "index_lost"),
)
OPTIONS = ("--brake-files", "0", "--history-share", "90", "--history-max", "1000G")
"""Who was away, or lost its index, comes back without much of what it had; and no version may give way to the next."""

EQUAL_S = 150.0
SAMPLE_S = 5.0
HOUR_S = 3600.0


@dataclass(slots=True)
class Sample:
    """What one process used at one moment."""

    node: str
    pid: int
    at_s: float
    memory: int
    handles: int


@dataclass(slots=True)
class Report:
    seconds: float = 0.0
    operations: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    checks: int = 0
    tokens: int = 0
    kept: int = 0
    violations: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def slope(self, node: str, what: Callable[[Sample], int]) -> float:
        """Growth per hour, by least squares, of the process of that node that lived longest, its youth left out."""
        lives: dict[int, list[Sample]] = {}
        for sample in self.samples:
            if sample.node == node:
                lives.setdefault(sample.pid, []).append(sample)
        life = max(lives.values(), key=len, default=[])
        life = life[len(life) // 6 :]
        if len(life) < 3:
            return 0.0
        mean_at = sum(sample.at_s for sample in life) / len(life)
        mean = sum(map(what, life)) / len(life)
        spread = sum((sample.at_s - mean_at) ** 2 for sample in life)
        return sum((sample.at_s - mean_at) * (what(sample) - mean) for sample in life) / spread * HOUR_S

    def lines(self) -> list[str]:
        done = sum(count for name, count in self.operations.items() if name != "in vain")
        first = next(iter(sample.node for sample in self.samples), "")
        mine = [sample for sample in self.samples if sample.node == first]
        text = [
            f"{self.seconds / 60:.1f} min, {done} operations ({dict(self.operations)})",
            f"{self.faults.total()} faults ({dict(self.faults)})",
            f"{self.tokens} tokens written, {self.kept} of them to be found at the end; {self.checks} checks",
            f"{len(self.violations)} violations",
        ]
        if mine:
            text.append(
                f"{first}: memory {mine[0].memory >> 20} MiB at first, {mine[-1].memory >> 20} MiB at last, "
                f"{max(sample.memory for sample in mine) >> 20} MiB at most, "
                f"slope {self.slope(first, lambda sample: sample.memory) / (1 << 20):+.1f} MiB/h; "
                f"handles {mine[0].handles} at first, {mine[-1].handles} at last, "
                f"{max(sample.handles for sample in mine)} at most, "
                f"slope {self.slope(first, lambda sample: sample.handles):+.1f}/h"
            )
            text.append(
                f"all nodes: memory {max(sample.memory for sample in self.samples) >> 20} MiB at most, "
                f"handles {max(sample.handles for sample in self.samples)} at most"
            )
        return text


class Soak:
    def __init__(
        self,
        lan: Lan,
        seed: int,
        *,
        fault_every_s: float,
        check_every_s: float,
        pause_s: float,
        settle_s: float = 10.0,
        say: Callable[[str], object] = print,
        evidence: Path | None = None,
    ) -> None:
        self.lan, self.say, self.evidence = lan, say, evidence
        self.rng = random.Random(seed)
        self.fault_every_s, self.check_every_s, self.settle_s = fault_every_s, check_every_s, settle_s
        self.faults = Faults(lan, self.rng, start, spared=(lan[0],))
        self.ledger = Ledger(seed)
        self.users = [User(self.ledger, node.dir, seed, pause_s=pause_s) for node in lan]
        self.report = Report()
        self._begun = time.monotonic()
        self._over = threading.Event()

    def elapsed(self) -> float:
        return time.monotonic() - self._begun

    def run(self, for_s: float) -> Report:
        for node in self.lan:
            start(node)
        self.lan.meet("start")
        sampler = threading.Thread(target=self._sample)
        self._begun = time.monotonic()
        sampler.start()
        for user in self.users:
            user.start()
        try:
            while self.elapsed() < for_s:
                until = min(self.elapsed() + self.check_every_s, for_s)
                self._disturb(until)
                self._check()
        finally:
            for user in self.users:
                user.stop()
            self._over.set()
            sampler.join()
            self.report.seconds = self.elapsed()
            self.report.operations = sum((user.done for user in self.users), Counter())
            self.report.tokens = len(self.ledger.written)
            self.report.kept = len(self.ledger.written.keys() - self.ledger.replaced.keys())
        return self.report

    def _disturb(self, until_s: float) -> None:
        """Faults, one after the other, each kind as often as the others."""
        deck: list[str] = []
        while True:
            next_s = self.elapsed() + self.fault_every_s
            if next_s > until_s + self.fault_every_s / 2:
                holds(lambda: True, max(0.0, until_s - self.elapsed()), "people work")
                return
            deck = deck or self.rng.sample(FAULTS, len(FAULTS))
            name = deck.pop()
            getattr(self.faults, name)(self.fault_every_s * self.rng.uniform(0.2, 0.6))
            self.report.faults[name] += 1
            holds(lambda: True, max(0.0, next_s - self.elapsed()), "people work")

    def _check(self) -> None:
        for user in self.users:
            user.rest()
        self.report.checks += 1
        begun = self.elapsed()
        wrong = [f"{user.name}: {user.failure!r}" for user in self.users if user.failure]
        try:
            wait_equal(self.lan.roots, EQUAL_S)
        except AssertionError as error:
            wrong.append(str(error))
        took = self.elapsed() - begun
        try:
            wait_for(lambda: not self.ledger.missing(self.lan.roots), self.settle_s, "every token is somewhere")
        except AssertionError:
            lost = self.ledger.missing(self.lan.roots)
            wrong.append(f"{len(lost)} tokens are lost: {'; '.join(lost[:20])}")
        wrong += self.lan.complaints()
        for line in wrong:
            self.say(f"WRONG: {line}")
        if wrong and self.evidence:
            self._keep_logs(self.evidence / f"check {self.report.checks}")
        self.report.violations += wrong
        memory = [node.memory_bytes() >> 20 for node in self.lan if node.running]
        self.say(
            f"{self.elapsed() / 60:5.1f} min: equal after {took:.1f} s, {len(self.ledger.written)} tokens, "
            f"{self.report.faults.total()} faults, {len(self.report.violations)} violations, memory {memory} MiB"
        )
        for user in self.users:
            user.go_on()

    def _keep_logs(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for node in self.lan:
            shutil.copy(node.log_path, folder / f"{node}.log")

    def _sample(self) -> None:
        while not self._over.wait(min(SAMPLE_S, self.check_every_s / 10)):
            for node in self.lan:
                try:
                    pid, memory = node.pid, node.memory_bytes()
                    handles = len(os.listdir(f"/proc/{pid}/fd"))
                except (OSError, AssertionError, ValueError, IndexError):
                    continue  # it is just being killed
                if memory < 1 << 20:
                    continue  # no interpreter yet, or no more
                self.report.samples.append(Sample(node.name, pid, self.elapsed(), memory, handles))


def start(node: Node) -> Node:
    return node.start(*OPTIONS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fault-every", type=float, default=20, metavar="SECONDS")
    parser.add_argument("--check-every", type=float, default=4, metavar="MINUTES")
    parser.add_argument("--pause", type=float, default=0.4, metavar="SECONDS", help="between two changes of one user")
    parser.add_argument(
        "--evidence", type=Path, metavar="DIR", help="keep the logs of all nodes there, if all is not well"
    )
    arguments = parser.parse_args()
    if reason := why_impossible():
        print(reason, file=sys.stderr)
        return 2
    with Lan(arguments.nodes) as lan:
        soak = Soak(
            lan,
            arguments.seed,
            fault_every_s=arguments.fault_every,
            check_every_s=arguments.check_every * 60,
            pause_s=arguments.pause,
            say=lambda text: print(text, flush=True),
            evidence=arguments.evidence,
        )
        report = soak.run(arguments.minutes * 60)
        print("\n".join(report.lines()), flush=True)  # to remove all that was made may take a while
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
