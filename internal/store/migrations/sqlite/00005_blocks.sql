-- +goose Up
-- Which entries of a block have a word that many of them have, a bit for each: see block.go.
CREATE TABLE index_block (
    word  TEXT NOT NULL,
    block INTEGER NOT NULL,
    bits  BLOB NOT NULL,
    PRIMARY KEY (word, block)
) WITHOUT ROWID;
