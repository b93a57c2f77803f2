"""No core dump holds a key, and AES is used where the CPU has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dir_sync.security.process import has_aes

ROOT = Path(__file__).resolve().parents[2]


def test_a_process_with_a_key_leaves_no_core_dump(tmp_path: Path) -> None:
    code = (
        "import ctypes, resource, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "hard = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))\n"
        "libc = ctypes.CDLL(None)\n"
        "print(libc.prctl(3, 0, 0, 0, 0))\n"
        "from dir_sync.security.process import keep_out_of_dumps\n"
        "keep_out_of_dumps()\n"
        "print(libc.prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["1", "0 0"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor : 0\nflags\t\t: fpu aes sse2\n", True),
        ("processor : 0\nFeatures\t: fp asimd aes pmull\n", True),
        ("flags : fpu vaes_no\n", False),
        ("", False),
    ],
)
def test_what_the_cpu_has(tmp_path: Path, text: str, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert has_aes(str(tmp_path / "cpuinfo")) is expected
    assert has_aes(str(tmp_path / "none")) is False


def test_pages_of_a_library_that_are_given_back_come_again() -> None:
    """In a process of its own: how much memory this one has depends on the other tests."""
    code = """
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from dir_sync.security.process import give_back_pages
def pages():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])
sealed = AESGCM(b"k" * 32).encrypt(b"n" * 12, b"text", None)
before = pages()
give_back_pages()
after = pages()
assert AESGCM(b"k" * 32).decrypt(b"n" * 12, sealed, None) == b"text"
print(before - after)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) * os.sysconf("SC_PAGE_SIZE") > 2 << 20
