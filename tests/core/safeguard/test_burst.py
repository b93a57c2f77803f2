"""What of a peer's changes was let through, waits, or is held."""

from __future__ import annotations

from dir_sync.core.safeguard.burst import GROWING_MS_MAX, QUIET_MS, Burst, Change


def removal(is_old: bool = True) -> Change:
    return Change("anna", is_removal=True, counter=1, is_old=is_old, content=b"c")


def test_what_waits_is_counted_once_and_by_kind() -> None:
    waiting = Burst().waiting
    waiting.add(b"a", removal())
    waiting.add(b"a", removal(is_old=False))
    waiting.add(b"b", removal()._replace(is_removal=False))
    assert (len(waiting.changes), waiting.leaving, waiting.leaving_old) == (2, 1, 0)
    waiting.remove(b"a")
    waiting.remove(b"a")
    assert (len(waiting.changes), waiting.leaving) == (1, 0)


def test_a_burst_is_over_when_nothing_more_comes_unless_it_grows() -> None:
    waiting = Burst().waiting
    waiting.since_ms = waiting.last_ms = 1_000
    assert waiting.due_ms == 1_000 + QUIET_MS
    waiting.last_ms = 100_000
    assert waiting.due_ms < 100_000
    waiting.go_on_growing(100_000)
    assert waiting.due_ms == 1_000 + GROWING_MS_MAX


def test_what_was_let_through_is_forgotten_in_time() -> None:
    passed = Burst().passed
    passed.add(b"a", removal()._replace(is_removal=False), 5)
    passed.add(b"a", removal(), 10)
    passed.add(b"b", removal(is_old=False), 20)
    assert (list(passed.removed), list(passed.removed_old), passed.rewritten) == ([10, 20], [(10, b"c")], {})
    passed.expire(11)
    assert (list(passed.removed), list(passed.removed_old)) == ([20], [])


def test_what_is_held_is_looked_at_again_only_if_it_shrank() -> None:
    held = Burst().held
    held.brake({b"a": removal()}, has_rewrites=False)
    assert held.is_braked
    assert held.changes == {b"a": ("anna", 1)}
    assert held.due_again_ms is None
    held.shrunk_ms = 50
    assert held.due_again_ms is not None
    held.changes.clear()
    assert held.due_again_ms is None


def test_five_within_a_second_come_at_once() -> None:
    burst = Burst()
    burst.lately.extend([0, 200, 400, 600])
    assert not burst.comes_at_once(700)
    burst.lately.append(700)
    assert burst.comes_at_once(700)
    assert not burst.comes_at_once(2_000)
