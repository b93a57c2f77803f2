"""The rules of a meeting: in random worlds, with planted faults, and the cases that decide one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dir_sync.core import charters, membership
from dir_sync.core.membership import Charter, Gate, Meeting, Member, Membership
from dir_sync.core.model import PeerError
from tests.membership.faults import FAULTS
from tests.membership.world import Broken, gate_of, liveness, play

ANNA, BERT, CARL, THIEF = (letter * 32 for letter in "abcd")
FIRST, SECOND, THIRD, FORTH = (digit * 32 for digit in "1234")


def listed(*identities: str, role: str = "rw") -> dict[str, Member]:
    return {one: Member(one, one[:4], role) for one in identities}


def member(me: str, charter: Charter, *older: str, role: str = "rw") -> Membership:
    return Membership(me, role, charter, tuple(Gate(1, key, gate_of(key)) for key in older))


OLD = Charter(1, FIRST, listed(ANNA, BERT, CARL, THIEF), frozenset())
NEW = Charter(2, SECOND, listed(ANNA, BERT, CARL), frozenset({THIEF}))


@pytest.mark.parametrize("start", range(0, 1_000, 100))
def test_no_thief_holds_a_key_that_was_made_against_it(start: int) -> None:
    for seed in range(start, start + 100):
        play(seed)
        play(seed, own_keys=True)


@pytest.mark.parametrize(("removals", "at_once"), [(1, False), (2, False), (2, True)])
def test_the_rest_ends_on_one_key(removals: int, at_once: bool) -> None:
    assert all(liveness(seed, removals, at_once) for seed in range(100))


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_noticed(name: str) -> None:
    plant, seeds = FAULTS[name]
    with plant(), pytest.raises(Broken):
        play_all(seeds)


def play_all(seeds: range) -> None:
    for seed in seeds:
        play(seed, own_keys=seed % 2 == 1)


def test_two_with_one_key_talk_unless_it_was_made_against_one_of_them() -> None:
    assert membership.meet(member(ANNA, NEW), BERT, SECOND, SECOND) is Meeting.TALK
    assert membership.meet(member(ANNA, NEW), THIEF, SECOND, SECOND) is Meeting.REMOVED
    assert membership.meet(member(THIEF, NEW), ANNA, SECOND, SECOND) is Meeting.REMOVED
    assert membership.meet(member(ANNA, NEW, FIRST), BERT, SECOND, FIRST) is Meeting.DISPUTE, "the same id, another key"


def test_who_was_off_gets_the_key_and_the_removed_one_does_not() -> None:
    ahead = member(ANNA, NEW, FIRST)
    assert membership.meet(ahead, BERT, FIRST, FIRST) is Meeting.GIVE
    assert membership.meet(ahead, THIEF, FIRST, FIRST) is Meeting.REMOVED
    assert membership.meet(ahead, "e" * 32, FIRST, FIRST) is Meeting.DISPUTE, "an identity made up with the old key"
    behind = member(BERT, OLD)
    assert membership.meet(behind, ANNA, SECOND, FIRST) is Meeting.TAKE
    assert membership.is_new_key_good(behind, ANNA, NEW)
    assert membership.meet(behind, "e" * 32, SECOND, FIRST) is Meeting.DISPUTE


def test_a_key_that_lets_a_removed_one_in_again_is_not_taken() -> None:
    behind = member(BERT, NEW, FIRST)
    later = Charter(3, THIRD, listed(ANNA, BERT, THIEF), frozenset())
    assert not membership.is_new_key_good(behind, ANNA, later)
    assert membership.is_new_key_good(behind, ANNA, replace(later, removed=frozenset({THIEF})))
    assert not membership.is_new_key_good(behind, ANNA, replace(later, generation=2, removed=frozenset({THIEF})))
    assert not membership.is_new_key_good(behind, ANNA, replace(later, removed=frozenset({THIEF, ANNA})))


def test_a_read_only_member_neither_gives_nor_makes_more_than_it_has() -> None:
    mixed = Charter(2, SECOND, {**listed(ANNA, BERT), **listed(CARL, role="ro")}, frozenset())
    reader = member(CARL, mixed, FIRST, role="ro")
    assert membership.meet(reader, BERT, FIRST, FIRST) is Meeting.DISPUTE, "it has no key for a writer"
    assert membership.role_to_give(member(ANNA, mixed, FIRST), CARL) == "ro"
    old = Charter(1, FIRST, mixed.members, frozenset())
    assert membership.meet(member(BERT, old), CARL, SECOND, FIRST) is Meeting.DISPUTE, (
        "a reader's key is none for a writer"
    )
    assert membership.meet(member(ANNA, mixed, FIRST), CARL, THIRD, FIRST) is Meeting.DISPUTE


def test_two_removals_at_once_become_one_key_for_those_on_both_lists() -> None:
    mine = Charter(2, SECOND, listed(ANNA, BERT, CARL), frozenset({THIEF}))
    theirs = Charter(4, THIRD, listed(ANNA, BERT, THIEF), frozenset({CARL}))
    assert membership.meet(member(ANNA, mine, FIRST), BERT, THIRD, FIRST) is Meeting.MERGE
    assert membership.meet(member(BERT, theirs, FIRST), ANNA, SECOND, FIRST) is Meeting.TELL
    key = membership.merged(member(ANNA, mine, FIRST), BERT, theirs, FORTH)
    assert key is not None
    assert (key.generation, sorted(key.members), key.removed) == (5, [ANNA, BERT], frozenset({CARL, THIEF}))
    assert membership.is_new_key_good(member(BERT, theirs, FIRST), ANNA, key)
    assert membership.merged(member(CARL, mine, FIRST), BERT, theirs, FORTH) is None, "it was removed there"


def test_a_new_key_keeps_the_gates_of_older_ones_and_forgets_whom_it_was_not_made_for() -> None:
    mine = membership.met(member(ANNA, OLD, *(f"{number:032x}" for number in range(8))), Member("e" * 32, "eve", "rw"))
    mine = membership.taken(mine, NEW, gate_of(FIRST), ())
    assert "e" * 32 not in mine.met
    assert len(mine.older) == membership.OLDER_GATES_MAX
    assert mine.older[0] == Gate(1, FIRST, gate_of(FIRST)), "the last key first"
    later = membership.taken(member(ANNA, NEW), Charter(3, THIRD, NEW.members, NEW.removed), gate_of(SECOND), ())
    assert later.older == (Gate(2, SECOND, gate_of(SECOND)),)


def test_whom_the_lost_one_let_in_is_found_through_others_too() -> None:
    known = {**listed(ANNA), THIEF: Member(THIEF, "t", "rw", 0, ANNA), BERT: Member(BERT, "b", "rw", 0, THIEF)}
    known[CARL] = Member(CARL, "c", "rw", 0, BERT)
    mine = member(ANNA, Charter(1, FIRST, known, frozenset()))
    charter = membership.leave_out(mine, {THIEF}, {CARL, "f" * 32}, SECOND)
    assert sorted(charter.members) == [ANNA, CARL]


def test_hearsay_is_for_people_only() -> None:
    mine = membership.heard_of(member(ANNA, NEW, FIRST), [Member("e" * 32, "eve", "rw"), Member(THIEF, "t", "rw")])
    assert set(mine.everybody()) == {ANNA, BERT, CARL, "e" * 32}
    assert mine.known_role("e" * 32) is None
    assert membership.meet(mine, "e" * 32, FIRST, FIRST) is Meeting.DISPUTE


def test_a_flood_of_made_up_members_ends_at_the_limit() -> None:
    mine = member(ANNA, NEW)
    mine = membership.heard_of(mine, (Member(f"{number:032x}", "x", "rw") for number in range(5_000)))
    assert len(mine.everybody()) == membership.MEMBERS_MAX
    with_eve = membership.met(mine, Member("e" * 32, "eve", "rw"))
    assert with_eve.known_role("e" * 32) == "rw", "hearsay keeps nobody out who is here"
    assert len(with_eve.everybody()) == membership.MEMBERS_MAX
    for number in range(5_000, 5_000 + membership.MEMBERS_MAX):
        mine = membership.met(mine, Member(f"{number:032x}", "x", "rw"))
    assert len(mine.everybody()) == membership.MEMBERS_MAX
    mine = membership.met(member(ANNA, NEW), Member(f"{1:032x}", "x", "rw"))
    assert membership.met(mine, Member(f"{1:032x}", "x", "rw")).known_role(f"{1:032x}") == "rw"


def test_no_number_of_a_peer_uses_up_the_numbers_of_keys() -> None:
    """A writer hands over a key whose generation is the last one: whoever took it could remove nobody any more."""
    mine, ahead = member(ANNA, OLD), membership.GENERATIONS_AHEAD_MAX
    for generation, is_good in ((1 + ahead, True), (2 + ahead, False), (membership.GENERATION_MAX, False)):
        assert membership.is_new_key_good(mine, BERT, Charter(generation, SECOND, NEW.members, frozenset())) is is_good
    two = member(ANNA, NEW, FIRST)
    for generation in (membership.GENERATION_MAX, NEW.generation + ahead):
        assert membership.merged(two, BERT, Charter(generation, THIRD, NEW.members, frozenset()), FORTH) is None
    late = member(ANNA, replace(NEW, generation=NEW.generation + ahead), FIRST)
    assert membership.merged(late, BERT, replace(NEW, key=THIRD), FORTH) is None, "the other side would not take it"


def test_made_up_removals_leave_room_for_true_ones() -> None:
    made_up = frozenset(f"{number:032x}" for number in range(membership.REMOVED_MAX))
    mine = membership.taken(member(ANNA, NEW), Charter(3, THIRD, NEW.members, made_up), gate_of(SECOND), ())
    assert THIEF in mine.charter.removed, "who was removed stays removed, whatever a later key says"
    charter = membership.leave_out(mine, {CARL}, {BERT}, FORTH)
    assert CARL in charter.removed
    assert len(charter.removed) == membership.REMOVED_MAX
    mine = membership.taken(mine, charter, gate_of(THIRD), ())
    assert mine.charter == charter
    assert charters.charter_from_json(charters.charter_to_json(charter)) == charter
    both = membership.merged(mine, BERT, Charter(4, FIRST, NEW.members, frozenset({"e" * 32})), SECOND)
    assert both is not None
    assert len(both.removed) == membership.REMOVED_MAX
    assert not membership.is_new_key_good(mine, BERT, Charter(5, FIRST, listed(ANNA, BERT, CARL), frozenset()))


def test_gates_that_are_made_up_do_not_take_the_places_of_ours() -> None:
    made_up = [Gate(5, f"{number:032x}", gate_of(FIRST)) for number in range(8)]
    mine = membership.taken(
        member(ANNA, NEW, FIRST), Charter(6, THIRD, NEW.members, frozenset()), gate_of(SECOND), made_up
    )
    assert [gate.key for gate in mine.older[:2]] == [SECOND, FIRST]
    assert len(mine.older) == membership.OLDER_GATES_MAX
    high = membership.taken(member(ANNA, NEW), Charter(6, THIRD, NEW.members, frozenset()), gate_of(SECOND),
                            [Gate(membership.GENERATION_MAX, FIRST, gate_of(FIRST))])  # fmt: skip
    assert [gate.key for gate in high.older] == [SECOND], "no gate of an older key has a higher number"


def test_a_list_is_never_longer_than_can_be_read_again() -> None:
    many = [Member(f"{number:032x}", "x", "rw") for number in range(2 * membership.MEMBERS_MAX)]
    mine = Membership("f" * 32, "rw", Charter(1, FIRST, {}, frozenset()))
    for one in many:
        mine = membership.met(mine, one, 1)
    mine = membership.heard_of(mine, many)
    assert mine.count == membership.MEMBERS_MAX
    charter = membership.leave_out(mine, set(), mine.everybody(), SECOND)
    assert len(charter.members) == membership.MEMBERS_MAX
    assert mine.me in charter.members
    assert charters.charter_from_json(charters.charter_to_json(charter)) == charter


NOW_S = 1_800_000_000
DAY_S = 86_400


def full(*met: Member, at_s: int = NOW_S) -> Membership:
    """A mesh with no room, in which those came by the key alone, `met` among them."""
    rest = listed(ANNA, *(f"{number:032x}" for number in range(membership.MEMBERS_MAX - 1 - len(met))))
    mine = member(ANNA, Charter(1, FIRST, rest, frozenset()))
    for one in met:
        mine = membership.met(mine, one, at_s)
    return mine


def test_who_came_by_the_key_alone_and_was_not_here_for_long_gives_way() -> None:
    alone, coded = Member(BERT, "b", "rw"), Member(CARL, "c", "rw", 0, ANNA)
    mine = full(coded, alone)
    new = Member("e" * 32, "new", "rw")
    assert membership.met(mine, new, NOW_S + 89 * DAY_S).known_role("e" * 32) is None, "it is not long yet"
    later = membership.met(mine, new, NOW_S + 91 * DAY_S)
    assert (later.known_role("e" * 32), later.known_role(BERT), later.known_role(CARL)) == ("rw", None, "rw")
    assert later.count == membership.MEMBERS_MAX
    assert membership.is_forgotten(mine, BERT, NOW_S + 91 * DAY_S)
    assert not membership.is_forgotten(mine, CARL, NOW_S + 91 * DAY_S), "somebody let it in"
    assert not membership.is_forgotten(membership.seen(mine, BERT, NOW_S + DAY_S), BERT, NOW_S + 91 * DAY_S)
    at_start = full(alone, at_s=30 * DAY_S)
    assert not membership.is_forgotten(at_start, BERT, NOW_S), "its clock was not set: nobody knows when that was"


def test_who_comes_with_a_code_has_a_place_before_those_with_the_key_alone() -> None:
    new = Member("e" * 32, "new", "rw", NOW_S, ANNA)
    mine = full(Member(BERT, "b", "rw"))
    assert membership.has_room(mine)
    assert membership.met(mine, new, NOW_S).known_role("e" * 32) == "rw"
    confirmed = full()
    assert not membership.has_room(confirmed)
    assert membership.met(confirmed, new, NOW_S).known_role("e" * 32) is None


def test_nobody_else_says_whom_this_machine_has_let_in() -> None:
    """`remove` asks nothing about those whom this machine has let in itself."""
    mine = membership.heard_of(
        member(ANNA, NEW), [Member("e" * 32, "eve", "rw", 0, ANNA), Member("f" * 32, "f", "rw", 0, BERT)]
    )
    assert [mine.told[one * 32].by for one in "ef"] == ["", BERT]
    assert membership.met(mine, Member("e" * 32, "eve", "rw")).met["e" * 32].by == ""


def test_a_charter_is_itself_again_after_json() -> None:
    assert charters.charter_from_json(charters.charter_to_json(NEW)) == NEW
    gates = member(ANNA, NEW, FIRST).older
    assert charters.gates_from_json(charters.gates_to_json(gates)) == gates


@pytest.mark.parametrize(
    "wrong",
    [
        {"generation": 0},
        {"generation": True},
        {"key": "A" * 32},
        {"key": None},
        {"members": [[ANNA, "a", "root", 0, ""]]},
        {"members": [[ANNA, "", "rw", 0, ""]]},
        {"members": [[ANNA, "a\n", "rw", 0, ""]]},
        {"members": [[ANNA, "a", ["rw"], 0, ""]]},
        {"members": [[ANNA, "a", "rw", -1, ""]]},
        {"members": [[ANNA, "a", "rw", 0, "anna"]]},
        {"members": [[ANNA, "a", "rw", 0]]},
        {"members": {}},
        {"removed": [1]},
        {"removed": None},
    ],
)
def test_a_charter_that_is_none_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(PeerError):
        charters.charter_from_json({**charters.charter_to_json(NEW), **wrong})
    with pytest.raises(PeerError):
        charters.charter_from_json([])
    for gates in ({}, [[]], [[1, FIRST, "00"]], [[1, FIRST, 5]], [[0, FIRST, "0" * 64]]):
        with pytest.raises(PeerError):
            charters.gates_from_json(gates)
