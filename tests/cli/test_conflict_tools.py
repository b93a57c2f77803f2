"""Merging a conflict by a tool of the user: what becomes of its result, and of the folder with the files that it gets."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dir_sync.cli.conflict_tools import difference, merge_by
from dir_sync.config import ConfigError
from dir_sync.core.attributes import Attributes, Owner
from dir_sync.core.model import Kind
from dir_sync.history.choice import Entry

VERSION = SimpleNamespace(path=b"d/notes.txt", kind=Kind.FILE)
ENTRY = cast(Entry, SimpleNamespace(id="1a", version=VERSION, on="here", holder=""))
ON_BOB = cast(Entry, SimpleNamespace(id="1a", version=VERSION, on="bob", holder="b" * 8))


class Client:
    """A history with one conflict. `refuses`: the call that raises ConfigError."""

    def __init__(self, refuses: str = "") -> None:
        self.refuses = refuses
        self.installed: list[bytes] = []

    def now(self, path: bytes) -> tuple[Any, bytes]:
        return SimpleNamespace(kind=Kind.FILE, mode=0o644), b"now"

    def common(self, entry: Entry) -> bytes | None:
        self._may("common")
        return None

    def stat(self, path: bytes) -> Any:
        return None

    def content(self, entry: Entry) -> bytes:
        self._may("content")
        return b"lost"

    def install(self, entry: Entry, expected: bytes, data: bytes, mode: int) -> None:
        self._may("install")
        self.installed.append(data)

    def _may(self, call: str) -> None:
        if call == self.refuses:
            raise ConfigError(f"no {call}")


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def merge(client: Client, tool: str) -> str:
    """The error; "": none."""
    try:
        merge_by(cast(Any, client), ENTRY, tool)
    except ConfigError as error:
        return str(error)
    return ""


def test_what_the_tool_made_is_installed_and_nothing_is_left(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    client = Client()
    assert not merge(client, 'cat "$BASE" "$LOCAL" "$REMOTE" > "$MERGED"')
    assert client.installed == [b"nowlost"]
    assert not list(there.iterdir())
    assert (
        "d/notes.txt: the version from which both were made is not known here, so $BASE is empty"
        in capsys.readouterr().err
    )


def test_who_may_know_the_version_from_which_both_were_made(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only where the version that lost is kept can it be proved what it was made from."""
    for entry, words in ((ENTRY, "it is kept)"), (ON_BOB, "it is known on bob, which keeps the version that lost)")):
        merge_by(cast(Any, Client()), entry, 'cat "$REMOTE" > "$MERGED"')
        assert f"(with --merge text {words}" in capsys.readouterr().err


