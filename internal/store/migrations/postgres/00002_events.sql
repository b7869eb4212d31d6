-- +goose Up
-- Events of audit sources: by what each is found, how far each source has come, and what it said of its own completeness.
CREATE TABLE index_event (
    key   BIGINT NOT NULL,         -- the first 8 bytes of the SHA-256 of a text that it is found by
    nanos BIGINT NOT NULL,         -- time of the event, since 1970
    idx   BIGINT NOT NULL,         -- of the entry whose payload holds it
    at    BIGINT NOT NULL,         -- where in the payload
    PRIMARY KEY (key, nanos, idx, at)
);
CREATE TABLE index_batch (
    idx      BIGINT PRIMARY KEY,   -- of the entry
    source   TEXT COLLATE "C" NOT NULL,
    sha256   TEXT COLLATE "C" NOT NULL,         -- of the payload
    events   BIGINT NOT NULL,
    changes  BIGINT NOT NULL,
    dead     BIGINT NOT NULL,
    first_ns BIGINT NOT NULL,      -- times of the earliest and the latest event
    last_ns  BIGINT NOT NULL
);
CREATE INDEX search_batch ON index_batch (last_ns);
CREATE TABLE index_source (
    source     TEXT COLLATE "C" PRIMARY KEY,
    idx        BIGINT NOT NULL,    -- of its newest batch
    cursor     TEXT COLLATE "C" NOT NULL,       -- the newest; empty: it has none
    settled_ns BIGINT NOT NULL,    -- 0: nothing was said
    first_ns   BIGINT NOT NULL,    -- of the earliest event of all
    last_ns    BIGINT NOT NULL,    -- of the latest
    events     BIGINT NOT NULL,
    changes    BIGINT NOT NULL,
    dead       BIGINT NOT NULL
);
CREATE TABLE index_notice (
    idx      BIGINT NOT NULL,      -- of the entry
    n        BIGINT NOT NULL,      -- which of its notices
    source   TEXT COLLATE "C" NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL,
    start_ns BIGINT NOT NULL,
    end_ns   BIGINT NOT NULL,
    what     TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (idx, n)
);
CREATE TABLE index_cause (
    drift   TEXT COLLATE "C" PRIMARY KEY,
    idx     BIGINT NOT NULL,       -- of the newest entry that says who moved it
    entry   BIGINT NOT NULL,       -- that holds the form of the drift that it is about
    settled BIGINT NOT NULL        -- 1: no event is awaited any more
);
