"""What is kept of a file beside its content, its mode and its time.

Out:  the parts that a user may name, and those that are kept without being named.
Used by: config, cli.preserving, daemon.share.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["ALWAYS", "USUAL", "Part"]


class Part(Enum):
    """The value is the word for people."""

    SPARSE = "sparse"  # holes of files


USUAL = frozenset({Part.SPARSE})
"""What is kept if nothing is named."""

ALWAYS = ("times", "modes")
"""Words for what is always kept."""
