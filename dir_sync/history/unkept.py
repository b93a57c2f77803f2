"""What is said where no old versions of a path are found, and of machines that could not be asked for theirs.

In:   who was asked, who was not, and what the journal knows of the path. Out: one line; names are escaped already.
Used by: client, cli.why_words.
"""

from __future__ import annotations

from dir_sync.core.named import NamedTuple
from dir_sync.reporting.log import listed

__all__ = ["Unkept"]


class Unkept(NamedTuple):
    """What a list of old versions does not say."""

    asks: bool = False  # a node runs here, and asks the connected machines
    heard: bool = False  # some of them have answered
    away: tuple[str, ...] = ()  # machines that share the folder, and were not asked
    has_changed: bool = False  # a file that had this name was replaced or deleted
    has_grown: bool = False  # at least once by a larger one: perhaps bytes were only appended

    @property
    def none(self) -> str:
        """The line in the place of an empty list."""
        if not (self.has_changed or self.away):
            return "no old versions: nothing was replaced or deleted"
        kept = f"no old versions are kept here{' or on connected machines' if self.heard else ''}"
        undo = "'undo' cuts off what was only appended" if self.has_grown else ""
        return "; ".join(filter(None, (kept, self.others("some"), undo)))

    def others(self, what: str) -> str:
        """Who may keep what is not listed; "": nobody."""
        if not self.away:
            return ""
        if self.asks:
            return f"{listed(self.away)}, who {'is' if len(self.away) == 1 else 'are'} not connected, may keep {what}"
        return f"{listed(self.away)} may keep {what}: start the node to ask"
