"""The persistent state of one node for one folder, in one SQLite file.

It has rows, offers, intents, peers, versions and the journal.

In:   the engine's reads and writes. The commands `history` and `undo` use it directly if no node runs.
Out:  the same values, also after a crash, as of the last commit.
Rule: reads see every write immediately. Writes reach the file in bulk: at the next commit, or before a query that needs
them there. Nothing here uses the clock, the tree or the network. Not thread safe: the index belongs to one thread.

`schema.sql` says what each table means. Each table has one module here, which alone reads and writes it;
callers ask it directly, as `index.rows.get(path)`:

    front       Index: opens the file, has each table as a field (`index.rows`), and answers what needs two of them
    database    the connection: transaction, commit, durability
    notes       meta: small facts by key            identity   node id, index id, sequences
    rows        what this node has                  tree       rows by their place in the folder
    changes     rows by sequence and by maker
    offers      what peers announced                intents    offers, many in one row
    unshared    what peers announced at ignored paths
    versions    what the history holds              journal    how paths were before each change
    bases       versions that can be merged from, losers of conflicts
    peers       how much of each peer's index was received
    bloom       which paths and contents are certainly new
    codec       records and versions as columns

A table may use database, notes, codec, bloom and the tables above it in `tests/import_table.py`; it never knows the front.
"""

from dir_sync.index.bases import LostVersion
from dir_sync.index.database import IndexDamaged
from dir_sync.index.front import BRAKED, JOURNAL_SINCE, KEEPS, UNPROVEN_PARTS, Index
from dir_sync.index.peers import PeerSeen
from dir_sync.index.rows import Row

__all__ = [
    "BRAKED",
    "JOURNAL_SINCE",
    "KEEPS",
    "UNPROVEN_PARTS",
    "Index",
    "IndexDamaged",
    "LostVersion",
    "PeerSeen",
    "Row",
]
