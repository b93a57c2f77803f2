"""start, stop, restart: real nodes, which go on without the terminal, and are told from any other process."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dir_sync.cli import background, running_nodes
from dir_sync.cli.asked import Asked
from dir_sync.config import Config, ConfigError
from dir_sync.core.preserve import Part
from dir_sync.folder.processes import Process
from dir_sync.folder.started import started
from tests.cli.background_kit import ROOT, Machine, wait_for
from tests.json_schemas import faults

NOBODY = 65534


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    one = Machine(tmp_path)
    yield one
    one.end()


def typed_in_a_terminal(machine: Machine, *words: str | Path) -> tuple[int, int]:
    """The process, which is the first of a session with that terminal; and the terminal, to be closed."""
    command = machine.words(*words)
    process, terminal = pty.fork()
    if process == 0:
        try:
            os.chdir(machine.place)
            os.execve(command[0], command, machine.environment)
        finally:
            os._exit(99)
    return process, terminal


def test_it_goes_on_when_the_terminal_is_closed(machine: Machine) -> None:
    """And a node that was simply run in it does not: that is what `start` is for."""
    process, terminal = typed_in_a_terminal(machine, "start", "shared", *machine.options())
    output = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # nobody has it open any more
            break
        output += piece
        if not piece:
            break
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0, output
    os.close(terminal)
    number = machine.node()
    assert number, "the command returns only when the node answers"
    assert f"process {number}" in output.decode()
    assert os.getsid(number) == number
    machine.ok("stop", "shared")

    process, terminal = typed_in_a_terminal(machine, "shared", "--log-file", "log", *machine.options())
    drain = threading.Thread(target=_read_all, args=(terminal,))
    drain.start()
    wait_for(machine.node, "it runs")
    os.kill(process, signal.SIGHUP)  # as the kernel sends it; closing the terminal would race with the reader
    _, status = os.waitpid(process, 0)
    drain.join()
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert not machine.node()


def _read_all(terminal: int) -> None:
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:
        pass


def test_a_log_that_was_moved_away_is_opened_anew_by_a_hangup(machine: Machine) -> None:
    said = machine.ok("start", "shared", *machine.options())
    log = machine.log(said)
    assert log.is_relative_to(machine.home)
    assert log.stat().st_mode & 0o777 == 0o600
    number = machine.node()
    log.rename(log.with_suffix(".old"))
    os.kill(number, signal.SIGHUP)
    wait_for(log.exists, "a new log file")
    assert machine.node() == number
    machine.ok("stop", "shared")
    assert "stopped" in log.read_text()
    assert "stopped" not in log.with_suffix(".old").read_text()


def test_start_while_it_runs_says_so_and_stop_while_none_runs_too(machine: Machine) -> None:
    options = machine.options()
    machine.ok("start", "shared", *options)
    number = machine.node()
    assert f"already running: {machine.shared} (process {number})" in machine.ok("start", "shared", *options)
    assert machine.node() == number
    assert f"stopped: {machine.shared} (process {number})" in machine.ok("stop", "shared")
    assert _is_over(number)
    assert "no node is running" in machine.ok("stop", "shared")


def test_each_command_as_json(machine: Machine) -> None:
    def ask(name: str, *words: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(machine.ok(name, "shared", "--json", *words))
        assert not faults(name, answer)
        return answer

    assert ask("stop") == {"stopped": []}
    options = machine.options()
    first = ask("start", *options)
    assert (first["result"], first["folders"]) == ("started", [str(machine.shared)])
    assert first["process"] == machine.node()
    assert Path(first["log"]).is_file()
    again = ask("start", *options)
    assert (again["result"], again["process"]) == ("already running", first["process"])
    second = ask("restart")
    assert second["result"] == "restarted"
    assert second["process"] == machine.node() != first["process"]
    assert ask("stop")["stopped"] == [{"folders": [str(machine.shared)], "process": second["process"], "unit": None}]
    done = machine.run("start", "nowhere", "--json")
    assert (done.returncode, "no such folder" in json.loads(done.stdout)["error"]) == (2, True)


def test_two_starts_at_once_make_one_node(machine: Machine) -> None:
    options = machine.options()
    both = [
        subprocess.Popen(
            machine.words("start", "shared", *options), env=machine.environment, cwd=machine.place,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [one.communicate(timeout=120) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert sorted(out.partition(":")[0] for out, _ in said) == ["already running", "started"]
    assert f"process {machine.node()}" in said[0][0]
    assert f"process {machine.node()}" in said[1][0]


def test_after_a_kill_it_starts_again(machine: Machine) -> None:
    options = machine.options()
    machine.ok("start", "shared", *options)
    number = machine.node()
    os.kill(number, signal.SIGKILL)
    wait_for(lambda: _is_over(number), "its end")
    assert "no node is running" in machine.ok("stop", "shared")
    machine.ok("start", "shared", *options)
    assert machine.node() not in (0, number)


def _is_over(number: int) -> bool:
    """Also if nobody asks how it ended, as in a container without an init."""
    return not started(number)


def test_the_reason_is_one_line(machine: Machine) -> None:
    options = machine.options()
    machine.ok("start", "shared", *options)
    other = machine.folder("other")
    done = machine.run("start", other, *options)
    assert (done.returncode, done.stdout) == (1, "")
    owner = f"another dir_sync (process {machine.node()})"
    also = "(or share both folders with one node: DIR DIR)"
    assert done.stderr == f"dir_sync: TCP port {options[1]} is taken by {owner}: choose another port with -l {also}\n"
    done = machine.run("start", "nowhere")
    assert done.returncode == 2
    assert (
        done.stderr.startswith("dir_sync: nowhere: there is no such folder") or "there is no such folder" in done.stderr
    )
    assert len(done.stderr.splitlines()) == 1
    done = machine.run("start", other, "--limit-up", "fast")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    done = machine.run("start")
    assert done.returncode == 2
    assert "which folder? For example:" in done.stderr


def test_restart_keeps_the_options_that_are_not_given_again(machine: Machine) -> None:
    options = machine.options()
    machine.ok("start", "shared", *options, "--name", "anna", "--limit-up=2M", "--log-file", "log")
    first = machine.node()
    said = machine.ok("restart", machine.shared, "--timeout", "50s")
    assert said.startswith(f"restarted: {machine.shared} (process ")
    second = machine.node()
    assert second not in (0, first)
    assert machine.log(said) == machine.place / "log"
    before, after = (_words(number) for number in (first, second))
    assert not any(before), "it has ended"
    for word in (f"--listen-port={options[1]}", "--no-discovery", "--name=anna", "--limit-up=2M"):
        assert word in after
    assert "changed" not in said
    said = machine.ok("restart", "shared", "--name", "bob", "--peer", "one", "--peer", "two")
    for word in (f"--listen-port={options[1]}", "--no-discovery", "--name=bob", "--limit-up=2M", "--peer=two"):
        assert word in _words(machine.node())
    assert "--name=anna" not in _words(machine.node())
    assert machine.log(said) == machine.place / "log"
    assert "changed: --name=bob (was --name=anna), --peer=one --peer=two (new)" in said
    assert f"kept: --listen-port={options[1]} --no-discovery --interface=lo --limit-up=2M (to drop" in said
    answer = json.loads(machine.ok("restart", "shared", "--json", "--peer", "three", "-q"))
    assert not faults("restart", answer)
    assert answer["changed"] == [
        {"before": "--peer=one --peer=two", "now": "--peer=three"}, {"before": "", "now": "--quiet"}
    ]  # fmt: skip
    assert "--name=bob" in answer["kept"]
    said = machine.ok("restart", "shared", "-v")
    assert "changed: no --quiet, --verbose (new)" in said
    assert "--peer=three" in _words(machine.node())


def test_restart_takes_over_a_node_that_was_run_in_a_terminal(machine: Machine) -> None:
    """With words that are relative to the folder where they were typed, and the key file of its environment."""
    key = machine.place / "key"
    machine.ok("new-key", key)
    with subprocess.Popen(
        machine.words("shared", *machine.options(), "--log-file=log"), env=machine.environment | {"DIR_SYNC_KEY_FILE": "key"},
        cwd=machine.place, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        wait_for(machine.node, "it runs")
        done = subprocess.run(
            machine.words("restart", machine.shared), env=machine.environment, cwd="/", capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert process.wait(60) == 0
    assert f"--log-file={machine.place}/log" in _words(machine.node())
    assert (machine.place / "log").exists()
    assert "the mesh is open" not in machine.ok("status", "shared")


def _words(number: int) -> list[str]:
    try:
        return Path(f"/proc/{number}/cmdline").read_text().split("\0")
    except OSError:
        return []


def test_restart_ends_nothing_if_the_new_words_are_wrong(machine: Machine) -> None:
    machine.ok("start", "shared", *machine.options())
    number = machine.node()
    for wrong in (["--limit-up", "fast"], ["--log-file", "shared/log"], ["--no-discovery", "--no-listen"]):
        assert machine.run("restart", "shared", *wrong).returncode == 2
    assert machine.node() == number


def test_several_folders_have_one_node_and_end_together(machine: Machine) -> None:
    other = machine.folder("other")
    machine.ok("start", "shared", "more=other", *machine.options())
    number = machine.node()
    assert number == machine.node(other)
    done = machine.run("stop", "shared")
    assert done.returncode == 1
    assert f"also shares {other}" in done.stderr
    assert machine.node() == number
    done = machine.run("start", "shared", machine.folder("third"))
    assert done.returncode == 1
    assert "not all that is named here" in done.stderr
    assert "already running" in machine.ok("start", "shared", "more=other")
    machine.ok("restart", "other")
    again = machine.node()
    assert again == machine.node(other) != number
    machine.ok("stop", "shared", "other")
    assert not machine.node()
    assert not machine.node(other)


def test_the_folder_in_which_the_command_is_typed_is_not_named_by_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (tmp_path.resolve() / name for name in ("one", "other"))
    other.mkdir()
    monkeypatch.chdir(other)
    node = running_nodes.Node(cast(Process, SimpleNamespace(number=1)), [str(one), str(other)])
    with pytest.raises(ConfigError, match=f"also shares {other}"):
        background._check_all_named(node, [str(one)])
    background._check_all_named(node, [f"first={one}", "../other"])


def test_a_configuration_file(machine: Machine) -> None:
    """By its name, by that of a folder in it, and as the file of this user; SIGHUP reads it again."""
    port, other = machine.options()[1], machine.folder("other")
    file = machine.home / ".config" / "dir_sync" / "config.toml"
    file.parent.mkdir(parents=True)
    top = f'listen_port = {port}\ninterface = "lo"\nno_discovery = true\n'
    file.write_text(f'{top}[folders.one]\ndir = "{machine.shared}"\n')
    log = machine.log(machine.ok("start"))
    number = machine.node()
    assert "already running" in machine.ok("start", "--config", file)
    file.write_text(f'{top}[folders.one]\ndir = "{machine.shared}"\n[folders.two]\ndir = "{other}"\n')
    log.rename(log.with_suffix(".old"))
    os.kill(number, signal.SIGHUP)
    wait_for(lambda: machine.node(other), "the new folder is shared")
    assert log.exists()
    assert machine.node() == machine.node(other) == number
    file.write_text("nonsense")
    assert machine.run("restart").returncode == 2
    assert machine.node() == number, "a wrong file ends nothing"
    file.unlink()
    machine.ok("stop", "--config", file)
    assert not machine.node()


def test_a_node_that_waits_for_its_folder_can_be_ended_and_is_known(machine: Machine) -> None:
    options = machine.options()
    machine.ok("start", "shared", *options)
    machine.ok("stop", "shared")
    away = machine.place / "away"
    machine.shared.rename(away)
    said = machine.ok("start", machine.shared, *options)
    assert "paused: " in said
    assert "already running" in machine.ok("start", machine.shared, *options)
    said = machine.ok("stop", machine.shared)
    assert "stopped" in said
    assert "no node is running" in machine.ok("stop", machine.shared)
    away.rename(machine.shared)


def test_no_stranger_is_ended(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that name the id of another process: the lock's of a node that was killed, and those of the user's state."""
    machine.ok("start", "shared", *machine.options())
    machine.ok("stop", "shared")
    with subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(1000)"],
                          stdout=subprocess.PIPE) as stranger:  # fmt: skip
        assert stranger.stdout is not None
        stranger.stdout.readline()
        lock = machine.shared / ".dir_sync" / "lock"
        lock.write_text(f"{stranger.pid}\n")
        state = machine.home / ".local" / "state" / "dir_sync"
        (state / "paused.json").write_text(f'{{"{machine.shared}": [{stranger.pid}, "x", "12345"]}}')
        assert "no node is running" in machine.ok("stop", "shared")
        # even if a program has the lock that is no node, and the file names somebody else
        with lock.open("r+") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            monkeypatch.setattr(running_nodes, "_BEGINS_S", 0.2)
            with pytest.raises(ConfigError, match="uses"):
                background.stop([str(machine.shared)])
        assert stranger.poll() is None
        stranger.kill()


