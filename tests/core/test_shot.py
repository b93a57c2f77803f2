"""When a run of `once` is over: in simulated time."""

from __future__ import annotations

import pytest

from dir_sync.core.declined import Declined, Reason
from dir_sync.core.frozen import changed
from dir_sync.core.peer_status import PeerStatus
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.core.shot import (
    ALONE_MS,
    CALM_MS,
    FOUND_MS,
    LACK_MS,
    STEADY_MS,
    Judge,
    Seen,
    Sight,
    Verdict,
    left_over,
)
from dir_sync.core.status import HeldChange, Status, Trouble

WITHIN_MS = 60_000
ALONE = Status(
    folder="/f", folder_name="default", name="here", node="n", replica="r", mesh=None, port=6000, broadcast_port=5000,
    process=1, files=3, bytes=9, peers=(), pause=None, schedule=None, paused_elsewhere=(),
    in_sync=False, scanning=False, unseen=0, busy=False, mode="two-way", diverged=0,
    wanted=0, troubled=(), too_large=(), restless=(), unwatched=0, unwatched_first=None, transfers=(), uploads=(), held=(),
)  # fmt: skip


def peer(
    replica: str, lacks: Lack | None = NOTHING, lacking_here: Lack = NOTHING, declined: tuple[Declined, ...] = ()
) -> PeerStatus:
    is_same = lacks == lacking_here == NOTHING
    return PeerStatus(replica, "node", replica, "10.0.0.1", is_same, lacks, lacking_here, declined=declined)


def with_peers(*peers: PeerStatus, **more: object) -> Status:
    return changed(ALONE, peers=peers, **more)


def seen(agreed: str = "", parted: str = "") -> Seen:
    return Seen(frozenset(agreed), frozenset(parted))


class Story:
    """Sights, one after the other; the clock moves by itself."""

    def __init__(self, wait_for: int = 1) -> None:
        self.judge = Judge(wait_for, 0, WITHIN_MS)
        self.now_ms = 0

    def stays(self, status: Status, seen: Seen, for_ms: int) -> tuple[Verdict | None, int]:
        """The first verdict, and when (ms since the sight began)."""
        begun_ms = self.now_ms
        while self.now_ms <= begun_ms + for_ms:
            verdict = self.judge.judge(Sight(status, seen), self.now_ms)
            if verdict is not None:
                return verdict, self.now_ms - begun_ms
            self.now_ms += 10
        return None, for_ms


def test_nobody_is_there() -> None:
    assert Story().stays(ALONE, seen(), 2 * WITHIN_MS) == (Verdict.LATE, WITHIN_MS)


def test_equal_for_a_moment_does_not_count() -> None:
    story, both = Story(), with_peers(peer("a"))
    assert story.stays(both, seen(), FOUND_MS)[0] is None
    assert story.stays(both, seen("a"), STEADY_MS - 10)[0] is None
    assert story.stays(with_peers(peer("a", None)), seen(), 50)[0] is None
    verdict, after_ms = story.stays(both, seen("a"), 1_000)
    assert verdict is Verdict.EQUAL
    assert STEADY_MS <= after_ms <= STEADY_MS + 50


def test_others_have_a_moment_to_be_found() -> None:
    """Who hears the first beacon of this run answers, and may have something."""
    verdict, after_ms = Story().stays(with_peers(peer("a")), seen("a"), 1_000)
    assert verdict is Verdict.EQUAL
    assert FOUND_MS <= after_ms <= FOUND_MS + 50


def test_a_peer_that_was_not_told_yet_keeps_it_waiting() -> None:
    """Else the other side would never know."""
    story, both = Story(), with_peers(peer("a"))
    assert story.stays(both, seen(), 5_000)[0] is None
    assert story.stays(both, seen("a"), 1_000)[0] is Verdict.EQUAL


def test_a_peer_that_has_left_when_all_was_equal_counts_at_once() -> None:
    assert Story().stays(ALONE, seen(parted="a"), 1_000) == (Verdict.EQUAL, 0)


def test_all_that_are_connected_have_to_have_it() -> None:
    story = Story()
    assert story.stays(with_peers(peer("a"), peer("b", None)), seen("a"), 5_000)[0] is None
    assert story.stays(with_peers(peer("a"), peer("b")), seen("ab"), 1_000)[0] is Verdict.EQUAL


@pytest.mark.parametrize(("agreed", "parted"), [("ab", ""), ("a", "b"), ("", "ab")])
def test_so_many_peers_as_are_wanted(agreed: str, parted: str) -> None:
    story, status = Story(2), with_peers(*map(peer, agreed))
    assert story.stays(with_peers(peer("a")), seen("a"), 5_000)[0] is None
    assert story.stays(status, seen(agreed, parted), 1_000)[0] is Verdict.EQUAL


def test_a_machine_that_the_user_named_has_to_have_it() -> None:
    judge, both = Judge(1, 0, WITHIN_MS), with_peers(peer("a"))
    missing = Sight(both, seen("a"), is_missing=True)
    verdicts = [judge.judge(missing, now_ms) for now_ms in range(0, WITHIN_MS + 1, 500)]
    assert verdicts == [None] * (len(verdicts) - 1) + [Verdict.LATE]
    judge = Judge(1, 0, WITHIN_MS)
    assert judge.judge(missing, 0) is None
    assert judge.judge(Sight(both, seen("a")), 1_000) is None
    assert judge.judge(Sight(both, seen("a")), 1_000 + STEADY_MS) is Verdict.EQUAL


