"""Which options of `once` are named, if a node runs for the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from dir_sync.cli import once
from dir_sync.cli.overruled import say_overruled
from dir_sync.config import Config
from dir_sync.core.frozen import changed
from dir_sync.core.mode import Mode
from dir_sync.folder.settings import settings_json

NODE = Config("/f", peers=(("hub", 6000), ("other", 6000)), mode=Mode.MIRROR, discovers=False)


@pytest.mark.parametrize(
    ("words", "mine", "named"),
    [
        ([], {}, ""),
        (["-q", "--timeout", "5s", "--json", "--create"], {}, ""),
        (["--mode", "mirror", "--no-discovery"], {}, ""),
        (["--peer", "hub"], {"peers": (("hub", 6000),)}, ""),
        (["--peer", "third"], {"peers": (("third", 6000),)}, "--peer"),
        (["--mode", "two-way"], {"mode": Mode.TWO_WAY}, "--mode"),
        (["--no-default-ignores"], {"default_rules": False}, "--no-default-ignores"),
        (["--join", "AAAA-BBBB"], {"join": "AAAA-BBBB"}, "--join"),
        (["--no-listen", "-b", "5001"], {"listens": False, "broadcast_port": 5001}, "--broadcast-port --no-listen"),
    ],
)
def test_what_the_node_has_otherwise_is_named(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, words: list[str], mine: dict[str, object], named: str
) -> None:
    argv = [str(tmp_path), *words]
    say_overruled(once._parser(), argv, changed(NODE, **mine), settings_json(NODE), 7)
    end = "it does not" if " " not in named else "they do not"
    line = f"a node runs for /f (process 7), and its options count: you have typed {named}, and {end}"
    assert caplog.messages == ([line] if named else [])


def test_of_a_node_that_does_not_say_all_are_named(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    say_overruled(once._parser(), [str(tmp_path), "--mode", "mirror", "--peer", "hub"], NODE, {}, 7, {"peers"})
    assert caplog.messages[0].endswith("you have typed --mode, and it does not")
