"""The difference between two texts is the one that git prints."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync.history.differences import NO_END, line_diff

TEXTS = [
    ("a\nb\n", "a\nc\n", ["@@ -1,2 +1,2 @@", " a", "-b", "+c"]),
    ("a\nb\n", "a\nb", ["@@ -1,2 +1,2 @@", " a", "-b", "+b", NO_END]),
    ("a", "b", ["@@ -1 +1 @@", "-a", NO_END, "+b", NO_END]),
    ("", "a\n", ["@@ -0,0 +1 @@", "+a"]),
    ("a\n", "a\n\n", ["@@ -1 +1,2 @@", " a", "+"]),
    ("-- a\n@@ b\n", "-- a\n++ c\n", ["@@ -1,2 +1,2 @@", " -- a", "-@@ b", "+++ c"]),
]


@pytest.mark.parametrize(("before", "after", "lines"), TEXTS)
def test_lines(before: str, after: str, lines: list[str]) -> None:
    assert line_diff(before, after) == lines


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize(("before", "after", "lines"), TEXTS)
def test_git_prints_the_same(before: str, after: str, lines: list[str], tmp_path: Path) -> None:
    for name, text in (("before", before), ("after", after)):
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["git", "diff", "--no-index", "before", "after"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-len(lines) :] == lines


def test_each_line_is_shown_as_asked_for() -> None:
    assert line_diff("a\nb\n", "a\nB\n", str.upper) == ["@@ -1,2 +1,2 @@", " A", "-B", "+B"]


@given(st.text("ab\n"), st.text("ab\n"))
def test_texts_are_equal_exactly_if_there_is_no_line(before: str, after: str) -> None:
    assert (line_diff(before, after) == []) == (before == after)
