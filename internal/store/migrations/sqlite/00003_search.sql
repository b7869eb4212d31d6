-- +goose Up
-- Fields of entries that can be erased, and what authorities gave for checkpoints. Nothing here can be derived from anything else.
CREATE TABLE disclosure (
    idx   INTEGER NOT NULL,         -- of the entry
    field TEXT NOT NULL,
    salt  TEXT NOT NULL,            -- base64url of 128 random bits
    value TEXT NOT NULL,            -- JSON
    PRIMARY KEY (idx, field)
) WITHOUT ROWID;
CREATE TABLE receipt (
    size   INTEGER NOT NULL,        -- of the checkpoint
    kind   TEXT NOT NULL,
    anchor TEXT NOT NULL,           -- which authority
    at     TEXT NOT NULL,           -- RFC 3339 with nanoseconds, UTC
    data   BLOB NOT NULL,
    PRIMARY KEY (size, anchor, kind)
) WITHOUT ROWID;

-- By which version of the rules the index was derived. Another than the program's: it is derived anew.
CREATE TABLE derived (version INTEGER NOT NULL);

-- The index, from here on. What is named search_ is there to find rows, and not needed to derive them.
DROP TABLE index_entry;
CREATE TABLE index_entry (
    idx      INTEGER PRIMARY KEY,
    nanos    INTEGER NOT NULL,      -- time, since 1970
    grp      INTEGER NOT NULL,      -- which index_group
    resource TEXT NOT NULL,
    request  TEXT NOT NULL
);
CREATE INDEX search_time ON index_entry (nanos);
CREATE INDEX search_group ON index_entry (grp);
CREATE INDEX search_resource ON index_entry (resource) WHERE resource <> '';
CREATE INDEX search_request ON index_entry (request) WHERE request <> '';
CREATE TABLE index_group (
    id      INTEGER PRIMARY KEY,    -- index of the first entry of the group
    type    TEXT NOT NULL,
    outcome TEXT NOT NULL,
    actor   TEXT NOT NULL,
    scope   TEXT NOT NULL
);
CREATE UNIQUE INDEX index_group_of ON index_group (scope, type, outcome, actor);
CREATE TABLE index_payload (
    sha256 TEXT NOT NULL,
    idx    INTEGER NOT NULL,        -- of an entry that names it
    PRIMARY KEY (sha256, idx)
) WITHOUT ROWID;
CREATE TABLE index_intent (
    idx         INTEGER PRIMARY KEY,
    type        TEXT NOT NULL,
    nanos       INTEGER NOT NULL,
    scope       TEXT NOT NULL,
    actor       TEXT NOT NULL,
    resource    TEXT NOT NULL,
    request     TEXT NOT NULL,
    outcome_idx INTEGER             -- of the first entry that says how it went; NULL: open
);
CREATE INDEX search_intent ON index_intent (idx) WHERE outcome_idx IS NULL;
CREATE TABLE index_hold (
    idx          INTEGER PRIMARY KEY, -- of the entry that says that it holds
    from_idx     INTEGER NOT NULL,
    to_idx       INTEGER NOT NULL,  -- 0: without end
    reason       TEXT NOT NULL,
    released_idx INTEGER            -- NULL: it holds
);
CREATE TABLE index_redaction (
    idx     INTEGER PRIMARY KEY,    -- of the entry that says that it was done
    entry   INTEGER NOT NULL,
    field   TEXT NOT NULL,
    digest  TEXT NOT NULL,
    payload TEXT NOT NULL
);
CREATE INDEX search_redaction ON index_redaction (entry);
CREATE INDEX search_redacted ON index_redaction (payload) WHERE payload <> '';

-- The words of each entry, without their order, and without the text that they are from. An erased word leaves the file at once.
CREATE VIRTUAL TABLE text_entry USING fts5(words, content='', detail=none, columnsize=0, tokenize="ascii");
INSERT INTO text_entry (text_entry, rank) VALUES ('secure-delete', 1);
