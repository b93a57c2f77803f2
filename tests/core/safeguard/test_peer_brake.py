"""The brake on changes by peers: what it says of each path."""

from __future__ import annotations

from dir_sync.core.safeguard.brake import Limits
from dir_sync.core.safeguard.peer_brake import PeerBrake


def never(what: bytes) -> bool:
    return False


def test_a_judgement_says_how_many_files_would_go() -> None:
    """It is not asked for afterwards: what is held may be free again in the same moment."""
    brake = PeerBrake(Limits(files=2, percent=10, rewrites=1, rewrite_percent=1))
    for path, is_removal in ((b"a", True), (b"b", True), (b"c", False)):
        brake.ask("link", "maker", 1, path, is_removal, True, path, 3, 1_000)
    due_ms = brake.due_ms()
    assert due_ms is not None
    judged = []
    while not judged:
        due_ms = brake.due_ms() or due_ms
        judged = brake.judge(never, never, never, 3, due_ms)
    assert [(one.paths, one.held, one.removed) for one in judged] == [([b"a", b"b", b"c"], True, 2)]
    assert [brake.is_rewrite(path) for path in (b"a", b"b", b"c")] == [False, False, True]
    brake.settled(b"c", due_ms)
    assert not brake.is_rewrite(b"c"), "also of a path that is free"
