"""scripts/setup with a real Python environment: what is damaged is made anew, wherever it may be kept.

Nothing is taken from the network: what stands for `python3 -m venv` copies an environment that was prepared, with all that
pip is asked for later. So what stands for pip does nothing, as the real one where all is installed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("watchdog", "psutil", "blake3")
PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with all that is needed to run dir_sync."""
    folder = tmp_path_factory.mktemp("template") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    there = Path(sysconfig.get_path("purelib"))
    found = [path for path in there.iterdir() if path.name.partition("-")[0] in PACKAGES]
    if len(found) != 2 * len(PACKAGES):
        pytest.skip(f"the packages that dir_sync needs are not all in {there}")
    for path in found:
        shutil.copytree(path, folder / f"lib/{PYTHON}/site-packages" / path.name, symlinks=True)
    pip = folder / f"lib/{PYTHON}/site-packages/pip"
    pip.mkdir()
    for name in ("__init__.py", "__main__.py"):
        (pip / name).touch()
    return folder


@pytest.fixture
def checkout(tmp_path: Path, template: Path) -> Path:
    """Where nothing is set up yet, in a folder whose name has a space."""
    root = tmp_path / "a copy"
    (root / "scripts").mkdir(parents=True)
    for name in ("scripts/setup", "scripts/run", "requirements.txt"):
        shutil.copy(ROOT / name, root / name)
    (root / "dir_sync").mkdir()
    (root / "main.py").write_text("import blake3, psutil, sys, watchdog\nprint('runs', *sys.argv[1:])\n")
    fake = tmp_path / "bin/python3"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\ncase $* in "-m venv --clear "*) ;; *) exec "{template}/bin/python" "$@" ;; esac\n'
        # As the real one: what is in the way and no folder is an error, what is in a folder goes.
        f'[ ! -e "$4" ] || [ -d "$4" ] || exit 1\nmkdir -p "$4" && rm -rf "$4"/* && cp -a "{template}"/. "$4"\n'
    )
    fake.chmod(0o755)
    return root


