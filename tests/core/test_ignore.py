"""Rules for paths that are not shared: what git itself says of the same patterns, and what is ours alone."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dir_sync.core import ignore, limits
from dir_sync.core.ignore import DEFAULTS, NAME, Rules, read_rules


def rules(top: bytes = b"", local: bytes = b"", defaults: bool = False, **below: bytes) -> Rules:
    texts = {name.encode().replace(b"__", b"/"): text for name, text in below.items()}
    return Rules({b"": top, **texts} if top else texts, local, defaults)


def ignored(found: Rules, *paths: bytes) -> list[bytes]:
    """Those of the paths that are ignored; a slash at the end marks a folder."""
    return [path for path in paths if found.ignores(path.rstrip(b"/"), path.endswith(b"/"))]


FILES = [
    b"a", b"b", b"a.log", b"keep.log", b"d/a", b"d/a.log", b"d/keep.log", b"d/e/a", b"d/e/x.tmp", b"build/x",
    b"build/keep", b"d/build/x", b"foo/bar/x", b"foo/x", b"foo/keep/x", b" lead", b"#hash", b"!bang", b"caf\xe9",
    b"caf\xc3\xa9", b"f/\xff/x", b"star*", b"q?", b"br[1]", b"UPPER", b"a b", b"d/e/build/y",
]  # fmt: skip
PATTERNS = [
    b"*.log\n!keep.log", b"build/", b"/build", b"d/build/", b"foo/**\n!foo/keep/", b"foo/*\n!foo/keep/", b"**/x", b"d/**/a",
    b"/*\n!/d/", b"*\n!d/", b"a", b"/a", b"d/", b"!a\na", b"a\n!a", b"# comment\n\n\\#hash\n\\!bang", b"caf\xe9",
    b"caf\xc3\xa9", b"\xff/", b"star\\*", b"q\\?", b"br\\[1\\]", b"br[[]1]", b"[a-c]", b"[!a-c]", b"upper",
    b"a\\ b", b"a b   ", b"**/build/", b"build/**", b"**", b"foo/**/x", b"/d/e", b"*/a", b"d/*", b"*.t?p", b"\xef\xbb\xbfa",
]  # fmt: skip


@pytest.mark.skipif(shutil.which("git") is None, reason="git says what is right")
@pytest.mark.parametrize("pattern", PATTERNS)
def test_git_says_the_same(tmp_path: Path, pattern: bytes) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    root = bytes(tmp_path)
    for name in FILES:
        path = Path((root + b"/" + name).decode("utf-8", "surrogateescape"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / ".gitignore").write_bytes(pattern)
    found = subprocess.run(
        ["git", "-C", tmp_path, "check-ignore", "-z", "--stdin", "--no-index"],
        input=b"\0".join(FILES),
        capture_output=True,
        check=False,
    )
    expected = found.stdout.rstrip(b"\0").split(b"\0") if found.stdout else []
    assert ignored(rules(pattern), *FILES) == [name for name in FILES if name in expected]


def test_a_question_mark_is_a_character_not_a_byte() -> None:
    assert ignored(rules(b"caf?"), b"caf\xc3\xa9", b"caf\xe9", b"cafe", b"caf", b"caffe") == [
        b"caf\xc3\xa9", b"caf\xe9", b"cafe",
    ]  # fmt: skip


def test_files_further_down_count_more_and_are_about_their_own_folder() -> None:
    found = rules(b"*.log\n/only", d=b"!*.log\n/only\n", d__e=b"x")
    assert ignored(found, b"a.log", b"d/a.log", b"only", b"d/only", b"e/only", b"d/e/x", b"d/x") == [
        b"a.log", b"only", b"d/only", b"d/e/x",
    ]  # fmt: skip


def test_the_file_of_this_machine_counts_most() -> None:
    found = rules(b"*.log", local=b"!keep.log\n/*\n!/photos/\n")
    assert ignored(found, b"photos/", b"photos/a", b"photos/b.log", b"photos/keep.log", b"music/", b"music/a") == [
        b"photos/b.log", b"music/", b"music/a",
    ]  # fmt: skip


def test_nothing_in_an_ignored_folder_is_shared_again() -> None:
    found = rules(b"d/\n!d/keep", d=b"!keep")
    assert ignored(found, b"d/", b"d/keep", b"d") == [b"d/", b"d/keep"]


def test_the_defaults_are_about_litter_and_can_be_switched_off() -> None:
    litter = [
        b".a.txt.swp", b"d/.b.swo", b".#lock", b".~lock.a.odt#", b"~$a.docx", b".DS_Store", b"d/Thumbs.db", b"film.part",
        b"x.crdownload",
    ]  # fmt: skip
    kept = [b"a~", b"a.tmp", b"a.bak", b"swp", b"x.swp", b"part", b".git/", b".gitignore", NAME, b".a.txt"]
    assert ignored(rules(defaults=True), *litter, *kept) == litter
    assert ignored(rules(), *litter, *kept) == []
    assert ignored(rules(b"!*.part", defaults=True), b"film.part", b".DS_Store") == [b".DS_Store"]


def test_what_is_disposable_says_so() -> None:
    found = rules(b"(?d)*.o\n*.log\n(?d)!x.o")
    assert [found.rule_for(name, False) is not None for name in (b"a.o", b"a.log", b"x.o")] == [True, True, False]
    disposable = found.rule_for(b"a.o", False)
    assert disposable is not None
    assert disposable.is_disposable
    assert (disposable.origin, disposable.line) == (".syncignore", 1)
    other = found.rule_for(b"a.log", False)
    assert other is not None
    assert not other.is_disposable


def test_where_the_kind_is_unknown_only_what_is_ignored_either_way_is() -> None:
    found = rules(b"build/\n*.log")
    assert not found.ignores(b"build", None)
    assert found.ignores(b"a.log", None)
    assert found.ignores(b"build/x", None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"ok\na\\", "line 2"),
        (b"\n  \n# [\n[bad\n[ok]", "line 4"),
        (b"(?d)a[", "line 1"),
        (b"a\n/", "line 2"),
        (b"a\n// words", "a comment begins with #"),
        (b"#include other.txt", "copy its lines"),
        (b"(?i)readme", "both cases"),
        (b"(?d)(?i)readme", "both cases"),
        (b"!(?i)readme", "both cases"),
        (b"*a*a*a*a*a*a*b", "too many *"),
        (b"a\n" * (limits.RULES_MAX + 1), "more than"),
        (b"a" * (limits.RULES_BYTES_MAX + 1), "larger than"),
    ],
)
def test_what_cannot_be_used_is_said_and_harms_nothing_else(text: bytes, words: str) -> None:
    found = read_rules(text, ".syncignore")
    (problem,) = found.problems
    assert words in problem
    assert all(rule.expression for rule in found.rules)


def test_words_that_look_like_those_of_another_tool_are_comments() -> None:
    assert read_rules(b"#include these too:\n# include x\n#includes\n", ".syncignore") == ((), ())


def test_no_default_is_unusable() -> None:
    assert read_rules(DEFAULTS.encode(), "built in").problems == ()


def test_a_change_of_one_file_leaves_the_others() -> None:
    before = rules(b"a", d=b"b")
    after = before.changed(b"d", b"c")
    assert ignored(after, b"a", b"d/b", b"d/c") == [b"a", b"d/c"]
    assert ignored(before, b"d/b", b"d/c") == [b"d/b"]
    assert ignored(after.changed(b"d", None), b"a", b"d/b", b"d/c") == [b"a"]
    assert ignored(after.with_local(b"z"), b"z", b"a") == [b"z", b"a"]


def test_the_rules_of_many_folders_are_few_objects() -> None:
    """A folder costs no new expression."""
    found = rules(b"*.log\nbuild/", defaults=True)
    folders = [b"/".join(parts) for parts in itertools.product([b"x", b"y"], repeat=3)]
    assert len({id(found.of_folder(folder)._names) for folder in folders}) == 1


def test_the_defaults_are_what_pathspec_makes_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    known = read_rules(DEFAULTS.encode(), "built in")
    assert {rule.text for rule in known.rules} == set(ignore._EXPRESSIONS)
    monkeypatch.setattr(ignore, "_EXPRESSIONS", {})
    read_rules.cache_clear()
    try:
        assert read_rules(DEFAULTS.encode(), "built in") == known
    finally:
        read_rules.cache_clear()


def test_a_folder_without_rules_of_its_own_needs_no_pathspec() -> None:
    code = (
        "import sys; from dir_sync.core.ignore import Rules; rules = Rules({b'': b'# none\\n\\n'}); "
        "assert rules.ignores(b'a/Thumbs.db', False) and not rules.ignores(b'a/b', False); "
        "before = 'pathspec' in sys.modules; assert Rules({b'': b'*.o'}).ignores(b'x.o', False); "
        "print(before, 'pathspec' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False True\n"


@pytest.mark.parametrize("texts", [{}, {b"": b"*.o"}, {b"": b"/d/x"}, {b"": b"d/"}, {b"": b"*\n!kept"}])
def test_of_all_names_at_once_it_says_the_same(texts: dict[bytes, bytes]) -> None:
    for folder in (b"", b"d"):
        found = Rules(texts).of_folder(folder)
        for name in (b"x", b"x.o", b"kept", b"Thumbs.db", b"\xff.part", NAME, b"a\n", b".swp"):
            is_ignored = found.rule_for(name, False) is not None or found.rule_for(name, True) is not None
            assert found.is_about_any([b"plain", name]) or not is_ignored
    assert not Rules({}).of_folder(b"d").is_about_any([b"x", b"x.o", b"kept", NAME, b"a\n"])


@pytest.mark.parametrize("texts", [{}, {b"": b"*.o"}, {b"": b"/d/x"}, {b"": b"d/"}, {b"d": b"*\n!kept"}])
def test_of_many_files_at_once_it_says_the_same(texts: dict[bytes, bytes]) -> None:
    found = Rules(texts)
    names = (b"x", b"x.o", b"kept", b"Thumbs.db", b"\xff.part", NAME, b"a\n", b".swp")
    paths = [folder + name for folder in (b"", b"d/", b"d/e/", b"e/") for name in names]
    assert found.ignored_files(paths) == {path for path in paths if found.ignores(path, False)} != set()
