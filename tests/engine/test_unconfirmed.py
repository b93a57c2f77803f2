"""Which versions a look may still find on the disk, although no row says so."""

from __future__ import annotations

import pytest

from dir_sync.core.model import Record
from dir_sync.core.reconcile import Offer
from dir_sync.engine.constants import NOBODY
from dir_sync.engine.unconfirmed import Unconfirmed
from tests.engine.kit import OTHER, PEER, Alone, later, record


def kept(kit: Alone[Unconfirmed]) -> Record | None:
    offer = kit.index.offers.of_peer(b"d/a", NOBODY)
    return None if offer is None else offer.record


def test_what_is_being_installed_is_kept() -> None:
    kit = Alone(Unconfirmed)
    first = kit.announces(record(b"d/a", b"1")).record
    kit.it.replaced(b"d/a", PEER, later(first, b"2").stamp)
    assert kept(kit) is None, "nobody has tried it"
    kit.work.attempts.record_attempt(b"d/a", first.stamp)
    kit.it.replaced(b"d/a", PEER, later(first, b"2").stamp)
    assert kept(kit) == first


@pytest.mark.parametrize("order", [(PEER, OTHER), (OTHER, PEER)])
def test_what_the_last_run_may_have_tried_is_the_best_that_several_had(order: tuple[str, str]) -> None:
    kit = Alone(Unconfirmed)
    kit.board.listings.failed[b"d"] = (1_000, 1_000)  # nobody has seen yet what is there
    first = kit.announces(record(b"d/a", b"1")).record
    better = kit.announces(later(first, b"2"), OTHER).record
    for peer in order:
        kit.it.replaced(b"d/a", peer, later(better, b"3").stamp)
    assert kept(kit) == better


def test_what_the_last_run_was_installing_is_not_replaced_by_a_guess() -> None:
    """A peer had something better already, which the last run had not begun with when it ended."""
    kit = Alone(Unconfirmed)
    kit.board.listings.failed[b"d"] = (1_000, 1_000)
    tried = record(b"d/a", b"1")
    kit.index.offers.put(Offer(NOBODY, tried, False))
    better = kit.announces(later(tried, b"2")).record
    kit.it.replaced(b"d/a", PEER, later(better, b"3").stamp)
    assert kept(kit) == tried


def test_what_a_peer_asks_for_while_a_file_is_moved_away_does_not_hide_that_it_was_to_go() -> None:
    """It was renamed there, and a new file was made under the old name at once, and again: that nothing is here is our
    doing, and no deletion of a user, which would win over the new file."""
    kit = Alone(Unconfirmed)
    mine = kit.has(record(b"d/a", b"1")).record
    gone = kit.announces(later(mine, None)).record
    kit.work.jobs.begin_move_away(b"d/a", b"d/b")
    new = later(gone, b"2")
    kit.it.replaced(b"d/a", PEER, new.stamp)
    assert kept(kit) == gone
    kit.announces(new)
    kit.it.replaced(b"d/a", PEER, later(new, b"3").stamp)
    assert kept(kit) == gone
