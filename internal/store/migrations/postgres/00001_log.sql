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

CREATE TABLE disclosure (
    idx   BIGINT NOT NULL,         -- of the entry
    field TEXT COLLATE "C" NOT NULL,
    salt  TEXT COLLATE "C" NOT NULL,            -- base64url of 128 random bits
    value TEXT COLLATE "C" NOT NULL,            -- JSON
    PRIMARY KEY (idx, field)
);
CREATE TABLE receipt (
    size   BIGINT NOT NULL,        -- of the checkpoint
    kind   TEXT COLLATE "C" NOT NULL,
    anchor TEXT COLLATE "C" NOT NULL,           -- which authority
    at     TEXT COLLATE "C" NOT NULL,           -- RFC 3339 with nanoseconds, UTC
    data   BYTEA NOT NULL,
    PRIMARY KEY (size, anchor, kind)
);

-- Entries that were acknowledged as queued, in the order in which they are to come into the log. A row stays for a while after that, so that
-- whoever queued it learns its index, and who queues it again does not queue it twice.
CREATE TABLE outbox (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ticket    TEXT COLLATE "C" NOT NULL UNIQUE,
    entries   BYTEA,                -- JSON; NULL: they are in the log
    n         BIGINT NOT NULL,      -- how many
    first_idx BIGINT,               -- of the first of them; NULL: they are not in the log
    queued_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX outbox_queued ON outbox (id) WHERE first_idx IS NULL;

-- By which version of the rules the index was derived. Another than the program's: it is derived anew.
CREATE TABLE derived (version BIGINT NOT NULL);

-- The index: everything below can be dropped and built again from the above, and is then the same. What is named search_ is
-- there to find rows, and not needed to derive them.
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
CREATE TABLE index_entry (
    idx      BIGINT PRIMARY KEY,
    nanos    BIGINT NOT NULL,      -- time, since 1970
    grp      BIGINT NOT NULL,      -- which index_group
    resource TEXT COLLATE "C" NOT NULL,
    request  TEXT COLLATE "C" NOT NULL
);
CREATE INDEX search_time ON index_entry (nanos, idx);
CREATE INDEX search_group ON index_entry (grp, idx);
CREATE INDEX search_resource ON index_entry (resource, idx) WHERE resource <> '';
CREATE INDEX search_request ON index_entry (request, idx) WHERE request <> '';
CREATE TABLE index_group (
    id      BIGINT PRIMARY KEY,    -- index of the first entry of the group
    type    TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    actor   TEXT COLLATE "C" NOT NULL,
    scope   TEXT COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX index_group_of ON index_group (scope, type, outcome, actor);
CREATE TABLE index_payload (
    sha256 TEXT COLLATE "C" NOT NULL,
    idx    BIGINT NOT NULL,        -- of an entry that names it
    PRIMARY KEY (sha256, idx)
);
CREATE TABLE index_intent (
    idx         BIGINT PRIMARY KEY,
    type        TEXT COLLATE "C" NOT NULL,
    nanos       BIGINT NOT NULL,
    scope       TEXT COLLATE "C" NOT NULL,
    actor       TEXT COLLATE "C" NOT NULL,
    resource    TEXT COLLATE "C" NOT NULL,
    request     TEXT COLLATE "C" NOT NULL,
    outcome_idx BIGINT             -- of the first entry that says how it went; NULL: open
);
CREATE INDEX search_intent ON index_intent (idx) WHERE outcome_idx IS NULL;
CREATE TABLE index_hold (
    idx          BIGINT PRIMARY KEY, -- of the entry that says that it holds
    from_idx     BIGINT NOT NULL,
    to_idx       BIGINT NOT NULL,  -- 0: without end
    reason       TEXT COLLATE "C" NOT NULL,
    released_idx BIGINT            -- NULL: it holds
);
CREATE TABLE index_redaction (
    idx     BIGINT PRIMARY KEY,    -- of the entry that says that it was done
    entry   BIGINT NOT NULL,
    field   TEXT COLLATE "C" NOT NULL,
    digest  TEXT COLLATE "C" NOT NULL,
    payload TEXT COLLATE "C" NOT NULL
);
CREATE INDEX search_redaction ON index_redaction (entry);
CREATE INDEX search_redacted ON index_redaction (payload) WHERE payload <> '';

-- The words of each entry, without their order.
CREATE TABLE text_entry (
    idx   BIGINT PRIMARY KEY,
    words TSVECTOR NOT NULL
);
CREATE INDEX search_words ON text_entry USING gin (words);
