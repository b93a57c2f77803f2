"""The Debian package that scripts/deb builds, installed by dpkg into a root of its own; and the Containerfile.

The root has no other package than three that the test says are there: so dpkg checks what the package depends on.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dir_sync import __version__
from dir_sync.cli import read_configs

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 180
PYTHON = "{}.{}".format(*sys.version_info[:2])
STATUS = """\
Package: {name}
Status: install ok installed
Maintainer: nobody
Architecture: all
Version: {version}
Description: stands for the real one

"""


def run(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    given = {"capture_output": True, "text": True, "timeout": LIMIT_S, "check": False, **options}
    return subprocess.run([str(word) for word in words], **given)  # type: ignore[call-overload, no-any-return]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for tool in ("dpkg", "dpkg-deb"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} on this machine")
    folder = tmp_path_factory.mktemp("deb")
    ended = run(ROOT / "scripts/deb", folder, env=os.environ | {"LC_ALL": "C.UTF-8"})
    assert ended.returncode == 0, ended.stderr
    made = Path(ended.stdout.strip())
    assert made == next(folder.iterdir())
    return made


def field(package: Path, name: str) -> str:
    return run("dpkg-deb", "--field", package, name).stdout.strip()


class Machine:
    """A root folder with a database of dpkg."""

    def __init__(self, place: Path, **versions: str) -> None:
        self.place = place
        (place / "var/lib/dpkg/updates").mkdir(parents=True)
        (place / "var/lib/dpkg/info").mkdir()
        there = "".join(STATUS.format(name=name, version=version) for name, version in versions.items())
        (place / "var/lib/dpkg/status").write_text(there)

    def dpkg(self, *words: object) -> subprocess.CompletedProcess[str]:
        return run(
            "dpkg", f"--root={self.place}", "--force-script-chrootless", *words, env=os.environ | {"LC_ALL": "C"}
        )

    def dir_sync(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The installed program, with the Python that built the package, which need not be the system's."""
        python = Path(getattr(sys, "_base_executable", sys.executable))
        where = {"HOME": str(self.place), "XDG_STATE_HOME": "", "PATH": f"{self.place}/usr/bin:{os.environ['PATH']}"}
        program = self.place / "usr/bin/dir-sync"
        return run(python, "-I", program, *words, env=os.environ | where, cwd=self.place)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="dpkg installs as root only")


def test_what_the_package_says(package: Path) -> None:
    assert package.name == f"dir-sync_{__version__}_{field(package, 'Architecture')}.deb"
    assert field(package, "Version") == __version__
    needs = field(package, "Depends")
    assert f"python3 (>= {PYTHON}), python3 (<< 3.{sys.version_info[1] + 1})" in needs
    assert "librsync2" in needs


def test_all_of_it_is_roots_and_nothing_is_writable_by_others(package: Path) -> None:
    for line in run("dpkg-deb", "--contents", package).stdout.splitlines():
        mode, owner = line.split()[:2]
        assert owner == "root/root"
        assert mode[5] == mode[8] == "-", line
        assert mode[7] == "r", line


def test_systemd_takes_the_template_that_comes_with_it(package: Path, tmp_path: Path) -> None:
    run("dpkg-deb", "--extract", package, tmp_path)
    template = tmp_path / "usr/lib/systemd/user/dir-sync@.service"
    text = template.read_text()
    assert "ExecStart=/usr/bin/dir-sync run %f" in text
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    unit = tmp_path / "dir-sync@tmp-x.service"
    unit.write_text(text.replace("/usr/bin/dir-sync", "/bin/true"))  # here it is not installed
    said = run("systemd-analyze", "verify", "--user", "--man=no", unit).stderr
    assert not [line for line in said.splitlines() if unit.name in line]


@needs_root
def test_it_is_installed_runs_and_leaves_nothing(package: Path, tmp_path: Path) -> None:
    machine = Machine(tmp_path, python3=f"{PYTHON}.2-1", libc6="2.41", librsync2="2.3.2-1")
    ended = machine.dpkg("--install", package)
    assert ended.returncode == 0, ended.stderr
    files = set((tmp_path / "usr").rglob("*"))
    assert machine.dir_sync("--version").stdout == f"dir_sync {__version__}\n"
    for name in ("bash-completion/completions/dir-sync", "man/man1/dir-sync.1.gz", "zsh/vendor-completions/_dir-sync"):
        assert (tmp_path / "usr/share" / name).is_file()
    assert machine.dir_sync("new-key", "my.key").returncode == 0, "it has its own cryptography"
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/file").write_text("content")
    alone = ["--peer", "127.0.0.1:9", "--no-discovery", "--no-listen", "--timeout", "1s", "-s", "signatures"]
    ended = machine.dir_sync("once", "shared", *alone, "--json")
    assert ended.returncode == 3, ended.stderr
    assert json.loads(ended.stdout)
    assert "dir-sync pause ~/shared" in machine.dir_sync("pause", "--help").stdout
    assert set((tmp_path / "usr").rglob("*")) == files, "it writes nothing beside itself"
    assert machine.dpkg("--purge", "dir-sync").returncode == 0
    assert not [path for path in (tmp_path / "usr").rglob("*") if path.is_file()]
    assert not (tmp_path / "etc/ufw/applications.d/dir-sync").exists()


@needs_root
@pytest.mark.parametrize(
    ("lacking", "there"),
    [
        ("librsync2", {"python3": f"{PYTHON}.2-1", "libc6": "2.41"}),
        ("python3", {"python3": "4.0", "libc6": "2.41", "librsync2": "2.3.2-1"}),
    ],
)
def test_what_is_lacking_is_said(package: Path, tmp_path: Path, lacking: str, there: dict[str, str]) -> None:
    ended = Machine(tmp_path, **there).dpkg("--install", package)
    assert ended.returncode != 0
    assert f"dir-sync depends on {lacking}" in ended.stderr


# --- the Containerfile -------------------------------------------------------------------------------------------------

LINES = (ROOT / "Containerfile").read_text("utf-8").replace("\\\n", " ").splitlines()


def test_the_image_is_built_from_what_it_copies(tmp_path: Path) -> None:
    """pip needs no other file of the checkout."""
    pytest.importorskip("setuptools", "77", "the package is built by setuptools 77 or newer")
    for line in LINES:
        if line.startswith("COPY"):
            *names, to = line.split()[1:]
            for name in names:
                there = tmp_path / to.strip("/")
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, there, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    there.mkdir(exist_ok=True)
                    shutil.copy(ROOT / name, there)
    code = "from setuptools import build_meta; print(build_meta.build_wheel('..'))"
    ended = run(sys.executable, "-c", code, cwd=tmp_path / "source")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / ended.stdout.splitlines()[-1]).exists()


def test_the_command_of_the_image_is_one(tmp_path: Path) -> None:
    (command,) = (json.loads(line.removeprefix("CMD ")) for line in LINES if line.startswith("CMD "))
    (config,) = read_configs([word.replace("/shared", str(tmp_path)) for word in command])
    assert config.folder == str(tmp_path)
    (ports,) = (line for line in LINES if line.startswith("EXPOSE"))
    assert re.findall(r"\d+", ports) == [str(config.broadcast_port), str(config.listen_port)]
