"""The agenda: what is looked at, and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core import limits
from dir_sync.core.events import Urgency
from dir_sync.core.watching.agenda import Agenda


def test_a_close_is_due_at_once_and_a_new_name_a_moment_later() -> None:
    agenda = Agenda()
    agenda.touch(b"a", Urgency.CREATED, 1000)
    assert agenda.next_due() == 1000 + limits.CREATED_MS
    agenda.touch(b"a", Urgency.NOW, 1005)
    assert agenda.next_due() == 1005
    assert [errand.path for errand in agenda.take(1005, 10)] == [b"a"]
    assert agenda.next_due() is None
    assert len(agenda) == 0


def test_writing_puts_off_but_not_for_ever() -> None:
    agenda = Agenda()
    agenda.touch(b"log", Urgency.WRITING, 0)
    for now in range(0, 5000, 10):
        if agenda.take(now, 1):
            assert limits.SETTLE_MS_MAX <= now <= limits.SETTLE_MS_MAX + 10
            return
        agenda.touch(b"log", Urgency.WRITING, now)
    raise AssertionError("it was never looked at")


def test_what_comes_while_it_is_looked_at_is_not_lost() -> None:
    agenda = Agenda()
    agenda.touch(b"a", Urgency.NOW, 0)
    (errand,) = agenda.take(0, 1)
    agenda.touch(b"a", Urgency.FOLDER, 1)
    errand.tries = 3
    agenda.put_back(errand, 500)
    assert agenda.next_due() == 1
    (again,) = agenda.take(1, 1)
    assert again.listing
    assert again.tries == 3
    assert agenda.take(10_000, 1) == []


def test_a_second_errand_for_a_path_only_brings_it_forward() -> None:
    agenda = Agenda()
    agenda.add(b"a", 100, 0)
    agenda.add(b"a", 200, 0)
    assert agenda.next_due() == 100
    agenda.add(b"a", 50, 0)
    assert agenda.next_due() == 50
    assert len(agenda) == 1


@given(
    st.lists(
        st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.sampled_from(sorted(Urgency, key=str)), st.integers(0, 300)),
        max_size=60,
    )
)
def test_every_touched_path_is_taken_once_after_its_last_touch(touches: list[tuple[bytes, Urgency, int]]) -> None:
    agenda = Agenda()
    now = 0
    last: dict[bytes, int] = {}
    taken: dict[bytes, int] = {}
    for path, urgency, step in touches:
        now += step
        for errand in agenda.take(now, 100):
            taken[errand.path] = now
        agenda.touch(path, urgency, now)
        last[path] = now
    for errand in agenda.take(now + limits.SETTLE_MS_MAX, 100):
        assert errand.path not in taken or taken[errand.path] <= last[errand.path]
        taken[errand.path] = now + limits.SETTLE_MS_MAX
    assert all(taken[path] >= when for path, when in last.items())
    assert len(agenda) == 0
