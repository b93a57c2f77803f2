"""tests/fresh: what of it can be tested without bare systems. It runs for real with python -m tests.fresh."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fresh import __main__ as fresh
from tests.fresh import systems
from tests.fresh.machines import Failed, until, wire
from tests.fresh.ways import block, building, typed, ways

DEBIAN = systems.SYSTEMS["debian13"]
NOBODY = "http://127.0.0.1:9/debian"  # where no server is


def test_what_is_typed_to_install_stands_in_the_documentation() -> None:
    known = ways()
    readme = known["readme"].install
    assert readme[-2:] == ["cd dir_sync && scripts/setup", "mkdir -p ~/shared"]
    assert readme[-3] == "git clone /source dir_sync"
    assert known["readme"].start == "/home/anna/dir_sync/scripts/run ~/shared"
    assert "cd dir_sync && pipx install ." in known["pipx"].install
    assert any(line.endswith("apt-get install -y -qq ./dir-sync_*.deb") for line in known["package"].install)
    assert known["pipx"].start == known["package"].start == "dir-sync ~/shared"
    assert building() == "cd dir_sync && scripts/deb"


def test_lines_as_root_of_a_bare_system_types_them() -> None:
    lines = ["sudo apt update && sudo apt install git", "git clone https://example.org/x.git y", "cd y", "make  # all"]
    quiet = "DEBIAN_FRONTEND=noninteractive apt-get"
    assert typed(lines) == [
        f"{quiet} update -y -qq && {quiet} install -y -qq git",
        "git clone /source y",
        "cd y && make",
    ]


def test_a_heading_that_is_gone_is_noticed() -> None:
    with pytest.raises(AssertionError, match="no heading"):
        block("README.md", "No such heading")


def test_the_mirror_is_that_of_apt_of_the_environment_or_of_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for vendor in systems.MIRRORS:
        monkeypatch.delenv(f"DIR_SYNC_{vendor.upper()}_MIRROR", raising=False)
    assert systems.mirrors([], tmp_path) == systems.MIRRORS
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb [arch=amd64] http://one.example/debian/ trixie main\n")
    (tmp_path / "sources.list.d/x.sources").write_text("# http://no.example/ubuntu\nURIs: https://two.example/ubuntu\n")
    assert systems.mirrors([], tmp_path) == {
        "debian": "http://one.example/debian",
        "ubuntu": "https://two.example/ubuntu",
    }
    monkeypatch.setenv("DIR_SYNC_DEBIAN_MIRROR", "http://three.example/d")
    assert systems.mirrors([], tmp_path)["debian"] == "http://three.example/d"
    assert systems.mirrors(["debian=http://four.example/d"], tmp_path)["debian"] == "http://four.example/d"
    with pytest.raises(ValueError, match="is no mirror"):
        systems.mirrors(["fedora=http://five.example/f"], tmp_path)


@pytest.fixture
def able(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has all that is needed."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool: f"/usr/bin/{tool}")
    monkeypatch.setattr(systems, "KEYRINGS", tmp_path)
    monkeypatch.setattr(systems, "ROOM_BYTES", 0)
    (tmp_path / f"{DEBIAN.keyring}.gpg").touch()
    return tmp_path


def reason(folder: Path, check_signatures: bool = True) -> str:
    with pytest.raises(systems.Missing) as raised:
        systems.look(DEBIAN, NOBODY, folder, check_signatures)
    return str(raised.value)


def test_what_is_missing_is_said(able: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cannot be reached" in reason(able)
    (able / f"{DEBIAN.keyring}.gpg").unlink()
    assert "--no-check-gpg" in reason(able)
    assert "cannot be reached" in reason(able, check_signatures=False)
    monkeypatch.setattr(systems, "ROOM_BYTES", 1 << 60)
    assert "GiB free" in reason(able)
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    assert "apt install debootstrap" in reason(able)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert reason(able) == "needs root"


def test_nothing_that_could_be_tried(
    able: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(fresh.INSIDE, "yes")
    assert fresh.main(["debian13", "--mirror", f"debian={NOBODY}", "--folder", str(able)]) == fresh.NOTHING_TRIED
    assert "Debian 13" in (said := capsys.readouterr().out)
    assert "skipped: " in said


@pytest.mark.parametrize(
    ("result", "code", "verdict"),
    [
        (fresh.Result("A", "README", install_s=20, first_s=1), 0, "21.0 s"),
        (fresh.Result("A", "README", install_s=60, first_s=1), 1, "more than 60 s"),
        (fresh.Result("A", "README", trouble="FAILED: no file"), 1, "FAILED: no file"),
    ],
)
def test_the_exit_code_and_the_table(
    able: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    result: fresh.Result,
    code: int,
    verdict: str,
) -> None:
    skipped = fresh.Result("B", "", trouble="skipped: x", skipped=True)
    monkeypatch.setenv(fresh.INSIDE, "yes")
    monkeypatch.setattr(fresh, "run_in", lambda words, folder: [result, skipped])
    assert fresh.main([]) == code
    assert verdict in capsys.readouterr().out


@pytest.mark.parametrize("words", [["debian11"], ["--ways", "snap"], ["--mirror", "nowhere"]])
def test_words_that_mean_nothing(words: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        fresh.main(words)
    assert raised.value.code == 2


def test_the_end_of_what_was_said_is_shown(tmp_path: Path) -> None:
    (tmp_path / "trixie-pipx").mkdir()  # the tree
    (tmp_path / "trixie-pipx.log").write_text("$ pipx install .\nno network\n")
    (tmp_path / "trixie-pipx.bob.log").write_text("stopped\n")
    assert fresh.tail(tmp_path / "trixie-pipx.log").split() == ["stopped", "$", "pipx", "install", ".", "no", "network"]


def test_who_waits_for_a_node_that_has_ended_waits_no_longer() -> None:
    with pytest.raises(Failed, match="a node ended before this: a file"):
        until(lambda: False, "a file", lambda: False)


@pytest.mark.lan
@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_two_machines_and_a_wire() -> None:
    for tool in ("ip", "unshare", "nsenter"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool}")
    with wire() as namespaces:
        addresses = []
        for process in namespaces.values():
            words = ["nsenter", "-t", str(process), "--net", "ip", "-4", "-brief", "address"]
            said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
            links = {line.split()[0].partition("@")[0]: line.split()[2] for line in said.splitlines()}
            assert set(links) == {"lo", "eth0"}
            addresses.append(links["eth0"])
    assert addresses == ["192.168.77.1/24", "192.168.77.2/24"]
    assert not any(Path(f"/proc/{process}").exists() for process in namespaces.values())
