-- +goose Up
-- The log itself, and what its entries point to. Nothing here can be derived from anything else. Text is compared by its bytes.
CREATE TABLE entry (
    idx  BIGINT PRIMARY KEY,        -- from 0, no holes
    body BYTEA NOT NULL             -- the exact bytes of the leaf
);
CREATE TABLE node (
    id   BIGINT PRIMARY KEY,        -- as tlog.StoredHashIndex counts
    hash BYTEA NOT NULL             -- 32 bytes
);
CREATE TABLE checkpoint (
    size BIGINT PRIMARY KEY,
    note BYTEA NOT NULL             -- signed note
);
CREATE TABLE blob (
    sha256 TEXT COLLATE "C" PRIMARY KEY, -- of data, hexadecimal
    data   BYTEA NOT NULL
);

-- The index: everything below can be dropped and built again from the above, and is then the same.
CREATE TABLE index_entry (
    idx      BIGINT PRIMARY KEY,
    type     TEXT COLLATE "C" NOT NULL,
    time     TEXT COLLATE "C" NOT NULL, -- RFC 3339 with nanoseconds, UTC
    scope    TEXT COLLATE "C" NOT NULL,
    actor    TEXT COLLATE "C" NOT NULL,
    resource TEXT COLLATE "C" NOT NULL,
    outcome  TEXT COLLATE "C" NOT NULL,
    request  TEXT COLLATE "C" NOT NULL
);
CREATE TABLE index_stack (
    id        TEXT COLLATE "C" PRIMARY KEY,
    system    TEXT COLLATE "C" NOT NULL,
    name      TEXT COLLATE "C" NOT NULL,
    workspace TEXT COLLATE "C" NOT NULL,
    lineage   TEXT COLLATE "C" NOT NULL,
    serial    BIGINT NOT NULL,
    seen_idx  BIGINT NOT NULL       -- of the entry that says so
);
CREATE TABLE index_scan (
    id           TEXT COLLATE "C" PRIMARY KEY,
    stack        TEXT COLLATE "C" NOT NULL,
    started_idx  BIGINT NOT NULL,
    finished_idx BIGINT,            -- NULL: running, or cut short by a crash
    outcome      TEXT COLLATE "C" NOT NULL,
    total        BIGINT NOT NULL,
    checked      BIGINT NOT NULL,
    incomplete   BIGINT NOT NULL,
    commit_hash  TEXT COLLATE "C" NOT NULL
);
CREATE TABLE index_drift (
    id          TEXT COLLATE "C" PRIMARY KEY,
    stack       TEXT COLLATE "C" NOT NULL,
    address     TEXT COLLATE "C" NOT NULL,
    status      TEXT COLLATE "C" NOT NULL,
    finding     TEXT COLLATE "C" NOT NULL, -- sha256 of the blob
    since       TEXT COLLATE "C" NOT NULL,
    found_idx   BIGINT NOT NULL,
    changed_idx BIGINT NOT NULL,    -- of the entry that holds its present form
    ended_idx   BIGINT,             -- NULL: open
    type        TEXT COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX index_drift_open ON index_drift (stack, address) WHERE ended_idx IS NULL;
CREATE TABLE index_version (
    stack   TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    digest  TEXT COLLATE "C" NOT NULL, -- base64; empty: it was gone
    idx     BIGINT NOT NULL,        -- of the entry that names the payload
    PRIMARY KEY (stack, address)
);
