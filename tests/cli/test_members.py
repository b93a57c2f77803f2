"""Who stays when a machine is removed: whom people are asked about."""

from __future__ import annotations

from typing import Any

import pytest

from dir_sync.cli import members


def one(name: str, by: str = "", *, is_listed: bool = False, me: bool = False) -> dict[str, Any]:
    return {"name": name, "identity": name, "by": by, "by_identity": by, "is_listed": is_listed, "me": me}


ME, TV, NAS, LOST = one("me", me=True), one("tv", "me"), one("nas", "lost", is_listed=True), one("lost", "me")


def asked(monkeypatch: pytest.MonkeyPatch, everybody: list[dict[str, Any]], yes: bool = False) -> list[str]:
    """The questions, all of which are answered with no."""
    questions: list[str] = []

    def say_no(text: str, question: str) -> bool:
        questions.append(text)
        return False

    monkeypatch.setattr(members, "is_agreed", say_no)
    stay, more = members._who_stays(everybody, [LOST], yes)
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
        "key (key) came with the key itself, not with a code. Shall it stay?"
    ]
    assert asked(monkeypatch, [ME, LOST, one("key"), planted], yes=True) == []
