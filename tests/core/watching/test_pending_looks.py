"""Pending looks: what is looked at, and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dir_sync.core import limits
from dir_sync.core.events import Urgency
from dir_sync.core.watching.pending_looks import PendingLooks


def test_a_close_is_due_at_once_and_a_new_name_a_moment_later() -> None:
    looks = PendingLooks()
    looks.touch(b"a", Urgency.CREATED, 1000)
    assert looks.next_due() == 1000 + limits.CREATED_MS
    looks.touch(b"a", Urgency.NOW, 1005)
    assert looks.next_due() == 1005
    assert [pending.path for pending in looks.take(1005, 10)] == [b"a"]
    assert looks.next_due() is None
    assert len(looks) == 0


def test_writing_puts_off_but_not_for_ever() -> None:
    looks = PendingLooks()
    looks.touch(b"log", Urgency.WRITING, 0)
    for now in range(0, 5000, 10):
        if looks.take(now, 1):
            assert limits.DEBOUNCE_MS_MAX <= now <= limits.DEBOUNCE_MS_MAX + 10
            return
        looks.touch(b"log", Urgency.WRITING, now)
    raise AssertionError("it was never looked at")


def test_what_comes_while_it_is_looked_at_is_not_lost() -> None:
    looks = PendingLooks()
    looks.touch(b"a", Urgency.NOW, 0)
    (pending,) = looks.take(0, 1)
    looks.touch(b"a", Urgency.FOLDER, 1)
    pending.tries = 3
    looks.put_back(pending, 500)
    assert looks.next_due() == 1
    (again,) = looks.take(1, 1)
    assert again.listing
    assert again.tries == 3
    assert looks.take(10_000, 1) == []


def test_a_second_errand_for_a_path_only_brings_it_forward() -> None:
    looks = PendingLooks()
    looks.add(b"a", 100, 0)
    looks.add(b"a", 200, 0)
    assert looks.next_due() == 100
    looks.add(b"a", 50, 0)
    assert looks.next_due() == 50
    assert len(looks) == 1


@given(
    st.lists(
        st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.sampled_from(sorted(Urgency, key=str)), st.integers(0, 300)),
        max_size=60,
    )
)
def test_every_touched_path_is_taken_once_after_its_last_touch(touches: list[tuple[bytes, Urgency, int]]) -> None:
    looks = PendingLooks()
    now = 0
    last: dict[bytes, int] = {}
    taken: dict[bytes, int] = {}
    for path, urgency, step in touches:
        now += step
        for pending in looks.take(now, 100):
            taken[pending.path] = now
        looks.touch(path, urgency, now)
        last[path] = now
    for pending in looks.take(now + limits.DEBOUNCE_MS_MAX, 100):
        assert pending.path not in taken or taken[pending.path] <= last[pending.path]
        taken[pending.path] = now + limits.DEBOUNCE_MS_MAX
    assert all(taken[path] >= when for path, when in last.items())
    assert len(looks) == 0
