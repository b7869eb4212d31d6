-- +goose Up
-- Of which type the resource of a drift is, and which commit a scan saw: taken from the entries that say so.
ALTER TABLE index_drift ADD COLUMN type TEXT NOT NULL DEFAULT '';
UPDATE index_drift SET type = coalesce((SELECT json_extract(CAST(body AS TEXT), '$.body.type') FROM entry WHERE idx = changed_idx), '');
ALTER TABLE index_scan ADD COLUMN commit_hash TEXT NOT NULL DEFAULT '';
UPDATE index_scan SET commit_hash = coalesce((SELECT json_extract(CAST(body AS TEXT), '$.body.stack.commit.hash') FROM entry WHERE idx = coalesce(finished_idx, started_idx)), '');

-- The version in which each resource was seen last. No entry of before has any.
CREATE TABLE index_version (
    stack   TEXT NOT NULL,
    address TEXT NOT NULL,
    digest  TEXT NOT NULL,          -- base64; empty: it was gone
    idx     INTEGER NOT NULL,       -- of the entry that names the payload
    PRIMARY KEY (stack, address)
) WITHOUT ROWID;
