"""Two machines with different keys meet on a sealed link: what each keeps afterwards."""

from __future__ import annotations

import os
import random
import socket
import threading
from pathlib import Path

import pytest

from dir_sync.core import membership
from dir_sync.core.keys import Gate, MeshKey, identity_of
from dir_sync.core.link_handshake import HEAD_BYTES, Another, Answering, Calling, Credentials, Door
from dir_sync.core.membership import Charter, Meeting, Member, Membership
from dir_sync.core.model import PeerError
from dir_sync.core.noise import public_of
from dir_sync.core.sealed import Opener, Sealer
from dir_sync.security import files, meeting, store
from dir_sync.security.keeper import Keeper

KEY = MeshKey.made_of(b"k" * 32)
NAMES = ["anna", "bert", "carl", "lost"]
STATICS = {name: name.encode().ljust(32, b".") for name in NAMES}
IDS = {name: identity_of(public_of(static)) for name, static in STATICS.items()}


class Machine(Keeper):
    """A keeper that counts how often its node has to begin anew."""

    def __init__(self, tmp_path: Path, name: str) -> None:
        folder = tmp_path / name
        (folder / ".dir_sync").mkdir(parents=True)
        members = {IDS[one]: Member(IDS[one], one, "rw") for one in NAMES}
        kept = store.Kept(KEY, Membership(IDS[name], "rw", Charter(1, KEY.id, members, frozenset())))
        self.times = 0
        super().__init__(str(folder), kept, STATICS[name], name, self.count)
        store.save(self.folder, kept)

    def count(self) -> None:
        self.times += 1

    def removes(self, lost: str) -> None:
        before = self.kept
        key = MeshKey.made_of(random.Random(self.name).randbytes(32), before.key.generation + 1)
        charter = membership.leave_out(before.membership, {IDS[lost]}, set(IDS.values()), key.id)
        assert self.rekey(before, key, membership.taken(before.membership, charter, before.key.gate.secret, ()))

    @property
    def credentials(self) -> Credentials:
        older = tuple((gate.key, Gate(gate.secret)) for gate in self.membership.older)
        return Credentials(self.kept.key, self.static, self.membership.charter.removed, older)


def handshake(one: Machine, two: Machine) -> tuple[tuple[Calling, Another], tuple[Answering, Another]]:
    calling = Calling(one.credentials, "ChaChaPoly", os.urandom(32), KEY.id)
    answering = Door(two.credentials).knock(calling.first()[HEAD_BYTES:], os.urandom(32))
    third, there = calling.third(answering.second()[HEAD_BYTES:])
    here = answering.finish(third[HEAD_BYTES:])
    assert isinstance(there, Another)
    assert isinstance(here, Another)
    return (calling, there), (answering, here)


def meet(one: Machine, two: Machine) -> tuple[meeting.Outcome, meeting.Outcome]:
    (calling, there), (answering, here) = handshake(one, two)
    ours, theirs = socket.socketpair()
    found: list[meeting.Outcome] = []

    def other() -> None:
        found.append(meeting.talk(theirs, *answering.streams(), here, two))

    thread = threading.Thread(target=other)
    thread.start()
    outcome = meeting.talk(ours, *calling.streams(), there, one)
    thread.join()
    return outcome, found[0]


@pytest.fixture
def machines(state: Path, tmp_path: Path) -> dict[str, Machine]:
    return {name: Machine(tmp_path, name) for name in NAMES}


def is_kept(machine: Machine) -> bool:
    """What counts is on the disk."""
    at = files.marker_of(machine.folder) in (machine.kept.key.fingerprint, None)
    return at and store.load(machine.folder) == machine.kept


@pytest.mark.parametrize("who_calls", ["ahead", "behind"])
def test_who_was_away_gets_the_key(machines: dict[str, Machine], who_calls: str) -> None:
    anna, bert = machines["anna"], machines["bert"]
    anna.removes("lost")
    outcome = meet(anna, bert) if who_calls == "ahead" else meet(bert, anna)[::-1]
    assert outcome == (Meeting.GIVE, Meeting.TAKE)
    assert bert.kept.key == anna.kept.key
    assert (anna.times, bert.times) == (1, 1)
    assert is_kept(anna)
    assert is_kept(bert)


