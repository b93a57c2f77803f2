"""Every command line of the README and of the pages of docs/ for users is run, as printed.

Of blocks (indented, or fenced as sh, bash, console or nothing) whose first word is a command, all lines are run by bash, one
block after the other. Blocks of other words are sample output; so are fences with another name (```text). Inline code that
begins with a script or program of the project is run as well, each optional part left out and put in. The commands about
a closed mesh need several machines and somebody who answers: they have a test of their own.

What is replaced: /tmp and ~ are folders of the test; main.py is tests/readme_door.py, which keeps nodes on this machine; the
set-up is done already; the tests are only collected; commands for the system (sudo, apt, ufw ...) do nothing. A node that a
line starts in the foreground stays in the background, as in another terminal, and has to end well.
"""

from __future__ import annotations

import itertools
import json
import os
import pty
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dir_sync.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
COMING_FROM = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", (ROOT / "docs/coming-from.md").read_text("utf-8"), re.M))
"""The tables of docs/coming-from.md, by the tool that they are about."""
LIMIT_S = 120
PAGES = (
    "first-minute",
    "keep-running",
    "get-a-file-back",
    "who-wins",
    "several-folders",
    "troubleshooting",
    "doctor",
    "install",
)
"""Of docs/: those whose commands are typed by a person on one machine."""
ONLY_READ = ("scripts/run reload", "scripts/run web --open", "scripts/run status ~/shared --watch")
"""The first one needs a node with a configuration file, the others go on until somebody ends them; other tests have them."""

SHELLS = ("", "sh", "bash", "shell", "console")
PYTHONS = ("python", "python3", ".venv/bin/python")
PROGRAMS = (
    "scripts/",
    "nohup scripts/",
    "main.py",
    "./main.py",
    "dir-sync",
    *(f"{python} {what}" for python in PYTHONS for what in ("main.py", "-m tests")),
)
SYSTEM = (
    "sudo",
    "apt",
    "apt-get",
    "ufw",
    "sysctl",
    "systemctl",
    "loginctl",
    "crontab",
    "pipx",
    "uv",
    "firewall-cmd",
    "journalctl",
)
WORDS_OF_THE_SHELL = (
    *("cd", "echo", "export", "for", "if", "kill", "until", "while", "wait", "printf", "read", "set", "alias", "nohup"),
    *SYSTEM,
)
PLACEHOLDERS = {
    "DIR": "~/shared",
    "PATH": "notes.txt",
    "TIME": "10m",
    "NODE": "anna",
    "NAME": "anna",
    "FILE": "~/copy.txt",
    "HOST": "127.0.0.1",
    "HOST[:PORT]": "127.0.0.1",
    "ADDRESS": "127.0.0.1",
    "PORT": "6001",
    "SIZE": "1G",
    "N": "3",
    "P": "10",
    "K": "7",
    "MINUTES": "1",
}


# --- what the README has ---------------------------------------------------------------------------------------------


def blocks(text: str) -> Iterator[list[str]]:
    """The lines of each block of code that is not named as something else than a shell's."""
    lines = iter(text.splitlines())
    found: list[str] = []
    blank = True
    for line in lines:
        fence = re.match(r"\s*```\s*(\w*)", line)
        if fence:
            inside = list(itertools.takewhile(lambda each: not each.strip().startswith("```"), lines))
            if fence[1].lower() in SHELLS:
                yield inside
        elif line.startswith("    ") and (blank or found):
            found.append(line[4:])
            continue
        if found and line.strip():
            yield found
            found = []
        blank = not line.strip()
    if found:
        yield found


def inline(text: str) -> list[str]:
    """The pieces of inline code."""
    prose = "\n".join(
        line for line in re.sub(r"```.*?```", "", text, flags=re.DOTALL).splitlines() if line[:4] != "    "
    )
    return [piece.replace("\\|", "|").strip() for piece in re.findall(r"`([^`]+)`", prose)]


def commands(block: list[str]) -> list[str]:
    """The lines of a block as they are typed; none if it is sample output."""
    lines = [line for line in block if line.strip()]
    if any(line.startswith("$ ") for line in lines):  # with the shell's own sign: what has none is output
        return [line[2:] for line in lines if line.startswith("$ ")]
    first = next((line.split() for line in lines if not line.startswith("#")), [""])[0]
    is_command = (
        first.startswith(("scripts/", "./", ".venv/")) or first in WORDS_OF_THE_SHELL or shutil.which(first) is not None
    )
    return lines if is_command else []


