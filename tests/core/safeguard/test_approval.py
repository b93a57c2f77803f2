"""Whose decision counts, and about which changes."""

from __future__ import annotations

import pytest

from dir_sync.core.safeguard.approval import Approvals

MAKER, HUB, OTHER = "aa", "bb", "cc"
ADDRESSES = {MAKER: "10.0.0.1", HUB: "10.0.0.2", OTHER: "10.0.0.3"}


def approvals() -> Approvals:
    return Approvals(ADDRESSES.__getitem__)


@pytest.mark.parametrize(
    ("counter", "link", "is_so"), [(5, MAKER, True), (5, "", True), (6, MAKER, False), (5, HUB, False)]
)
def test_what_was_approved_here_is_what_came_by_these_links_up_to_the_counter(
    counter: int, link: str, is_so: bool
) -> None:
    ours = approvals()
    ours.approve(MAKER, 5, {MAKER})
    assert ours.was_approved(MAKER, counter, link) == is_so
    assert not ours.was_approved(OTHER, counter, link)


@pytest.mark.parametrize(
    ("approver", "link", "is_so"), [(OTHER, MAKER, True), (OTHER, "", True), (MAKER, MAKER, False), (HUB, HUB, False)]
)
def test_what_a_peer_approved_was_not_approved_by_who_made_or_brought_it(approver: str, link: str, is_so: bool) -> None:
    ours = approvals()
    ours.tell(MAKER, 5, approver)
    assert ours.was_approved(MAKER, 5, link) == is_so
    assert not ours.was_approved(MAKER, 6, link)
