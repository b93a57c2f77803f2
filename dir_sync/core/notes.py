"""What is told to people: one frozen value for each kind of thing that happens.

In:   nothing. The machines of the engine make notes, in an effect `Tell`.
Out:  `Note`, the union of all kinds. The log (narrator.py) reads them; a web page or an event stream would read the same values.
Rule: a note says what happened, in names that people know and in plain units; the words are its reader's. Every reader
      matches on the types, so mypy names the readers that do not know a new kind.

Fields that several kinds have, always with the same meaning:

    path        below the shared folder, as the disk spells it; b"" is the folder itself
    peer        the name of the node at the other end of the connection; "" if there is none
    maker       the name of the node on which a change was made; "" if it is not known
    size        bytes of the whole content
    travelled   bytes that went over the network: fewer than `size` if the receiver had the beginning already
    took_ms     how long that lasted, in milliseconds
    problem     why something does not work, in words
    reason      why something is done or left, in words
"""

from typing import NamedTuple

__all__ = [
    "BadContent", "Blocked", "CannotRestore", "CannotWrite", "ChangedHere", "Conflict", "Copied", "Decided",
    "DeletedHere", "Fetched", "FetchedDelta", "HeldThere", "HistoryChange", "HistoryPruned", "IdentityChanged",
    "InSync", "Kept", "LocalChange", "LossHeld", "LossHeldThere", "MetaChanged", "NewHere", "Note", "NothingHeld",
    "PeerAhead", "PeerBehind", "PeerChange", "PeerHeld", "Progress", "Received", "ReceivedMany", "Removed",
    "Renamed", "RenamedHere", "Rescanning", "Restless", "Restored", "Resumed", "Safeguard", "Scanned", "Sent",
    "SentDelta", "SentLarge", "Skipped", "Spared", "StillHeld", "Transfer", "Trouble", "Unfit", "Unreadable",
    "WrittenLate",
]  # fmt: skip


# --- what a user did here ---------------------------------------------------------------------------------------------


class NewHere(NamedTuple):
    """A file, folder or link was made in the folder of this node."""

    path: bytes
    size: int


class ChangedHere(NamedTuple):
    """A file was changed in the folder of this node."""

    path: bytes
    size: int


class RenamedHere(NamedTuple):
    """`path` has a content that was at `source` until now."""

    path: bytes
    source: bytes


class DeletedHere(NamedTuple):
    """Something was deleted in the folder of this node."""

    path: bytes


LocalChange = NewHere | ChangedHere | RenamedHere | DeletedHere


# --- what this node did in its folder for a peer's change -------------------------------------------------------------


class Received(NamedTuple):
    """A content came from `peer` and is in its place."""

    path: bytes
    peer: str
    size: int


class ReceivedMany(NamedTuple):
    """Many contents came from `peer` at once and are in their places: path and size of each, and the sum of the sizes."""

    peer: str
    files: tuple[tuple[bytes, int], ...]
    size: int


class Copied(NamedTuple):
    """A content that `peer` announced was here already, at another path or in the history."""

    path: bytes
    peer: str
    size: int


class Restored(NamedTuple):
    """A content came out of this node's history again."""

    path: bytes
    size: int


class Renamed(NamedTuple):
    """Here is done what `maker` did: what was at `source` is at `path` now."""

    path: bytes
    maker: str
    source: bytes


class Removed(NamedTuple):
    """Here is done what `maker` did: nothing is at `path` any more."""

    path: bytes
    maker: str


class MetaChanged(NamedTuple):
    """Here is done what `maker` did: the time or the permissions are others."""

    path: bytes
    maker: str


class Kept(NamedTuple):
    """A deletion made elsewhere is not done: its maker did not know the version that is here."""

    path: bytes


class Spared(NamedTuple):
    """A change made elsewhere is not done: a person rejected it."""

    path: bytes


PeerChange = Received | ReceivedMany | Copied | Restored | Renamed | Removed | MetaChanged | Kept | Spared


# --- what travels -----------------------------------------------------------------------------------------------------


class Resumed(NamedTuple):
    """A content from `peer` goes on where an earlier transfer ended: `here` bytes of it are in the staging folder."""

    path: bytes
    peer: str
    size: int
    here: int


class Fetched(NamedTuple):
    """All of a large content has come from `peer`; it is not in its place yet: `Received` says when it is."""

    path: bytes
    peer: str
    size: int
    travelled: int
    took_ms: int


class FetchedDelta(NamedTuple):
    """A content has come from `peer` as a delta of `travelled` bytes; it is not in its place yet."""

    path: bytes
    peer: str
    size: int
    travelled: int


