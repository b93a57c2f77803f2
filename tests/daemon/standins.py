"""Stand-ins for the neighbours of a room: they remember what they were asked, and answer what the test has given them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from dir_sync.config import Config
from dir_sync.core.declined import Declined
from dir_sync.core.events import Effect, Event
from dir_sync.core.jobs import Job
from dir_sync.core.link_handshake import Member
from dir_sync.core.messages import PROTOCOL, FolderIndex, Held, Hello, Message
from dir_sync.core.mode import Mode
from dir_sync.core.overload.byte_rate import SpeedLimits
from dir_sync.core.overload.fairness import Flow
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.daemon.share import Share
from dir_sync.engine import Now
from dir_sync.engine.own_changes import Difference
from dir_sync.engine.path_decisions import HeldBelow
from dir_sync.engine.queues import PlanQueue
from dir_sync.engine.values import Troubled
from dir_sync.index import Index
from dir_sync.network.outbox import Outbound
from dir_sync.network.reader import LinkState
from dir_sync.network.tcp import Traffic
from dir_sync.node import Node
from tests.ends import closed_at_end

FOLDER = "default"
NOW = Now(1_700_000_000 * 10**9, 1_000_000)


def config(**more: Any) -> Config:
    given: dict[str, Any] = {
        "folder": "/shared",
        "folder_name": FOLDER,
        "name": "anna",
        "broadcast_port": 5000,
        "peers": (),
        "mode": Mode.TWO_WAY,
        "default_rules": True,
        "speed": SpeedLimits(),
        "schedule": (),
        "min_free": None,
        "max_file_size": 0,
        "merge": "off",
    }
    return cast(Config, SimpleNamespace(**given | more))


class Engine:
    """Remembers its events. It answers each with the effects that the test has put into `gives`. What the status asks its
    machines for is a plain field."""

    def __init__(self, name: str = FOLDER, number: int = 0) -> None:
        self.events: list[Event] = []
        self.turns = 0
        self.at_turn: Callable[[], None] = lambda: None
        self.gives: list[Effect] = []
        self.looks: list[Effect] = []  # to be ordered at once
        self.is_busy = False
        self.has_jobs_out = False
        self.deadline: int | None = None
        self.names: dict[str, str] = {}
        self.echoes: list[Event] = []
        self.brakes = Brakes()
        self.held_below: dict[bytes, HeldBelow] = {}  # by path
        self.path_decisions = SimpleNamespace(held_below=self._held_below)
        self.report = Report()
        self.scrub = SimpleNamespace(
            is_on=True, done=30, total=90, begun_ns=10**18, period_ns=86_400 * 10**9, last_ns=5 * 10**17
        )
        self.healing = SimpleNamespace(rotten=[], healed=0)
        self.bad: list[tuple[bytes, int, bool]] = []  # path, when it was found, whether it is to be healed
        self.silent = SimpleNamespace(found=lambda: iter([b"quiet\n"]))
        self.rotten_files = SimpleNamespace(known=lambda: iter(self.bad))
        self.sync_report = self.report
        self.receiving: list[tuple[bytes, str, int, int, int, int]] = []
        self.board = SimpleNamespace(
            name_of=lambda node: self.names.get(node, node),
            scan=SimpleNamespace(is_on=False, waits=False),
            is_shared=False,
            folder=name,
            number=number,
            plan_queue=PlanQueue(),
            peers=dict[str, object](),
            taking=None,
            run_again=False,
            jobs_out=0,
        )
        self.mode_rules = SimpleNamespace(mode=Mode.TWO_WAY, may_decide=True)
        self.differing: list[Difference] = []
        self.own_changes = SimpleNamespace(differences=lambda: iter(self.differing), too_large=lambda: [b"big"])
        self.scope = SimpleNamespace(mounted=set[bytes]())
        self.look_queue = SimpleNamespace(restless=lambda: [b"busy.log"])
        self.queries = SimpleNamespace(pending_restores=lambda: 3)
        self.fetcher = SimpleNamespace(progress=lambda: self.receiving)
        self.uploader = SimpleNamespace(progress=lambda now_ms: [])

    def _held_below(self, paths: Collection[bytes]) -> HeldBelow:
        some = [self.held_below[path] for path in paths if path in self.held_below]
        changed = {maker: held for one in some for maker, held in one.changed.items()}
        unknown = tuple(path for path in paths if path not in self.held_below)
        return HeldBelow(changed, sum(one.missing for one in some), unknown)

    def start(self, now: Now, found: Sequence[object] = ()) -> list[Effect]:
        return []

    def handle(self, event: Event, now: Now) -> list[Effect]:
        self.events.append(event)
        return self.gives

    def without_echoes(self, events: list[Event], now: Now) -> list[Event]:
        return [event for event in events if event not in self.echoes]

    def heard(self, events: list[Event], now: Now) -> list[Effect]:
        self.events += events
        return self.gives

    def look_at_once(self, now: Now) -> list[Effect]:
        looks, self.looks = self.looks, []
        return looks

    def tidy(self, now: Now) -> list[Effect]:
        return []

    def act(self, now: Now) -> list[Effect]:
        self.turns += 1
        self.at_turn()
        return []

    def next_deadline(self) -> int | None:
        return self.deadline


@dataclass
class Brakes:
    here: list[Held] = field(default_factory=list)
    held_elsewhere: dict[str, tuple[Held, ...]] = field(default_factory=dict)
    own: Any = field(default_factory=lambda: SimpleNamespace(held_files=0))
    me: str = ""

    def held(self) -> tuple[Held, ...]:
        return tuple(self.here)

    def held_anywhere(self) -> list[tuple[str, Held]]:
        elsewhere = [(peer, one) for peer, some in sorted(self.held_elsewhere.items()) for one in some]
        return [(self.me, one) for one in self.here] + elsewhere


@dataclass
class Report:
    """What a node knows of who lacks what."""

    lacks: dict[str, Lack] = field(default_factory=dict)
    lacking: dict[str, Lack] = field(default_factory=dict)
    trouble: list[Troubled] = field(default_factory=list)
    declined: dict[str, tuple[Declined, ...]] = field(default_factory=dict)

    def in_sync_with(self) -> list[str]:
        return [node for node, lack in self.lacks.items() if lack == NOTHING]

    def lacked_by(self, node: str) -> Lack | None:
        return self.lacks.get(node)

    def declined_by(self, node: str) -> tuple[Declined, ...]:
        return self.declined.get(node, ())

    def lacked_from(self, node: str) -> Lack:
        return self.lacking.get(node, NOTHING)

    def unseen(self) -> int:
        return 7

    def troubled(self) -> list[Troubled]:
        return self.trouble

    def undecided(self) -> list[bytes]:
        return [b"d/new"]


class Workers:
    def __init__(self) -> None:
        self.jobs: list[tuple[Flow, Job]] = []
        self.left: list[Flow] = []
        self.answers = True  # the disk
        self.unanswered: list[Callable[[], None]] = []

    def put(self, flow: Flow, job: Job) -> None:
        self.jobs.append((flow, job))

    def check(self, work: Callable[[], None]) -> None:
        if self.answers:
            work()
        else:
            self.unanswered.append(work)

    def leave(self, flow: Flow) -> None:
        self.left.append(flow)


class Folder:
    """Stands where a Share is: a real index, everything else a stand-in."""

    def __init__(self, name: str = FOLDER, number: int = 0) -> None:
        self.path = b"/shared"
        self.index = closed_at_end(Index(":memory:", Random(number + 1)))
        self.engine = Engine(name, number)
        self.engine.brakes.me = self.index.identity.replica
        self.workers = Workers()
        self.watcher = SimpleNamespace(unwatched=dict[bytes, str]())
        self.is_there = True
        self.room: int | None = None

    def other_room(self) -> int | None:
        return self.room

    def are_rules_changed(self) -> bool:
        return False

    def check(self, warn_once: object) -> bool:
        return self.is_there

    def note_name(self, name: str) -> None:
        if self.index.notes.get(f"name {self.index.identity.replica}") != name:
            self.index.notes.put(f"name {self.index.identity.replica}", name)

    @property
    def share(self) -> Share:
        return cast(Share, self)


class Manager:
    """Takes the orders of a NodeManager."""

    def __init__(self) -> None:
        self.orders: list[tuple[object, ...]] = []
        self.folders = 1

    def dial(self, address: str, port: int) -> None:
        self.orders.append(("dial", address, port))

    def drop(self, link: int, reason: str, text: str = "") -> None:
        self.orders.append(("drop", link, reason))

    def drop_all(self, reason: str) -> None:
        self.orders.append(("drop all", reason))

    def ping(self, link: int) -> None:
        self.orders.append(("ping", link))


class Link:
    """Stands where a Node is."""

    def __init__(self, link: int, address: str, dialled: bool = True, id_: str = "") -> None:
        self.link, self.address, self.dialled = link, address, dialled
        self.id = id_
        self.said = hello("aa" * 8, "me")  # by us
        self.state = LinkState()
        self.member: Member | None = None
        self.is_mute = False
        self.sends_per_s = 0
        self.sent: list[Message] = []
        self.given_up = ""
        self.version = "1.2.3"
        self.age_s = 60.0
        self.heard_s = 1_800_000_000.0
        self.counted: Traffic | None = None

    def traffic(self) -> Traffic | None:
        return self.counted

    def send(self, parcel: Outbound) -> None:
        self.sent.append(parcel.message)

    def said_last(self) -> Message:
        return self.sent[-1]

    def give_up(self, text: str) -> None:
        self.given_up = text

    def consumed(self, cost: int) -> None: ...

    @property
    def node(self) -> Node:
        return cast(Node, self)


def replica_of(node: str) -> str:
    """The replica that the node of a test has."""
    return node[::-1] + "00"


def hello(node: str, name: str = "bob", folder: str = FOLDER, instance: str = "1", replica: str = "") -> Hello:
    return Hello(PROTOCOL, node, name, instance, 6000, (FolderIndex(folder, replica or replica_of(node), 0),))
