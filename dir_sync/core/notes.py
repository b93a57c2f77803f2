"""Notes for people: one frozen value for each kind of event.

In:   nothing. The machines of the engine make notes and emit them as `Tell`.
Out:  `Note`, the union of all kinds. The log (narrator.py) reads them; a web page or an event stream would read the same values.
Rule: a note has facts in plain units and in names that people know; its reader chooses the words; mypy finds a kind it misses.

Fields that several kinds have, always with the same meaning:
    path        below the shared folder, as the disk spells it; b"" is the folder itself
    peer        the name of the node at the other end of the connection; "" if there is none
    maker       the name of the node on which a change was made; "" if it is not known
    size, took_ms    bytes of the whole content; milliseconds that the transfer took
    travelled   bytes that went over the network: fewer than `size` if the receiver had the beginning already
    problem, reason    what is wrong; why this was done or skipped, as text
"""

from dir_sync.core.attributes import AttributesChanged
from dir_sync.core.brake_notes import (
    Decided,
    HeldThere,
    LossHeld,
    LossHeldThere,
    NothingHeld,
    PeerHeld,
    Safeguard,
    StillHeld,
)
from dir_sync.core.merging import TextMerged
from dir_sync.core.named import NamedTuple
from dir_sync.core.scope_notes import Adopted, BadRule, NoRoom, Reverted, RoomAgain, RulesChanged, ScopeProgress
from dir_sync.core.verify_notes import Healed, Rotten, Scrubbed, SilentChange, Suspicious, VerifyNote

