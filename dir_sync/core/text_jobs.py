"""Jobs for the disk workers about texts: to keep those that can be merged from, and to merge.

In: nothing. Out: frozen values, as those of `core.jobs`.
Used by: events, jobs, engine, file_sync, texts.
"""

from dir_sync.core.model import Record
from dir_sync.core.named import NamedTuple

__all__ = ["KeepTextsJob", "MergeJob", "Merged", "Text", "TextsRead"]


class Text(NamedTuple):
    """A version of a small file whose content is kept, to be merged from."""

    record: Record
    at: bytes  # where its content is: a path in the tree, or a name in the history


class KeepTextsJob(NamedTuple):
    """Read small files, and compress those that are text. Answer: TextsRead."""

    texts: tuple[Text, ...]
    bulk: bool = True


class TextsRead(NamedTuple):
    """The contents, compressed, in order: b"" is no text, None could not be read as it was expected."""

    texts: tuple[Text, ...]
    packed: tuple[bytes | None, ...]


class MergeJob(NamedTuple):
    """Merge two texts (compressed, as `base`) that were made from `base`. Answer: Merged."""

    path: bytes
    base: bytes
    winner: bytes
    loser: bytes
    bulk: bool = True


class Merged(NamedTuple):
    """`data`: the merged text; None: both sides changed the same lines, or it took too long."""

    path: bytes
    data: bytes | None
