"""Routes about rules for what is not shared, and about the configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest

from dir_sync.config import Config
from dir_sync.folder import running
from tests.web.kit import Browser, StandIn


@pytest.fixture
def folder(node: StandIn, tmp_path: Path) -> Path:
    shared = node.share(tmp_path / "shared")
    for name in ("a.log", "b.log", "sub/c.log", "keep.txt"):
        (shared / name).parent.mkdir(exist_ok=True)
        (shared / name).touch()
    return shared


def test_rules_their_effect_and_saving_them(folder: Path, page: Browser) -> None:
    api = f"/api/folders/{page.id_of(folder)}/ignore"
    told = page.get(api)
    assert told["texts"] == {"shared": "", "local": ""}
    assert {"file": "", "line": 11, "text": "*.part"} in told["rules"]
    effect = page.post(f"{api}/check", {"which": "shared", "text": "*.log\n"})
    assert (effect["ignored"], effect["shared"]) == (3, 0)
    assert effect["examples"]["ignored"] == ["a.log", "b.log", "sub/c.log"]
    assert effect["by"] == [{"rule": ".syncignore, line 1: *.log", "count": 3}]
    assert not (folder / ".syncignore").exists(), "a look changes nothing"
    page.post(api, {"which": "shared", "was": "", "text": "*.log\n"})
    assert (folder / ".syncignore").read_text() == "*.log\n"
    back = page.post(f"{api}/check", {"which": "local", "text": "!a.log\n"})
    assert (back["ignored"], back["shared"]) == (0, 1)
    page.post(api, {"which": "local", "was": "", "text": "!a.log\n"})
    assert (folder / ".dir_sync/ignore").read_text() == "!a.log\n"
    assert page.get(api)["texts"] == {"shared": "*.log\n", "local": "!a.log\n"}
    assert sorted(path.name for path in (folder / ".dir_sync").iterdir()) == ["control", "ignore"], (
        "nothing is left over"
    )


def test_rules_that_cannot_be_used_are_said(folder: Path, page: Browser) -> None:
    api = f"/api/folders/{page.id_of(folder)}/ignore"
    effect = page.post(f"{api}/check", {"which": "shared", "text": "ok\n****a*\n"})
    assert effect["problems"] == [".syncignore, line 2: too many * in one pattern"]
    assert "larger than" in page.refused(f"{api}/check", {"which": "shared", "text": "x" * 1_100_000})
    for body in ({"which": "../x", "text": ""}, {"which": "shared"}, {"text": ""}):
        page.refused(f"{api}/check", body)


def test_what_somebody_else_has_written_is_not_replaced(folder: Path, page: Browser) -> None:
    api = f"/api/folders/{page.id_of(folder)}/ignore"
    (folder / ".syncignore").write_bytes(b"caf\xe9\n")
    assert "changed meanwhile" in page.refused(api, {"which": "shared", "was": "", "text": "x"})
    was = page.get(api)["texts"]["shared"]
    page.post(api, {"which": "shared", "was": was, "text": was + "more\n"})
    assert (folder / ".syncignore").read_bytes() == b"caf\xe9\nmore\n"


def test_the_configuration_file(folder: Path, page: Browser, tmp_path: Path) -> None:
    file = tmp_path / "config/dir_sync/config.toml"
    told = page.get("/api/settings")
    assert (told["exists"], told["text"], told["running"]) == (False, "", False)
    assert page.post("/api/settings/check", {"text": told["example"]}) == {"folders": ["notes"]}, (
        "a folder that is shared"
    )
    text = f'name = "anna"\n[folders.notes]\ndir = "{folder}"\n'
    assert page.post("/api/settings/check", {"text": text}) == {"folders": ["notes"]}
    assert not file.parent.exists(), "a look makes nothing"
    wrong = page.refused("/api/settings/check", {"text": 'nam = "anna"\n'})
    assert wrong.startswith(f"{file}:1: nam: there is no such key") or "there is no folder" in wrong
    assert "config.toml:" in wrong
    assert page.post("/api/settings", {"was": "", "text": text}) == {"folders": ["notes"], "reloaded": False}
    assert file.read_text() == text
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]
    assert "changed meanwhile" in page.refused("/api/settings", {"was": "", "text": text + "#"})
    page.refused("/api/settings", {"was": text, "text": "["})
    assert file.read_text() == text


def test_a_node_that_runs_with_it_reads_it(
    folder: Path, page: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dir_sync.web.routes.settings as settings

    read: list[str] = []

    def read_again(file: str) -> list[Config]:
        read.append(Path(file).read_text())
        return [Config(str(folder), folder_name="notes")]

    monkeypatch.setattr(settings, "read_again", read_again)
    file = tmp_path / "config/dir_sync/config.toml"
    running.note(str(file), 1, "")
    text = f'[folders.notes]\ndir = "{folder}"\n'
    assert page.get("/api/settings")["running"] is True
    assert page.post("/api/settings", {"was": "", "text": text}) == {"folders": ["notes"], "reloaded": True}
    assert read == [text]
