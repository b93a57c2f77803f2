"""A thread of the lowest priority: for itself, and not for the others of the process."""

from __future__ import annotations

import os
import threading

from dir_sync.daemon.priority import lower


def test_only_the_thread_that_asks_is_lowered() -> None:
    found: list[tuple[int, bool]] = []

    def work() -> None:
        done = lower()
        found.append((os.getpriority(os.PRIO_PROCESS, 0), done))

    before = os.getpriority(os.PRIO_PROCESS, 0)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [nice for nice, _ in found] == [19]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