def test_without_a_home(machine: Machine) -> None:
    """No HOME, and nothing of the user's state can be written."""
    words = machine.words("start", "shared", *machine.options())
    environment = {name: value for name, value in machine.environment.items() if name != "HOME"}
    environment["XDG_STATE_HOME"] = "/proc/nowhere"
    done = subprocess.run(
        words, env=environment, cwd=machine.place, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    log = machine.log(done.stdout)
    assert log.parent == Path(f"/tmp/dir_sync-{os.geteuid()}")
    machine.ok("stop", "shared")
    log.unlink()


# --- who owns the folder ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_does_not_share_the_folder_of_another_user_by_mistake(machine: Machine) -> None:
    os.chown(machine.shared, NOBODY, NOBODY)
    done = machine.run("start", "shared", *machine.options())
    assert done.returncode == 1
    assert "belongs to nobody, and you are root" in done.stderr
    assert not (machine.shared / ".dir_sync").exists()
    machine.ok("start", "shared", *machine.options(), "--preserve", "owner")
    machine.ok("restart", "shared")
    machine.ok("stop", "shared")
    machine.ok("start", "shared", *machine.options())  # its state is root's by now


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_node_of_another_user_is_not_ended_and_root_may_do_it(machine: Machine, tmp_path: Path) -> None:
    machine.ok("start", "shared", *machine.options())
    number = machine.node()
    for path in (*tmp_path.parents, tmp_path):
        if path.is_relative_to("/tmp") and path != Path("/tmp"):
            path.chmod(path.stat().st_mode | 0o055)
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from dir_sync.cli import background, entry\n"
        f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "sys.exit(entry.main(sys.argv[2:]))"
    )
    for word in ("stop", "restart"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(ROOT), word, str(machine.shared)], capture_output=True, text=True, timeout=120,
            check=False, cwd="/", env=machine.environment | {"HOME": "/nonexistent"},
        )  # fmt: skip
        assert done.returncode == 1, done.stdout
        assert "belongs to root: run this as root" in done.stderr, done.stderr
    assert machine.node() == number


