"""Who stays when a machine is removed: whom people are asked about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dir_sync import cli
from dir_sync.cli import members


def one(name: str, by: str = "", *, is_listed: bool = False, me: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "identity": name,
        "by": by,
        "by_identity": by,
        "is_listed": is_listed,
        "is_met": True,
        "is_forgotten": False,
        "me": me,
    }


ME, TV, NAS, LOST = one("me", me=True), one("tv", "me"), one("nas", "lost", is_listed=True), one("lost", "me")


def asked(monkeypatch: pytest.MonkeyPatch, everybody: list[dict[str, Any]], yes: bool = False) -> list[str]:
    """The questions, all of which are answered with no."""
    questions: list[str] = []

    def say_no(text: str, question: str) -> bool:
        questions.append(text)
        return False

    monkeypatch.setattr(members, "is_agreed", say_no)
    stay, more = members.who_stays(everybody, [LOST], [], yes)
    assert {row["name"] for row in [*stay, *more, LOST]} == {row["name"] for row in everybody}
    return questions


def test_who_let_somebody_in_is_believed_only_if_it_was_seen_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thief tells the others that tv has let in an identity which it has made up."""
    planted = one("tablet", "tv")
    assert asked(monkeypatch, [ME, TV, LOST]) == []
    assert asked(monkeypatch, [ME, TV, LOST, planted]) == [
        "tablet (tablet) was let in by tv, as others say. Shall it stay?"
    ]
    assert asked(monkeypatch, [ME, TV, LOST, {**planted, "is_listed": True}]) == []
    assert asked(monkeypatch, [ME, LOST, NAS]) == ["nas (nas) was let in by lost. Shall it stay?"]
    assert asked(monkeypatch, [ME, LOST, one("key")]) == [
        "key (key) came with the key itself, or with a code of another machine. Shall it stay?"
    ]
    assert asked(monkeypatch, [ME, LOST, one("key"), planted], yes=True) == []


def test_with_yes_nobody_stays_who_was_never_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thief tells of machines that do not exist, and would collect the new key for each of them."""
    told, key = {**one("tablet", "tv"), "is_met": False}, one("key")
    old = {**one("old"), "is_forgotten": True}
    confirmed = {**one("cellar", "tv", is_listed=True), "is_met": False}
    everybody = [ME, TV, LOST, NAS, told, key, old, confirmed]

    def names(rows: list[dict[str, Any]]) -> list[str]:
        return [row["name"] for row in rows]

    stay, more = members.who_stays(everybody, [LOST], [], True)
    assert names(stay) == ["me", "tv", "key", "cellar"]
    assert names(more) == ["nas", "tablet", "old"]
    stay, more = members.who_stays(everybody, [LOST], [told, NAS, old], True)
    assert (names(more), names(stay)) == ([], ["me", "tv", "nas", "tablet", "key", "old", "cellar"])


def test_what_yes_has_decided_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    told, key, coded = {**one("tablet", "tv"), "is_met": False}, one("key"), one("nas", "tv")
    members._say_what_yes_decided([ME, key, coded], [told, {**one("old"), "is_forgotten": True}, NAS])
    assert capsys.readouterr().out.splitlines() == [
        "tablet (tablet) is left out, too: this machine has never met it; to keep it: --keep tablet",
        "old (old) is left out, too: it came with the key itself, and was not seen for 90 days; to keep it: --keep old",
        "nas (nas) is left out, too: it was let in by lost; to keep it: --keep nas",
        "key (key) came with the key itself, or with a code of another machine, and stays: if nobody knows it, remove it, too",
    ]


def test_a_read_only_member_refuses_before_it_says_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".dir_sync").mkdir()
    answer = {"role": "ro", "members": [ME, {**TV, "is_met": False}, LOST]}
    monkeypatch.setattr(
        members, "ask_node", lambda folder, question: answer if question["command"] == "members" else None
    )
    assert cli.main(["remove", str(tmp_path), "lost", "--yes"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "dir_sync: this machine is a read-only member: remove others on a machine that may write\n"