class Sent(NamedTuple):
    """A content was sent to `peer`."""

    path: bytes
    peer: str
    size: int


class SentDelta(NamedTuple):
    """A content was sent to `peer` as a delta of `travelled` bytes."""

    path: bytes
    peer: str
    size: int
    travelled: int


class SentLarge(NamedTuple):
    """A large content was sent to `peer`, and is in its place there."""

    path: bytes
    peer: str
    size: int
    travelled: int
    took_ms: int


class BadContent(NamedTuple):
    """What came from `peer` is not the content that was announced."""

    path: bytes
    peer: str
    problem: str


Transfer = Resumed | Fetched | FetchedDelta | Sent | SentDelta | SentLarge | BadContent


# --- how far the nodes are --------------------------------------------------------------------------------------------


class Scanned(NamedTuple):
    """A scan of the whole folder is over: it holds so many files, `size` bytes together."""

    files: int
    size: int


class PeerAhead(NamedTuple):
    """`peer` has told all it has: so many changes are not here yet, `size` bytes together."""

    peer: str
    changes: int
    size: int


class PeerBehind(NamedTuple):
    """`peer` says that it lacks so many files, `size` bytes together."""

    peer: str
    files: int
    size: int


class InSync(NamedTuple):
    """All these peers and this node have the same."""

    peers: tuple[str, ...]


class IdentityChanged(NamedTuple):
    """This node goes on under new ids, as if it were another one."""

    reason: str


class Rescanning(NamedTuple):
    """The watcher may have missed something below `path`: all of that is read again."""

    path: bytes
    reason: str


Progress = Scanned | PeerAhead | PeerBehind | InSync | IdentityChanged | Rescanning


# --- what does not work -----------------------------------------------------------------------------------------------


class Skipped(NamedTuple):
    """This is not synchronized at all."""

    path: bytes
    reason: str


class Blocked(NamedTuple):
    """Something that is not synchronized is in the place of a newer version, or in a folder that should go."""

    path: bytes


class Unreadable(NamedTuple):
    """A file or folder of ours cannot be read."""

    path: bytes
    problem: str


class Restless(NamedTuple):
    """A file changes so often that it cannot be read in one piece."""

    path: bytes
    size: int


class CannotWrite(NamedTuple):
    """A newer version could not be put in its place; this is tried again."""

    path: bytes
    problem: str


class Unfit(NamedTuple):
    """A newer version can never be on this disk, however often that is tried."""

    path: bytes
    reason: str


class CannotRestore(NamedTuple):
    """What was there should come back, and no version of it is in any history within reach."""

    path: bytes


Trouble = Skipped | Blocked | Unreadable | Restless | CannotWrite | Unfit | CannotRestore


# --- the history ------------------------------------------------------------------------------------------------------


class Conflict(NamedTuple):
    """Two nodes changed the same version, and ours lost: it is kept as `version`, a name in the history."""

    path: bytes
    version: bytes


class WrittenLate(NamedTuple):
    """A program went on writing into a file after that was replaced: it is kept as `version`, a name in the history."""

    path: bytes
    version: bytes


class HistoryPruned(NamedTuple):
    """So many versions were removed, `size` bytes together, to stay within the limits of the history."""

    versions: int
    size: int


HistoryChange = Conflict | WrittenLate | HistoryPruned


# --- the safeguard ----------------------------------------------------------------------------------------------------


class LossHeld(NamedTuple):
    """So many files vanished here while nobody watched: `paths` paths are held, `path` is the first of them."""

    path: bytes
    files: int
    paths: int


class PeerHeld(NamedTuple):
    """What came by `peer` is held here: `held` of `files` files would go or be replaced, `path` is the first of them."""

    path: bytes
    peer: str
    held: int
    files: int


class StillHeld(NamedTuple):
    """What came by `peer` was held when this node ended, and still is."""

    peer: str


class LossHeldThere(NamedTuple):
    """`peer` holds back that so many files vanished in its own folder; `path` is the first of them."""

    path: bytes
    peer: str
    files: int


class HeldThere(NamedTuple):
    """`peer` holds what `maker` did to so many files, of which `path` is the first. `maker` None: this node did it."""

    path: bytes
    peer: str
    maker: str | None
    files: int


class Decided(NamedTuple):
    """A person approved or rejected what `maker` did to so many files, of which `path` is the first."""

    path: bytes
    maker: str
    files: int
    is_approved: bool


class NothingHeld(NamedTuple):
    """What was held is so little by now that it is held no more."""


Safeguard = LossHeld | PeerHeld | StillHeld | LossHeldThere | HeldThere | Decided | NothingHeld


Note = LocalChange | PeerChange | Transfer | Progress | Trouble | HistoryChange | Safeguard
