-- +goose Up
-- Which entries of a block have a word that many of them have, a bit for each: see block.go.
CREATE TABLE index_block (
    word  TEXT COLLATE "C" NOT NULL,
    block BIGINT NOT NULL,
    bits  BYTEA NOT NULL,
    PRIMARY KEY (word, block)
);
