"""Signals: the first one ends cleanly, another one soon after is the same, a later one ends at once."""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dir_sync.daemon.signals import TOGETHER_S, Ending, Wake

ROOT = Path(__file__).resolve().parent.parent.parent
INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


class Listener:
    def __init__(self) -> None:
        self.now_s = 1000.0
        self.woken = 0
        self.left: list[int] = []
        self.ending = Ending(lambda: self.now_s, self.left.append)
        self.ending.wake = self.wake

    def wake(self) -> None:
        self.woken += 1


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (INT, TERM, HUP)}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("story", "left"),
    [
        ([(INT, 0)], []),
        ([(HUP, 0)], []),
        ([(TERM, 0), (TERM, 0)], []),
        ([(TERM, 0), (INT, TOGETHER_S / 2), (TERM, TOGETHER_S / 2)], []),
        ([(INT, 0), (INT, TOGETHER_S * 1.1)], [130]),
        ([(HUP, 0), (TERM, 1)], [143]),
        ([(TERM, 0), (HUP, 1), (HUP, 5)], []),
    ],
)
def test_what_signals_mean(story: list[tuple[signal.Signals, float]], left: list[int]) -> None:
    one = Listener()
    one.ending.listen()
    assert not one.ending.asked
    for number, after_s in story:
        one.now_s += after_s
        signal.raise_signal(number)
    assert one.ending.asked
    assert one.woken
    assert one.left == left


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    """As nohup starts a program."""
    signal.signal(HUP, signal.SIG_IGN)
    one = Listener()
    one.ending.listen()
    signal.raise_signal(HUP)
    assert not one.ending.asked
    signal.raise_signal(TERM)
    assert one.ending.asked


def test_a_signal_that_another_thread_takes_wakes_the_main_thread() -> None:
    """The kernel may give a signal to any thread, above all when two come together."""
    one = Listener()
    one.ending.listen()
    wake = Wake()
    wake.listen()
    one.ending.wake = wake.set
    over = threading.Event()

    def take() -> None:
        while not over.wait(0.01):
            signal.pthread_kill(threading.get_ident(), TERM)

    thread = threading.Thread(target=take)
    thread.start()
    try:
        assert wake.wait(20)
    finally:
        over.set()
        thread.join()
    assert one.ending.asked
    wake.clear()
    assert not wake.wait(0.01)
    wake.set()
    assert wake.wait(0)


def test_a_signal_while_python_ends_does_not_change_the_exit_code() -> None:
    """A process group and its supervisor may both be told, a moment apart."""
    program = "import sys; sys.path.insert(0, sys.argv[1]); from dir_sync.daemon.signals import *"
    program += "; e = Ending(); e.listen(); ignore()"
    program += "; print('over', flush=True)"  # from here on Python only takes itself apart
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", program, str(ROOT)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"over\n"
            while process.poll() is None:
                process.terminate()
            assert process.returncode == 0


def test_the_program_ignores_signals_when_all_is_done() -> None:
    door = ast.parse((ROOT / "dir_sync" / "__main__.py").read_text("utf-8"))
    start = next(node for node in door.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    calls = [ast.unparse(node.func) for node in ast.walk(start) if isinstance(node, ast.Call)]
    assert calls.index("cli.main") < calls.index("signals.ignore")


def test_where_a_file_is_read_a_hangup_asks_for_it_again_and_ends_nothing() -> None:
    woken: list[bool] = []
    ending = Ending(stays=True)
    ending.wake = lambda: woken.append(True)
    for _ in range(3):
        ending.on_signal(signal.SIGHUP, None)
    assert (ending.asked, ending.readings_asked, len(woken)) == (False, 3, 3)
    ending.on_signal(signal.SIGTERM, None)
    assert ending.asked