def setup(checkout: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{checkout.parent / 'bin'}:{os.environ['PATH']}"
    with_home = {"HOME": str(checkout.parent / "home"), "XDG_CACHE_HOME": ""}
    return subprocess.run(
        [checkout / "scripts/setup", "--quick", "--python", *words],
        env={**os.environ, "PATH": path, **with_home, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def is_set_up(checkout: Path, ended: subprocess.CompletedProcess[str]) -> None:
    """It ended well, what it names runs the program, and there is nothing to do any more."""
    assert ended.returncode == 0, ended.stderr
    (python,) = ended.stdout.splitlines()
    done = subprocess.run([python, checkout / "main.py"], capture_output=True, text=True, check=False)
    assert done.stdout == "runs\n", done.stderr
    again = setup(checkout)
    assert (again.returncode, again.stdout) == (0, ended.stdout)
    assert "Python" not in again.stderr


def site(checkout: Path) -> Path:
    return checkout / f".venv/lib/{PYTHON}/site-packages"


def replace(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def only_a_file(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    (checkout / ".venv").write_text("")


def a_dangling_link(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    (checkout / ".venv").symlink_to("nowhere")


def a_link_to_what_is_somebody_elses(checkout: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    (checkout.parent / "precious").mkdir()
    (checkout.parent / "precious/file").touch()
    (checkout / ".venv").symlink_to(checkout.parent / "precious")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a package is gone, what pip noted of it is there": lambda c: shutil.rmtree(site(c) / "blake3"),
    "a file of a package is gone": lambda c: (site(c) / "psutil/__init__.py").unlink(),
    "a file of a package was cut": lambda c: replace(next((site(c) / "blake3").glob("*.so")), "cut"),
    "a folder of a package is gone": lambda c: shutil.rmtree(site(c) / "watchdog/observers"),
    "what pip noted is empty": lambda c: replace(next(site(c).glob("psutil-*.dist-info")) / "RECORD", "nonsense\n"),
    "all packages are gone": lambda c: shutil.rmtree(site(c)),
    "pip is gone": lambda c: shutil.rmtree(site(c) / "pip"),
    "python is gone": lambda c: (c / ".venv/bin/python").unlink(),
    "python does not run": lambda c: replace(c / ".venv/bin/python", "#!/nowhere\n"),
    "it does not know what it is": lambda c: (c / ".venv/pyvenv.cfg").unlink(),
    "it is only a file": only_a_file,
    "it is a dangling link": a_dangling_link,
    "it is a link to what is somebody else's": a_link_to_what_is_somebody_elses,
    "it is empty": lambda c: (shutil.rmtree(c / ".venv"), (c / ".venv").mkdir()),
}


def test_from_nothing(checkout: Path) -> None:
    ended = setup(checkout)
    assert ended.stdout == f"{checkout}/.venv/bin/python\n"
    assert "making the Python environment .venv" in ended.stderr
    is_set_up(checkout, ended)


def test_another_python(checkout: Path) -> None:
    """What PYTHON names comes first, if it is new enough."""
    python = checkout.parent / "bin/another"
    python.write_text(f'#!/bin/sh\necho "$*" >>"{checkout.parent}/asked"\nexec "{checkout.parent}/bin/python3" "$@"\n')
    python.chmod(0o755)
    is_set_up(checkout, setup(checkout, PYTHON=str(python)))
    assert "-m venv" in (checkout.parent / "asked").read_text()
    shutil.rmtree(checkout / ".venv")
    is_set_up(checkout, setup(checkout, PYTHON="/bin/false"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_environment_is_made_anew(checkout: Path, template: Path, damage: str) -> None:
    shutil.copytree(template, checkout / ".venv", symlinks=True)
    shutil.copy(ROOT / "requirements.txt", checkout / ".venv/installed-requirements.txt")
    assert "Python" not in setup(checkout).stderr, "it is whole"
    DAMAGES[damage](checkout)
    ended = setup(checkout)
    assert "making the Python environment .venv" in ended.stderr
    is_set_up(checkout, ended)
    if (checkout.parent / "precious").exists():
        assert os.listdir(checkout.parent / "precious") == ["file"]


def test_packages_that_were_damaged_before_they_were_noted(checkout: Path, template: Path) -> None:
    """As when somebody ends it in the middle: pip takes them for installed."""
    shutil.copytree(template, checkout / ".venv", symlinks=True)
    shutil.rmtree(site(checkout) / "psutil")
    is_set_up(checkout, setup(checkout))


def test_a_checkout_that_cannot_be_written(checkout: Path, read_only: Callable[[Path], None]) -> None:
    """The environment is kept in the user's cache folder; another user of the same checkout has another one."""
    read_only(checkout)
    for number, environment in enumerate(({}, {"XDG_CACHE_HOME": str(checkout.parent / "other")})):
        cache = checkout.parent / ("other" if number else "home/.cache")
        ended = setup(checkout, **environment)
        assert ended.stdout == f"{cache}/dir_sync{checkout}/.venv/bin/python\n", ended.stderr
        again = setup(checkout, **environment)
        assert (again.stdout, "Python" in again.stderr) == (ended.stdout, False)
    assert not (checkout / ".venv").exists()


def test_a_checkout_that_somebody_else_has_set_up(checkout: Path, read_only: Callable[[Path], None]) -> None:
    """It is used as long as nothing is missing in it."""
    assert setup(checkout).returncode == 0
    read_only(checkout)
    is_set_up(checkout, setup(checkout))
    assert not (checkout.parent / "home").exists()


def test_no_place_that_can_be_written(checkout: Path, read_only: Callable[[Path], None]) -> None:
    read_only(checkout)
    (checkout.parent / "file").touch()
    ended = setup(checkout, HOME=str(checkout.parent / "file"))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"dir_sync: neither {checkout} nor {checkout.parent}/file/.cache can be written, and one of them has to hold the"
        " Python environment\n"
    )


def test_a_second_set_up_says_that_it_waits(checkout: Path, template: Path) -> None:
    shutil.copytree(template, checkout / ".venv", symlinks=True)
    shutil.copy(ROOT / "requirements.txt", checkout / ".venv/installed-requirements.txt")
    if shutil.which("flock") is None:
        pytest.skip("no flock")
    path = f"{checkout.parent / 'bin'}:{os.environ['PATH']}"
    with (checkout / "scripts/setup").open() as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        with subprocess.Popen(
            [checkout / "scripts/setup", "--quick"], env={**os.environ, "PATH": path}, stderr=subprocess.PIPE, text=True
        ) as second:
            assert second.stderr is not None
            assert second.stderr.readline() == "dir_sync: waiting for another set-up to end\n"
            assert second.poll() is None
            fcntl.flock(first, fcntl.LOCK_UN)
            assert second.wait(60) == 0
            assert "waiting" not in second.stderr.read()


def test_the_reason_of_the_package_manager_is_shown(checkout: Path) -> None:
    """A machine without Python and without network: what apt-get says first, its later complaints follow from."""
    tools = checkout.parent / "tools"
    tools.mkdir()
    for name in ("dirname", "mktemp", "rm", "id", "sed", "tail", "cmp", "env", "mkdir"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    for name, text in (
        ("sudo", '[ "$1" != -n ] || shift\nexec "$@"'),
        (
            "apt-get",
            'case $* in\n*update*) echo "W: Failed to fetch some.list  Temporary failure resolving some.host" ;;\n'
            '*) echo "Reading package lists..."; echo "E: Unable to locate package python3"; exit 100 ;;\nesac >&2',
        ),
    ):
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    ended = setup(checkout, PATH=str(tools))
    assert (ended.returncode, ended.stdout) == (1, "")
    lines = ended.stderr.splitlines()
    assert lines[0].startswith("dir_sync: installing python3 python3-venv (apt-get")
    assert "    W: Failed to fetch some.list  Temporary failure resolving some.host" in lines
    assert "    E: Unable to locate package python3" in lines
    as_root = "" if os.geteuid() == 0 else " sudo"
    assert lines[-1] == (
        "dir_sync: Python 3.11 or newer is needed, and there is none on this machine; install it with:"
        f"{as_root} apt-get install python3 python3-venv"
    )


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Makes a folder one that cannot be written: root needs a mount for that."""
    mounted: list[Path] = []

    def make(folder: Path) -> None:
        if os.geteuid() != 0:
            folder.chmod(0o555)
        else:
            for words in (["--bind", folder, folder], ["-o", "remount,bind,ro", folder]):
                done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
                if done.returncode:
                    pytest.skip(f"cannot mount here: {done.stderr.strip()}")
                if not mounted:
                    mounted.append(folder)

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)
    for folder in tmp_path.iterdir():
        if folder.is_dir() and not folder.is_symlink():
            folder.chmod(0o755)
