"""The command line: right words become a Config, wrong ones one line and an exit code."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dir_sync import __version__, cli, config
from dir_sync.cli import hook_options
from dir_sync.config import Config, ConfigError
from dir_sync.daemon.signals import Ending
from dir_sync.folder import shared_now
from dir_sync.history import words as history_words
from dir_sync.reporting import log

NOBODY = 65534

Run = Callable[[Config], int]


class Daemon(types.ModuleType):
    """Stands where dir_sync.daemon will be imported; remembers what it was asked to run."""

    def __init__(self) -> None:
        super().__init__("dir_sync.daemon.process")
        self.asked: list[Config] = []
        self.does: Run = lambda asked: 0

    def run(self, asked: Sequence[Config], ending: Ending, rereading: object = None, supervisor: object = None) -> int:
        self.asked += asked
        return self.does(asked[0])


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    fake = Daemon()
    monkeypatch.setitem(sys.modules, "dir_sync.daemon.process", fake)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield fake
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder to share, in a folder where we stand."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shared").mkdir()
    return str((tmp_path / "shared").resolve())


def test_defaults(daemon: Daemon, folder: str) -> None:
    assert cli.main([folder]) == 0
    assert daemon.asked == [
        Config(
            folder=folder,
            broadcast_port=5000,
            listen_port=6000,
            signature_dir="/tmp/signatures",
            peers=(),
            name=config.host_name(),
            folder_name="default",
            interface=None,
            verbosity=0,
            log_file=None,
            on_event_kinds=frozenset(hook_options.NOTABLE),
        )
    ]


def test_all_options(daemon: Daemon, folder: str, tmp_path: Path) -> None:
    words = "shared -b 5001 -l 6001 -s cache --peer anna --peer 10.0.0.7:7000 --peer anna:6000 --name Böb"
    assert cli.main([*words.split(), "--folder", "x", "--interface", "eth0", "-vv", "--log-file", "log"]) == 0
    assert daemon.asked == [
        Config(
            folder=folder,
            broadcast_port=5001,
            listen_port=6001,
            signature_dir=str(tmp_path / "cache"),
            peers=(("anna", 6000), ("10.0.0.7", 7000)),
            name="Böb",
            folder_name="x",
            interface="eth0",
            verbosity=2,
            log_file=str(tmp_path / "log"),
            on_event_kinds=frozenset(hook_options.NOTABLE),
        )
    ]


@pytest.mark.parametrize(
    ("words", "bounds"),
    [
        ("--history-days 36500", (10**9, 50 * 10**9)),
        ("--history-max 500M", (500 * 10**6, 500 * 10**6)),
        ("--history-min 60G", (60 * 10**9, 60 * 10**9)),
        ("--history-min 1k --history-max 1k", (1000, 1000)),
    ],
)
def test_a_bound_of_the_history_that_is_not_given_gives_way(
    daemon: Daemon, folder: str, words: str, bounds: tuple[int, int]
) -> None:
    assert cli.main(["shared", *words.split()]) == 0
    (asked,) = daemon.asked
    assert (asked.history_min, asked.history_max) == bounds


@pytest.mark.parametrize(
    "words",
    [
        "run shared -b 1 -l 2 -s x",
        "shared --broadcast-port 1 --listen-port 2 --signature-dir x",
        "--signature_dir x --broadcast-port=1 shared --listen-port=2",
        "run -b1 -l2 -sx shared",
        "-b 9 -l 2 -s x -b 1 -- shared",
    ],
)
def test_ways_to_say_the_same(daemon: Daemon, folder: str, tmp_path: Path, words: str) -> None:
    assert cli.main(words.split()) == 0
    (asked,) = daemon.asked
    assert (asked.folder, asked.broadcast_port, asked.listen_port) == (folder, 1, 2)
    assert asked.signature_dir == str(tmp_path / "x")


def test_a_command_only_if_it_is_one_of_ours(daemon: Daemon, folder: str, tmp_path: Path) -> None:
    for name in ("run", "history"):
        (tmp_path / name).mkdir()
    assert [cli.main([word]) for word in ("./history", "./run", "run/", "--", "run")] == [0, 0, 0, 2, 2]
    assert cli.main(["run", "run"]) == 0
    assert cli.main(["--", "run"]) == 0
    assert [os.path.basename(asked.folder) for asked in daemon.asked] == ["history", *["run"] * 4]


def test_a_folder_is_told_by_its_real_path(daemon: Daemon, folder: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("shared")
    assert cli.main(["link/../link/."]) == 0
    assert daemon.asked[0].folder == folder


def test_any_name_a_file_system_takes(daemon: Daemon, folder: str, tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/\xff\n -x")
    assert cli.main([os.fsdecode(b"./\xff\n -x")]) == 0
    assert os.fsencode(daemon.asked[0].folder).endswith(b"/\xff\n -x")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "which folder? For example: python main.py ~/shared"),
        (["run"], "which folder? For example: python main.py ~/shared"),
        (["-b", "5000"], "which folder? For example: python main.py ~/shared"),
        ([""], "DIR is empty: which folder?"),
        (["missing"], "missing: there is no such folder; make it with: mkdir -p -- missing"),
        (["a b/it's"], """a b/it's: there is no such folder; make it with: mkdir -p -- 'a b/it'"'"'s'"""),
        (["nowhere"], "nowhere is a link to a folder that does not exist"),
        (["nowhere/"], "nowhere/ is a link to a folder that does not exist"),
        (["--versio"], "unrecognized arguments: --versio (did you mean --version?)"),
        (["help", "bogus"], "there is no command bogus; all of them: python main.py --help"),
        (["conflicts", "shared", "drop"], "keep|restore|show|merge: invalid choice: 'drop'"),
        (["file"], "file is not a folder"),
        (["file/x"], "file/x: there is no such folder"),
        (["loop"], "loop: "),
        (["x" * 300], "x…: File name too long"),
        (["a\0b"], r"a\x00b cannot be the name of a folder"),
        (["a\x1b[2Jb"], r"a\x1b[2Jb: there is no such folder"),
        (
            ["shared/.dir_sync/versions"],
            "shared/.dir_sync/versions is inside .dir_sync, which is never shared",
        ),
        (["shared", "other"], "other: there is no such folder"),
        (["shared", "--peers", "x"], "unrecognized arguments: --peers x (did you mean --peer?)"),
        (
            ["shared", "--port", "7"],
            "unrecognized arguments: --port 7 (did you mean --broadcast-port or --listen-port?)",
        ),
        (["shared", "--broad", "5000"], "unrecognized arguments: --broad 5000"),
        (["shared", "-b"], "-b/--broadcast-port: expected one argument"),
        (["shared", "-b", "0"], "-b/--broadcast-port: '0' is not a port (1-65535)"),
        (["shared", "-b", "65536"], "-b/--broadcast-port: '65536' is not a port (1-65535)"),
        (["shared", "-l", "-1"], "-l/--listen-port: "),
        (["shared", "-l", "6 000"], "-l/--listen-port: '6 000' is not a port (1-65535)"),
        (["shared", "-l", "6_0"], "-l/--listen-port: '6_0' is not a port (1-65535)"),
        (["shared", "-l", "٣"], "-l/--listen-port: '٣' is not a port (1-65535)"),
        (["shared", "-l", "9" * 5000], "-l/--listen-port: '999"),
        (["shared", "-l", ""], "-l/--listen-port: '' is not a port (1-65535)"),
        (["shared", "-s", ""], "--signature-dir: this is not a path"),
        (["shared", "--log-file", ""], "--log-file: this is not a path"),
        (["shared", "--log-file", "shared/log"], "--log-file is inside DIR"),
        (["shared", "--log-file", "missing/log"], "cannot write the log file "),
        (["shared", "--log-file", "."], "cannot write the log file "),
        (["shared", "--peer", ""], "--peer: "),
        (["shared", "--peer", "a b"], "--peer: "),
        (["shared", "--peer", "anna:"], "--peer: "),
        (["shared", "--peer", "anna:x"], "--peer: "),
        (["shared", "--peer", "anna:70000"], "--peer: "),
        (["shared", "--peer", "6000"], "--peer: "),
        (["shared", "--peer", "1.2.3.400"], "--peer: "),
        (["shared", "--peer", "an\nna"], "--peer: "),
        (["shared", *["--peer", "a"] * 257], "more than 256 peers"),
        (["shared", "--name", ""], "--name: a name needs at least one character"),
        (["shared", "--name", "x" * 65], "--name: a name of 65 characters; 64 is the limit"),
        (["shared", "--name", "a\nb"], r"--name: 'a\nb' has characters that cannot be printed"),
        (
            ["shared", "--name", os.fsdecode(b"\xff")],
            r"--name: '\xff' has characters that cannot be printed",
        ),
        (["shared", "--name", "anna "], "--name: 'anna ' begins or ends with a space"),
        (["shared", "--folder", ""], "--folder: a name needs at least one character"),
        (["shared", "--interface", ""], "--interface: a name needs at least one character"),
        (["shared", "--history-days", "99999999999"], "--history-days: a whole number from 0 to 36,500 is needed"),
        (["shared", "--history-days", "36501"], "--history-days: a whole number from 0 to 36,500 is needed"),
        (["shared", "--history-min", "10G", "--history-max", "1G"], "--history-min is more than --history-max"),
        (["shared", "-q", "-v"], "-v/--verbose: not allowed with argument -q/--quiet"),
        (["shared", "-x\x1b\n"], r"unrecognized arguments: -x\x1b\n"),
    ],
)
def test_bad_words(
    daemon: Daemon,
    folder: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    reason: str,
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("not there")
    (tmp_path / "shared/.dir_sync/versions").mkdir(parents=True)
    assert cli.main(words) in (1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dir_sync: ")
    assert reason in err
    assert err.count("\n") == 1
    assert err[:-1].isprintable()
    assert daemon.asked == []


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ({}, 0, "nothing is held: there is nothing to decide"),
        ({"files": 20}, 0, "approved: what was done to 20 files now happens on all connected machines"),
        (
            {"files": 1, "missing": 1, "missing_here": 1},
            0,
            "approved: 1 file that vanished is deleted\n"
            "no other machine is connected: those that connect later may ask again",
        ),
        (
            {"files": 20, "missing": 20, "others": ["bob", "carol"]},
            0,
            "approved: 20 files that vanished are deleted\n"
            "bob and carol may hold this, too, and ask again: then approve it on one of them as well",
        ),
        ({"files": 20, "missing": 20}, 0, "approved: 20 files that vanished are deleted"),
        (
            {"elsewhere": 20},
            1,
            "dir_sync: nothing was approved: what this node did to 20 files can only be approved on another machine: run"
            " it there",
        ),
        (
            {"files": 1, "elsewhere": 1},
            0,
            "approved: what was done to 1 file now happens on all connected machines\n"
            "what this node did to 1 file can only be approved on another machine: run it there",
        ),
    ],
)
def test_what_an_approval_decided_and_who_still_asks(
    folder: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: dict[str, object],
    code: int,
    said: str,
) -> None:
    empty: dict[str, object] = {"files": 0, "missing": 0, "missing_here": 0, "elsewhere": 0, "others": []}
    monkeypatch.setattr("dir_sync.cli.dialogue.ask", lambda *_: empty | answer)
    assert cli.main(["approve", "shared"]) == code
    out, err = capsys.readouterr()
    assert (err if code else out) == said + "\n"


