"""The option that says what is kept of a file: which words there are, and what they mean together."""

from __future__ import annotations

from pathlib import Path

import pytest

from dir_sync import cli, config
from dir_sync.cli.config_file import read_file
from dir_sync.config import ConfigError
from dir_sync.core.preserve import USUAL, Part


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", USUAL),
        ("times,modes", USUAL),
        ("sparse", USUAL),
        ("no-sparse", set()),
        ("all", set(Part)),
        ("all,no-sparse", set(Part) - {Part.SPARSE}),
        ("times, no-sparse, sparse", USUAL),
    ],
)
def test_words_add_to_what_is_kept_anyway(text: str, parts: set[Part]) -> None:
    assert config.checked_parts(text) == parts


@pytest.mark.parametrize("text", ["everything", "no-times", "sparse;times", "no-", "no-all", "Sparse"])
def test_other_words_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be kept \(.*sparse, times, modes, all; ") as caught:
        config.checked_parts(text)
    assert caught.value.exit_code == config.USAGE


def test_the_option_and_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (only,) = cli.read_configs(["x", "--create"])
    assert only.preserve == USUAL
    (only,) = cli.read_configs(["x", "--preserve", "no-sparse"])
    assert only.preserve == frozenset()
    Path("c.toml").write_text('preserve = "no-sparse"\n[folders.a]\ndir = "x"\n')
    (only,) = read_file("c.toml")
    assert only.preserve == frozenset()
    Path("c.toml").write_text('[folders.a]\ndir = "x"\npreserve = "every"\n')
    with pytest.raises(ConfigError, match=r"c.toml:3: preserve: 'every' cannot be kept"):
        read_file("c.toml")
