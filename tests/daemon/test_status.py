"""The figures of `status`: collected from a folder and its peers, and the same after their way through JSON."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

from dir_sync.core.messages import Held
from dir_sync.core.pausing import Pause
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.core.status import HeldChange, PauseStatus, PeerStatus, Receiving, Status, Trouble, Unwatched
from dir_sync.daemon.status import status_of
from tests.daemon.standins import Folder, Link, config

BOB, CAROL = "bb" * 8, "cc" * 8
ME = "node a"


def collected() -> tuple[Folder, Status]:
    folder = Folder()
    engine = folder.engine
    engine.names = {BOB: "bob\n", CAROL: "carol"}
    engine.report.lacks = {BOB: NOTHING, CAROL: Lack(2, 10, 1)}
    engine.report.lacking = {CAROL: Lack(0, 0, 3)}
    engine.report.trouble = [(b"big", "no room", True)]
    engine.receiving = [(b"iso", "bob", 10, 40, 0, 0)]
    engine.brakes.here = [Held(BOB, 1, 120, b"f1")]
    engine.brakes.held_elsewhere = {CAROL: (Held(CAROL, 1, 5, b"gone"),)}
    folder.watcher.unwatched = {b"z": "limit", b"a\xff": "Permission denied"}
    peers = SimpleNamespace(
        links={CAROL: Link(2, "10.0.0.3", id_="node c"), BOB: Link(1, "10.0.0.2", id_="node b")},
        name_of=lambda node: engine.names[node].encode(),
        pausing=["dora"],
    )
    return folder, status_of(config(), ME, 6000, folder.share, cast(Any, peers), pause=Pause(1_700_000_000))


def test_each_figure_comes_from_who_knows_it() -> None:
    folder, status = collected()
    assert (status.folder, status.name, status.port) == ("/shared", "anna", 6000)
    assert (status.node, status.replica) == (ME, folder.index.identity.replica)
    assert status.peers == (
        PeerStatus("bob\\n", "node b", BOB, "10.0.0.2", True, NOTHING, NOTHING),
        PeerStatus("carol", "node c", CAROL, "10.0.0.3", False, Lack(2, 10, 1), Lack(0, 0, 3)),
    )
    assert (status.pause, status.paused_elsewhere) == (PauseStatus(1_700_000_000, False), ("dora",))
    assert not status.in_sync
    assert status.unseen == 7
    assert status.troubled == (
        Trouble("big", "no room", again=True, held=False),
        Trouble("d/new", "its folder vanished here, and that is held", again=False, held=True),
    )
    assert status.too_large == ("big",)
    assert status.restless == ("busy.log",)
    assert (status.unwatched, status.unwatched_first) == (2, Unwatched("a\\xff", "Permission denied"))
    assert status.transfers == (Receiving("iso", "bob", 10, 40),)
    assert status.held == (
        HeldChange(at="", by="bob\\n", here=False, missing=False, files=120, path="f1"),
        HeldChange(at="carol", by="carol", here=False, missing=True, files=5, path="gone"),
    )
    assert not status.is_all_in_sync


def test_another_process_reads_the_same() -> None:
    _, status = collected()
    text = json.dumps(status.to_json() | {"a key of a later version": 1})
    assert Status.from_json(json.loads(text)) == status


def test_without_peers_nothing_is_in_sync() -> None:
    peers = SimpleNamespace(links={}, name_of=lambda node: b"", pausing=[])
    status = status_of(config(), ME, 6000, Folder().share, cast(Any, peers))
    assert not status.in_sync
    assert status.peers == ()
