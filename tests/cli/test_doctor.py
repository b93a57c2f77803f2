"""`doctor`: what it prints, its exit code, and that it changes nothing. On the loopback interface."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from dir_sync.cli import main
from dir_sync.cli.doctor import lines_of
from dir_sync.doctor import broadcasts, examination
from dir_sync.doctor.folder_checks import Abilities, Room
from dir_sync.doctor.network_checks import Broadcast, Port
from dir_sync.doctor.verdict import Check, Verdict, fail, good
from dir_sync.network.control import NoDaemon
from tests.cli.test_status import ANSWER, MESH
from tests.reporting.test_prometheus import peer


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    probe = broadcasts.probe
    monkeypatch.setattr(
        examination.broadcasts, "probe", lambda port, interface, awaited, listen_s: probe(port, interface, (), 0.1)
    )


def free_ports() -> list[str]:
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("", 0))
        udp.bind(("", 0))
        return ["-l", str(tcp.getsockname()[1]), "-b", str(udp.getsockname()[1]), "--interface", "lo"]


def test_a_folder_that_was_never_shared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my files"
    folder.mkdir()
    assert main(["doctor", str(folder), *free_ports()]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.endswith(":")] == ["folder:", "machine:", "network:"]
    assert "no node runs for it" in out
    assert "lo (127.255.255.255): hears itself" in out
    long = [line for line in out.splitlines() if len(line) > 80 and not line.lstrip().startswith(">")]
    assert all("/" in line for line in long), "only a path is not cut"
    assert list(folder.iterdir()) == [], "not even .dir_sync is made"


def test_without_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *free_ports()]) == 0
    assert "folder:" not in capsys.readouterr().out


def test_without_a_folder_the_port_of_the_own_node_is_no_trouble(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = free_ports()
    ports = {"/home/anna/music": int(words[1]) + 1, "/home/anna/docs": int(words[1])}

    def ask(folder: str, question: object) -> dict[str, Any]:
        if folder not in ports:
            raise NoDaemon
        return {"port": ports[folder], "broadcast_port": int(words[3]) + ports[folder] - int(words[1])}

    monkeypatch.setattr(examination, "shared_now", lambda: ["/gone", *ports])
    monkeypatch.setattr(examination, "ask", ask)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(words[1])))
        taken.listen(1)
        assert main(["doctor", *words]) == 0
        said = capsys.readouterr().out
        assert f"TCP port {words[1]} is that of your node for /home/anna/docs" in said
        assert f"UDP port {words[3]} is that of your node for /home/anna/docs" in said
        del ports["/home/anna/docs"]
        assert main(["doctor", *words]) == 1
        assert f"TCP port {words[1]} is taken by" in capsys.readouterr().out


def test_json_and_a_port_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = free_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(words[1])))
        taken.listen(1)
        assert main(["doctor", str(tmp_path), "--json", *words]) == 1
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    (failed,) = [check for check in answer["checks"] if check["verdict"] == "FAIL"]
    assert failed["check"] == "port-tcp"
    assert failed["group"] == "network"
    assert f"TCP port {words[1]} is taken by" in failed["text"]
    assert " -l " in failed["fix"][0]
    assert answer["failed"] == 1
    names = [check["check"] for check in answer["checks"]]
    assert len(set(names)) == len(names)


def test_a_folder_in_a_shared_one_is_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".dir_sync").mkdir()
    (tmp_path / ".dir_sync/index.db").touch()
    (tmp_path / "sub").mkdir()
    assert main(["doctor", str(tmp_path / "sub"), *free_ports()]) == 1
    out = capsys.readouterr().out
    assert "which is shared itself" in out
    assert "exchange" not in out, "what is tried on its disk would be synchronized"


def test_a_folder_that_is_not_there_is_a_wrong_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(tmp_path / "gone")]) == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_a_part_that_cannot_be_found_out_does_not_end_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(examination.machine_facts, "open_files", broken)
    assert main(["doctor", str(tmp_path), *free_ports()]) == 0
    out = capsys.readouterr().out
    assert "not all could be found out: Input/output error" in out
    assert "network:" in out


def test_a_line_is_narrow_and_a_command_is_whole() -> None:
    command = "sudo " + "x" * 100
    lines = lines_of(fail("port", "word " * 40, command))
    assert lines[0].startswith("  FAIL  word word")
    assert all(len(line) <= 80 for line in lines[:-1])
    assert lines[-1] == f"        > {command}"
    assert lines_of(good("port", "fine")) == ["  OK    fine"]
    assert Check("a", Verdict.WARN, "b", ("c",)).to_json() == {
        "check": "a", "group": "", "verdict": "WARN", "text": "b", "fix": ["c"],
    }  # fmt: skip


def test_a_folder_whose_disk_is_not_mounted_is_a_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = str(tmp_path / "gone")
    monkeypatch.setattr("dir_sync.folder.root.known_as", lambda text: gone)
    monkeypatch.setattr("dir_sync.folder.root.paused", lambda folder: f"{folder} is gone: No such file or directory")
    monkeypatch.setattr("dir_sync.folder.root.pauser", lambda folder: (os.getpid(), ""))
    words = free_ports()
    with socket.socket() as listening:
        listening.bind(("", int(words[1])))
        listening.listen(1)
        assert main(["doctor", gone, *words]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "FAIL the node waits for the folder:" in out
    assert "network:" in out, "the rest is examined all the same"
    assert f"OK TCP port {words[1]} is this node's" in out


def test_a_disk_without_modes_is_found_by_trying_and_no_command_is_said_that_cannot_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".dir_sync").mkdir()
    (tmp_path / ".dir_sync").chmod(0o755)
    monkeypatch.setattr(examination.folder_facts, "abilities", lambda folder: Abilities("cifs", modes=False))
    assert main(["doctor", str(tmp_path), *free_ports()]) == 0
    out = capsys.readouterr().out
    assert "cifs: modes (the x of programs) are not kept" in out
    assert "chmod 700" not in out


def test_the_folders_of_a_node_that_runs_are_not_counted_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"status": ANSWER | {"process": os.getpid(), "unwatched": 300_000}, "doctor": {}}
    monkeypatch.setattr(examination, "ask", lambda folder, question: answers[question["command"]])
    monkeypatch.setattr(examination.machine_facts, "count_folders", lambda folder: pytest.fail("it was counted"))
    main(["doctor", str(tmp_path), *free_ports()])
    out = " ".join(capsys.readouterr().out.split())
    assert "300,000 folders cannot be watched" in out
    limit = int(out.split("max_user_watches=")[1].split()[0])
    assert limit >= 600_000


@pytest.mark.parametrize(
    ("more", "heard", "fix"),
    [
        ({}, ("192.0.2.1",), "join"),
        ({"mesh": MESH}, ("192.0.2.1",), "invite"),
        ({"mesh": MESH | {"removed_by": "bob"}}, ("192.0.2.1",), "join"),
        ({}, (), ""),
        ({"peers": [peer(address="192.0.2.1")]}, ("192.0.2.1",), ""),
        ({"pause": {"until_s": 0, "scheduled": False}}, ("192.0.2.1",), ""),
        ({"paused_elsewhere": ["bob"]}, ("192.0.2.1",), ""),
    ],
)
def test_a_node_that_hears_others_and_is_connected_to_none_is_not_all_right(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: dict[str, Any],
    heard: tuple[str, ...],
    fix: str,
) -> None:
    answers = {"status": ANSWER | {"process": os.getpid()} | more, "doctor": {}}
    eth = Broadcast("eth0", "192.0.2.9", "192.0.2.255", "", hears_itself=True, others=heard)
    monkeypatch.setattr(examination, "ask", lambda folder, question: answers[question["command"]])
    monkeypatch.setattr(examination.broadcasts, "probe", lambda *_: [eth])
    monkeypatch.setattr(examination.network_facts, "port", lambda kind, number, *_: Port(kind, number, True, False, ""))
    main(["doctor", str(tmp_path), "--json"])
    checks = json.loads(capsys.readouterr().out)["checks"]
    found = [one["fix"][0] for one in checks if one["check"] == "company"]
    assert len(found) == bool(fix)
    assert all(f" {fix} {tmp_path}   # " in command for command in found)


def test_a_command_about_a_folder_with_a_blank_in_its_name_can_be_pasted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my state").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "my state"))
    assert main(["doctor", *free_ports()]) == 0
    where = f"'{tmp_path}/my state/dir_sync'"
    assert f"> mkdir -p {where} && chmod 700 {where}\n" in capsys.readouterr().out


def test_a_node_that_waits_because_its_disk_is_full_has_the_room_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dir_sync.folder.root.paused", lambda folder: "the index cannot be written (disk is full)")
    monkeypatch.setattr(examination.folder_facts, "room", lambda folder, keep: Room(0, 10**9, 900, 1_000))
    assert main(["doctor", str(tmp_path), *free_ports()]) == 1
    said = capsys.readouterr().out
    assert "the node waits for the folder" in said
    assert "the disk is full (0 B of 1.00 GB are free)" in said
