"""What the keeper of a key writes down, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

from dir_sync.core.keys import MeshKey
from dir_sync.core.membership import Member, leave_out, taken
from dir_sync.security import founding, keeper, store
from dir_sync.security.keeper import Keeper
from dir_sync.security.store import Removal

NAS = Member("a" * 32, "nas", "rw", 1_700_000_000)
NOW_S = 1_800_000_000


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = NOW_S
        monkeypatch.setattr(keeper, "time", self)

    def time(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def kitchen(state: Path, folder: str) -> Keeper:
    return Keeper(folder, founding.found(folder), store.identity(), "kitchen", lambda: None)


def on_disk(one: Keeper) -> store.Kept:
    kept = store.load(one.folder)
    assert kept is not None
    return kept


def test_when_a_member_was_here_last_is_written_now_and_then(kitchen: Keeper, clock: Clock) -> None:
    kitchen.met(NAS)
    assert on_disk(kitchen).membership.seen == {NAS.identity: NOW_S}
    clock.now_s += 600
    kitchen.parted(NAS.identity)
    assert kitchen.membership.seen == {NAS.identity: NOW_S + 600}
    assert on_disk(kitchen).membership.seen == {NAS.identity: NOW_S}, "not for each link"
    kitchen.finish()
    assert on_disk(kitchen) == kitchen.kept
    clock.now_s += 7_200
    kitchen.parted(NAS.identity)
    assert on_disk(kitchen) == kitchen.kept
    kitchen.parted("b" * 32)
    assert set(kitchen.membership.seen) == {NAS.identity}, "nobody of that identity was ever here"


def test_who_comes_and_goes_does_not_stop_a_removal(kitchen: Keeper, clock: Clock) -> None:
    kitchen.met(NAS)
    before = kitchen.kept
    clock.now_s += 10
    kitchen.met(NAS)
    kitchen.parted(NAS.identity)
    key = MeshKey.made_of(b"n" * 32, 2)
    charter = leave_out(before.membership, {NAS.identity}, [], key.id)
    mine = taken(before.membership, charter, before.key.gate.secret, ())
    assert kitchen.rekey(before, key, mine)
    assert not kitchen.rekey(before, key, mine)


def test_what_another_command_has_written_is_not_replaced(kitchen: Keeper, clock: Clock) -> None:
    """A machine that was removed joins again while its node runs: the node, which ends in a moment, keeps its hands off."""
    new = store.begin(MeshKey.made_of(b"n" * 32), "c" * 32)
    store.save(kitchen.folder, new)
    kitchen.met(NAS)
    kitchen.parted(NAS.identity)
    kitchen.finish()
    assert not kitchen.rekey(kitchen.kept, MeshKey.made_of(b"o" * 32, 2), kitchen.membership)
    assert on_disk(kitchen) == new
    store.forget(kitchen.folder)
    kitchen.met(NAS)
    kitchen.finish()
    assert store.load(kitchen.folder) is None, "a key that was deleted stays deleted"


def test_that_this_machine_was_removed_outlives_the_process(kitchen: Keeper, clock: Clock) -> None:
    assert kitchen.was_removed("nas")
    clock.now_s += 5
    assert not kitchen.was_removed("tv"), "it is known"
    assert on_disk(kitchen).removal == Removal("nas", NOW_S)
    again = Keeper(kitchen.folder, on_disk(kitchen), kitchen.static, "kitchen", lambda: None)
    assert again.removal == Removal("nas", NOW_S)
    founding.remove(again, [NAS.identity], [])
    assert again.removal is None
    assert on_disk(again).removal is None
