"""service: what is written for systemd, OpenRC and cron, and what is asked of them. Their programs are stand-ins; systemd-analyze
is the real one, where there is one."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from dir_sync import cli
from dir_sync.cli import boot_files, service
from dir_sync.cli.absolute import Words
from dir_sync.cli.background import Done
from tests.json_schemas import faults

FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
case "$*" in
*show*) printf 'ActiveState=active\\nUnitFileState=enabled\\nStatusText=1 folder shared\\n' ;;
-l)
    [ -e "$TAB.fails" ] && { cat "$TAB.fails" >&2; exit 1; }
    [ -e "$TAB" ] && exec cat "$TAB"
    if [ "$LC_ALL" = C ]; then echo "no crontab for me" >&2; else echo "kein Crontab von me" >&2; fi
    exit 1 ;;
-) cat >"$TAB" ;;
*enable-linger*) exit 1 ;;
esac
"""


class Host:
    """A machine with stand-ins for the programs of init systems."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = place
        self.folder = place / "my shared 50% $x"
        self.folder.mkdir()
        self.calls_file = place / "calls"
        self.tab = place / "tab"
        self._monkeypatch = monkeypatch
        tools = place / "bin"
        tools.mkdir()
        for name in ("systemctl", "loginctl", "crontab", "rc-update", "rc-service"):
            (tools / name).write_text(FAKE)
            (tools / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        monkeypatch.setenv("CALLS", str(self.calls_file))
        monkeypatch.setenv("TAB", str(self.tab))
        monkeypatch.setenv("HOME", str(place))
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "DIR_SYNC_KEY_FILE"):
            monkeypatch.delenv(name, raising=False)
        for name in ("_SYSTEMD", "_OPENRC"):
            monkeypatch.setattr(service, name, str(place / "nothing"))
        for name in ("_SYSTEM_UNITS", "_INIT_SCRIPTS"):
            monkeypatch.setattr(service, name, str(place / name))
        monkeypatch.setattr(service, "started", lambda words: self.started(*words.line))
        monkeypatch.chdir(place)

    def started(self, *words: str) -> Done:
        with self.calls_file.open("a") as file:
            file.write(f"{shlex.join(['start', *words])}\n")
        return Done({}, ("started",))

    def has(self, name: str, user: bool = False) -> None:
        self._monkeypatch.setattr(service, name, str(self.place))
        if user:
            self._monkeypatch.setattr(service, "_init", lambda is_system: service._Init("user", service._user_units()))

    def calls(self) -> list[str]:
        try:
            return self.calls_file.read_text().splitlines()
        finally:
            self.calls_file.unlink(missing_ok=True)

    def units(self) -> list[Path]:
        return sorted(self.place.rglob("dir-sync-*"))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def verified(path: Path, *more: str) -> str:
    """What systemd-analyze has against a unit."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *more, path], capture_output=True, text=True, check=False, timeout=60
    )
    return "".join(line for line in done.stderr.splitlines(True) if path.name in line)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_service_of_the_machine(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.has("_SYSTEMD")
    key = host.place / "a key"
    words = [str(host.folder), "--key-file", str(key), "--name", "x y", "--log-file", "logs/log"]
    assert cli.main(["service", "install", *words]) == 0, capsys.readouterr().err
    (path,) = host.units()
    text = path.read_text()
    for line in (
        *("Type=notify", "User=root", "NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=read-only"),
        *("SystemCallFilter=@system-service", f"LoadCredential=mesh.key:{key}", "WantedBy=multi-user.target"),
        f'ReadWritePaths="{host.place}/my shared 50%% $x"',
        f"ReadWritePaths={host.place}/.local/state/dir_sync",
        f"ReadWritePaths={host.place}/logs",
        f"CacheDirectory=dir-sync/{path.stem}",
        "ExecReload=/bin/kill -HUP $MAINPID",
    ):
        assert line in text.splitlines(), text
    (command,) = (line for line in text.splitlines() if line.startswith("ExecStart="))
    assert f'run "{host.place}/my shared 50%% $$x"' in command
    assert '"--name=x y"' in command
    assert command.endswith(f"--key-file=${{CREDENTIALS_DIRECTORY}}/mesh.key --signature-dir=%C/dir-sync/{path.stem}")
    assert (host.place / ".local" / "state" / "dir_sync").is_dir()
    assert host.calls() == [
        "systemctl daemon-reload",
        f"systemctl enable {path.name}",
        f"systemctl restart {path.name}",
    ]
    assert cli.main(["service", "status", str(host.folder)]) == 0
    assert "now: active (1 folder shared)" in capsys.readouterr().out
    host.calls()
    host.folder.rmdir()  # it is found by its name alone
    assert cli.main(["service", "remove", str(host.folder)]) == 0
    assert host.calls() == [f"systemctl disable --now {path.name}", "systemctl daemon-reload"]
    assert not host.units()
    assert cli.main(["service", "remove", str(host.folder)]) == 1
    assert "no service is installed" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_node_of_the_machine_is_that_of_the_folders_owner(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.has("_SYSTEMD")
    os.chown(host.folder, 65534, 65534)
    assert cli.main(["service", "install", str(host.folder), "--print"]) == 0
    text = capsys.readouterr().out
    assert "\nUser=nobody\n" in text
    assert "\nCapabilityBoundingSet=\n" in text
    assert cli.main(["service", "install", str(host.folder), "--print", "-l", "600"]) == 0
    assert "\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n" in capsys.readouterr().out
    assert cli.main(["service", "install", str(host.folder), "--print", "--user", "no-such-user"]) == 1
    assert "there is no such user" in capsys.readouterr().err


def test_a_service_of_a_user(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.has("_SYSTEMD", user=True)
    assert cli.main(["service", "install", str(host.folder)]) == 0, capsys.readouterr().err
    (path,) = host.units()
    assert path.parent == host.place / ".config" / "systemd" / "user"
    text = path.read_text()
    assert "WantedBy=default.target" in text
    assert "User=" not in text
    assert "CapabilityBoundingSet" not in text, "a user's systemd cannot set it"
    assert [call.split()[:2] for call in host.calls()][:3] == [["systemctl", "--user"]] * 3
    assert "sudo loginctl enable-linger" in capsys.readouterr().out


def test_a_configuration_file_may_name_other_folders_later(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.has("_SYSTEMD", user=True)
    file = host.place / "config.toml"
    file.write_text('[folders.one]\ndir = "my shared 50% $x"\n')
    assert cli.main(["service", "install", "--config", str(file), "--print"]) == 0
    text = capsys.readouterr().out
    assert "ProtectSystem=full" in text
    assert "--signature-dir" not in text
    assert f"run --config={file}" in text


@pytest.mark.parametrize("is_user", [True, False])
@pytest.mark.parametrize(
    "name", ["shared", "with space", 'quote"d', "50%", "$HOME", "back\\slash", "ünï", "semi;colon", "#x"]
)
def test_systemd_takes_it(host: Host, name: str, is_user: bool) -> None:
    folder = host.place / name
    folder.mkdir(exist_ok=True)
    words = Words([str(folder)], {"key_file": [f"--key-file={host.place}/key:1"], "name": ["--name=a $b %c"]})
    made = boot_files.Service(
        "dir-sync-x",
        ["/bin/true", "-I"],
        words,
        [str(folder)],
        str(host.place / "state"),
        None,
        "" if is_user else "root",
    )
    path = host.place / "dir-sync-x.service"
    path.write_text(boot_files.unit(made))
    assert verified(path, *(["--user"] if is_user else [])) == ""


def test_what_systemd_would_refuse_is_noticed_by_this_test(host: Host) -> None:
    path = host.place / "dir-sync-x.service"
    path.write_text("[Service]\nType=notify\nExecStart=/bin/true\nProtectSystem=maybe\n")
    assert "maybe" in verified(path)


def test_a_path_that_no_unit_can_hold(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.has("_SYSTEMD", user=True)
    folder = host.place / "two\nlines"
    folder.mkdir()
    assert cli.main(["service", "install", str(folder)]) == 1
    assert "cannot stand in a file" in capsys.readouterr().err
    assert not host.units()


@pytest.mark.parametrize("by", ["systemd", "cron"])
def test_each_action_as_json(host: Host, capsys: pytest.CaptureFixture[str], by: str) -> None:
    if by == "systemd":
        host.has("_SYSTEMD")

    def ask(code: int, action: str, *words: str) -> dict[str, Any]:
        assert cli.main(["service", action, str(host.folder), "--json", *words]) == code
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert not faults("service", answer)
        return answer

    printed = ask(0, "install", "--print")
    assert ("ExecStart=" if by == "systemd" else "@reboot") in printed["text"]
    made = ask(0, "install", "--name", "x")
    assert (made["action"], made["by"], made["file"] is None) == ("install", by, by == "cron")
    state = ask(0 if by == "systemd" else 4, "status")
    assert (state["runs"], state["state"]) == ((True, "active") if by == "systemd" else (False, "no node runs"))
    assert ask(0, "remove")["file"] == made["file"]
    assert "no service is installed" in ask(1, "remove")["error"]
    assert "--json" not in "".join(host.calls())


def test_without_systemd_cron_does_it(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.tab.write_text("5 4 * * * other\n")
    for _ in range(2):  # again: it is replaced
        assert cli.main(["service", "install", str(host.folder), "--name", "x"]) == 0, capsys.readouterr().err
    other, line = host.tab.read_text().splitlines()
    assert other == "5 4 * * * other"
    assert line.startswith("@reboot ")
    assert f"start '{host.place}/my shared 50\\% $x' --name=x # dir-sync-" in line
    assert host.calls()[-1] == f"start '{host.folder}' --name=x"
    assert cli.main(["service", "status", str(host.folder)]) == 4
    assert "a line of your crontab" in capsys.readouterr().out
    assert cli.main(["service", "remove", str(host.folder)]) == 0
    assert host.tab.read_text() == "5 4 * * * other\n"
    assert cli.main(["service", "remove", str(host.folder)]) == 1


OTHERS = b"# m\xfcll\n\n5 4 * * * a\x0cb \xe2\x80\xa8 c\rd\r\n@daily last"


def test_the_lines_of_others_stay_byte_for_byte(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.tab.write_bytes(OTHERS)
    for _ in range(2):
        assert cli.main(["service", "install", str(host.folder)]) == 0, capsys.readouterr().err
    kept, _, line = host.tab.read_bytes().rpartition(b"\n@reboot ")
    assert kept == OTHERS
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert cli.main(["service", "status", str(host.folder)]) == 4
    assert cli.main(["service", "remove", str(host.folder)]) == 0
    assert host.tab.read_bytes() == OTHERS + b"\n"


@pytest.mark.parametrize(
    "said",
    ["cannot open the spool", "crontab: can't change directory to '/var/spool/cron': No such file or directory", ""],
)
def test_a_crontab_that_cannot_be_read_is_not_an_empty_one(
    host: Host, capsys: pytest.CaptureFixture[str], said: str
) -> None:
    assert cli.main(["service", "install", str(host.folder)]) == 0
    before = host.tab.read_bytes()
    Path(f"{host.tab}.fails").write_text(said)
    host.calls()
    for action in ("install", "remove", "status"):
        assert cli.main(["service", action, str(host.folder), *(["--name=y"] if action == "install" else [])]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert f"your crontab cannot be read, so nothing is changed: crontab -l: {said or 'exit code 1'}" in line
        assert host.calls() == ["crontab -l"]
    assert host.tab.read_bytes() == before


@pytest.mark.parametrize(
    "said", ["no crontab for me\n", "crontab: can't open 'me': No such file or directory\n"], ids=["cron", "busybox"]
)
def test_who_has_no_crontab_gets_one(host: Host, said: str) -> None:
    Path(f"{host.tab}.fails").write_text(said)
    assert cli.main(["service", "install", str(host.folder)]) == 0
    assert host.tab.read_text().startswith("@reboot ")


class Running(NamedTuple):
    """A stand-in for a node, as service sees it."""

    number: int
    in_terminal: bool = False
    unit: str = ""
    folders: tuple[str, ...] = ()
    typed: list[str] | None = None
    works_in: str = "/"

    @property
    def process(self) -> SimpleNamespace:
        return SimpleNamespace(ends_with_terminal=self.in_terminal)


def test_again_with_other_options_and_removed_the_node_is_ended(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    node: list[Running] = []

    def ends(one: Running) -> None:
        node.remove(one)
        with host.calls_file.open("a") as file:
            file.write(f"end {one.number}\n")

    monkeypatch.setattr(service, "node_of", lambda folder: node[0] if node else None)
    monkeypatch.setattr(service, "node_of_file", lambda file: node[0] if node else None)
    monkeypatch.setattr(service, "ends", ends)
    assert cli.main(["service", "install", str(host.folder)]) == 0
    host.calls()
    node.append(Running(70))
    assert cli.main(["service", "install", str(host.folder), "-l", "6101"]) == 0
    assert host.calls()[-2:] == ["end 70", f"start '{host.folder}' --listen-port=6101"]
    assert "stopped: process 70" in capsys.readouterr().out
    node.append(Running(71, in_terminal=True))
    assert cli.main(["service", "remove", str(host.folder)]) == 0
    assert "process 71 runs in a terminal, and goes on" in capsys.readouterr().out
    assert node.pop().number == 71
    file = host.place / "config.toml"
    file.write_text('[folders.one]\ndir = "my shared 50% $x"\n')
    for words in ([str(host.folder)], ["--config", str(file)]):
        assert cli.main(["service", "install", *words]) == 0
        node.append(Running(72))
        assert cli.main(["service", "remove", *words]) == 0, capsys.readouterr().err
        assert host.calls()[-1] == "end 72"
        assert capsys.readouterr().out.endswith("removed from your crontab\nstopped: process 72\n")
    assert host.tab.read_text() == ""


@pytest.mark.parametrize("by", ["cron", "systemd"])
def test_a_node_that_shares_other_folders_is_not_ended(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    if by == "systemd":
        host.has("_SYSTEMD", user=True)
    other = host.place / "other"
    other.mkdir()
    ended: list[Running] = []
    node = Running(70, folders=(str(host.folder), str(other)))
    monkeypatch.setattr(service, "node_of", lambda folder: None if ended else node)
    monkeypatch.setattr(service, "ends", ended.append)
    assert cli.main(["service", "install", str(host.folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"process 70 also shares {other}, and would be ended" in line
    assert not ended
    assert not host.tab.exists()
    assert not host.units()
    assert host.calls_file.exists() is False
    assert cli.main(["service", "install", str(host.folder), "--print"]) == 0, "nothing is ended"
    file = host.place / "config.toml"
    file.write_text('[folders.one]\ndir = "my shared 50% $x"\n')
    monkeypatch.setattr(service, "node_of_file", lambda file: None)
    assert cli.main(["service", "install", "--config", str(file)]) == 1
    monkeypatch.setattr(service, "node_of_file", lambda file: node)
    assert cli.main(["service", "install", "--config", str(file)]) == 0, "the other folder was taken out of its file"
    assert ended.pop() == node
    assert cli.main(["service", "install", f"one={host.folder}", f"two={other}"]) == 0, capsys.readouterr().err
    assert ended == [node]


def has_only(host: Host, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """What keeps programs running there: cron, systemd, or nothing."""
    if by == "systemd":
        host.has("_SYSTEMD", user=True)
    elif by == "none":
        monkeypatch.setenv("PATH", str(host.place))


@pytest.mark.parametrize("by", ["cron", "systemd", "none"])
def test_options_of_the_node_that_the_service_does_not_get_are_named(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    has_only(host, monkeypatch, by)
    folder = str(host.folder)
    typed = ["run", folder, "--name=anna", "-l", "7001", "--limit-up", "2M", "--log-file=/var/log/x"]
    node = Running(70, folders=(folder,), typed=typed)
    monkeypatch.setattr(service, "node_of", lambda folder: node)
    assert cli.main(["service", "install", folder, "--print", "--limit-up", "3M"]) == (by == "none")
    line = capsys.readouterr().err.splitlines()[0]
    assert line.startswith(
        "the node that runs (process 70) has --listen-port=7001 --name=anna, which the service does not get;"
    )
    assert line.endswith(f"service install {shlex.quote(folder)} --listen-port=7001 --name=anna --limit-up=3M")
    words = ["--name=anna", "-l7001"]
    assert cli.main(["service", "install", folder, "--print", "--limit-up", "3M", *words]) == (by == "none")
    assert "does not get" not in capsys.readouterr().err


@pytest.mark.parametrize("by", ["cron", "systemd", "none"])
def test_who_cannot_write_there_is_told_so_first(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    has_only(host, monkeypatch, by)
    shut = host.folder / ".dir_sync"
    shut.mkdir()
    access = os.access

    def as_another(path: str, mode: int, *, effective_ids: bool = False) -> bool:
        return path != str(shut) and access(path, mode)

    monkeypatch.setattr(os, "access", as_another)
    for more in ([], ["--print"]):
        assert cli.main(["service", "install", str(host.folder), *more]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        (line,) = said.err.splitlines()
        assert f"you cannot write into {shut}, which belongs to" in line
    assert not host.tab.exists()
    assert not host.units()
    assert not host.calls_file.exists()


@pytest.mark.parametrize("option", [["--user", "nobody"], ["--system"], ["--system", "--print"]])
def test_cron_is_that_of_the_user_alone(host: Host, capsys: pytest.CaptureFixture[str], option: list[str]) -> None:
    assert cli.main(["service", "install", str(host.folder), *option]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "cron starts a node only for the user whose crontab it is" in line
    assert not host.tab.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_no_line_is_written_that_can_never_start(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(host.folder, 65534, 65534)
    for path in (str(host.place), os.environ["PATH"]):  # without a cron, and with one
        monkeypatch.setenv("PATH", path)
        assert cli.main(["service", "install", str(host.folder)]) == 1
        said = capsys.readouterr().err
        assert "belongs to nobody, and you are root" in said
        assert "at each boot" not in said
    assert not host.tab.exists()
    assert cli.main(["service", "install", str(host.folder), "--preserve", "owner"]) == 0


def test_without_anything_the_line_for_the_boot_is_said(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(host.place))
    for only_print in ([], ["--print"]):
        assert cli.main(["service", "install", str(host.folder), *only_print]) == 1
        said = capsys.readouterr().err
        assert "neither systemd nor OpenRC nor cron here: let your system run this at each boot" in said
        assert f"start '{host.folder}'" in said
    for action in ("status", "remove"):
        assert cli.main(["service", action, str(host.folder)]) == 1
        said = capsys.readouterr().err
        assert "no service is installed" in said
        assert said.endswith("there is neither systemd nor OpenRC nor cron here\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_openrc(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.has("_OPENRC")
    (host.place / "it's").mkdir()
    assert cli.main(["service", "install", str(host.place / "it's"), "--name", "x y"]) == 0, capsys.readouterr().err
    (path,) = host.units()
    assert path.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", path], check=False).returncode == 0
    show = f'. "{path}" 2>/dev/null; eval "set -- $command_args"; printf "%s\\n" "$command_user" "$@"'
    said = subprocess.run(["sh", "-c", show], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0] == "root"
    assert said[-3:] == ["run", f"{host.place}/it's", "--name=x y"]
    assert host.calls() == [f"rc-update add {path.name} default", f"rc-service {path.name} restart"]
    assert cli.main(["service", "remove", str(host.place / "it's")]) == 0
    assert not host.units()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["install", "shared", "--join", "K7QX-4MDP"], "join first"),
        (["install", "nowhere"], "no such folder"),
        (["install"], "which folder"),
        ([], "which folder"),
        (["shared"], "first word"),
        (["install", "shared", "--limit-up", "x"], "bytes a second"),
    ],
)
def test_what_is_refused(host: Host, capsys: pytest.CaptureFixture[str], words: list[str], why: str) -> None:
    (host.place / "shared").mkdir()
    assert cli.main(["service", *words]) == 2
    said = capsys.readouterr().err
    assert why in said
    assert len(said.splitlines()) == 1
    assert not host.units()


def test_what_fails_is_said_in_the_words_of_systemd(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    host.has("_SYSTEMD", user=True)
    (host.place / "bin" / "systemctl").write_text(
        "#!/bin/sh\necho 'Failed to connect to bus: No medium found' >&2; exit 1\n"
    )
    assert cli.main(["service", "install", str(host.folder)]) == 1
    said = capsys.readouterr().err
    assert "is written, but the service does not run" in said
    assert "Failed to connect to bus" in said


@pytest.mark.parametrize("words", ["service status", "service install", "start", "restart"])
def test_a_current_folder_that_is_gone_is_no_fault_of_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert cli.main([*words.split(), str(tmp_path)]) == 1
    assert capsys.readouterr().err == "dir_sync: the current folder is gone: go to another one\n"