def variants(usage: str) -> list[str]:
    """A line of usage, without its optional parts and with them: each choice once. Placeholders get values."""
    usage = usage.replace(" ...", "")
    choices = [[usage]]
    while any("[" in words for words in choices[-1]):
        made = []
        for words in choices[-1]:
            found = re.search(r"\s\[([^\[\]]*)\]", words)
            if found is None:
                return []  # a bracket within a word: no line that can be typed
            inner = [f" {each.strip()}" for each in found[1].split("|")]
            made += [words[: found.start()] + each + words[found.end() :] for each in ["", *inner]]
        choices.append(made)
    return [" ".join(PLACEHOLDERS.get(word, word) for word in words.split()) for words in choices[-1]]


def inline_commands(text: str) -> list[str]:
    """All that can be run: not the mere name of a program."""
    found: list[str] = []
    for piece in inline(text):
        is_name = piece.rstrip() in ("scripts/run", "main.py", "python main.py", "dir-sync")
        if (
            piece.startswith(PROGRAMS)
            and not is_name
            and not re.search(r"<|\bARGS\b|\.\.\.$", piece.replace(" ...", ""))
        ):
            found += variants(re.sub(r"^main\.py", "python main.py", piece))
    return list(dict.fromkeys(found))


def is_node(line: str) -> bool:
    """It starts a node, and does not end."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return False
    while words and (re.fullmatch(r"\w+=.*", words[0]) or words[0] in (*PYTHONS, "nohup", "exec")):
        words = words[1:]
    if not words or words[0].rpartition("/")[2] not in ("run", "main.py", "dir-sync") or "&" in words or "&&" in words:
        return False
    rest = words[1:]
    return (
        bool(rest) and (rest[0] == "run" or rest[0] not in COMMANDS) and not {"-h", "--help", "--version"} & set(rest)
    )


def starts_aside(line: str) -> bool:
    """It starts a node, and goes on."""
    return line.rstrip().endswith("&") and is_node(line.rstrip()[:-1])


# --- running it ------------------------------------------------------------------------------------------------------

PRELUDE = r"""
set -e -m
shopt -s expand_aliases
git() {
    [ "$1" = clone ] || { command git "$@"; return; }
    for word; do :; done
    word=${word##*/}
    [ -e "${word%.git}" ] || ln -s "$README_CHECKOUT" "${word%.git}"
}
"""
FINALE = r"""
for process in $(cat "$README_PLACE/processes"); do kill "$process" 2>/dev/null || true; done
for process in $(cat "$README_PLACE/processes"); do wait "$process"; done
"""


class Place:
    """A machine on which somebody follows the README."""

    def __init__(self, place: Path) -> None:
        self.place, self.home, self.checkout = place, place / "home", place / "checkout"
        for folder in (self.home / "shared", self.checkout / "scripts", place / "tmp", place / "bin"):
            folder.mkdir(parents=True)
        for name in ("dir_sync", "docs", "tests", "README.md", "pyproject.toml", "requirements.txt", ".ci"):
            (self.checkout / name).symlink_to(ROOT / name)
        shutil.copy(ROOT / "scripts/run", self.checkout / "scripts/run")
        door = f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/readme_door.py" "$@"\n'
        self.script("checkout/main.py", f"import os, sys\nos.execv({str(place / 'door')!r}, ['door', *sys.argv[1:]])\n")
        self.script("door", door)
        self.script("checkout/scripts/setup", f'#!/bin/sh\necho "{sys.executable}"\n')
        collect = f'exec "{sys.executable}" -m pytest -p no:cacheprovider --collect-only -qq "$@" >/dev/null'
        self.script("checkout/scripts/test", f'#!/bin/sh\n[ $# -gt 0 ] || exit 0\ncd "{ROOT}"\n{collect}\n')
        (self.checkout / ".venv/bin").mkdir(parents=True)
        for name in ("check", "deb", "docs"):
            self.script(f"checkout/scripts/{name}", "#!/bin/sh\n")
        self.script("bin/dir-sync", door)
        for name in ("bin/python", "bin/python3", "checkout/.venv/bin/python"):
            self.script(name, f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        for name in SYSTEM:
            self.script(f"bin/{name}", "#!/bin/sh\n")
        with ExitStack() as stack:
            ports = {}
            for name, kind in [("5000", socket.SOCK_DGRAM), *((f"600{n}", socket.SOCK_STREAM) for n in range(10))]:
                free = stack.enter_context(socket.socket(socket.AF_INET, kind))
                free.bind(("127.0.0.1", 0))
                ports[name] = free.getsockname()[1]
        self.environment = {
            **os.environ,
            **{"HOME": str(self.home), "PATH": f"{place / 'bin'}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"},
            **{"README_PLACE": str(place), "README_ROOT": str(ROOT), "README_CHECKOUT": str(self.checkout)},
            **{
                "README_PORTS": json.dumps(ports),
                "XDG_STATE_HOME": "",
                "XDG_CACHE_HOME": "",
                "XDG_CONFIG_HOME": "",
                "PYTHONPATH": "",
            },
        }

    def script(self, name: str, text: str) -> None:
        (self.place / name).write_text(text)
        (self.place / name).chmod(0o755)

    def until_it_runs(self, words: str) -> str:
        """A command that waits for the node that was just started with these words."""
        return f"{shlex.quote(str(self.place / 'door'))} --wait $! {words}"

    def run(self, lines: list[str]) -> None:
        """As typed. AssertionError, with all that was printed, if a line fails or a node does not end well."""
        typed = []
        for line in lines:
            line = line.replace("/tmp/", f"{self.place}/tmp/")
            line = re.sub(r"--seeds? \S+", "--seeds 2", line).replace(" --trace", "")
            if is_node(line):
                line = line.partition(" #")[0]  # in a comment an "&" would have no effect
                words = re.split(r"(?:scripts/run|main\.py|dir-sync)\s", line, maxsplit=1)[1]
                line = f"{line} & {self.until_it_runs(words)}"
            typed.append(line)
        if lines and starts_aside(
            lines[-1]
        ):  # nothing after it waits for the node, and it must not be ended while it starts
            words = re.split(r"(?:scripts/run|main\.py|dir-sync)\s", typed[-1], maxsplit=1)[1]
            typed.append(self.until_it_runs(re.sub(r"\d*>+\s*\S+|&\s*$", "", words)))
        where = self.home if any("git clone" in line for line in typed) else self.checkout
        script = "\n".join([PRELUDE, "set -v", *typed, "set +v", FINALE])
        (self.home / "copy.txt").unlink(missing_ok=True)
        (self.place / "processes").write_text("")  # the nodes that these lines start
        with open(self.place / "output", "w+") as output:
            ended = subprocess.run(
                ["bash", "-c", script],
                cwd=where,
                env={**self.environment, "README_STARTS": "yes" if any(map(starts_aside, lines)) else ""},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=LIMIT_S,
                check=False,
            )
            output.seek(0)
            said = output.read()
        assert ended.returncode == 0, f"exit code {ended.returncode}:\n{said}"
        assert "Traceback" not in said, said
        assert "command not found" not in said, said

    def close(self) -> None:
        subprocess.run([self.place / "door", "--stop"], env=self.environment, timeout=LIMIT_S, check=True)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Place]:
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    place = Place(tmp_path)
    try:
        yield place
    finally:
        place.close()


@pytest.mark.parametrize("name", COMING_FROM)
def test_what_people_of_another_tool_type_here(reader: Place, name: str) -> None:
    """Each line of docs/coming-from.md about one tool that begins with a program of this project."""
    for folder in ("notes", "photos"):
        (reader.home / folder).mkdir()
    lines = inline_commands(COMING_FROM[name])
    assert lines, "a tool without a single command"
    for line in lines:
        if line not in ONLY_READ:
            reader.run([line])


def type_all(reader: Place, text: str) -> None:
    """The blocks in their order, then the lines in the text."""
    found = [lines for block in blocks(text) if (lines := commands(block))]
    inside = inline_commands(text)
    assert found or inside, "a page without a single command"
    for lines in found:
        reader.run(lines)
    for line in inside:
        if line not in ONLY_READ:
            reader.run([line])


def test_the_readme(reader: Place) -> None:
    type_all(reader, README.read_text("utf-8"))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_docs(reader: Place, name: str) -> None:
    type_all(reader, (ROOT / "docs" / f"{name}.md").read_text("utf-8"))


def test_a_key_file_as_the_docs_make_it(reader: Place) -> None:
    """The other lines of that page need several machines: test_the_closed_mesh_of_the_readme."""
    (lines,) = [
        lines for block in blocks((ROOT / "docs/close-the-mesh.md").read_text("utf-8")) if (lines := commands(block))
    ]
    reader.run(lines)


# --- the closed mesh: it needs several machines, and somebody who types ------------------------------------------------


class Typed:
    """A command of the README on a machine of its own, with a terminal at which somebody types these answers."""

    def __init__(self, home: Path, line: str, answers: str, *more: str) -> None:
        words = [word.replace("~", str(home)) for word in shlex.split(line, comments=True)]
        assert words[0] == "scripts/run", line
        above, below = pty.openpty()
        os.write(above, answers.encode())
        self.above = above
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "main.py"), *words[1:], *more],
            env={**os.environ, "HOME": str(home), "XDG_STATE_HOME": ""},
            stdin=below,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(below)

    def first_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def end(self) -> str:
        """What else it has printed. AssertionError if it failed."""
        out, err = self.process.communicate(timeout=LIMIT_S)
        os.close(self.above)
        assert self.process.returncode == 0, err
        return out


def test_the_closed_mesh_of_the_readme(tmp_path: Path) -> None:
    """Its lines, as printed: one machine invites two others, removes one; the other leaves."""
    text = README.read_text("utf-8")
    section = text[text.index("## Close it in one minute") :]
    invite, join, members, read_only, remove, leave = re.findall(
        r"^scripts/run .*", section.partition("\n```\n")[0], re.M
    )
    kitchen, desk, laptop = homes = [tmp_path / name for name in ("kitchen", "desk", "laptop")]
    for home in homes:
        (home / "shared").mkdir(parents=True)
        (home / "shared" / home.name).write_text("a file of its own")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        tcp.bind(("127.0.0.1", 0))
        udp.bind(("127.0.0.1", 0))
        port, beacons = tcp.getsockname()[1], udp.getsockname()[1]
    for line, home in ((invite, desk), (read_only, laptop)):
        here = ["-l", str(port), "-b", str(beacons), "--interface", "lo", "--name", kitchen.name]
        inviting = Typed(kitchen, line, "y\n", *here)
        code = re.search(r"\w{4}-\w{4}", said := inviting.first_line())
        assert code, said
        there = ["--peer", f"127.0.0.1:{port}", "--name", home.name]
        assert "joined the closed mesh" in Typed(home, join, f"{code[0]}\ny\n", *there).end()
        assert f"{home.name} has joined" in inviting.end()
    assert "read-only" in Typed(kitchen, members, "").end()
    assert "What laptop already had, it has." in Typed(kitchen, remove, "y\n").end()
    assert "laptop" not in Typed(kitchen, members, "").end()
    assert "is open from its next start on" in Typed(desk, leave, "y\n").end()


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 120


# --- that this test can fail -----------------------------------------------------------------------------------------

SAMPLE = """
# Sample

```sh
git clone https://example.org/sample.git
cd sample
mkdir -p /tmp/one /tmp/two
scripts/run /tmp/one -l 6000 --name one &
scripts/run /tmp/two -l 6001 --name two &
echo hello > /tmp/one/greeting.txt
until [ -e /tmp/two/greeting.txt ]; do sleep 0.1; done
cat /tmp/two/greeting.txt
kill %1 %2
```

You see:

    14:05:01  received greeting.txt (6 B) from one

Then, in another terminal:

    $ scripts/run status ~/shared
    nothing to see
    $ sudo ufw allow 5000/udp

```text
scripts/run is no command here
```

- `main.py restore DIR PATH [--version ID \\| --at TIME] [--to FILE]`, `scripts/run`, `docs/cli.md`
- `scripts/run ~/shared -l 6001  # comment`
"""


def test_what_is_found() -> None:
    fenced, output, console = blocks(SAMPLE)
    assert commands(fenced)[0] == "git clone https://example.org/sample.git"
    assert len(commands(fenced)) == 9
    assert commands(output) == []
    assert commands(console) == ["scripts/run status ~/shared", "sudo ufw allow 5000/udp"]
    assert inline_commands(SAMPLE) == [
        "python main.py restore ~/shared notes.txt",
        "python main.py restore ~/shared notes.txt --to ~/copy.txt",
        "python main.py restore ~/shared notes.txt --version ID",
        "python main.py restore ~/shared notes.txt --version ID --to ~/copy.txt",
        "python main.py restore ~/shared notes.txt --at 10m",
        "python main.py restore ~/shared notes.txt --at 10m --to ~/copy.txt",
        "scripts/run ~/shared -l 6001 # comment",
    ]


@pytest.mark.parametrize(
    ("line", "starts"),
    [
        ("scripts/run ~/shared", True),
        ("python main.py run ~/shared -b 5000  # all of it", True),
        ("scripts/run ~/shared &", False),
        ("scripts/run status ~/shared", False),
        ("scripts/run --help", False),
        ("scripts/setup", False),
        ("echo main.py", False),
    ],
)
def test_what_starts_a_node(line: str, starts: bool) -> None:
    assert is_node(line) == starts


def test_a_readme_as_it_should_be(reader: Place) -> None:
    for block in blocks(SAMPLE):
        reader.run(commands(block))
    assert (reader.place / "tmp/two/greeting.txt").read_text() == "hello\n"


@pytest.mark.parametrize(
    "lines",
    [
        ["scripts/run ~/shared --no-such-option"],
        ["scripts/run status ~/shared --no-such-option"],
        ["python main.py ~/no-such-folder"],
        ["scripts/run status ~/no-such-folder"],
        ["main.py status ~/shared"],  # it is not in the PATH
        ["scripts/rum ~/shared"],
        ["cat /tmp/nothing"],
        ["python -m tests.simulator --seeds 5"],
        [
            *("mkdir -p /tmp/one", "scripts/run /tmp/one &"),
            *("until [ -s /tmp/one/.dir_sync/index.db ]; do sleep 0.1; done", "kill -9 $!"),
        ],
    ],
)
def test_a_false_line_is_found(reader: Place, lines: list[str]) -> None:
    with pytest.raises(AssertionError, match="exit code"):
        reader.run(lines)
