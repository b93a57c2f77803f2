"""What one world is like: everything is drawn from its seed, so that each seed tries another mixture (swarm testing).

In:   a seed. Out: frozen Options, and the bounds of `limits` made small enough for small files to meet them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from types import ModuleType

from dir_sync.core import limits, retention
from dir_sync.core.mode import Mode
from dir_sync.core.peers import announce
from dir_sync.core.preserve import Part
from dir_sync.core.transfers import transfer
from tests.sim.rating import Rates
from tests.sim.seams import machines_with

__all__ = ["OPERATIONS", "Options", "bounded", "draw"]

OPERATIONS = (
    "write", "save", "append", "slow write", "delete", "delete folder", "move", "move folder", "swap", "change type",
    "chmod", "touch", "copy", "copy old", "make folder", "make link", "hard link", "move tree out",
    "make fifo",
)  # fmt: skip

_SECOND = 1_000_000_000
_YEAR = 365 * 24 * 3600 * _SECOND


@dataclass(frozen=True, slots=True)
class Options:
    seed: int
    nodes: int
    links: tuple[tuple[int, int], ...]
    trees: str  # "empty", "equal", "overlapping"
    steps: int
    pause_ms: int  # between two steps, at the most
    weights: tuple[int, ...]  # of OPERATIONS
    crowded: bool  # few names, much contention
    large: float  # share of writes that are larger than what travels inside an update
    skews: tuple[int, ...]  # ns that each wall clock is off
    grain_ns: int
    latency_us: int
    disk_us: int
    meddling: float  # a user acts between two verbs of a job
    lost: float  # watcher events
    repeated: float
    late: float
    cut: float  # each of these: chance in a step
    crash: float
    crash_in_job: float  # chance at each verb of a job
    lose_index: float  # chance at a crash
    old_index: float
    full: float
    trouble: float  # chance at each verb of a job
    jump: float
    rescan: float
    users_sync: bool  # what users wrote survives a power cut
    rest_first: bool  # the first contact is over before anyone acts
    late_joiner: bool
    deltas: bool
    small_pages: bool
    retention: tuple[int, int] | None  # how long (ns) and how much (bytes) the history keeps
    brake: bool  # a few files are a disaster
    worst: float  # chance that a user saves between the last check of a file and the exchange
    late_writes: float  # chance that a program has what is displaced open, and writes into it later
    unreadable: float  # each of these, chance in a step: a file cannot be read any more
    disaster: float  # most files go, or all get other names, while the program does not run
    root_gone: float
    old_state: float  # a backup of the index is made, or put back
    sync_fails: float  # chance at each sync
    logs: float  # chance in a step: a program begins to append to a file, again and again
    blind: bool  # the disk of the last node takes names for others: no case, no Unicode forms
    sealed: bool  # the links are those of a closed mesh
    rules: float  # chance in a step: a user writes rules for paths that are not shared
    room: int  # bytes of contents of peers for which each node has room at the beginning; 0: for all
    rates: tuple[Rates, ...]  # limits of bytes per second of the nodes; (): none
    sizes: tuple[int, ...]  # bytes of a file that each node shares, 0: any number; (): all share everything
    merges: float  # chance in a step: a user changes lines of a text; texts that lost a conflict are merged
    modes: tuple[Mode, ...]  # of the nodes; (): all work both ways
    keeps: tuple[frozenset[Part], ...]  # which attributes of files each node keeps; (): none
    keeps_change: bool  # some nodes begin late to keep them, or leave the option out for a life
    attributes: float  # chance in a step: a user changes some of them
    one_file: tuple[bool, ...]  # which nodes keep names of one file; (): none
    rot: bool  # at rest, bits tip over on the disks
    alike: float  # share of saves in the worst moment that leave size and time as they were
    others: float  # share of new files that are made by another user of that machine: only they may set mode and times


def draw(seed: int) -> Options:
    """The world of a seed. The simplest ones (no faults, two nodes) come often enough to be caught first."""
    rng = Random(f"options {seed}")
    others = Random(f"others {seed}")  # for itself, so that the other worlds are what they were
    nodes = rng.choice([2, 2, 2, 3, 3, 3, 4, 5])
    full_mesh = [(a, b) for a in range(nodes) for b in range(a + 1, nodes)]
    line = [(a, a + 1) for a in range(nodes - 1)]
    star = [(0, a) for a in range(1, nodes)]
    links = rng.choice([full_mesh, full_mesh, line, star])
    faulty = rng.random() < 0.75

    def fault(share: float, strength: float) -> float:
        """This kind of fault happens in some of the faulty worlds."""
        strikes = rng.random() < share
        size = strength * rng.choice([0.3, 1.0, 2.0])
        return size if strikes and faulty else 0.0

    skew = rng.choice([0, 0, _SECOND, 3 * _YEAR])
    weights = tuple(0 if rng.random() < 0.35 else rng.choice([1, 2, 5]) for _ in OPERATIONS)
    if not any(weights[:3]):
        weights = (3, *weights[1:])
    return Options(
        seed=seed,
        nodes=nodes,
        links=tuple(links),
        trees=rng.choice(["empty", "equal", "overlapping", "overlapping"]),
        steps=rng.choice([5, 12, 25, 50]),
        pause_ms=rng.choice([3, 30, 300, 1500]),
        weights=weights,
        crowded=rng.random() < 0.5,
        large=rng.choice([0.0, 0.1, 0.4]),
        skews=tuple(rng.randint(-skew, skew) for _ in range(nodes)),
        grain_ns=rng.choice([0, 0, 0, 4_000_000, 2 * _SECOND]),
        latency_us=rng.choice([200, 2_000, 80_000]),
        disk_us=rng.choice([300, 3_000, 60_000]),
        meddling=fault(0.4, 0.02),
        lost=fault(0.3, 0.15),
        repeated=fault(0.3, 0.2),
        late=fault(0.3, 0.2),
        cut=fault(0.5, 0.08),
        crash=fault(0.4, 0.05),
        crash_in_job=fault(0.25, 0.003),
        lose_index=fault(0.15, 0.3),
        old_index=fault(0.1, 0.2),
        full=fault(0.2, 0.05),
        trouble=fault(0.2, 0.02),
        jump=fault(0.3, 0.05),
        rescan=fault(0.4, 0.05),
        users_sync=rng.random() < 0.7,
        rest_first=rng.random() < 0.4,
        late_joiner=rng.random() < 0.25,
        deltas=rng.random() < 0.7,
        small_pages=rng.random() < 0.4,
        retention=(
            (rng.choice([3, 3600, 30 * 86_400]) * _SECOND, rng.choice([0, 100, 1_000, 10**9]))
            if rng.random() < 0.25
            else None
        ),
        brake=(brake := rng.random() < 0.3),
        worst=fault(0.25, 0.2),
        late_writes=fault(0.3, 0.1),
        unreadable=fault(0.15, 0.04),
        disaster=fault(0.5, 0.04) if brake else 0.0,
        root_gone=fault(0.15, 0.03),
        old_state=fault(0.12, 0.08),
        sync_fails=fault(0.12, 0.01),
        logs=rng.choice([0.0, 0.0, 0.0, 0.1, 0.4]),  # drawn last: the other worlds are what they were
        blind=rng.random() < 0.15,
        sealed=seed % 12 == 6,  # not drawn, so the other worlds are what they were; with --sealed all of them are
        rules=0.0,  # with --rules there are some
        keeps=(),  # with --keeps they keep some
        keeps_change=False,
        attributes=0.0,
        one_file=(),  # with --links some do
        room=0,  # with --limits there is little
        rates=(),
        sizes=(),
        rot=False,  # with `changes` there is some
        merges=0.0,  # with --merge there are some
        modes=(),  # with --modes they have some: each is another world
        others=others.choice([0.1, 0.5]) if others.random() < 0.12 else 0.0,
        alike=0.3 if others.random() < 0.3 else 0.0,
    )


@contextmanager
def bounded(options: Options) -> Iterator[None]:
    """The bounds made small, in all modules that know them; as they were, afterwards."""
    small: dict[ModuleType, dict[str, int]] = {
        limits: {
            "INLINE_BYTES_MAX": 256,
            "ATTACHED_BYTES_MAX": 1024,
            "DELTA_FILE_BYTES_MIN": 257,
            "CHUNK_BYTES": 1024,
            "CHUNK_BYTES_MIN": 256,
            "PULL_BYTES_MAX": 1024,
            "GROWTH_FILE_BYTES_MIN": 64,
            "GROWTH_STEP_BYTES": 512,
            "LARGE_FILE_BYTES": 4096,
            "PULL_WINDOW_BYTES": 4096,
            "APPLY_BYTES_MAX": 4096,
        },
        # (The least window of a slow peer is not above the largest of all: it would ask for more than it may.)
        transfer: {"_AHEAD_BYTES": 2048, "_WINDOW_BYTES_MIN": 4096},
        announce: {"_UNACKED_BYTES_MAX": 4096},
        retention: {"THIN_BYTES": 300},
    }
    of_engine = {"YOUNG_VERSION_NS": 2 * _SECOND, "PRUNE_AFTER_MS": 1_000}
    if options.small_pages:
        small[limits] |= {
            "PAGE_RECORDS_MAX": 4,
            "CHANGES_MAX": 3,
            "LOOK_ITEMS_MAX": 3,
            "APPLY_ITEMS_MAX": 3,
            "DIRTY_BACKLOG_MAX": 4,
            "TODO_PATHS_MAX": 12,
            "OUTBOX_BYTES_MAX": 3000,
        }
        of_engine |= {
            "PLAN_MAX": 4,
            "TURN_LOOKS_MAX": 6,
            "READY_BYTES_MAX": 2048,
            "LARGE_FETCHES_MAX": 2,
            "TOLD_SINGLY": 0,
        }
    for bound, value in of_engine.items():
        for module, name in machines_with(bound):
            small.setdefault(module, {})[name] = value
    if options.rates:
        small[transfer]["_WINDOW_BYTES_MIN"] = 1024
        for module, name in machines_with("PULL_COST_BYTES"):
            small.setdefault(module, {})[name] = 64
    before = {module: {name: getattr(module, name) for name in names} for module, names in small.items()}
    try:
        for module, names in small.items():
            for name, value in names.items():
                setattr(module, name, value)
        yield
    finally:
        for module, names in before.items():
            for name, value in names.items():
                setattr(module, name, value)