@pytest.mark.parametrize("more", [{"scanning": True}, {"held": (HeldChange("", "b", False, False, 5, "p"),)}])
def test_not_equal_while_it_scans_or_holds(more: dict[str, object]) -> None:
    assert Story().stays(with_peers(peer("a"), **more), seen("a"), 5_000)[0] is None


TROUBLE = (Trouble("p", "no space", True, False),)


@pytest.mark.parametrize("status", [
    changed(ALONE, troubled=TROUBLE, wanted=1),
    with_peers(peer("a", NOTHING, Lack(1, 5, 0)), troubled=TROUBLE, wanted=1),
    with_peers(peer("a", Lack(1, 5, 0))),
], ids=["alone", "here", "there"])  # fmt: skip
def test_what_cannot_be_the_same_ends_it_early_only_if_nobody_is_waited_for(status: Status) -> None:
    judge = Judge(1, 0, WITHIN_MS)
    verdicts = [judge.judge(Sight(status, seen(), is_missing=True), now_ms) for now_ms in range(0, WITHIN_MS, 500)]
    assert set(verdicts) == {None}
    assert judge.judge(Sight(status, seen(), is_missing=True), WITHIN_MS) in (Verdict.STUCK, Verdict.LATE)
    judge = Judge(1, 0, WITHIN_MS)
    assert Verdict.STUCK in [judge.judge(Sight(status, seen()), now_ms) for now_ms in range(0, WITHIN_MS, 500)]


def test_what_cannot_be_here_ends_it_after_a_while_without_progress() -> None:
    story, lack = Story(), Lack(1, 5, 0)
    stuck = with_peers(peer("a", NOTHING, lack), troubled=TROUBLE, wanted=1)
    for received in range(5):  # the rest still comes
        coming = with_peers(peer("a", NOTHING, Lack(9 - received, 5, 0)), troubled=TROUBLE, wanted=9 - received)
        assert story.stays(coming, seen(), CALM_MS - 500)[0] is None
    assert story.stays(stuck, seen(), 2 * CALM_MS) == (Verdict.STUCK, CALM_MS)
    assert [(one.path, one.problem) for one in left_over(stuck)] == [("p", "no space")]


def test_what_cannot_be_here_when_the_peer_has_left() -> None:
    assert Story().stays(changed(ALONE, troubled=TROUBLE, wanted=1), seen(), WITHIN_MS) == (Verdict.STUCK, ALONE_MS)


def test_a_peer_that_takes_nothing() -> None:
    story, stuck = Story(), with_peers(peer("a", Lack(1, 5, 2)))
    for size in range(5):
        assert story.stays(with_peers(peer("a", Lack(9, 90 - size, 0))), seen(), LACK_MS - 500)[0] is None
    assert story.stays(stuck, seen(), WITHIN_MS) == (Verdict.STUCK, LACK_MS)
    (left,) = left_over(stuck)
    assert left.path == ""
    assert left.problem == "a lacks 3 of the changes made here; 'status' there says why"


def test_a_peer_that_says_why_it_takes_nothing() -> None:
    lacks = with_peers(
        peer("a", Lack(2, 5, 1), declined=(Declined(Reason.DISK_FULL, 1, 5), Declined(Reason.BLOCKED, 1, 0, 1)))
    )
    (left,) = left_over(lacks)
    assert left.problem == (
        "a lacks 3 of the changes made here; it has no room: its disk is full (1); it has something in the way that is not"
        " synchronized (2)"
    )
    (left,) = left_over(with_peers(peer("a", Lack(2, 5, 1), declined=(Declined(Reason.DISK_FULL, 1, 5),))))
    assert left.problem.endswith("its disk is full (1); 'status' there says why")


def test_a_peer_that_scans_for_long_is_late_and_not_stuck() -> None:
    assert Story().stays(with_peers(peer("a", None)), seen(), 2 * WITHIN_MS) == (Verdict.LATE, WITHIN_MS)


def test_a_file_that_changes_all_the_time_is_named_in_the_end() -> None:
    story = Story()
    for number in range(30):  # something goes on
        status = with_peers(peer("a", NOTHING, Lack(number, 0, 0)), restless=("disk.img",))
        assert story.stays(status, seen(), 1_900)[0] is None
    verdict, _ = story.stays(with_peers(peer("a", NOTHING, Lack(0, 0, 1)), restless=("disk.img",)), seen(), 9_000)
    assert verdict is Verdict.STUCK
    assert left_over(status)[0].path == "disk.img"


def test_a_file_of_ours_that_cannot_be_read() -> None:
    """It is never settled here then, and the peer knows nothing of it."""
    judge, both = Judge(1, 0, WITHIN_MS), with_peers(peer("a"), unseen=1)
    verdicts = [judge.judge(Sight(both, seen(), 1), now_ms) for now_ms in range(0, CALM_MS + 1, 500)]
    assert verdicts == [None] * (len(verdicts) - 1) + [Verdict.STUCK]
    assert judge.judge(Sight(ALONE, seen(), 1), CALM_MS + 500) is None
    assert judge.judge(Sight(ALONE, seen(), 1), CALM_MS + 500 + ALONE_MS) is Verdict.STUCK
