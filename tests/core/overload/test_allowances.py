"""Which messages are limited."""

from __future__ import annotations

from typing import get_args

from dir_sync.core.messages import Chunks, JsonMessage, Ping, Pong
from dir_sync.core.overload.guard import ALLOWED, UNLIMITED


def test_each_kind_of_message_is_limited_or_named_as_unlimited() -> None:
    """A new one has to be decided about."""
    limited = {kind for kind in ALLOWED if isinstance(kind, type)} | {Ping, Pong}
    assert limited | UNLIMITED == {*get_args(JsonMessage), Chunks}
    assert not limited & UNLIMITED
