-- +goose Up
-- The log itself, and what its entries point to. Nothing here can be derived from anything else.
CREATE TABLE entry (
    idx  INTEGER PRIMARY KEY,       -- from 0, no holes
    body BLOB NOT NULL              -- the exact bytes of the leaf
);
CREATE TABLE node (
    id   INTEGER PRIMARY KEY,       -- as tlog.StoredHashIndex counts
    hash BLOB NOT NULL              -- 32 bytes
);
CREATE TABLE checkpoint (
    size INTEGER PRIMARY KEY,
    note BLOB NOT NULL              -- signed note
);
CREATE TABLE blob (
    sha256 TEXT PRIMARY KEY,        -- of data, hexadecimal
    data   BLOB NOT NULL
) WITHOUT ROWID;

-- The index: everything below can be dropped and built again from the above, and is then the same.
CREATE TABLE index_entry (
    idx      INTEGER PRIMARY KEY,
    type     TEXT NOT NULL,
    time     TEXT NOT NULL,         -- RFC 3339 with nanoseconds, UTC
    scope    TEXT NOT NULL,
    actor    TEXT NOT NULL,
    resource TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    request  TEXT NOT NULL
);
CREATE TABLE index_stack (
    id        TEXT PRIMARY KEY,
    system    TEXT NOT NULL,
    name      TEXT NOT NULL,
    workspace TEXT NOT NULL,
    lineage   TEXT NOT NULL,
    serial    INTEGER NOT NULL,
    seen_idx  INTEGER NOT NULL      -- of the entry that says so
);
CREATE TABLE index_scan (
    id           TEXT PRIMARY KEY,
    stack        TEXT NOT NULL,
    started_idx  INTEGER NOT NULL,
    finished_idx INTEGER,           -- NULL: running, or cut short by a crash
    outcome      TEXT NOT NULL,
    total        INTEGER NOT NULL,
    checked      INTEGER NOT NULL,
    incomplete   INTEGER NOT NULL
);
CREATE TABLE index_drift (
    id          TEXT PRIMARY KEY,
    stack       TEXT NOT NULL,
    address     TEXT NOT NULL,
    status      TEXT NOT NULL,
    finding     TEXT NOT NULL,      -- sha256 of the blob
    since       TEXT NOT NULL,
    found_idx   INTEGER NOT NULL,
    changed_idx INTEGER NOT NULL,   -- of the entry that holds its present form
    ended_idx   INTEGER             -- NULL: open
);
CREATE UNIQUE INDEX index_drift_open ON index_drift (stack, address) WHERE ended_idx IS NULL;
