"""The headline of a node, and whether its machine can be switched off."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.core.declined import Declined, Reason
from dir_sync.core.frozen import changed
from dir_sync.core.peer_status import PeerStatus
from dir_sync.core.peers.standing import NOTHING, Lack
from dir_sync.core.status import Headline, HeldChange, MeshStatus, PauseStatus, Receiving, Safety, Trouble
from tests.core.test_shot import ALONE, peer

BOB, LAGS = peer("bob"), peer("carol", Lack(1, 10, 0))
TOO_LARGE = changed(LAGS, declined=(Declined(Reason.TOO_LARGE, 1, 10, 0, 5),))
KEEPER = changed(LAGS, declined=(Declined(Reason.DIVERGED, 1, 10),))
SENDER = changed(LAGS, declined=(Declined(Reason.SEND_ONLY, 1, 10),))
FULL = changed(LAGS, declined=(Declined(Reason.DISK_FULL, 1, 10),))
LOST = Trouble("a", "no room", again=True, held=False)
READER = MeshStatus("K", 1, "ro", 3)
HERE = HeldChange(at="", by="anna", here=True, missing=True, files=9, path="f")
THERE = HeldChange(at="bob", by="carol", here=False, missing=False, files=9, path="f")


@pytest.mark.parametrize(
    ("more", "headline", "safety"),
    [
        ({}, Headline.ALONE, Safety.ALONE),
        ({"peers": (BOB,), "in_sync": True}, Headline.UP_TO_DATE, Safety.SAFE),
        ({"peers": (BOB,), "in_sync": True, "scanning": True}, Headline.SYNCING, Safety.UNSEEN),
        ({"peers": (BOB,), "unseen": 1}, Headline.SYNCING, Safety.UNSEEN),
        ({"peers": (BOB, LAGS)}, Headline.SYNCING, Safety.LACKING),
        ({"peers": (peer("bob", None),)}, Headline.SYNCING, Safety.LACKING),
        ({"peers": (peer("bob", NOTHING, Lack(2, 5, 0)),), "wanted": 2}, Headline.SYNCING, Safety.SAFE),
        ({"peers": (BOB,), "wanted": 2, "troubled": (LOST,)}, Headline.SYNCING, Safety.SAFE),
        ({"peers": (BOB,), "wanted": 1, "troubled": (LOST,)}, Headline.TROUBLE, Safety.SAFE),
        (
            {"peers": (BOB,), "wanted": 1, "troubled": (LOST,), "transfers": (Receiving("a", "bob", 1, 2),)},
            Headline.SYNCING,
            Safety.SAFE,
        ),
        ({"peers": (BOB,), "held": (HERE,)}, Headline.HELD, Safety.HELD),
        ({"peers": (BOB,), "held": (THERE,), "in_sync": True}, Headline.HELD, Safety.SAFE),
        ({"peers": (BOB,), "held": (changed(THERE, at=""),), "in_sync": True}, Headline.HELD, Safety.HELD),
        ({"peers": (BOB,), "pause": PauseStatus(0, False)}, Headline.PAUSED, Safety.PAUSED),
        ({"paused_elsewhere": ("bob",)}, Headline.PAUSED, Safety.ALONE),
        ({"mesh": MeshStatus("K", 1, "rw", 2, "bob", 5)}, Headline.TROUBLE, Safety.ALONE),
        ({"peers": (BOB, TOO_LARGE)}, Headline.UP_TO_DATE, Safety.LACKING),
        ({"peers": (BOB, LAGS, TOO_LARGE)}, Headline.SYNCING, Safety.LACKING),
        ({"peers": (BOB, TOO_LARGE), "unseen": 1}, Headline.SYNCING, Safety.UNSEEN),
        ({"peers": (BOB, FULL)}, Headline.TROUBLE, Safety.LACKING),
        ({"peers": (TOO_LARGE, FULL)}, Headline.TROUBLE, Safety.LACKING),
        ({"peers": (changed(TOO_LARGE, lacking_here=Lack(1, 5, 0)),)}, Headline.SYNCING, Safety.LACKING),
        (
            {"peers": (changed(TOO_LARGE, lacking_here=Lack(1, 5, 0), not_taken=1),)},
            Headline.UP_TO_DATE,
            Safety.LACKING,
        ),
        ({"peers": (changed(TOO_LARGE, lacks=Lack(2, 20, 0)),)}, Headline.SYNCING, Safety.LACKING),
        ({"peers": (BOB, SENDER)}, Headline.UP_TO_DATE, Safety.LACKING),
        ({"peers": (BOB, KEEPER)}, Headline.UP_TO_DATE, Safety.LACKING),
        ({"peers": (BOB,), "in_sync": True, "too_large": ("a",)}, Headline.UP_TO_DATE, Safety.ONLY_HERE),
        ({"peers": (BOB,), "in_sync": True, "mode": "mirror", "diverged": 1}, Headline.UP_TO_DATE, Safety.ONLY_HERE),
        ({"peers": (BOB,), "in_sync": True, "mode": "send-only", "diverged": 1}, Headline.UP_TO_DATE, Safety.SAFE),
        ({"peers": (BOB, LAGS), "mesh": READER}, Headline.UP_TO_DATE, Safety.SAFE),
        ({"peers": (BOB, LAGS), "mesh": READER, "unseen": 1}, Headline.SYNCING, Safety.UNSEEN),
        ({"peers": (peer("bob", NOTHING, Lack(2, 5, 0)),), "mesh": READER, "wanted": 2}, Headline.SYNCING, Safety.SAFE),
        ({"peers": (BOB, LAGS), "mesh": MeshStatus("K", 1, "rw", 3)}, Headline.SYNCING, Safety.LACKING),
    ],
)
def test_one_word_and_whether_it_is_safe(more: dict[str, Any], headline: Headline, safety: Safety) -> None:
    status = changed(ALONE, **more)
    assert (status.headline, status.safety) == (headline, safety)
    assert status.is_all_in_sync == (headline is Headline.UP_TO_DATE)
    said = status.to_json()
    assert (said["headline"], said["safety"]) == (headline.value, safety.value)
    assert said["safe_to_switch_off"] == (safety is Safety.SAFE)


def test_an_older_node_says_less_of_a_peer() -> None:
    assert PeerStatus("a", "n", "r", "10.0.0.1", True, NOTHING, NOTHING).version == ""
