"""For programs under libfaketime only (see lan.Node.start): 0.9.10 makes clock_nanosleep, and so time.sleep, fail."""

import select
import time


def _sleep(seconds: float) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = _sleep
