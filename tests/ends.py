"""What a test opens ends with the test.

In:   `closed_at_end(Index(...))`, anywhere below a test.
Out:  it is closed when that test ends (the fixture in conftest.py), the last one first.
Rule: a helper that opens something for its whole life registers it where it opens it, so that no test can forget it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol, TypeVar

__all__ = ["closed_at_end", "one_test"]


class Closable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=Closable)

_opened = ExitStack()


def closed_at_end(thing: T) -> T:
    """The same thing; its `close` is called when the test ends. It may have been closed by then."""
    _opened.callback(thing.close)
    return thing


@contextmanager
def one_test() -> Iterator[None]:
    """Closes at its end what was opened within."""
    try:
        yield
    finally:
        _opened.close()
