"""Changes go into few large jobs: what comes while two jobs of a peer are out waits for one of them, and goes together."""

from __future__ import annotations

from dir_sync.core import limits
from dir_sync.core.jobs import ApplyItem, ApplyJob, Cause, TreeOp
from dir_sync.engine.apply_orders import ApplyOrders
from tests.engine.kit import OTHER, PEER, record


def item(path: bytes, size: int = 1) -> ApplyItem:
    target = record(path, path)._replace(size=size)
    return ApplyItem(path, TreeOp.INSTALL, target, b"", Cause.REPLACED)


def add(orders: ApplyOrders, peer: str, *paths: bytes) -> None:
    orders.add(peer, *map(item, paths))


def shown(jobs: list[ApplyJob]) -> list[tuple[str, list[bytes], bool]]:
    return [(job.peer, [item.path for item in job.items], job.bulk) for job in jobs]


def test_a_change_does_not_wait_if_its_peer_has_at_most_one_job_out() -> None:
    orders = ApplyOrders()
    for path in (b"a", b"b"):
        add(orders, PEER, path)
        assert shown(orders.take()) == [(PEER, [path], False)]
    assert orders.take() == []


def test_what_comes_while_two_jobs_are_out_goes_together() -> None:
    orders = ApplyOrders()
    for path in (b"a", b"b", b"c", b"d"):
        add(orders, PEER, path)
        orders.take()
    assert orders.take() == []
    orders.came_back(b"b")
    assert shown(orders.take()) == [(PEER, [b"c", b"d"], False)]
    add(orders, PEER, b"e")
    assert orders.take() == [], "two are out again"
    orders.came_back(b"c")
    assert shown(orders.take()) == [(PEER, [b"e"], False)]


def test_nobody_waits_for_the_jobs_of_another_peer() -> None:
    orders = ApplyOrders()
    for path in (b"a", b"b", b"c"):
        add(orders, PEER, path)
        orders.take()
    add(orders, OTHER, b"x")
    add(orders, "", b"y")
    assert shown(orders.take()) == [(OTHER, [b"x"], False), ("", [b"y"], False)]
    orders.came_back(b"x")
    assert orders.take() == []


def test_a_full_job_waits_for_nothing() -> None:
    orders = ApplyOrders()
    for path in (b"a", b"b", b"c"):
        add(orders, PEER, path)
        orders.take()
    many = [b"%03d" % number for number in range(limits.APPLY_ITEMS_MAX)]
    add(orders, PEER, *many)
    assert shown(orders.take()) == [(PEER, [b"c", *many[:-1]], False)]
    orders.add(PEER, item(b"large", limits.APPLY_BYTES_MAX))
    assert shown(orders.take()) == [(PEER, [many[-1], b"large"], False)]


def test_jobs_are_small_while_others_wait_for_the_disk() -> None:
    orders = ApplyOrders()
    many = [b"%03d" % number for number in range(100)]
    add(orders, PEER, *many)
    assert shown(orders.take(is_shared=True)) == [(PEER, many[:64], False), (PEER, many[64:], False)]
    add(orders, OTHER, *many)
    assert shown(orders.take()) == [(OTHER, many, False)]


def test_a_large_copy_has_a_job_of_its_own_and_is_not_counted() -> None:
    orders = ApplyOrders()
    for path in (b"a", b"b", b"c"):
        orders.add_large(PEER, item(path))
        assert shown(orders.take()) == [(PEER, [path], True)]
    orders.came_back(b"a")
    add(orders, PEER, b"d")
    assert shown(orders.take()) == [(PEER, [b"d"], False)]