def test_the_tool_gets_the_version_from_which_both_were_made(
    there: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()
    monkeypatch.setattr(client, "common", lambda entry: b"base")
    assert not merge(client, 'cat "$BASE" "$LOCAL" "$REMOTE" > "$MERGED"')
    assert client.installed == [b"basenowlost"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("refuses", "end", "words"), [("", "exit 3", "ended with 3"), ("install", "true", "no install")]
)
def test_what_the_tool_made_is_kept_if_it_is_not_installed(there: Path, refuses: str, end: str, words: str) -> None:
    client = Client(refuses)
    said = merge(client, f'printf "an hour of work" > "$MERGED"; {end}')
    (merged,) = there.glob("*/MERGED.txt")
    assert merged.read_bytes() == b"an hour of work"
    assert words in said
    assert str(merged) in said
    assert not client.installed


@pytest.mark.parametrize(
    ("tool", "words"),
    [('exit 3; "$MERGED"', "ended with 3"), ('test "$MERGED"', "not changed"), ('rm "$MERGED"', "has removed")],
)
def test_a_tool_that_made_nothing_leaves_nothing(there: Path, tool: str, words: str) -> None:
    assert words in merge(Client(), tool)
    assert not list(there.iterdir())


@pytest.mark.parametrize("missing", ["common", "content"])
def test_a_version_that_cannot_be_had_leaves_no_folder(there: Path, missing: str) -> None:
    assert merge(Client(missing), 'rm "$MERGED"') == f"no {missing}"
    assert not list(there.iterdir())


class Binary(Client):
    def __init__(self, now: bytes, lost: bytes) -> None:
        super().__init__()
        self._now, self._lost = now, lost

    def now(self, path: bytes) -> tuple[Any, bytes]:
        return SimpleNamespace(kind=Kind.FILE, mode=0o644, mtime=0), self._now

    def content(self, entry: Entry) -> bytes:
        return self._lost


@pytest.mark.parametrize(
    ("now", "lost"), [(b"\0\x1b[2J", b"text\n"), (b"text\n", b"\xff\xfe"), (b"\x89PNG\0", b"\x89PNG\0\1")]
)
def test_what_is_no_text_is_not_shown_as_lines(now: bytes, lost: bytes) -> None:
    """Nothing of it goes to the terminal; what the two versions are is said all the same."""
    version = SimpleNamespace(path=b"d/\x1bpicture", kind=Kind.FILE, mtime=0)
    entry = cast(Entry, SimpleNamespace(id="1a", by="anna", on="", holder="", made_by="", now_by="", version=version))
    lines = difference(cast(Any, Binary(now, lost)), entry)
    assert len(lines) == 3
    assert lines[0].startswith("--- ")
    assert lines[1].startswith("+++ ")
    assert lines[2].endswith("at least one of the two is no text, so no lines can be compared")
    assert not any(sign in "".join(lines) for sign in "\0\x1b\udcff\ufffd")


def test_texts_are_shown_as_lines() -> None:
    version = SimpleNamespace(path=b"notes", kind=Kind.FILE, mtime=0)
    entry = cast(Entry, SimpleNamespace(id="1a", by="anna", on="", holder="", made_by="", now_by="", version=version))
    lines = difference(cast(Any, Binary(b"a\nnow\nb\n", b"a\nlost\x1b\nb\n")), entry)
    assert lines[2:] == ["@@ -1,3 +1,3 @@", " a", "-now", "+lost\\x1b", " b"]


class Other(Binary):
    """What is there now has the mode 600 and these attributes."""

    def __init__(self, attributes: Attributes, lost: bytes = b"a\n") -> None:
        super().__init__(b"a\n", lost)
        self._attributes = attributes

    def stat(self, path: bytes) -> Any:
        return SimpleNamespace(kind=Kind.FILE, mode=0o600)

    def attributes(self, path: bytes) -> Attributes:
        return self._attributes


def test_attributes_that_differ_are_shown_as_far_as_both_sides_say_them() -> None:
    was = Attributes(Owner("bob", 7, "", 8), ((), ()), ((b"user.a", b"1"), (b"user.long", b"x" * 50)))
    now = Attributes(Owner("anna", 5, "staff", 6), (((1, 7, "", 0),), ()), ((b"user.a", b"2\x1b"), (b"user.b", b"")))
    version = SimpleNamespace(path=b"notes", kind=Kind.FILE, mtime=0, mode=0o644, attributes=was)
    entry = cast(
        Entry, SimpleNamespace(id="1a", by="anna", on="", holder="", made_by="bob", now_by="", version=version)
    )
    same = [
        "permissions: 0600 now, 0644 in the version that lost",
        "owner: anna:staff now, bob:8 in the version that lost",
        "ACL: not the same",
        "extended attribute user.a: '2\\x1b' now, '1' in the version that lost",
        "extended attribute user.b: '' now, not there in the version that lost",
        f"extended attribute user.long: not there now, '{'x' * 40}'... in the version that lost",
    ]
    assert difference(cast(Any, Other(now)), entry)[2:] == [*same, "the content is the same"]
    assert difference(cast(Any, Other(now, b"b\n")), entry)[2:] == [*same, "@@ -1 +1 @@", "-a", "+b"]
    assert difference(cast(Any, Other(Attributes())), entry)[2:] == [same[0], "the content is the same"]
    version.mode, version.attributes = 0o600, None
    assert difference(cast(Any, Other(now)), entry)[2:] == ["no line is different"]


@pytest.mark.parametrize("tool", ["no-such-tool", "no-such-tool --wait", '/no/such/tool "$LOCAL" "$MERGED"'])
def test_a_tool_that_is_not_there_is_named_and_the_shell_is_silent(
    there: Path, capfd: pytest.CaptureFixture[str], tool: str
) -> None:
    said = merge(Client(), tool)
    assert said.startswith(f"there is no merge tool {tool.split()[0]} on this machine: nothing was changed. Install it")
    assert "not found" not in capfd.readouterr().err
    assert not list(there.iterdir())


def test_a_tool_that_only_the_shell_can_look_for_is_told_of_as_well(there: Path) -> None:
    assert "there is no merge tool" in merge(Client(), '"no such tool" "$LOCAL" "$MERGED" 2>/dev/null')
    assert not merge(Client(), 'X=1; if true; then echo new > "$MERGED"; fi')
