"""One heap: threads of a node use what the others have freed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAPS = """
import ctypes, threading
from dir_sync.daemon.arenas import use_one_arena

WANTED = {wanted}
done = use_one_arena() if WANTED else True
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc_info.argtypes = (ctypes.c_int, ctypes.c_void_p)
libc.fopen.restype = ctypes.c_void_p
libc.fclose.argtypes = (ctypes.c_void_p,)
gate = threading.Barrier(4)

def work():
    libc.malloc(1000)
    gate.wait()

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
file = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, file)
libc.fclose(file)
print("done", done)
"""


def heaps(wanted: bool) -> int:
    """How many heaps a process with four threads has. In a process of its own: the setting stays."""
    run = subprocess.run(
        [sys.executable, "-c", HEAPS.format(wanted=wanted)], capture_output=True, text=True, check=True, timeout=60
    )
    if "done False" in run.stdout or "<heap " not in run.stdout:
        pytest.skip("this C library has no heaps that a program can count and limit")
    return run.stdout.count("<heap ")


def test_all_threads_share_one_heap() -> None:
    assert heaps(wanted=False) > 1
    assert heaps(wanted=True) == 1
