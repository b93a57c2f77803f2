"""Routes of the overview, and what all routes have in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from dir_sync.config import ConfigError
from dir_sync.doctor.examination import Asked as Examined
from dir_sync.doctor.verdict import Check, fail
from dir_sync.web.replies import key_of, path_of
from tests.web.kit import HOST, Browser, StandIn


def test_pause_and_resume(node: StandIn, page: Browser, tmp_path: Path) -> None:
    folder = f"/api/folders/{page.id_of(node.share(tmp_path / 'a'))}"
    node.answers["pause"] = {"paused": True, "was_paused": False, "until_s": 0}
    node.answers["resume"] = {"paused": False, "was_paused": True, "until_s": 0}
    assert page.post(f"{folder}/pause")["paused"] is True
    page.post(f"{folder}/pause", {"for_s": 3_600})
    assert page.post(f"{folder}/resume")["was_paused"] is True
    asked = [one for one in node.asked if one["command"] != "status"]
    assert asked == [{"command": "pause"}, {"command": "pause", "for_s": 3_600}, {"command": "resume"}]
    for wrong in (0, -1, 10**9, "1h", 1.5, True):
        assert "a pause lasts" in page.refused(f"{folder}/pause", {"for_s": wrong})


def test_an_error_of_the_node_is_one_line(node: StandIn, page: Browser, tmp_path: Path) -> None:
    folder = f"/api/folders/{page.id_of(node.share(tmp_path / 'a'))}"
    node.answers["pause"] = {"error": "not now"}
    assert page.refused(f"{folder}/pause", {}) == "not now"
    assert "not shared from here" in page.refused("/api/folders/0123456789ab/pause", {})


@pytest.mark.parametrize("body", ["[]", "{", '"x"', "[" * 100_000, "\xff"])
def test_bodies_that_are_no_object(node: StandIn, page: Browser, tmp_path: Path, body: str) -> None:
    folder = f"/api/folders/{page.id_of(node.share(tmp_path / 'a'))}"
    headers = {"Origin": HOST, "Content-Type": "application/json"}
    answer = page.client.post(f"{folder}/pause", content=body.encode("latin-1"), headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"] == "the request cannot be read"
    too_large = page.client.post(f"{folder}/pause", content=b'"' + b"x" * 2_000_001, headers=headers)
    assert too_large.status_code == 400
    assert "too large" in too_large.json()["error"]


def test_keys_stand_for_paths_inside_the_folder() -> None:
    for path in (b"a", b"a/b c", b"caf\xe9", "é/ü".encode(), b"x" * 255, b"-_~"):
        assert path_of(key_of(path)) == path
    assert path_of("", whole=True) == b""
    wrong = (
        b"",
        b"/etc/passwd",
        b"../x",
        b"a/../../x",
        b".dir_sync",
        b".dir_sync/index.db",
        b"a/.dir_sync/x",
        b"a\0b",
        b"./a",
        b"a//b",
    )
    for path in wrong:
        with pytest.raises(ConfigError, match="not a path in a shared folder"):
            path_of(key_of(path))
    for key in ("!", "a", "=", "é", "YQ=="[:1] + "\0"):
        with pytest.raises(ConfigError, match="not a path in a shared folder"):
            path_of(key)


def test_the_pages_are_there_and_nothing_else(page: Browser) -> None:
    index = page.client.get("/")
    assert index.headers["Content-Type"].startswith("text/html")
    assert (
        page.client.get("/static/js/main.js")
        .headers["Content-Type"]
        .startswith(("text/javascript", "application/javascript"))
    )
    for path in (
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/static/js/../../app.py",
        "/docs",
    ):
        assert page.client.get(path).status_code == 404, path


def test_the_doctor(node: StandIn, page: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Examined] = []

    def examine(one: Examined) -> list[Check]:
        asked.append(one)
        return [fail("room", "no room", "rm x")._replace(group="folder")]

    monkeypatch.setattr("dir_sync.web.routes.doctor.examine", examine)
    folder = node.share(tmp_path / "a")
    answer = page.post(f"/api/folders/{page.id_of(folder)}/doctor")
    assert answer == {
        "checks": [{"check": "room", "group": "folder", "verdict": "FAIL", "text": "no room", "fix": ["rm x"]}]
    }
    assert asked[0].folder == str(folder)