def test_who_may_share_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    real = os.stat
    owners = {str(tmp_path): 1000}

    def stat(path: str, **how: object) -> os.stat_result:
        found = real(path)
        owner = owners.get(str(path), found.st_uid)
        return os.stat_result((*found[:4], owner, *found[5:10]))

    monkeypatch.setattr(os, "stat", stat)
    one = Config(folder=str(tmp_path))
    assert "you are root" in background.owner_against(one)
    assert not background.owner_against(Config(folder=str(tmp_path), preserve=frozenset({Part.OWNER})))
    assert not background.owner_against(Config(folder=str(tmp_path / "gone")))
    (tmp_path / ".dir_sync").mkdir()
    owners[str(tmp_path / ".dir_sync")] = 0
    assert not background.owner_against(one)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    owners[str(tmp_path / ".dir_sync")] = 1000
    assert not background.owner_against(one)


def test_the_log_is_never_in_a_shared_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who shares all of the home, shares also what is in its state folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home" / "state"))
    (tmp_path / "home").mkdir()
    inside = background.default_log(Asked((Config(folder=str(tmp_path / "other")),)))
    assert inside.startswith(str(tmp_path / "home" / "state" / "dir_sync" / "log" / "other-"))
    outside = background.default_log(Asked((Config(folder=str(tmp_path / "home")),)))
    assert outside.startswith(f"/tmp/dir_sync-{os.geteuid()}/home-")
    shutil.rmtree(tmp_path / "home")


def test_status_names_the_peer_that_refuses(machine: Machine) -> None:
    with socket.socket() as nobody:  # it is bound, and does not listen: it refuses
        nobody.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{nobody.getsockname()[1]}"
        machine.ok("start", "shared", *machine.options(), "--peer", place)
        wait_for(lambda: json.loads(machine.ok("status", "shared", "--json"))["missed"], "the dial has ended")
        (missed,) = json.loads(machine.ok("status", "shared", "--json"))["missed"]
        assert missed == {"place": place, "problem": "Connection refused"}
        assert f"{place} is named for this node, but not connected" in machine.ok("status", "shared")
