"""The talk of two machines with different keys: who gets which key, and what a wrong message costs."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from dir_sync.core.keys import MeshKey
from dir_sync.core.link_handshake import Another
from dir_sync.core.membership import Charter, Gate, Meeting, Member, Membership, leave_out, taken
from dir_sync.core.model import PeerError
from dir_sync.core.rekeying import FRAME_BYTES_MAX, Rekeying

ANNA, BERT, CARL, LOST = (letter * 32 for letter in "abcd")
FIRST = MeshKey.made_of(b"1" * 32)


@dataclass
class Machine:
    key: MeshKey
    membership: Membership


def listed(*identities: str, **roles: str) -> dict[str, Member]:
    return {one: Member(one, f"name of {one[:1]}", roles.get(one[0], "rw")) for one in identities}


def machine(me: str, **roles: str) -> Machine:
    members = listed(ANNA, BERT, CARL, LOST, **roles)
    key = FIRST if members[me].role == "rw" else FIRST.read_only()
    return Machine(key, Membership(me, members[me].role, Charter(1, FIRST.id, members, frozenset())))


def removing(at: Machine, lost: str, seed: bytes) -> Machine:
    """The same machine after a person there removed somebody."""
    key = MeshKey.made_of(seed * 32, at.key.generation + 1)
    charter = leave_out(at.membership, {lost}, set(at.membership.everybody()), key.id)
    return Machine(key, taken(at.membership, charter, at.key.gate.secret, ()))


def talk(one: Machine, two: Machine, gate: MeshKey = FIRST) -> tuple[Rekeying, Rekeying]:
    """All that both say, one after the other."""
    sides = []
    for mine, theirs in ((one, two), (two, one)):
        peer = Another(theirs.membership.me, theirs.key.id, theirs.key.generation, gate.id)
        sides.append(Rekeying(mine.key, mine.membership, peer, lambda size: b"m" * size))
    said = [sides[0].begin(), sides[1].begin()]
    while any(said):
        for here in (0, 1):
            frames, said[here] = said[here], []
            for frame in frames:
                assert len(frame) <= FRAME_BYTES_MAX
                said[1 - here] += sides[1 - here].on_frame(frame)
    return sides[0], sides[1]


def after(side: Rekeying) -> Machine:
    assert side.changed is not None
    return Machine(*side.changed)


def test_who_was_away_gets_the_key_and_is_like_the_others() -> None:
    ahead = removing(machine(ANNA), LOST, b"2")
    for first, second in ((ahead, machine(BERT)), (machine(BERT), ahead)):
        sides = talk(first, second)
        giver, taker = sides if first is ahead else sides[::-1]
        assert (giver.verdict, taker.verdict) == (Meeting.GIVE, Meeting.TAKE)
        assert giver.changed is None
        bert = after(taker)
        assert bert.key == ahead.key
        assert bert.membership.charter == ahead.membership.charter
        assert bert.membership.older == (Gate(1, FIRST.id, FIRST.gate.secret),)
        assert giver.is_over
        assert taker.is_over


def test_the_removed_one_is_told_and_gets_nothing() -> None:
    ahead = removing(machine(ANNA), LOST, b"2")
    giver, lost = talk(ahead, machine(LOST))
    assert (giver.verdict, lost.verdict) == (Meeting.REMOVED, Meeting.TAKE)
    assert giver.changed is lost.changed is None
    assert lost.was_removed


def test_a_made_up_identity_gets_nothing_and_is_told_nothing() -> None:
    ahead = removing(machine(ANNA), LOST, b"2")
    made_up = Another("e" * 32, FIRST.id, 1, FIRST.id)
    side = Rekeying(ahead.key, ahead.membership, made_up, lambda size: b"m" * size)
    assert (side.verdict, side.begin()) == (Meeting.DISPUTE, [])
    for frame in (b"{}", b'{"type":"CHARTER"}', b'{"type":"REKEY"}', b"[]", b"\xff", b"[" * 5_000):
        with pytest.raises(PeerError):
            side.on_frame(frame)
    side.on_frame(b'{"type":"CLOSE","reason":"removed"}')
    assert side.changed is None
    assert not side.was_removed, "a stranger cannot say so"


def test_a_reader_gets_the_key_to_read() -> None:
    ahead = removing(machine(ANNA, c="ro"), LOST, b"2")
    _, taker = talk(ahead, machine(CARL, c="ro"))
    carl = after(taker)
    assert carl.key == ahead.key.read_only()
    assert carl.membership.role == "ro"


def test_two_removals_at_once_become_one_key() -> None:
    one, two = removing(machine(ANNA), LOST, b"2"), removing(machine(BERT), CARL, b"3")
    first, second = talk(one, two)
    assert {first.verdict, second.verdict} == {Meeting.MERGE, Meeting.TELL}
    anna, bert = after(first), after(second)
    assert anna.key == bert.key
    assert anna.key.generation == 3
    assert sorted(anna.membership.charter.members) == [ANNA, BERT]
    assert anna.membership.charter.removed == {CARL, LOST}
    # Whoever comes with one of both keys, or with the first one, is met by either of them.
    doors = {FIRST.id, one.key.id, two.key.id}
    assert {gate.key for gate in anna.membership.older} == {gate.key for gate in bert.membership.older} == doors


def test_each_of_two_removed_the_other() -> None:
    one, two = removing(machine(ANNA), BERT, b"2"), removing(machine(BERT), ANNA, b"3")
    first, second = talk(one, two)
    assert first.changed is second.changed is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": ""},
        {"key": 5},
        {"key": MeshKey.made_of(b"x" * 32, 2).text},
        {"charter": None},
        {"older": None},
        {"key": MeshKey.made_of(b"2" * 32, 2).read_only().text},
        {"type": "CHARTER"},
        {"type": None},
    ],
)
def test_a_key_that_does_not_fit_is_not_taken(wrong: dict[str, Any]) -> None:
    ahead, behind = removing(machine(ANNA), LOST, b"2"), machine(BERT)
    peer = Another(ANNA, ahead.key.id, 2, FIRST.id)
    giver = Rekeying(ahead.key, ahead.membership, Another(BERT, FIRST.id, 1, FIRST.id), lambda size: b"m" * size)
    fields = {**json.loads(giver.begin()[0]), **wrong}
    taker = Rekeying(behind.key, behind.membership, peer, lambda size: b"m" * size)
    with pytest.raises(PeerError):
        taker.on_frame(json.dumps(fields).encode())
    assert taker.changed is None


def test_a_key_that_is_not_taken_is_told_to_both() -> None:
    """A writer hands over the last key that there can be."""
    key = MeshKey.made_of(b"e" * 32, 2**31 - 1)
    charter = Charter(key.generation, key.id, listed(ANNA, BERT, CARL, LOST), frozenset())
    evil = Machine(key, taken(machine(LOST).membership, charter, FIRST.gate.secret, ()))
    giver, taker = talk(evil, machine(BERT))
    assert (giver.verdict, taker.verdict) == (Meeting.DISPUTE, Meeting.DISPUTE)
    assert taker.changed is None


def test_a_reader_cannot_hand_a_key_of_its_own_to_a_writer() -> None:
    own = MeshKey.made_of(b"e" * 32, 2)
    charter = Charter(2, own.id, listed(ANNA, BERT, CARL), frozenset())
    evil = Machine(own, taken(machine(CARL, c="ro").membership, charter, FIRST.gate.secret, ()))
    victim = machine(ANNA, c="ro")
    with pytest.raises(PeerError, match="does not belong"):
        talk(evil, victim)


def test_a_reader_cannot_hand_a_key_of_its_own_to_a_reader_either() -> None:
    """It would be the writer there: the other reader would take what it changes and deletes."""
    own = MeshKey.made_of(b"e" * 32, 2)
    charter = Charter(2, own.id, listed(ANNA, BERT, CARL, b="ro"), frozenset())
    evil = replace(machine(CARL, c="ro", b="ro").membership, role="rw")
    victim = machine(BERT, c="ro", b="ro")
    giver = Rekeying(own, taken(evil, charter, FIRST.gate.secret, ()), Another(BERT, FIRST.id, 1, FIRST.id), bytes)
    taker = Rekeying(victim.key, victim.membership, Another(CARL, own.id, 2, FIRST.id), bytes)
    (frame,) = giver.begin()
    with pytest.raises(PeerError, match="does not belong"):
        taker.on_frame(frame)
    assert taker.changed is None


def test_a_reader_hands_no_key_over() -> None:
    ahead = removing(machine(ANNA, b="ro", c="ro"), LOST, b"2")
    _, bert = talk(ahead, machine(BERT, b="ro", c="ro"))
    reader, behind = talk(after(bert), machine(CARL, b="ro", c="ro"))
    assert (reader.verdict, behind.verdict) == (Meeting.DISPUTE, Meeting.DISPUTE)
    _, carl = talk(ahead, machine(CARL, b="ro", c="ro"))
    assert after(carl).key == ahead.key.read_only(), "from a writer it gets the key"


def test_the_largest_list_fits_a_frame() -> None:
    members = {
        f"{number:032x}": Member(f"{number:032x}", "\U0001f600" * 64, "rw", 2**40, ANNA) for number in range(1_022)
    }
    members |= listed(ANNA, BERT)
    key = MeshKey.made_of(b"2" * 32, 2)
    removed = frozenset(f"{number:032x}" for number in range(2_000, 3_024))
    older = tuple(Gate(1, f"{number:032x}", bytes(32)) for number in range(7)) + (Gate(1, FIRST.id, bytes(32)),)
    ahead = Machine(key, Membership(ANNA, "rw", Charter(2, key.id, members, removed), older))
    talk(ahead, machine(BERT))
