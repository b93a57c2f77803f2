"""What the command `verify` is told if the node does not do its verification any more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dir_sync.config import ConfigError
from dir_sync.daemon.verifying import verify


@pytest.mark.parametrize("do", ["look", "end"])
@pytest.mark.parametrize(
    ("run", "why"),
    [
        (
            None,
            "the node has ended this 'verify': it was restarted, or this command did not ask for its result for a while",
        ),
        (SimpleNamespace(number=2), "another 'verify' for this folder has taken the place of this one"),
    ],
)
def test_a_verification_that_is_no_more_was_replaced_only_if_there_is_another(do: str, run: Any, why: str) -> None:
    share: Any = SimpleNamespace(engine=SimpleNamespace(verifying=SimpleNamespace(asked=lambda: run)))
    peers: Any = None
    now: Any = None
    with pytest.raises(ConfigError, match=why):
        verify({"do": do, "number": 1}, share, peers, now)