__all__ = [
    "Adopted", "AttributesChanged", "BadContent", "BadRule", "Blocked", "CannotRestore", "CannotWrite", "ChangedHere",
    "Conflict", "Copied", "Decided", "DeletedHere", "Fetched", "FetchedDelta", "Healed", "HeldThere", "HistoryChange",
    "HistoryPruned", "IdentityChanged", "InSync", "Kept", "LocalChange", "LossHeld", "LossHeldThere", "MetaChanged", "NewHere",
    "NoRoom", "NotTaken", "NotTakenThere", "Note", "NothingHeld", "PeerAhead", "PeerBehind", "PeerChange", "PeerHeld",
    "Progress", "Received", "ReceivedMany", "Removed", "Renamed", "RenamedHere", "Rescanning", "Restless", "Restored",
    "Resumed", "Reverted", "RoomAgain", "Rotten", "RulesChanged", "Safeguard", "Scanned", "Scrubbed", "Sent", "SentDelta",
    "SentLarge", "SentMany", "SilentChange", "Skipped", "Spared", "StillHeld", "Suspicious", "TextMerged", "Transfer", "Trouble",
    "Unfit", "Unreadable", "WrittenLate",
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
    """A file that was at `source` is now at `path`."""

    path: bytes
    source: bytes


class DeletedHere(NamedTuple):
    """Something was deleted in the folder of this node."""

    path: bytes


LocalChange = NewHere | ChangedHere | RenamedHere | DeletedHere


# --- what this node did in its folder for a peer's change -------------------------------------------------------------


class Received(NamedTuple):
    """A content came from `peer` and is installed."""

    path: bytes
    peer: str
    size: int


class ReceivedMany(NamedTuple):
    """Many contents came from `peer` at once and are installed: path and size of each, and the sum of the sizes."""

    peer: str
    files: tuple[tuple[bytes, int], ...]
    size: int


class Copied(NamedTuple):
    """`peer` announced a content that was here, at another path or in the history: it was copied or moved to `path`."""

    path: bytes
    peer: str
    size: int


class Restored(NamedTuple):
    """A version was restored from this node's history."""

    path: bytes
    size: int


class Renamed(NamedTuple):
    """A rename by `maker` was carried out here: the file at `source` is now at `path`."""

    path: bytes
    maker: str
    source: bytes


class Removed(NamedTuple):
    """A deletion by `maker` was carried out here."""

    path: bytes
    maker: str


class MetaChanged(NamedTuple):
    """A change of mtime or permissions by `maker` was carried out here."""

    path: bytes
    maker: str


class Kept(NamedTuple):
    """A deletion made elsewhere is not carried out, because its maker did not know the version that is here."""

    path: bytes


class Spared(NamedTuple):
    """A change made elsewhere is not carried out, because a person rejected it."""

    path: bytes


_MetaChange = MetaChanged | AttributesChanged
PeerChange = Received | ReceivedMany | Copied | Restored | Renamed | Removed | _MetaChange | Kept | Spared | Reverted


# --- what travels -----------------------------------------------------------------------------------------------------


class Resumed(NamedTuple):
    """A transfer from `peer` continues an earlier one: `here` bytes are in the staging folder already."""

    path: bytes
    peer: str
    size: int
    here: int


class Fetched(NamedTuple):
    """A large content has arrived from `peer` completely and is not installed yet; `Received` follows."""

    path: bytes
    peer: str
    size: int
    travelled: int
    took_ms: int


class FetchedDelta(NamedTuple):
    """A content has arrived from `peer` as a delta of `travelled` bytes; it is not installed yet."""

    path: bytes
    peer: str
    size: int
    travelled: int


class Sent(NamedTuple):
    """A content was sent to `peer`."""

    path: bytes
    peer: str
    size: int


class SentMany(NamedTuple):
    """Many contents were sent to `peer` at once: path and size of each, and the sum of the sizes."""

    peer: str
    files: tuple[tuple[bytes, int], ...]
    size: int


class SentDelta(NamedTuple):
    """A content was sent to `peer` as a delta of `travelled` bytes."""

    path: bytes
    peer: str
    size: int
    travelled: int


class SentLarge(NamedTuple):
    """A large content was sent to `peer`, which has installed it."""

    path: bytes
    peer: str
    size: int
    travelled: int
    took_ms: int


class BadContent(NamedTuple):
    """The data from `peer` is not the content that was announced."""

    path: bytes
    peer: str
    problem: str


Transfer = Resumed | Fetched | FetchedDelta | Sent | SentMany | SentDelta | SentLarge | BadContent


# --- how far the nodes are --------------------------------------------------------------------------------------------


class Scanned(NamedTuple):
    """A scan of the whole folder is complete: it has `files` files with `size` bytes in total."""

    files: int
    size: int


class PeerAhead(NamedTuple):
    """The state of `peer` is complete: it has `changes` changes that are not here yet, with `size` bytes in total."""

    peer: str
    changes: int
    size: int


class PeerBehind(NamedTuple):
    """`peer` reports that it lacks `files` files, with `size` bytes in total."""

    peer: str
    files: int
    size: int


class NotTakenThere(NamedTuple):
    """`peer` says why it does not take some of what is here: `files` files with `size` bytes, and `others` other changes.
    `reason` is one of core.declined; `limit`: bytes of the largest file that it takes, 0 if that is not why."""

    peer: str
    reason: str
    files: int
    size: int
    others: int
    limit: int


class InSync(NamedTuple):
    """This node and all these peers have the same content, but for what peers keep `apart`, as far as they say why: by their
    mode, their role, their rules."""

    peers: tuple[str, ...]
    apart: tuple[NotTakenThere, ...] = ()


class IdentityChanged(NamedTuple):
    """This node continues with new ids, as if it were a new node."""

    reason: str


class Rescanning(NamedTuple):
    """The watcher may have missed events below `path`: everything there is scanned again."""

    path: bytes
    reason: str


Progress = Scanned | PeerAhead | PeerBehind | NotTakenThere | InSync | IdentityChanged | Rescanning | ScopeProgress


# --- what does not work -----------------------------------------------------------------------------------------------


class Skipped(NamedTuple):
    """This path is excluded from synchronization."""

    path: bytes
    reason: str


class Blocked(NamedTuple):
    """An entry that is not synchronized occupies the place of a newer version, or keeps a folder that should go."""

    path: bytes


class Unreadable(NamedTuple):
    """A file or folder of ours cannot be read."""

    path: bytes
    problem: str


class Restless(NamedTuple):
    """A file changes so often that no read sees one consistent state."""

    path: bytes
    size: int


class CannotWrite(NamedTuple):
    """A newer version could not be installed; it is tried again."""

    path: bytes
    problem: str


class Unfit(NamedTuple):
    """A newer version can never be stored on this disk."""

    path: bytes
    reason: str


class NotTaken(NamedTuple):
    """A person has ruled out a newer version: it has `size` bytes, and files of more than `most` bytes are not taken."""

    path: bytes
    size: int
    most: int


class CannotRestore(NamedTuple):
    """A version should be restored, but no history within reach has its content."""

    path: bytes


Trouble = Skipped | Blocked | Unreadable | Restless | CannotWrite | Unfit | NotTaken | CannotRestore


# --- the history ------------------------------------------------------------------------------------------------------


class Conflict(NamedTuple):
    """Two nodes changed the same version, and ours lost. It is kept in the history under the name `version`."""

    path: bytes
    version: bytes


class WrittenLate(NamedTuple):
    """A program went on writing into a file after it was replaced. The result is in the history, as `version`."""

    path: bytes
    version: bytes


class HistoryPruned(NamedTuple):
    """`versions` versions with `size` bytes in total were removed to keep the history within its limits."""

    versions: int
    size: int


HistoryChange = Conflict | TextMerged | WrittenLate | HistoryPruned


Note = LocalChange | PeerChange | Transfer | Progress | Trouble | HistoryChange | Safeguard | VerifyNote
