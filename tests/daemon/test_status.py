"""The figures of `status`: collected from a folder and its peers, and the same after their way through JSON."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dir_sync import __version__
from dir_sync.core.declined import Declined, Reason
from dir_sync.core.messages import Held
from dir_sync.core.model import Kind, Record, Stamp
from dir_sync.core.pausing import Pause
from dir_sync.core.peer_status import AwayPeer, PeerStatus, Traffic
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.core.progress import Progress
from dir_sync.core.reconcile import Offer
from dir_sync.core.status import (
    Headline,
    HeldChange,
    Missed,
    PauseStatus,
    Receiving,
    Safety,
    ScrubStatus,
    Status,
    Trouble,
    Unwatched,
)
from dir_sync.daemon.gauge import Gauge
from dir_sync.daemon.peers import Away
from dir_sync.daemon.status import status_of
from dir_sync.engine.values import Troubled
from dir_sync.network import tcp
from tests.daemon.standins import Folder, Link, config

BOB, CAROL = "bb" * 8, "cc" * 8
ME = "node a"
SINCE = 1_700_000_000


def collected() -> tuple[Folder, Status]:
    folder = Folder()
    engine = folder.engine
    engine.names = {BOB: "bob\n", CAROL: "carol"}
    engine.report.lacks = {BOB: NOTHING, CAROL: Lack(6, 13, 1)}
    engine.report.lacking = {CAROL: Lack(0, 0, 3)}
    engine.report.trouble = [Troubled(b"big", "no room", Reason.DISK_FULL, True)]
    engine.report.declined = {CAROL: (Declined(Reason.FAILED, 1, 7),)}
    engine.healing = SimpleNamespace(rotten=[b"bad\n"], healed=2)
    engine.bad = [(b"bad\n", 10**9, True), (b"worse\n", 2 * 10**9, False)]
    engine.receiving = [(b"iso", "bob", 10, 40, 0, 0)]
    engine.brakes.here = [Held(BOB, 1, 120, b"f1")]
    engine.brakes.held_elsewhere = {CAROL: (Held(CAROL, 1, 5, b"gone"),)}
    folder.watcher.unwatched = {b"z": "limit", b"a\xff": "Permission denied"}
    carol = Link(2, "10.0.0.3", id_="node c")
    carol.counted = tcp.Traffic(1_000, 2_000, 250)
    peers = SimpleNamespace(
        links={CAROL: carol, BOB: Link(1, "10.0.0.2", id_="node b")},
        name_of=lambda node: engine.names[node].encode(),
        names=lambda: ["bob\\n", "carol"],
        pausing=["dora"],
        away=lambda: [Away("ee" * 8, 1_600_000_000, "0.9", "10.0.0.5")],
    )
    engine.names["ee" * 8] = "eve"
    gauge = Gauge(folder.share, cast(Any, peers))
    return folder, status_of(config(), ME, 6000, folder.share, cast(Any, peers), gauge, pause=Pause(1_700_000_000))


def test_each_figure_comes_from_who_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: SINCE + 60.0)
    folder, status = collected()
    assert (status.folder, status.name, status.port) == ("/shared", "anna", 6000)
    assert (status.node, status.replica) == (ME, folder.index.identity.replica)
    assert status.peers == (
        PeerStatus("bob\\n", "node b", BOB, "10.0.0.2", True, NOTHING, NOTHING, "1.2.3", SINCE),
        PeerStatus(
            *("carol", "node c", CAROL, "10.0.0.3", False, Lack(6, 13, 1), Lack(0, 0, 3), "1.2.3", SINCE),
            Traffic(1_000, 2_000, 0, 0, 0.25),
            Progress(1, 0, 1, 0, 1, 0, 0, 0, None),
            declined=(Declined(Reason.FAILED, 1, 7),),
        ),
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
    (transfer,) = status.transfers
    assert transfer == Receiving("iso", "bob", 10, 40, transfer.per_s)
    assert status.away == (AwayPeer("eve", "ee" * 8, "10.0.0.5", "0.9", 1_600_000_000),)
    assert status.receiving == Progress(0, 0, 0, 0, 3, 0, 0, 0, None)
    assert status.sending == Progress(1, 0, 1, 0, 1, 0, 0, 0, None)
    assert (status.version, status.started_s) == (__version__, SINCE + 60)
    assert (status.headline, status.safety) == (Headline.PAUSED, Safety.PAUSED)
    assert status.held == (
        HeldChange(at="", by="bob\\n", here=False, missing=False, files=120, path="f1"),
        HeldChange(at="carol", by="carol", here=False, missing=True, files=5, path="gone"),
    )
    assert not status.is_all_in_sync


def test_the_scrub_and_what_it_found() -> None:
    _, status = collected()
    assert status.scrub == ScrubStatus(33, 10**9, 10**9 + 86_400, 5 * 10**8)
    assert (status.rotten, status.healed) == (("bad\\n", "worse\\n"), 2)
    assert status.silent == ("quiet\\n",)
    assert (status.to_repair, status.found_bad_s) == (("worse\\n",), 2 * 10**9)
    folder = Folder()
    folder.engine.scrub.is_on = False
    peers: Any = SimpleNamespace(links={}, name_of=lambda node: b"", pausing=[], names=list, away=list)
    missed = [(("bob\n", 7000), "Connection refused")]
    status = status_of(config(), ME, 6000, folder.share, peers, Gauge(folder.share, peers), missed=missed)
    assert status.scrub is None
    assert Status.from_json(status.to_json()).missed == (Missed("bob\\n:7000", "Connection refused"),)


def test_who_is_send_only_has_not_what_it_does_not_take() -> None:
    """It lacks nothing, so nobody waits for it; but its user would lose the only copy if this machine were gone."""
    folder = Folder()
    folder.engine.report.lacks = {BOB: NOTHING, CAROL: NOTHING}
    folder.engine.report.declined = {BOB: (Declined(Reason.SEND_ONLY, 2, 10, 1),)}
    links = {BOB: Link(1, "10.0.0.2"), CAROL: Link(2, "10.0.0.3")}
    peers: Any = SimpleNamespace(links=links, name_of=lambda node: b"", pausing=[], names=list, away=list)
    status = status_of(config(), ME, 6000, folder.share, peers, Gauge(folder.share, peers))
    bob, carol = status.peers
    assert (bob.synchronized, bob.lacks, bob.is_even) == (False, Lack(2, 10, 1), False)
    assert (carol.synchronized, carol.lacks) == (True, NOTHING)
    assert not status.in_sync


def test_what_is_too_large_for_this_machine_is_no_trouble() -> None:
    folder = Folder()
    folder.engine.report.lacks = {BOB: NOTHING}
    folder.engine.report.lacking = {BOB: Lack(1, 10, 0)}
    folder.engine.report.trouble = [
        Troubled(b"big", "larger than I want", Reason.TOO_LARGE, False),
        Troubled(b"other", "no room", Reason.DISK_FULL, True),
    ]
    big = Record(b"big", Kind.FILE, 10, b"c" * 32, 0, 0o644, Stamp(1, BOB), ((BOB, 1),))
    folder.index.offers.put(Offer(BOB, big, False))
    links = {BOB: Link(1, "10.0.0.2"), CAROL: Link(2, "10.0.0.3")}
    peers: Any = SimpleNamespace(links=links, name_of=lambda node: b"", pausing=[], names=list, away=list)
    status = status_of(config(), ME, 6000, folder.share, peers, Gauge(folder.share, peers))
    assert status.not_taken == ("big",)
    assert [one.path for one in status.troubled] == ["other", "d/new"]
    assert status.wanted == 0
    assert [one.not_taken for one in status.peers] == [1, 0]


def test_another_process_reads_the_same() -> None:
    _, status = collected()
    text = json.dumps(status.to_json() | {"a key of a later version": 1})
    assert Status.from_json(json.loads(text)) == status


def test_without_peers_nothing_is_in_sync() -> None:
    peers: Any = SimpleNamespace(links={}, name_of=lambda node: b"", pausing=[], names=list, away=list)
    folder = Folder()
    status = status_of(config(), ME, 6000, folder.share, peers, Gauge(folder.share, peers))
    assert not status.in_sync
    assert status.peers == ()
