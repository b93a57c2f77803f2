"""Which messages are limited."""

from __future__ import annotations

from typing import get_args

from dir_sync.core.messages import Chunks, JsonMessage, Ping, Pong
from dir_sync.core.overload.guard import ALLOWED

UNLIMITED = {
    *("State", "ModificationUpdate", "Pull", "Refuse", "Chunks"),
    *(
        "DeltaRequest",
        "NeedSignature",
        "Signature",
        "Delta",
        "History",
        "Have",
        "Rows",
        "Forecast",
    ),  # answers, or by cost
    *("VerifyRequest", "VerifyReport"),  # one walk at a time, and at rest
    *("Hello", "Close", "Members"),  # the phases of a connection
}


def test_each_kind_of_message_is_limited_or_named_as_unlimited() -> None:
    """A new one has to be decided about."""
    kinds = {*get_args(JsonMessage), Chunks}
    limited = {kind.__name__ for kind in kinds if kind in ALLOWED} | {Ping.__name__, Pong.__name__}
    assert limited | UNLIMITED == {kind.__name__ for kind in kinds}
    assert not limited & UNLIMITED
