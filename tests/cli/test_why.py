"""`why`: what it prints of a path, without a node; and each wait in words."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from dir_sync.cli import main, why_words
from dir_sync.cli.why_words import render, sentence
from dir_sync.core.jobs import Cause, Version
from dir_sync.core.model import Kind, Record, Stamp, Stat, fingerprint
from dir_sync.core.reconcile import Offer
from dir_sync.core.waits import Wait, Waiting
from dir_sync.folder import state
from dir_sync.index import Index, PeerSeen

BOB, CAROL = "bb" * 8, "cc" * 8
NOW_NS = 1_700_000_000 * 10**9


def file(path: bytes, data: bytes, maker: str, ns: int = NOW_NS, count: int = 1) -> Record:
    return Record(path, Kind.FILE, len(data), blake3(data).digest(), ns, 0o644, Stamp(ns, maker), ((maker, count),))


def seen(path: Path) -> bytes:
    found = os.lstat(path)
    return fingerprint(
        Stat(Kind.FILE, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode & 0o777, found.st_ino, 0, 1)
    )


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that was shared: bob made `f`, it was changed once; carol has a newer one of `d/g`."""
    folder = tmp_path / "shared"
    (folder / ".dir_sync/versions").mkdir(parents=True)
    (folder / "f").write_bytes(b"second")
    handle = state.lock(os.fsencode(folder))
    index = state.open_index(os.fsencode(folder), random.Random(1))
    fill(index, folder)
    index.close()
    os.close(handle)
    return folder


def fill(index: Index, folder: Path) -> None:
    for replica, name in ((BOB, "bob"), (CAROL, "carol")):
        index.notes.put(f"name {replica}", name)
    first, second = file(b"f", b"first", BOB), file(b"f", b"second", CAROL, NOW_NS + 10**9, 2)
    index.journal.write(first, None, NOW_NS)
    index.journal.write(second, first, NOW_NS + 10**9)
    index.rows.put(second, seen(folder / "f"))
    name = b".dir_sync/versions/1"
    content = blake3(b"first").digest()
    index.versions.put(Version(name, b"f", Kind.FILE, 5, content, NOW_NS, 0o644, NOW_NS + 10**9, Cause.REPLACED, CAROL))
    index.offers.put(Offer(CAROL, file(b"d/g", b"new", CAROL), False))
    index.commit()


