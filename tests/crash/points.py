"""Crash points: the daemon dies at each call that changes the disk, one after the other.

strace counts the calls of each thread for itself, so a point is a thread, a kind of call, and a number. The threads of
a daemon begin in an order that its code gives, so each has the same role in every run: the main thread is followed from
the first instruction on (the start), the others from the moment they are there (all the rest: the other node comes only
then). One run without a death counts the calls of each role; of these only those that touch the disk are points.

Which of three workers gets a job is chance. With one worker in each pool (a constant of the daemon changed) each number is
the same call in every run; with three, some points are not reached, and others come in their place.

Killed at the entry of a call, the process leaves what all calls before it have made. So what `openat` makes (which
strace cannot tell from opening for reading) is met at the entry of the call that follows it.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lan.checker import POLL_S, differences, survey, wait_for
from tests.lan.lan import MAIN, Lan, Node, why_impossible

from . import story as stories
from .story import SCENES, A, B, Scene, Story

KINDS = (
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,write,pwrite64,writev,"
    "pwritev,ftruncate,truncate,fallocate,fsync,fdatasync,syncfs,sync_file_range,utimensat,fchmod,fchmodat,chmod,fchown,"
    "fchownat,copy_file_range,sendfile,splice,ioctl,setxattr"
)
"""What may change the disk, or make it last."""
ROLES = ("disk-1", "disk-2", "disk-3", "bulk-1", "bulk-2", "bulk-3", "check-1", "watcher", "accept", "engine")
FEWER = ("disk-1", "bulk-1", "check-1", "watcher", "accept", "engine")
"""The last threads that a daemon begins before it meets anybody, in this order; and with one worker in each pool."""

SOON_S = 60.0
UP_S = 20.0
CLEAR_S = 15.0
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")


@dataclass(frozen=True, slots=True, order=True)
class Point:
    role: str  # "main" or one of ROLES
    kind: str
    number: int

    def __str__(self) -> str:
        return f"{self.role} {self.kind} {self.number}"

    @classmethod
    def parse(cls, text: str) -> Point:
        role, kind, number = text.split()
        return cls(role, kind, int(number))


@dataclass(slots=True)
class Outcome:
    point: Point | None
    reached: bool
    scene: str  # in which it died
    wrong: list[str]
    took_s: float


def tracing(*words: str | Path) -> list[str]:
    return ["strace", "-qq", "-e", "signal=none", *map(str, words)]


class Stage:
    """Two nodes for one run after the other. The one that dies is the second."""

    def __init__(self, lan: Lan, scenes: Sequence[Sequence[Scene]] = SCENES, one_worker: Path | None = None) -> None:
        """`one_worker`: the program for the node that dies, if not the daemon of this checkout: with one worker in each
        pool."""
        self.lan, self.scenes = lan, scenes
        self.roles = FEWER if one_worker else ROLES
        self.stays, self.dies = lan.nodes
        self.dies.may_end = True
        self.dies.main = one_worker or MAIN
        self.trace = lan.work / "trace"

    # --- running

    def count(self, *threads: str) -> dict[Point, str]:
        """The points of a run, in the order of the run; what each call was. `threads`: those of the "main" thread, of the
        "others"; both if not given."""
        points: dict[Point, str] = {}
        roles: dict[str, str] = {}
        for role in threads or ("main", "others"):
            self.trace.unlink(missing_ok=True)
            outcome = self._run(role, tracing("-f", "-y", "-e", f"trace={KINDS}", "-o", self.trace), roles)
            assert not outcome.wrong, "\n".join(outcome.wrong)
            points |= self._points(role, roles)
        return points

    def _points(self, which: str, roles: dict[str, str]) -> dict[Point, str]:
        counted: Counter[tuple[str, str]] = Counter()
        points = {}
        ours, noise = f"{self.dies.base}/", str(self.dies.log_path)
        for line in self.trace.read_text(errors="replace").splitlines():
            match = _CALL.match(line)
            if not match:
                continue
            thread, kind, words = match.groups()
            role = roles.get(thread)
            if role is None or (role == "main") != (which == "main"):
                continue
            counted[role, kind] += 1
            if ours in words and noise not in words:
                shown = words.replace(ours, "").partition(") = ")[0][:150]
                points[Point(role, kind, counted[role, kind])] = shown
        return points

    def run(self, point: Point | None) -> Outcome:
        """One run, in which the daemon dies at the point (None: by a kill -9 in the end), and what is wrong then."""
        if point is None:
            return self._run("none", [], {})
        inject = ("-e", f"trace={point.kind}", "-e", f"inject={point.kind}:signal=SIGKILL:when={point.number}")
        outcome = self._run(point.role, tracing(*inject, "-o", "/dev/null"), {})
        outcome.point = point
        return outcome

    def _run(self, role: str, tracer: list[str], roles: dict[str, str]) -> Outcome:
        begun = time.monotonic()
        self.lan.reset()
        story = Story(node.dir for node in self.lan)
        stories.before(story)
        wrong: list[str] = []
        scene_name = "start"
        with self._started(role, tracer, roles):
            self.stays.start()
            wrong += self._meets(story)
            for scenes in self.scenes:
                for scene in scenes:
                    if self.dies.running and not wrong:
                        scene_name = scene.__name__
                    scene(story)
                wrong += self._meets(story)
            reached = not self.dies.running
        self.dies.kill()
        if not wrong:
            wrong = self._after(story)
        self.lan.stop()
        if not wrong:
            for node in self.lan:
                wrong += stories.own_state(node)
            wrong += self.lan.complaints()
        if wrong:
            wrong = [*wrong[: stories.SHOWN], self.lan.tails()]
        return Outcome(None, reached, scene_name, wrong, time.monotonic() - begun)

    @contextmanager
    def _started(self, role: str, tracer: list[str], roles: dict[str, str]) -> Iterator[None]:
        """The node that dies is up, as far as it gets, and followed until the end."""
        node = self.dies
        if role == "main":
            args = ("-b", "5000", "-l", str(node.port), "-s", node.signatures)
            program = node.main
            # -D: the process that we have started is the daemon, not strace.
            node.launch([tracer[0], "-D", *tracer[1:], sys.executable, program, node.dir, *args])
            wait_for(lambda: not node.running or is_up(node), UP_S, f"{node} is up")
            if node.running:
                roles[str(node.pid)] = "main"
            yield
            return
        node.start()
        wait_for(lambda: is_up(node), UP_S, f"{node} is up")
        if role == "none":
            yield
            return
        threads = dict(zip(self.roles, threads_of(node)[-len(self.roles) :], strict=True))
        roles.update({thread: name for name, thread in threads.items()})
        followed = str(node.pid) if role == "others" else threads[role]
        process = subprocess.Popen([*tracer, "-p", followed], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            wait_for(lambda: is_traced(node.pid, followed), UP_S, f"strace follows {node}")
            yield
        finally:
            process.send_signal(signal.SIGINT)  # it lets go of whom it follows
            process.communicate()

    # --- checking

    def _meets(self, story: Story) -> list[str]:
        """Waits until both have the same, or one is dead. What is wrong."""
        end = time.monotonic() + SOON_S
        while self.dies.running:
            found = differences(*(survey(root, contents=False) for root in self.lan.roots), labels=("A", "B"))
            if not found:
                wrong = story.whole(A) + story.whole(B) + story.as_told(A)
                return wrong if self.dies.running else []
            if time.monotonic() > end:
                return ["not equal in time, before anyone died:", *found[: stories.SHOWN]]
            if self.stays.has_died():
                return [self.stays.has_died()]
            time.sleep(POLL_S)
        return []

    def _after(self, story: Story) -> list[str]:
        """The other node has gone on; the dead one starts again, and has to make it whole."""
        wrong = [*story.whole(A), *story.whole(B), *story.lost(B)]
        if wrong:
            return ["after the death:", *wrong]
        left = stories.staged(self.dies.dir)
        self.dies.start()
        end = time.monotonic() + SOON_S
        while found := self._apart():
            if not self.dies.running or time.monotonic() > end:
                return ["not equal after the next start:", *found[: stories.SHOWN]]
            time.sleep(POLL_S)
        wrong = [*story.whole(A), *story.whole(B)]
        for at in (A, B):
            wrong += story.as_told(at) + story.lost(at)
        try:
            wait_for(lambda: not self._litter(left), CLEAR_S, "nothing is left in the staging folders")
        except AssertionError as error:
            wrong.append(f"{error}: {self._litter(left)}")
        return ["after the next start:", *wrong] if wrong else []

    def _apart(self) -> list[str]:
        """What the two do not agree in, now that both run again."""
        if "in sync with" not in self.dies.log(this_run=True):
            return ["B: has not heard all that A has to tell"]
        return differences(*(survey(root, contents=False) for root in self.lan.roots), labels=("A", "B"))

    def _litter(self, left: list[str]) -> list[str]:
        """`left`: what was in the staging folder of the dead."""
        here = set(stories.staged(self.dies.dir))
        return [
            *stories.litter(self.stays.dir),
            *stories.litter(self.dies.dir),
            *(name for name in left if name in here),
        ]


def why_not() -> str | None:
    """None where crash points can be tried, else the reason."""
    if not shutil.which("strace"):
        return "no strace (package strace)"
    return why_impossible()


def chosen(points: dict[Point, str], log_every: int) -> list[Point]:
    """Of the writes into the log of the index only some: until the last of a commit is there, all of them come to the same."""
    some = []
    passed = 0
    for point, what in sorted(points.items()):
        if point.kind == "pwrite64" and "index.db-wal" in what:
            passed += 1
            if passed % log_every:
                continue
        some.append(point)
    return some


def is_up(node: Node) -> bool:
    """All its threads are there, and the first look at the folder is over."""
    return "the folder holds" in node.log(this_run=True)


def threads_of(node: Node) -> list[str]:
    try:
        return sorted((path.name for path in Path(f"/proc/{node.pid}/task").iterdir()), key=int)
    except FileNotFoundError:
        return []


def is_traced(pid: int, thread: str) -> bool:
    try:
        status = Path(f"/proc/{pid}/task/{thread}/status").read_text()
    except FileNotFoundError:
        return True  # it is dead already
    return "TracerPid:\t0" not in status
