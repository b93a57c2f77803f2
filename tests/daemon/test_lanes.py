"""What waits of one link: folders in turn, each in order, and events of the link between what came before and after."""

from __future__ import annotations

from random import Random

from dir_sync.core.messages import Lacks
from dir_sync.core.overload.fairness import Flow
from dir_sync.daemon.inbox import FolderPost, For, In, Inbox
from dir_sync.daemon.lanes import Lanes
from dir_sync.node_manager import LinkClosed, MessageReceived
from tests.daemon.standins import Link


def taken(lanes: Lanes, count: int) -> list[object]:
    return [lanes.take() for _ in range(count)]


def test_a_folder_with_little_does_not_wait_for_one_with_much() -> None:
    lanes = Lanes()
    for number in range(5):
        lanes.put(0, f"much {number}")
    lanes.put(1, "little")
    assert taken(lanes, 6) == ["much 0", "little", "much 1", "much 2", "much 3", "much 4"]


def test_the_end_of_a_link_comes_after_all_that_was_said_before() -> None:
    lanes = Lanes()
    lanes.put(0, "a")
    lanes.put(1, "b")
    lanes.put(None, "end")
    lanes.put(1, "later")
    assert taken(lanes, 4) == ["a", "b", "end", "later"]


def test_nothing_is_lost_and_each_folder_keeps_its_order() -> None:
    rng = Random(3)
    lanes = Lanes()
    put: dict[int | None, list[int]] = {}
    got: dict[int | None, list[int]] = {}
    waiting = 0
    for number in range(2_000):
        folder = rng.choice([0, 1, 2, None])
        put.setdefault(folder, []).append(number)
        lanes.put(folder, (folder, number))
        waiting += 1
        while waiting and rng.random() < 0.5:
            lane, what = lanes.take()  # type: ignore[misc]
            got.setdefault(lane, []).append(what)
            waiting -= 1
    for lane, what in taken(lanes, waiting):  # type: ignore[misc]
        got.setdefault(lane, []).append(what)
    assert got == put


def said(folder: str, sequence: int, link: Link) -> MessageReceived:
    return MessageReceived(link.node, Lacks(folder, sequence, 0, 0, 0), 10)


def test_the_inbox_serves_the_folders_of_a_link_in_turn_and_its_end_last() -> None:
    inbox = Inbox()
    inbox.numbers = {"docs": 0, "music": 1}
    link = Link(1, "10.0.0.2")
    for sequence in range(3):
        inbox.put(said("docs", sequence, link))
    end = LinkClosed(link.node, "bye", "")
    inbox.put(said("music", 9, link))
    inbox.put(end)
    got = [inbox.get(0) for _ in range(5)]
    assert got == [said("docs", 0, link), said("music", 9, link), said("docs", 1, link), said("docs", 2, link), end]
    assert inbox.get(0) is None


def test_events_of_a_folder_say_whose_they_are_and_have_a_share_of_their_own() -> None:
    inbox = Inbox()
    docs, music = FolderPost(inbox, "docs"), FolderPost(inbox, "music")
    for number in range(3):
        docs.put(number)
    music.put("one")
    music.put(For(Flow("10.0.0.2", "bb"), "of a peer"))
    got = [inbox.get(0) for _ in range(5)]
    assert got.index(In("music", "one")) < 3, "it does not wait for all of the other folder"
    assert [one for one in got if isinstance(one, In) and one.folder == "docs"] == [In("docs", n) for n in range(3)]
    assert In("music", "of a peer") in got