def told(folder: Path, path: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["why", str(folder), path, "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def waits(answer: dict[str, Any]) -> set[str]:
    return {one["wait"] for one in answer["waits"]}


def test_the_story_of_a_file(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", str(shared), "f"]) == 0
    out = capsys.readouterr().out
    assert "here       file, 6 B, by carol, 2023-11-" in out
    assert "no node is running for this folder" in out
    assert "carol changed it from 5 B to 6 B\n" in out
    assert "bob made it, a file (5 B)\n" in out
    assert ": replaced by " in out
    (command,) = [line for line in out.splitlines() if "restore" in line]
    assert "--version" in command
    assert all(len(line) <= 80 for line in out.splitlines() if line != command)


def test_what_is_only_elsewhere(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = told(shared, "d/g", capsys)
    assert answer["here"] is None
    assert [(one["peer"], one["is"], one["size"]) for one in answer["elsewhere"]] == [("carol", "newer", 3)]
    assert main(["why", str(shared), "d/g"]) == 0
    assert "carol (not connected) has announced a newer version: file, 3 B" in capsys.readouterr().out


def test_a_path_inside_a_shared_folder_is_enough(
    shared: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shared)
    assert main(["why", "f", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == "f"
    assert main(["why", str(shared / "d/g"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == "d/g"
    assert main(["why", str(shared)]) == 2
    assert "which path in" in capsys.readouterr().err
    assert main(["why", "/nowhere/at/all"]) == 2
    assert "is in no folder that was shared from here" in capsys.readouterr().err


def test_what_was_changed_since_the_last_look(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert waits(told(shared, "f", capsys)) == {"not running"}
    (shared / "f").write_bytes(b"third, and longer")
    (shared / "new").write_bytes(b"")
    assert waits(told(shared, "f", capsys)) == {"not running", "unseen"}
    assert waits(told(shared, "new", capsys)) == {"not running", "unseen"}
    (shared / "f").unlink()
    assert waits(told(shared, "f", capsys)) == {"not running", "unseen"}


def test_what_is_not_shared_says_by_which_rule_or_why(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shared / "d").mkdir()
    (shared / "d/.syncignore").write_text("# mine\n*.log\n")
    (shared / "d/a.log").touch()
    os.mkfifo(shared / "d/pipe")
    (one,) = [one for one in told(shared, "d/a.log", capsys)["waits"] if one["wait"] == "ignored"]
    assert one["reason"] == "d/.syncignore, line 2: *.log"
    (one,) = [one for one in told(shared, "d/pipe", capsys)["waits"] if one["wait"] == "never shared"]
    assert one["reason"].startswith("a named pipe")


def test_what_is_ignored_was_not_deleted(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The index forgets an ignored path: what its last change made of it is not known any more."""
    handle = state.lock(os.fsencode(shared))
    index = state.open_index(os.fsencode(shared), random.Random(1))
    index.rows.forget(b"f")
    index.commit()
    index.close()
    os.close(handle)
    (shared / ".syncignore").write_text("f\nelse*\n")
    assert main(["why", str(shared), "f"]) == 0
    out = capsys.readouterr().out
    assert "here       file, 6 B; this machine ignores it\n" in out
    assert "it is not shared: ignored by .syncignore, line 1: f\n" in out
    assert "carol changed the file, or deleted it\n" in out
    assert [one["became"] for one in told(shared, "f", capsys)["changes"]] == ["file", "unknown"]
    assert main(["why", str(shared), "elsewhere"]) == 0, "others may have it"
    out = capsys.readouterr().out
    assert "here       nothing; this machine ignores it\n" in out
    assert "ignored by .syncignore, line 2: else*\n" in out


def test_a_pause_and_what_is_held_are_told_without_a_node(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handle = state.lock(os.fsencode(shared))
    index = state.open_index(os.fsencode(shared), random.Random(1))
    index.notes.put(f"braked {CAROL}", "removals")
    index.notes.put("paused", "pause 0")
    index.offers.put(Offer(CAROL, file(b"f", b"", CAROL, NOW_NS + 10**10, 3)._replace(kind=Kind.ABSENT), False))
    index.commit()
    index.close()
    os.close(handle)
    assert waits(told(shared, "f", capsys)) == {"not running", "paused", "held"}


def test_an_unknown_path_is_an_error(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", str(shared), "nothing"]) == 1
    assert "no such path was ever known here: nothing" in capsys.readouterr().err
    assert main(["why", str(shared), "../up"]) == 2


def test_check_is_for_scripts(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", str(shared), "f", "--check"]) == 4


@pytest.mark.parametrize("wait", Wait)
def test_each_wait_is_a_sentence(wait: Wait) -> None:
    full = sentence(Waiting(wait, "bob", b"d", "there is no room", 12.0, 5, 10))
    assert full
    assert "{" not in full
    assert sentence(Waiting(wait, "bob", b"d", "there is no room"))


def test_numbers_in_a_sentence() -> None:
    assert sentence(Waiting(Wait.FETCHING, "bob", here=512, size=1_024)) == "it is coming from bob: 50 % of 1.02 kB"
    assert sentence(Waiting(Wait.TROUBLE, text="no permission", seconds=30)).endswith("tries again, in 30 s")
    assert sentence(Waiting(Wait.PAUSED, text="14:30")).startswith("this folder is paused here until 14:30:")


def test_each_word_about_a_machine() -> None:
    version = {"kind": "file", "size": 3, "by": "bob", "made_ns": time.time_ns(), "announced": True}
    base: dict[str, Any] = {
        **{"path": "f", "here": version, "disk": version, "waits": [], "changes": [], "versions": []},
        **{"elsewhere": [], "away": []},
    }
    for has, words in (
        ("yes", "has it"),
        ("refused", "does not take it"),
        ("no", "does not have it"),
        ("not told", "not been told"),
        ("asked", "told"),
    ):
        peers = [{"name": "carol", "has": has}]
        assert any(words in line for line in render(base | {"peers": peers}, "d", "f")), has
    held = [{"name": "carol", "has": "asked", "holds": 20}]
    text = " ".join(line.strip() for line in render(base | {"peers": held}, "d", "f"))
    assert "for nothing here; the same command on carol says what it waits for there" in text
    assert "it holds what this node did to 20 files, until a person decides there" in text
    kept = [{"name": "carol", "has": "no", "apart": ["diverged"]}]
    text = " ".join(line.strip() for line in render(base | {"peers": kept}, "d", "f"))
    assert "carol does not have it; it keeps what was changed or deleted there" in text
    offered = [{"peer": "carol", "is": "newer", **version}]
    lines = render(base | {"peers": [{"name": "carol", "has": "newer"}], "elsewhere": offered}, "d", "f")
    assert any("carol has a newer version: file, 3 B, by bob" in line for line in lines)
    gone = version | {"kind": "nothing"}
    lines = render(base | {"here": gone, "disk": None, "peers": [{"name": "carol", "has": "yes"}]}, "d", "f")
    assert any("carol has deleted it, too" in line for line in lines)


def test_a_file_that_was_there_for_a_moment_only() -> None:
    """It was made and deleted before the node looked."""
    one = {"was": "nothing", "became": "nothing", "was_size": 0, "became_size": 0}
    assert why_words._change(one) == "had it for a moment only"
    assert why_words._change(one | {"became": "unknown"}) == "made it"


def test_what_both_had_before_they_met_has_the_words_of_the_history(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handle = state.lock(os.fsencode(shared))
    index = state.open_index(os.fsencode(shared), random.Random(1))
    (old,) = index.versions.oldest_first(b"f")
    index.versions.put(old._replace(maker="=5f20229"))
    index.commit()
    index.close()
    os.close(handle)
    assert main(["why", str(shared), "f"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "replaced by first sync" in out
    assert "first contact" not in out


def test_machines_that_are_away_may_keep_old_versions(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """carol overwrote the file here; bob, who is away, keeps what was there."""
    handle = state.lock(os.fsencode(shared))
    index = state.open_index(os.fsencode(shared), random.Random(1))
    for version in list(index.versions.oldest_first()):
        index.versions.drop(version.name)
    index.peers.put(BOB, PeerSeen(1, 1))
    index.commit()
    index.close()
    os.close(handle)
    assert main(["history", str(shared), "f"]) == 0
    said = "no old versions are kept here; bob may keep some: start the node to ask; "
    said += "'undo' cuts off what was only appended"
    assert capsys.readouterr().out == f"{said}\n"
    assert main(["why", str(shared), "f"]) == 0
    assert said in " ".join(capsys.readouterr().out.split())
    assert main(["history", str(shared), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"versions": [], "more": 0, "away": ["bob"]}


def test_what_had_gone_bad_is_listed_and_not_offered(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handle = state.lock(os.fsencode(shared))
    index = state.open_index(os.fsencode(shared), random.Random(1))
    (old,) = index.versions.oldest_first(b"f")
    bad = old._replace(
        name=b".dir_sync/versions/2",
        content=blake3(b"fiRst").digest(),
        time_ns=old.time_ns + 10**9,
        why=Cause.ROTTEN,
        maker="",
    )
    index.versions.put(bad)
    index.commit()
    index.close()
    os.close(handle)
    answer = told(shared, "f", capsys)
    assert [one["why"] for one in answer["versions"]] == ["rotten", "replaced"]
    assert main(["why", str(shared), "f"]) == 0
    out = capsys.readouterr().out
    assert ": had gone bad; 5 B, kept here" in out
    assert "to bring the first good one back:" in out
    assert f"--version {answer['versions'][1]['id']}" in out
    assert f"--version {answer['versions'][0]['id']}" not in out
    assert why_words._old(answer | {"versions": answer["versions"][:1]}, str(shared), "f")[1:] == []