@pytest.mark.parametrize("inner", [True, False])
def test_a_command_for_a_folder_inside_the_shared_one_names_that(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], inner: bool
) -> None:
    """To start a node there, as is advised otherwise, would be refused."""
    (tmp_path / "shared/inner").mkdir()
    (tmp_path / "shared/.dir_sync").mkdir()
    (tmp_path / "shared/.dir_sync/index.db").touch()
    assert cli.main(["status", "shared/inner" if inner else "shared"]) == 1
    err = capsys.readouterr().err
    assert (f"is inside {folder}, which is shared itself" in err) == inner
    assert ("to start one" in err) != inner


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 2),
        (["missing"], 2),
        (["shared", "-b", "0"], 2),
        (["shared", "--log-file", "missing/log"], 1),
        (["shared", "--history-days", "99999999999"], 2),
        (["shared", "--history-min", "10G", "--history-max", "1G"], 2),
    ],
)
def test_exit_codes(daemon: Daemon, folder: str, words: list[str], code: int) -> None:
    assert cli.main(words) == code


@pytest.fixture
def nobody_folder() -> Iterator[str]:
    """A folder whose permissions count: root may do anything, so for the test we are somebody else."""
    with tempfile.TemporaryDirectory() as outer:  # not tmp_path, which nobody else may enter
        os.chmod(outer, 0o755)
        folder = os.path.join(os.path.realpath(outer), "shared")
        os.mkdir(folder)
        is_root = os.geteuid() == 0
        if is_root:
            os.chown(folder, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            if is_root:
                os.seteuid(0)
            os.chmod(folder, 0o700)


@pytest.mark.parametrize(("mode", "word"), [(0o000, "read"), (0o300, "read"), (0o600, "read"), (0o500, "written")])
def test_a_folder_without_permission(
    daemon: Daemon, nobody_folder: str, capsys: pytest.CaptureFixture[str], mode: int, word: str
) -> None:
    os.chmod(nobody_folder, mode)
    assert cli.main([nobody_folder]) == 1
    reason = f"dir_sync: {nobody_folder} cannot be {word}: check its permissions and its file system\n"
    assert capsys.readouterr().err == reason
    assert daemon.asked == []


def test_log_file_where_it_is_not_synchronized(daemon: Daemon, folder: str, tmp_path: Path) -> None:
    (tmp_path / "shared/.dir_sync").mkdir()
    (tmp_path / "shared.old").mkdir()
    (tmp_path / "way").symlink_to("shared")
    assert cli.main(["shared", "--log-file", "shared/.dir_sync/log"]) == 0
    assert cli.main(["shared", "--log-file", "shared.old/log"]) == 0
    assert cli.main(["shared", "--log-file", "way/log"]) == 2


@pytest.mark.parametrize("words", [["--version"], ["run", "--version"], ["nowhere", "--version"]])
def test_version(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.main(words) == 0
    assert capsys.readouterr().out == f"dir_sync {__version__}\n"


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["run", "--help"], ["nowhere", "-b", "5000", "-h"]])
def test_help(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "example" in out
    assert "main.py ~/shared -b 5000 -l 6000 -s /tmp/signatures" in out
    for option in (
        *(
            "--broadcast-port",
            "--listen-port",
            "--signature-dir",
            "--peer",
            "--name",
            "--folder",
            "--interface",
        ),
        *("--verbose", "--quiet", "--log-file", "--version", "--help"),
    ):
        assert option in out
    assert "signature_dir" not in out


def test_the_daemons_words_are_the_last_ones(
    daemon: Daemon, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def taken(asked: Config) -> int:
        raise ConfigError("port 6000 is taken: another program, or another node on this machine (-l)")

    daemon.does = taken
    assert cli.main([folder, "-q", "--log-file", "log"]) == 1
    reason = "port 6000 is taken: another program, or another node on this machine (-l)"
    assert capsys.readouterr().err == f"dir_sync: {reason}\n"
    assert reason in (tmp_path / "log").read_text()


def test_a_signal_at_the_very_start_ends_it_as_later_on(daemon: Daemon, folder: str) -> None:
    """While the rest of the program is still being loaded."""

    def hung_up(asked: Config) -> int:
        signal.raise_signal(signal.SIGHUP)
        return 7

    daemon.does = hung_up
    assert cli.main([folder]) == 7


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["stats", "shared"], "status"),
        (["Status", "shared"], "status"),
        (["restroe", "shared", "x"], "restore"),
        (["conflict", "shared"], "conflicts"),
        (["statsu"], "status"),
        (["help", "histroy"], "history"),
    ],
)
def test_a_mistyped_command(
    daemon: Daemon, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], meant: str
) -> None:
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(f"no such command or folder; did you mean 'python main.py {meant}'?\n")
    (tmp_path / words[0]).mkdir(exist_ok=True)
    if words[0] != "help":
        assert cli.main(words[:1]) == 0, "a folder of that name is meant"
        assert daemon.asked[0].folder == str((tmp_path / words[0]).resolve())


