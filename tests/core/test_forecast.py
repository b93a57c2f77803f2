"""What a synchronization would do, put together from what each side says: by sides that decide as nodes do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import pytest

from dir_sync.core.attributes import Attributes, Owner
from dir_sync.core.forecast import Action, Fate, Outcome, Plan, Room, Side, Step, Told, from_json, plan, to_json
from dir_sync.core.mode import Mode, own_change
from dir_sync.core.model import Kind, Record, Stamp, same_body
from dir_sync.core.reconcile import Answer, Join, Offer, Refuse, Take, answer, changed, decide

FILE, FOLDER, GONE, LINK = Kind.FILE, Kind.DIRECTORY, Kind.ABSENT, Kind.SYMLINK


class Node:
    """A side without a disk. `says`: paths at which it answers this, whatever it is told."""

    def __init__(
        self, name: str, *records: Record, mode: Mode = Mode.TWO_WAY, says: dict[bytes, Outcome] | None = None
    ):
        self.name = name
        self.replica = f"{len(name)}{ord(name[0]) if name else 0:x}"
        self.mode = mode
        self._records = {record.path: record for record in records}
        self.says = says or {}
        self.room: Room | None = None
        self.asked: list[bytes] = []

    @property
    def records(self) -> Mapping[bytes, Record]:
        return self._records

    def outcomes(self, told: Sequence[tuple[bytes, Sequence[Told]]]) -> list[Outcome]:
        self.asked += [path for path, _ in told]
        return [self.says.get(path) or self._outcome(path, some) for path, some in told]

    def _outcome(self, path: bytes, told: Sequence[Told]) -> Outcome:
        mine = self._records.get(path)
        match decide(mine, [Offer(replica, record, False) for replica, record in told], (), self.mode):
            case Take(record, conflict):
                if mine is not None and same_body(mine, record):
                    return Outcome(Fate.SAME, record)
                return Outcome(Fate.CONFLICT if conflict else Fate.TAKE, record)
            case Answer(top):
                assert mine is not None
                return Outcome(Fate.ANSWER, answer(mine, top, self.replica, 99))
            case Refuse():
                return Outcome(Fate.REFUSE, mine)
            case Join(record):
                return Outcome(Fate.KEEP, record)
        return Outcome(Fate.KEEP, mine)


def made(path: bytes, kind: Kind = FILE, content: bytes = b"x", ns: int = 1, by: str = "a", size: int = 5) -> Record:
    content = content.ljust(32) if kind is FILE else content if kind is LINK else b""
    mode = {FILE: 0o644, FOLDER: 0o755, LINK: 0o777, GONE: 0}[kind]
    return Record(path, kind, size if kind is FILE else 0, content, 0, mode, Stamp(ns, by), ((by, ns),))


def after(before: Record, kind: Kind = FILE, content: bytes = b"y", ns: int = 5, by: str = "b") -> Record:
    """A change that was made from that version."""
    return changed(before, made(before.path, kind, content), by, ns, ns)


def planned(here: Side, *peers: Side) -> list[tuple[Action, bytes, str]]:
    return [(step.action, step.path, step.at) for step in plan(here, peers).steps]


def test_what_one_side_has_comes_to_the_other() -> None:
    here = Node("", made(b"mine"), made(b"both"), made(b"d", FOLDER))
    peer = Node("bea", made(b"theirs", by="b"), made(b"both"), made(b"d", FOLDER))
    assert plan(here, [peer]) == Plan(
        [Step(Action.SEND, b"mine", FILE, 5, "bea"), Step(Action.RECEIVE, b"theirs", FILE, 5, "")], []
    )
    assert here.asked == [b"theirs"]
    assert peer.asked == [b"mine"]


def test_equal_sides_ask_nothing() -> None:
    here, peer = (Node(name, made(b"a"), made(b"b", GONE)) for name in ("", "bea"))
    assert plan(here, [peer]) == Plan([], [])
    assert here.asked == peer.asked == []


def test_deletions_on_both_sides_and_one_that_nobody_needs() -> None:
    old, other = made(b"old"), made(b"other")
    here = Node("", old, after(other, GONE), made(b"never", GONE))
    peer = Node("bea", after(old, GONE), other)
    assert planned(here, peer) == [(Action.DELETE, b"old", ""), (Action.DELETE, b"other", "bea")]


def test_a_conflict_is_where_the_loser_is() -> None:
    here = Node("", made(b"a", ns=2), made(b"b", ns=7, content=b"z"))
    peer = Node("bea", made(b"a", ns=3, by="b", content=b"y"), made(b"b", ns=3, by="b", content=b"y"))
    assert planned(here, peer) == [(Action.CONFLICT, b"a", ""), (Action.CONFLICT, b"b", "bea")]


@pytest.mark.parametrize("is_here", [True, False])
def test_an_edit_survives_a_deletion_and_comes_back(is_here: bool) -> None:
    base = made(b"a")
    edit, gone = after(base, content=b"new", ns=5, by="b"), after(base, GONE, ns=9, by="c")
    here, peer = Node("", edit if is_here else gone), Node("bea", gone if is_here else edit)
    assert planned(here, peer) == [(Action.SEND if is_here else Action.RECEIVE, b"a", "bea" if is_here else "")]


def test_times_and_permissions_alone() -> None:
    old = made(b"a")
    here, peer = Node("", old), Node("bea", changed(old, old._replace(mode=0o600), "b", 4, 4))
    (step,) = plan(here, [peer]).steps
    assert (step.action, step.is_meta) == (Action.RECEIVE, True)


@pytest.mark.parametrize("is_here", [True, False])
def test_a_rename(is_here: bool) -> None:
    old = made(b"z old", content=b"same")
    moved = Node("" if is_here else "bea", after(old, GONE), made(b"a new", content=b"same", ns=6, by="b"))
    other = Node("bea" if is_here else "", old)
    sides = (moved, other) if is_here else (other, moved)
    (step,) = plan(sides[0], [sides[1]]).steps
    assert step == Step(Action.RENAME, b"a new", FILE, 5, other.name, b"z old")


def test_a_copy_is_no_rename_and_one_old_name_serves_once() -> None:
    old = made(b"old", content=b"same")
    news = [made(name, content=b"same", ns=6, by="b") for name in (b"n1", b"n2")]
    here, peer = Node("", old), Node("bea", after(old, GONE), *news)
    assert planned(here, peer) == [(Action.RENAME, b"n1", ""), (Action.RECEIVE, b"n2", "")]


def test_what_has_something_in_it_is_a_folder() -> None:
    """A file that took the place of a folder loses against what was made in the folder meanwhile."""
    folder = made(b"d", FOLDER)
    here = Node("", after(folder, FILE, ns=9))
    peer = Node("bea", folder, made(b"d/new", ns=8, by="b"))
    assert planned(here, peer) == [(Action.CONFLICT, b"d", ""), (Action.RECEIVE, b"d/new", "")]
    gone = Node("", after(folder, GONE, ns=9))
    assert planned(gone, peer) == [(Action.RECEIVE, b"d", ""), (Action.RECEIVE, b"d/new", "")]


def test_modes_and_what_stays_here() -> None:
    base = made(b"a")
    news = after(base, content=b"new")
    sender = Node("", base, mode=Mode.SEND_ONLY)
    assert plan(sender, [Node("bea", news)]) == Plan([], [], 1)
    refuses = Node("bea", base, mode=Mode.SEND_ONLY)
    assert plan(Node("", news), [refuses]) == Plan([], [], 1)
    mine = own_change(made(b"mine"), 5, 1)
    keeper = Node("", mine, mode=Mode.RECEIVE_ONLY)
    peer = Node("bea")
    assert plan(keeper, [peer]) == Plan([], [], 1)
    assert peer.asked == []  # it never hears of it


def test_what_cannot_be_is_left() -> None:
    here = Node("", made(b"sent"), says={b"theirs": Outcome(Fate.BLOCKED, None, "no room")})
    peer = Node(
        "bea", made(b"theirs", by="b"), made(b"unshared", by="b"), says={b"sent": Outcome(Fate.REFUSE, None, "is shut")}
    )
    here.says[b"unshared"] = Outcome(Fate.IGNORED)
    assert plan(here, [peer]) == Plan([], [("theirs", "this machine: no room"), ("sent", "bea is shut")])


def test_what_one_peer_has_goes_to_the_others() -> None:
    bea, carl = Node("bea", made(b"a", by="b")), Node("carl")
    assert planned(Node(""), bea, carl) == [(Action.RECEIVE, b"a", ""), (Action.SEND, b"a", "carl")]


def test_records_between_two_programs_of_one_machine() -> None:
    for record in (made(b"\xff/x"), own_change(made(b"l", LINK, b"to\xfe"), 7, 2), after(made(b"g"), GONE)):
        assert from_json(to_json(record)) == record


@pytest.mark.parametrize("seed", range(300))
def test_after_the_plan_both_sides_have_the_same(seed: int) -> None:
    """Two sides with a common past and changes on each: carried out, the plan leaves them equal."""
    rng = Random(seed)
    paths = [b"a", b"b", b"d", b"d/1", b"d/2", b"d/e", b"d/e/1"]
    base = {path: made(path, FOLDER) for path in (b"d", b"d/e")}
    base |= {
        path: made(path, content=b"%d" % rng.randrange(3)) for path in paths if path not in base and rng.random() < 0.7
    }
    sides = [dict(base), dict(base)]
    for number, side in enumerate(sides):
        for count in range(rng.randrange(6)):
            path, by = rng.choice(paths), "bc"[number]
            parent, _, _ = path.rpartition(b"/")
            if parent and (parent not in side or side[parent].kind is not FOLDER):
                continue
            ns = rng.randrange(2, 50)
            kind = rng.choice([FILE, FILE, GONE])
            for below in [one for one in side if one.startswith(path + b"/") and side[one].kind is not GONE]:
                side[below] = changed(side[below], made(below, GONE), by, 100 + count, ns)
            if path in side:
                side[path] = changed(side[path], made(path, kind, b"%d" % rng.randrange(3)), by, 100 + count, ns)
            elif kind is FILE:
                side[path] = made(path, kind, b"%d" % rng.randrange(3), 100 + count, by)
    here, peer = Node("", *sides[0].values()), Node("bea", *sides[1].values())
    trees = [{path: one for path, one in side.items() if one.kind is not GONE} for side in sides]
    for step in plan(here, [peer]).steps:
        mine, theirs = (trees[1], trees[0]) if step.at else (trees[0], trees[1])
        if step.action is Action.DELETE or (step.action is Action.CONFLICT and step.path not in theirs):
            assert mine.pop(step.path)
            continue
        if step.action is Action.RENAME:
            assert mine.pop(step.old).content == theirs[step.path].content
        mine[step.path] = theirs[step.path]
    assert {path: (one.kind, one.content) for path, one in trees[0].items()} == {
        path: (one.kind, one.content) for path, one in trees[1].items()
    }
    for path in trees[0]:
        parent = path.rpartition(b"/")[0]
        assert not parent or trees[0][parent].kind is FOLDER


def test_what_has_no_room_waits() -> None:
    """Here and there, in the order of the paths. What is there already, what only changes its time, and links need no room."""
    here = Node("", made(b"here", content=b"h", size=30), made(b"t", ns=1))
    here.room = 12, "--min-free"
    peer = Node(
        "bea",
        *(made(b"a", content=b"a", by="b", size=7), made(b"b", content=b"b", by="b", size=6)),
        *(made(b"c", content=b"c", by="b", size=5), made(b"d", content=b"a", by="b", size=7)),
        *(
            made(b"e", content=b"h", by="b", size=30),
            made(b"l", LINK, b"to", by="b"),
            made(b"z", content=b"z", by="b", size=1),
        ),
        made(b"t", ns=1)._replace(mtime=9, stamp=Stamp(2, "b"), vector=(("a", 1), ("b", 2))),
    )
    peer.room = 29, "--min-free there"
    found = plan(here, [peer])
    assert [step.path for step in found.steps] == [b"a", b"c", b"d", b"e", b"here", b"l", b"t"]
    assert found.left == [
        ("b", "this machine: --min-free"),
        ("z", "this machine: --min-free"),
    ]  # (what would be sent is there already)
    here = Node("", made(b"new", content=b"n", size=30))
    assert plan(here, [peer]).left[-1] == ("new", "bea: --min-free there")


def test_a_change_of_the_owner_alone_is_a_step() -> None:
    mine = made(b"a")._replace(attributes=Attributes(Owner("anna", 1, "anna", 1)))
    theirs = mine._replace(
        attributes=Attributes(Owner("ben", 2, "ben", 2)), stamp=Stamp(2, "b"), vector=(("a", 1), ("b", 2))
    )
    assert plan(Node("", mine), [Node("bea", theirs)]).steps == [Step(Action.RECEIVE, b"a", FILE, 5, "", what="owner")]
