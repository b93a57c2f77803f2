-- What this node has, what its peers announced, what it kept. One writer: the engine.
-- A path is stored as (parent, name), so that the children of a folder lie side by side.

CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- What this node has: one row for each path it ever knew. fp: fingerprint of what is on the disk there, '' if nothing is.
-- lineage: of a version that was joined with others, the vector that it was made with; else ''.
-- attributes: owner, ACLs and extended attributes as JSON, if a node keeps them; else ''.
CREATE TABLE IF NOT EXISTS row (
    parent BLOB NOT NULL, name BLOB NOT NULL,
    kind INTEGER NOT NULL, size INTEGER NOT NULL, content BLOB NOT NULL,
    mtime_s INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, mode INTEGER NOT NULL,
    stamp_ns INTEGER NOT NULL, stamp_maker TEXT NOT NULL, vector TEXT NOT NULL,
    seq INTEGER NOT NULL, fp BLOB NOT NULL, lineage TEXT NOT NULL DEFAULT '', attributes TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (parent, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS row_seq ON row (seq);
-- and, made when the first scan is over: row_content ON row (content) WHERE kind = 1
-- and, at each opening if it is missing: row_target ON row (content) WHERE kind = 3

-- What peers announced and we do not hold (yet). What is to be done is always computed from these.
CREATE TABLE IF NOT EXISTS offer (
    parent BLOB NOT NULL, name BLOB NOT NULL, peer TEXT NOT NULL,
    kind INTEGER NOT NULL, size INTEGER NOT NULL, content BLOB NOT NULL,
    mtime_s INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, mode INTEGER NOT NULL,
    stamp_ns INTEGER NOT NULL, stamp_maker TEXT NOT NULL, vector TEXT NOT NULL,
    foreign_ INTEGER NOT NULL, lineage TEXT NOT NULL DEFAULT '', attributes TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (parent, name, peer)
) WITHOUT ROWID;

-- New files that are being installed with the content that came along: offers, many in one row. What is left of them when
-- the program starts becomes offers. records: JSON, see intents.py.
CREATE TABLE IF NOT EXISTS intent (id INTEGER PRIMARY KEY, peer TEXT NOT NULL, records TEXT NOT NULL);

-- How far we have seen each peer's index, and where it stood when the first contact was over (NULL: not yet).
CREATE TABLE IF NOT EXISTS peer (replica TEXT PRIMARY KEY, seen INTEGER NOT NULL, first INTEGER) WITHOUT ROWID;

-- What peers announced at paths that the rules of this node ignore: acknowledged, and not here.
CREATE TABLE IF NOT EXISTS unshared (
    peer TEXT NOT NULL, path BLOB NOT NULL, kind INTEGER NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (peer, path)
) WITHOUT ROWID;

-- What the history holds. name: its path below the folder.
CREATE TABLE IF NOT EXISTS version (
    name BLOB PRIMARY KEY, path BLOB NOT NULL, kind INTEGER NOT NULL, size INTEGER NOT NULL, content BLOB NOT NULL,
    mtime_s INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, mode INTEGER NOT NULL,
    time_ns INTEGER NOT NULL, why TEXT NOT NULL, maker TEXT NOT NULL, attributes TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS version_content ON version (content) WHERE kind = 1;
CREATE INDEX IF NOT EXISTS version_time ON version (time_ns, name);

-- Versions whose content was here for minutes only.
CREATE TABLE IF NOT EXISTS brief (name BLOB PRIMARY KEY) WITHOUT ROWID;

-- What was at a path before each change of the folder, whoever made it: from that it can be told how it was at a time.
CREATE TABLE IF NOT EXISTS change (
    id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, maker TEXT NOT NULL, path BLOB NOT NULL,
    kind INTEGER NOT NULL, size INTEGER NOT NULL, content BLOB NOT NULL,
    mtime_s INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, mode INTEGER NOT NULL, attributes TEXT NOT NULL DEFAULT ''
);

-- With --merge: earlier versions of texts, compressed (x'': no text), which conflicts are merged from; and the losers of
-- conflicts that are not over.
CREATE TABLE IF NOT EXISTS base (
    parent BLOB NOT NULL, name BLOB NOT NULL,
    kind INTEGER NOT NULL, size INTEGER NOT NULL, content BLOB NOT NULL,
    mtime_s INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, mode INTEGER NOT NULL,
    stamp_ns INTEGER NOT NULL, stamp_maker TEXT NOT NULL, vector TEXT NOT NULL,
    lineage TEXT NOT NULL DEFAULT '', kept_ns INTEGER NOT NULL, packed BLOB NOT NULL,
    PRIMARY KEY (parent, name, stamp_ns, stamp_maker)
);
CREATE INDEX IF NOT EXISTS base_kept ON base (kept_ns);
CREATE TABLE IF NOT EXISTS loser (
    parent BLOB NOT NULL, name BLOB NOT NULL,
    kind INTEGER NOT NULL, size INTEGER NOT NULL, content BLOB NOT NULL,
    mtime_s INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, mode INTEGER NOT NULL,
    stamp_ns INTEGER NOT NULL, stamp_maker TEXT NOT NULL, vector TEXT NOT NULL,
    lineage TEXT NOT NULL DEFAULT '', version BLOB NOT NULL PRIMARY KEY
) WITHOUT ROWID;
