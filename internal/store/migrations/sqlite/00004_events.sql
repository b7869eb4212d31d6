-- +goose Up
-- Events of audit sources: by what each is found, how far each source has come, and what it said of its own completeness.
CREATE TABLE index_event (
    key   INTEGER NOT NULL,         -- the first 8 bytes of the SHA-256 of a text that it is found by
    nanos INTEGER NOT NULL,         -- time of the event, since 1970
    idx   INTEGER NOT NULL,         -- of the entry whose payload holds it
    at    INTEGER NOT NULL,         -- where in the payload
    PRIMARY KEY (key, nanos, idx, at)
) WITHOUT ROWID;
CREATE TABLE index_batch (
    idx      INTEGER PRIMARY KEY,   -- of the entry
    source   TEXT NOT NULL,
    sha256   TEXT NOT NULL,         -- of the payload
    events   INTEGER NOT NULL,
    changes  INTEGER NOT NULL,
    dead     INTEGER NOT NULL,
    first_ns INTEGER NOT NULL,      -- times of the earliest and the latest event
    last_ns  INTEGER NOT NULL
);
CREATE INDEX search_batch ON index_batch (last_ns);
CREATE TABLE index_source (
    source     TEXT PRIMARY KEY,
    idx        INTEGER NOT NULL,    -- of its newest batch
    cursor     TEXT NOT NULL,       -- the newest; empty: it has none
    settled_ns INTEGER NOT NULL,    -- 0: nothing was said
    first_ns   INTEGER NOT NULL,    -- of the earliest event of all
    last_ns    INTEGER NOT NULL,    -- of the latest
    events     INTEGER NOT NULL,
    changes    INTEGER NOT NULL,
    dead       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE index_notice (
    idx      INTEGER NOT NULL,      -- of the entry
    n        INTEGER NOT NULL,      -- which of its notices
    source   TEXT NOT NULL,
    kind     TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns   INTEGER NOT NULL,
    what     TEXT NOT NULL,
    PRIMARY KEY (idx, n)
) WITHOUT ROWID;
CREATE TABLE index_cause (
    drift   TEXT PRIMARY KEY,
    idx     INTEGER NOT NULL,       -- of the newest entry that says who moved it
    entry   INTEGER NOT NULL,       -- that holds the form of the drift that it is about
    settled INTEGER NOT NULL        -- 1: no event is awaited any more
) WITHOUT ROWID;
