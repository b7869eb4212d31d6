package remote

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
)

// ReadAll reads a state to its end, and refuses one that is larger than the limit before it fills the memory.
func (c Config) ReadAll(name string, from io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, c.Limit+1))
	if err != nil {
		return nil, Unreached(name, err)
	}
	if int64(len(data)) > c.Limit {
		return nil, TooLarge(name, c.Limit)
	}
	return data, nil
}

// Gunzip unpacks a state that is kept in gzip's format (RFC 1952).
func (c Config) Gunzip(name string, packed []byte) ([]byte, error) {
	damaged := func(err error) error {
		return Invalid("restore the state from a backup, or push it anew", "%s: the state is damaged: %w", name, err)
	}
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, damaged(err)
	}
	data, err := io.ReadAll(io.LimitReader(reader, c.Limit+1))
	switch {
	case err != nil:
		return nil, damaged(err)
	case int64(len(data)) > c.Limit:
		return nil, TooLarge(name, c.Limit)
	}
	return data, nil
}

// Digest is a version for a state of a backend that has none of its own.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
