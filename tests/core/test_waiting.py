"""When `wait` is over: in simulated time."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core.declined import Declined, Reason
from dir_sync.core.frozen import changed
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.core.shot import Left, Verdict
from dir_sync.core.status import HeldChange, MeshStatus, PauseStatus, Status, Trouble
from dir_sync.core.waiting import CALM_MS, FOUND_S, LACK_MS, Patience, Wish, lagging, missing
from tests.core.test_shot import peer, with_peers

BOB, CAROL = peer("bob"), peer("carol")
ALL = Wish()
LAGS = peer("carol", Lack(1, 10, 0))
APART = changed(peer("apart", Lack(1, 5, 0)), declined=(Declined(Reason.IGNORED, 1, 5),))
HELD = HeldChange(at="bob", by="here", here=True, missing=False, files=9, path="f")
LOST = Trouble("a", "no room", again=True, held=False)


class Story:
    """One Status after the other; the clock moves by itself."""

    def __init__(self, wish: Wish = ALL, within_ms: int | None = None) -> None:
        self.patience = Patience(wish, 0, within_ms)
        self.now_ms = 0

    def stays(self, status: Status, for_ms: int = 100, age_s: float = 60.0) -> tuple[Verdict | None, int]:
        """The first verdict, and after how long (ms)."""
        begun_ms = self.now_ms
        while self.now_ms <= begun_ms + for_ms:
            verdict = self.patience.judge(status, age_s, self.now_ms)
            if verdict is not None:
                return verdict, self.now_ms - begun_ms
            self.now_ms += 10
        return None, for_ms


@pytest.mark.parametrize(
    ("wish", "peers", "is_done"),
    [
        (Wish(), (), False),
        (Wish(), (BOB,), True),
        (Wish(), (BOB, LAGS), False),
        (Wish(), (BOB, APART), True),
        (Wish(), (APART,), True),
        (Wish(), (changed(APART, declined=(Declined(Reason.SEND_ONLY, 1, 5),)),), False),
        (Wish(peers=("apart",)), (APART,), False),
        (Wish(), (BOB, LAGS, APART), False),
        (Wish(), (BOB, changed(APART, lacks=Lack(2, 10, 0))), False),
        (Wish(), (BOB, changed(APART, lacking_here=Lack(1, 5, 0))), False),
        (Wish(), (BOB, changed(APART, declined=(Declined(Reason.DISK_FULL, 1, 5),))), False),
        (Wish(copies=2), (BOB, APART), False),
        (Wish(peers=("apart",)), (BOB, APART), False),
        (Wish(copies=1), (BOB, LAGS), True),
        (Wish(copies=2), (BOB, LAGS), False),
        (Wish(copies=2), (BOB, CAROL), True),
        (Wish(peers=("bob",)), (BOB, LAGS), True),
        (Wish(peers=("carol",)), (BOB, LAGS), False),
        (Wish(peers=("carol", "bob")), (BOB, CAROL), True),
        (Wish(peers=("dora",)), (BOB, CAROL), False),
        (Wish(copies=2, peers=("bob",)), (BOB, LAGS), False),
    ],
)
def test_on_whom_it_has_to_be(wish: Wish, peers: tuple[Any, ...], is_done: bool) -> None:
    verdict, _ = Story(wish).stays(with_peers(*peers))
    assert (verdict is Verdict.EQUAL) == is_done


def test_a_peer_is_called_by_its_id_too() -> None:
    other = changed(BOB, replica="0123456789abcdef")
    assert Wish(peers=("0123",)).is_granted(with_peers(other))
    assert not Wish(peers=("012",)).is_granted(with_peers(other)), "too short to mean one"


def test_who_is_found_a_moment_after_the_start_counts() -> None:
    story = Story()
    assert story.stays(with_peers(BOB), age_s=FOUND_S / 2)[0] is None
    assert story.stays(with_peers(BOB, LAGS), age_s=FOUND_S)[0] is None
    assert story.stays(with_peers(BOB, CAROL), age_s=FOUND_S)[0] is Verdict.EQUAL
    assert Story(Wish(copies=1)).stays(with_peers(BOB), age_s=0.0)[0] is Verdict.EQUAL


def test_a_scan_comes_first() -> None:
    assert Story().stays(with_peers(BOB, scanning=True))[0] is None


@pytest.mark.parametrize(
    "more",
    [
        {"held": (HELD,)},
        {"pause": PauseStatus(0, False)},
        {"paused_elsewhere": ("dora",)},
        {"mesh": MeshStatus("K", 1, "rw", 2, "bob", 5)},
    ],
)
def test_what_needs_a_person_ends_it_at_once(more: dict[str, Any]) -> None:
    status = with_peers(BOB, **more)
    assert Story().stays(status) == (Verdict.STUCK, 0)
    assert missing(status, Wish())


def test_one_that_is_not_waited_for_may_pause() -> None:
    status = with_peers(BOB, paused_elsewhere=("dora",))
    assert Story(Wish(peers=("bob",))).stays(status)[0] is Verdict.EQUAL
    assert Story(Wish(copies=1)).stays(status)[0] is Verdict.EQUAL
    assert Story(Wish(peers=("dora",))).stays(status)[0] is Verdict.STUCK


def test_the_time_is_over() -> None:
    assert Story(within_ms=5_000).stays(with_peers(LAGS), 10_000) == (Verdict.LATE, 5_000)
    assert Story(within_ms=0).stays(with_peers(LAGS), 10_000) == (Verdict.LATE, 0)
    assert Story(within_ms=0).stays(with_peers(BOB)) == (Verdict.EQUAL, 0), "it is looked at once"
    assert Story(within_ms=5_000).stays(with_peers(LAGS, troubled=(LOST,)), 10_000) == (Verdict.STUCK, 5_000)
    assert Story().patience.left_ms(5) is None
    assert Story(within_ms=5_000).patience.left_ms(2_000) == 3_000


def test_trouble_has_a_while_to_pass() -> None:
    story = Story()
    troubled = with_peers(changed(BOB, synchronized=False), wanted=1, troubled=(LOST,))
    assert story.stays(troubled, CALM_MS - 20)[0] is None
    assert story.stays(changed(troubled, wanted=0, troubled=()), 100)[0] is None
    assert story.stays(troubled, 2 * CALM_MS) == (Verdict.STUCK, CALM_MS)
    assert [left.path for left in missing(troubled, Wish())] == ["a"]


def test_a_peer_that_takes_nothing_any_more_cannot_have_it() -> None:
    story = Story()
    for left in (5, 4, 3):
        assert story.stays(with_peers(peer("bob", Lack(left, 10, 0))), LACK_MS - 20)[0] is None
    stuck = with_peers(peer("bob", Lack(2, 10, 0)))
    assert story.stays(stuck, 2 * LACK_MS)[0] is Verdict.STUCK
    assert [one.name for one in lagging(stuck, Wish())] == ["bob"]
    assert lagging(stuck, Wish(peers=("carol",))) == []


def test_what_is_held_is_counted() -> None:
    for files, path, words in ((9, "", "9 files (f, ...) are held on bob"), (1, "f", "it is held on bob")):
        left = missing(with_peers(BOB, held=(changed(HELD, files=files),)), ALL)
        assert left == [Left(path, f"{words} until a person decides")]


def test_what_is_missing_is_said() -> None:
    def said(status: Status, wish: Wish = ALL) -> list[str]:
        return [left.problem for left in missing(status, wish)]

    assert said(with_peers()) == ["no other machine is connected"]
    assert said(with_peers(paused_elsewhere=("bob",))) == [
        "bob has paused this folder, until that pause is over or somebody runs 'resume' on that machine"
    ]
    assert said(with_peers(BOB, unseen=1)) == ["changes here are still to be looked at"]
    assert said(with_peers(BOB), Wish(copies=2)) == ["1 of 2 machines have everything"]
    assert said(with_peers(BOB), Wish(peers=("eve",))) == ["no machine called 'eve' was ever here (known: bob)"]
    assert said(with_peers(), Wish(peers=("eve",))) == [
        *("no other machine is connected", "no machine called 'eve' was ever here")
    ]
    assert said(with_peers(peer("bob", NOTHING, Lack(1, 2, 3)))) == ["this machine lacks 4 changes that bob has"]
    assert said(with_peers(peer("bob", NOTHING, Lack(1, 2, 0)))) == ["this machine lacks 1 change that bob has"]
    assert said(with_peers(peer("bob", None))) == ["bob and this machine are still comparing"]