def test_the_command_comes_first(daemon: Daemon, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["shared", "restore", "my file"]) == 2
    assert capsys.readouterr().err == "dir_sync: the command comes first: python main.py restore shared 'my file'\n"
    assert daemon.asked == []


def test_the_status_of_another_version_is_one_line(
    folder: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dir_sync.cli.dialogue.ask", lambda *_: {"folder": folder, "a key of that version": 1})
    assert cli.main(["status", folder]) == 1
    said = capsys.readouterr()
    assert not said.out
    assert said.err == "dir_sync: the running node is another version: restart it\n"


@pytest.mark.parametrize("words", [["help"], ["help", "status"], ["version"], ["help", "run"]])
def test_help_and_version_as_words(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"dir_sync {__version__}" if words == ["version"] else "usage: python main.py ")
    assert ("usage: python main.py status" in out) == ("status" in words)


ALL = [name for name in cli.COMMANDS if name not in ("run", "help", "version")]
OF_FOLDERS = [
    name for name in ALL if name not in ("config", "reload", "once", "completion", "doctor", "service", "web")
]  # they have tests of their own
RUNS = ("start", "stop", "restart", "service", "events")  # their examples would do it


@pytest.mark.parametrize("name", OF_FOLDERS)
def test_a_command_without_its_folder(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """The example is one of that command: another one would start a node."""
    assert cli.main([name]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lacking = "FILE is missing." if name == "new-key" else "which folder?"
    assert err.startswith(f"dir_sync: {lacking} For example: python main.py {name} ~/shared")
    cli.main([name, "--help"])
    assert err.split(": ")[2].removesuffix(" (--help tells more)\n") in capsys.readouterr().out, "one that is in --help"


def test_a_command_without_its_folder_names_those_of_running_nodes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    found = ["/home/anna/my docs", "/srv/music"]
    monkeypatch.setattr(shared_now, "shared_now", lambda: found)

    def told(*words: str) -> str:
        assert cli.main([*words]) == 2
        return capsys.readouterr().err

    several = "dir_sync: which folder? Nodes run for ~/'my docs' and /srv/music. For example: python main.py "
    for name, more in (("held", ""), ("pause", ""), ("history", "")):
        assert told(name).startswith(f"{several}{name} ~/'my docs'{more}")
    assert told("join") == "dir_sync: which folder? For example: python main.py join ~/shared (--help tells more)\n"
    del found[0]
    assert "which folder? A node runs for /srv/music. For example: python main.py wait /srv/music (" in told("wait")
    found += [f"/srv/{number}" for number in range(6)]
    assert "/srv/3 and 2 more. For example" in told("wait")


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
@pytest.mark.parametrize("name", ["", *ALL])
def test_help_fits_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, columns: int
) -> None:
    """And has an example that is one, for each command."""
    monkeypatch.setenv("COLUMNS", str(columns))
    assert cli.main([*([name] if name else []), "--help"]) == 0
    out, _ = capsys.readouterr()
    widest = max(len(line) for line in out.splitlines())
    assert widest <= (100 if columns > 80 else 80)
    assert widest > 70 or columns < 100
    examples = re.findall(rf"^  python main.py {name}\b.*$", out, re.MULTILINE)
    assert examples, "an example"
    if not name:
        assert cli.main(["--help-all"]) == 0
        out, _ = capsys.readouterr()
        assert out.index("basic options:") < out.index("--peer") < out.index("advanced:") < out.index("--brake-files")


@pytest.mark.parametrize("name", [name for name in OF_FOLDERS if name not in RUNS])
def test_examples_are_right(
    capsys: pytest.CaptureFixture[str], folder: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them is accepted: what is then in the way is that nothing was ever shared, or nobody is there."""

    def nobody(*args: object, **more: object) -> socket.socket:
        raise OSError("nobody is there")

    monkeypatch.setattr(socket, "create_connection", nobody)
    monkeypatch.setattr("dir_sync.security.joining.inviters", lambda *args: iter(()))
    assert cli.main([name, "--help"]) == 0
    out, _ = capsys.readouterr()
    for example in re.findall(rf"^  python main.py ({name} .*)$", out, re.MULTILINE):
        words = shlex.split(example.partition("&&")[0].partition("||")[0].replace("~/shared", folder))
        code = cli.main(words)
        if name == "why" and len(words) == 2:  # the shared folder is found by its index, and there is none
            assert code == 2
            assert "is in no folder that was shared from here" in capsys.readouterr().err
            continue
        if name == "ignore":  # it needs no node; a file that is not there is shared, and cannot be read
            assert code in (0, 1, 4)
            capsys.readouterr()
            continue
        assert code == (0 if name == "new-key" else 1), example
        _, err = capsys.readouterr()
        reasons = (
            "no node is running for|was never shared from here|is open, and has no key|belongs to no closed mesh"
            "|needs your consent|which code|no machine invites|nobody is there|is open: it belongs to"
        )
        assert name == "new-key" or re.search(reasons, err), err


def test_the_daemons_exit_code(daemon: Daemon, folder: str) -> None:
    daemon.does = lambda asked: 7
    assert cli.main([folder]) == 7


def test_interrupted_before_it_began(daemon: Daemon, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(asked: Config) -> int:
        raise KeyboardInterrupt

    daemon.does = interrupted
    assert cli.main([folder]) == 130
    assert capsys.readouterr().err == ""


def fault(asked: Config) -> int:
    raise ZeroDivisionError("by\nnothing")


def test_a_fault_of_ours_is_one_line(daemon: Daemon, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.does = fault
    assert cli.main([folder]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(r"dir_sync: stopped by ZeroDivisionError: by\nnothing (dir_sync/cli/entry.py:")
    assert "a fault of dir_sync" in line


def test_a_fault_of_ours_in_full(
    daemon: Daemon, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.does = fault
    assert cli.main([folder, "-v", "--log-file", "log"]) == 1
    for text in (capsys.readouterr().err, (tmp_path / "log").read_text()):
        assert "| Traceback" in text
        assert "stopped by ZeroDivisionError" in text.splitlines()[-1]


def test_logging_is_set_up_for_the_daemon_and_ended_after_it(
    daemon: Daemon, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def says(asked: Config) -> int:
        log.logger.info("here")
        return 0

    daemon.does = says
    assert cli.main([folder]) == 0
    assert cli.main([folder, "-q"]) == 0
    log.logger.info("after")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("  here")


@given(st.lists(st.one_of(st.text(), st.sampled_from(["-b", "-l", "--peer", "--name", "-s", "run", "--", "-", "/"]))))
def test_no_words_raise(words: list[str]) -> None:
    """Whatever is said: a Config, or one line for the user."""
    answer: Config | BaseException
    try:
        (answer,) = cli.read_configs(words)
    except (ConfigError, SystemExit) as end:
        answer = end
    match answer:
        case SystemExit():
            assert answer.code == 0
        case ConfigError():
            assert answer.exit_code in (1, 2)
            assert log.escape(str(answer)).isprintable()


@given(st.text())
def test_checked_name(text: str) -> None:
    try:
        name = config.checked_name(text)
    except ConfigError:
        return
    assert name == text
    assert 1 <= len(name) <= 64
    assert name.isprintable()


@pytest.mark.parametrize(
    ("nodename", "name"),
    [("anna", "anna"), ("", "unnamed"), ("a\nb", "ab"), ("x" * 80, "x" * 64), ("x" * 63 + " y", "x" * 63)],
)
def test_host_name(monkeypatch: pytest.MonkeyPatch, nodename: str, name: str) -> None:
    monkeypatch.setattr(os, "uname", lambda: types.SimpleNamespace(nodename=nodename))
    assert config.host_name() == name
    assert config.checked_name(name) == name


@pytest.mark.parametrize(
    "text", ["2026-11-21 14:30", "2026-11-21T14:30", "2026-11-21T14:30:00", "14:30", "14:30:00", "2m"]
)
def test_times_as_people_say_them(text: str) -> None:
    now = time.mktime((2026, 11, 21, 14, 32, 0, 0, 0, -1))
    assert history_words.local(history_words.moment(text, int(now) * 10**9)) == "2026-11-21 14:30:00"


def test_a_code_comes_before_the_node(
    daemon: Daemon, folder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--join CODE``: a node runs only if this machine has joined; and a folder that is closed already needs no code."""
    monkeypatch.setattr("dir_sync.security.joining.inviters", lambda *args: iter(()))
    assert cli.main([folder, "--join", "K7QX-4MDP"]) == 1
    assert "no machine invites with a code that begins with K7" in capsys.readouterr().err
    assert cli.main([folder, "--join", "nonsense!"]) == 2
    assert not daemon.asked
    marker = Path(folder, ".dir_sync", "closed")
    marker.parent.mkdir(exist_ok=True)
    marker.write_text("7K3Q-9XMD\n")
    assert cli.main([folder, "--join", "K7QX-4MDP"]) == 0
    assert "not needed" in capsys.readouterr().err
    assert [asked.join for asked in daemon.asked] == ["K7QX-4MDP"]
