"""This machine's side of a dry run: a copy of the index in memory, brought up to what is in the folder now.

In:   a Config. Out: a Side: what is here, and what would happen here. Raises ConfigError, and Locked.
Rule: nothing is written, not even an inode of a lock. Of the engine's effects only listings and looks are carried out;
everything else is dropped, and no peer is ever told to it.
Used by: dry_run.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from dir_sync.config import Config, ConfigError
from dir_sync.core.events import Effect, Event, Tell
from dir_sync.core.forecast import Fate, Outcome, Room, Told, from_json, to_json
from dir_sync.core.jobs import ListJob, LookJob
from dir_sync.core.mode import Mode
from dir_sync.core.model import Record, show
from dir_sync.core.pausing import judge
from dir_sync.core.safeguard.brake import Limits
from dir_sync.core.status import PauseStatus
from dir_sync.core.tally import Tally
from dir_sync.daemon.share import engine_of, other_room
from dir_sync.daemon.timetable import Timetable
from dir_sync.disk import RealDisk
from dir_sync.engine import Now
from dir_sync.file_sync import FileSync
from dir_sync.folder import pauses, state
from dir_sync.network.control import Answer
from dir_sync.ports import DiskError

__all__ = ["Asked", "Rehearsal"]

_PAGE = 2_000
_WORKERS = 4
_SLEEP_S = (0.002, 0.05)  # between two looks at what is not known yet
_QUESTION_BYTES = 40_000  # of one question to a running node, unless it is about one path


class Rehearsal:
    """The folder, if no node runs for it. Main thread only."""

    name = ""

    def __init__(self, config: Config, wait_s: float) -> None:
        """`wait_s`: for a program that has the lock of the folder just now."""
        root = os.fsencode(config.folder)
        rng = random.Random()
        try:
            self._disk = RealDisk(root, unlocks=False)
        except DiskError as error:
            raise ConfigError(f"{show(root)} cannot be opened: {error}") from error
        try:
            self._index = state.copied_index(root, rng, wait_s)
        except BaseException:
            self._disk.close()
            raise
        tag = f"{rng.getrandbits(32):08x}"
        self._engine = engine_of(config, self._index, tag, False, None, room=other_room(config), scrubs=False)
        self._is_ending = threading.Event()
        self._sync = FileSync(
            self._disk, lambda path: False, _NoSignatures(), time.time_ns, tag, self._is_ending.is_set
        )
        self._jobs: deque[ListJob | LookJob] = deque()
        self._records: dict[bytes, Record] = {}
        self.tally = Tally()
        now_s = time.time()
        off_until_s = Timetable(config.schedule, config.speed, now_s).off_until_s
        pause = judge(pauses.noted(self._index), off_until_s, now_s)
        if pause is not None:
            self.close()
            pauses.refuse_if(PauseStatus(*pause), config.folder)

    @property
    def replica(self) -> str:
        return self._index.identity.replica

    @property
    def mode(self) -> Mode:
        return self._engine.mode_rules.mode

    def reads_only(self, identity: str) -> None:
        """This machine is a read-only member of its mesh, with that identity. Before the scan."""
        self._engine.mode_rules.reads_only(identity)

    @property
    def records(self) -> Mapping[bytes, Record]:
        return self._records

    @property
    def room(self) -> Room | None:
        return self._engine.forecaster.room

    @property
    def brake(self) -> Limits:
        return self._engine.brakes.own.limits

    @property
    def held(self) -> list[bytes]:
        """What is missing here, and so much that it is not announced."""
        return sorted(self._engine.brakes.own.held)

    def outcomes(self, told: Sequence[tuple[bytes, Sequence[Told]]]) -> list[Outcome]:
        self._engine.board.begin(_now())
        return [self._engine.forecaster.outcome(path, some) for path, some in told]

    def close(self) -> None:
        self._is_ending.set()
        self._index.close()
        self._disk.close()

    def scan(self, is_over: Callable[[], bool]) -> bool:
        """Find out what is here. False if `is_over` came first."""
        engine, begun = self._engine, time.monotonic()
        self._take(engine.start(_now()))
        out: set[Future[Event]] = set()
        with ThreadPoolExecutor(_WORKERS) as pool:
            try:
                while engine.board.scan.is_on:
                    if is_over():
                        return False
                    while self._jobs:
                        out.add(pool.submit(self._sync.only_look, self._jobs.popleft()))
                    if out:
                        done, out = wait(out, timeout=0.2, return_when=FIRST_COMPLETED)
                        for one in done:
                            self._take(engine.handle(one.result(), _now()))
                    else:  # a look is repeated in a moment
                        time.sleep(_SLEEP_S[time.monotonic() - begun > 1.0])
                    self._take(engine.end_turn(_now()))
            finally:
                self._is_ending.set()
                for waiting in out:
                    waiting.cancel()
        after, is_last = 0, False
        while not is_last:
            records, after, is_last = engine.forecaster.rows(after, _PAGE, with_own=True)
            self._records |= {record.path: record for record in records}
        return True

    def _take(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, (ListJob, LookJob)):
                self._jobs.append(effect)
            elif isinstance(effect, Tell):
                self.tally.tell(effect.note)


class _NoSignatures:
    """A cache that keeps nothing."""

    def get(self, digest: bytes) -> None:
        return None

    def put(self, digest: bytes, signature: bytes) -> None:
        pass


class Asked:
    """The folder, if a node runs for it: that one is asked."""

    name = ""

    def __init__(self, ask: Callable[[Answer], Answer]) -> None:
        self._ask = ask
        self._records: dict[bytes, Record] = {}
        self._last: Answer = {}

    @property
    def replica(self) -> str:
        return str(self._last["replica"])

    @property
    def mode(self) -> Mode:
        return Mode(self._last["mode"])

    @property
    def records(self) -> Mapping[bytes, Record]:
        return self._records

    @property
    def room(self) -> Room | None:
        found = self._last.get("room")
        return None if found is None else (int(found[0]), str(found[1]))

    def scan(self, is_over: Callable[[], bool]) -> bool:
        """Ask what is here, page by page. False if `is_over` came first."""
        after = 0
        while True:
            answer = self._last = self._ask({"command": "rows", "after": after})
            self._records |= {record.path: record for record in map(from_json, answer["records"])}
            after = answer["sequence"]
            if answer["ready"] and answer["last"]:
                return True
            if is_over():
                return False
            if not answer["ready"]:
                time.sleep(_SLEEP_S[1])

    def outcomes(self, told: Sequence[tuple[bytes, Sequence[Told]]]) -> list[Outcome]:
        found: list[Outcome] = []
        some: list[object] = []
        size = 0
        for path, versions in told:
            rows = [[replica, to_json(record)] for replica, record in versions]
            row = [path.hex(), rows]
            size += len(repr(row)) + 2 * len(rows)
            if some and size > _QUESTION_BYTES:
                found += self._forecast(some)
                some, size = [], len(repr(row))
            some.append(row)
        return found + self._forecast(some) if some else found

    def _forecast(self, told: list[object]) -> list[Outcome]:
        answer = self._ask({"command": "forecast", "told": told})
        return [
            Outcome(Fate(fate), None if row is None else from_json(row), reason)
            for fate, row, reason in answer["outcomes"]
        ]


def _now() -> Now:
    return Now(time.time_ns(), time.monotonic_ns() // 1_000_000)