def test_of_a_key_that_is_not_taken_both_sides_hear(machines: dict[str, Machine]) -> None:
    """Somebody who may write makes the last key that there can be."""
    lost, bert = machines["lost"], machines["bert"]
    key = MeshKey.made_of(b"e" * 32, 2**31 - 1)
    mine = lost.membership
    charter = Charter(key.generation, key.id, mine.charter.members, frozenset())
    assert lost.rekey(lost.kept, key, membership.taken(mine, charter, KEY.gate.secret, ()))
    assert meet(lost, bert) == (Meeting.DISPUTE, Meeting.DISPUTE)
    assert bert.kept.key == KEY


def test_the_removed_one_is_told(machines: dict[str, Machine]) -> None:
    anna, lost = machines["anna"], machines["lost"]
    anna.removes("lost")
    assert meet(lost, anna) == (None, Meeting.REMOVED)
    assert lost.kept.key == KEY


def test_two_removals_at_once(machines: dict[str, Machine]) -> None:
    anna, bert = machines["anna"], machines["bert"]
    anna.removes("lost")
    bert.removes("carl")
    assert set(meet(anna, bert)) == {Meeting.MERGE, Meeting.TELL}
    assert anna.kept.key == bert.kept.key
    assert is_kept(anna)
    assert is_kept(bert)
    assert meet_again_is_refused(anna, bert)


def meet_again_is_refused(one: Machine, two: Machine) -> bool:
    """At the older door those with one key have nothing to say."""
    return meet(one, two) == (Meeting.DISPUTE, Meeting.DISPUTE)


def test_a_key_that_changed_meanwhile_is_not_replaced(machines: dict[str, Machine]) -> None:
    """While bert waits for the key, a person at bert removes somebody: what anna hands over was for the bert of before."""
    anna, bert = machines["anna"], machines["bert"]
    anna.removes("lost")
    (calling, there), (answering, here) = handshake(anna, bert)
    ours, theirs = socket.socketpair()
    real = bert.rekey

    def late(*args: object) -> bool:
        bert.rekey = real  # type: ignore[method-assign]
        bert.removes("carl")
        return real(*args)  # type: ignore[arg-type]

    bert.rekey = late  # type: ignore[method-assign]
    thread = threading.Thread(target=meeting.talk, args=(ours, *calling.streams(), there, anna))
    thread.start()
    with pytest.raises(PeerError, match="meanwhile"):
        meeting.talk(theirs, *answering.streams(), here, bert)
    thread.join()
    assert bert.kept.membership.charter.removed == {IDS["carl"]}


def test_a_message_that_is_too_long_ends_it(machines: dict[str, Machine]) -> None:
    anna, bert = machines["anna"], machines["bert"]
    anna.removes("lost")
    (calling, _), (answering, here) = handshake(anna, bert)
    ours, theirs = socket.socketpair()
    sealer: Sealer
    opener: Opener
    sealer, opener = calling.streams()
    del opener
    with ours:
        for record in sealer.records([(2**40).to_bytes(8, "big")]):
            ours.sendall(record)
        with pytest.raises(PeerError, match="too long"):
            meeting.talk(theirs, *answering.streams(), here, bert)
    assert bert.kept.key == KEY


def test_who_says_one_byte_after_the_other_has_its_few_seconds(
    machines: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A removed machine that holds its link for ever would hold a place."""
    monkeypatch.setattr(meeting, "WITHIN_S", 0.3)
    anna, lost = machines["anna"], machines["lost"]
    anna.removes("lost")
    _, (answering, here) = handshake(lost, anna)
    ours, theirs = socket.socketpair()
    is_over = threading.Event()

    def drip() -> None:
        try:
            while not is_over.wait(0.05):
                theirs.send(b".")
        except OSError:
            pass  # it was hung up

    dripping = threading.Thread(target=drip)
    dripping.start()
    talking = threading.Thread(target=meeting.talk, args=(ours, *answering.streams(), here, anna))
    talking.start()
    talking.join(20.0)
    is_held = talking.is_alive()
    is_over.set()
    dripping.join()
    theirs.close()
    talking.join()
    assert not is_held
