package audit

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// A Disclosure is a field that stands outside of its entry, which holds its digest alone: so the field can be erased, and nobody can guess it
// from the entry. The encoding is that of RFC 9901 (SD-JWT): the digest is over base64url of the JSON array of salt, name and value.
type Disclosure struct {
	Salt  string // base64url of at least 128 random bits
	Name  string
	Value string // JSON
}

// DisclosureAlgorithm is the one hash that entries use, by its name in RFC 9901's `_sd_alg`.
const DisclosureAlgorithm = "sha-256"

// minSalt is the least number of characters of a salt: 128 bits.
const minSalt = 22

// Text is the encoded disclosure, of which an entry holds the digest.
func (d Disclosure) Text() (string, error) {
	if len(d.Salt) < minSalt || d.Name == "" {
		return "", fmt.Errorf("disclosure %q: it has no name, or a salt of less than 128 bits", d.Name)
	}
	raw, err := json.Marshal([]any{d.Salt, d.Name, json.RawMessage(d.Value)})
	if err != nil {
		return "", fmt.Errorf("disclosure %q: %w", d.Name, err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

// DisclosureDigest is the digest of an encoded disclosure, as an entry holds it.
func DisclosureDigest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// maxDisclosure bounds an encoded disclosure in bytes.
const maxDisclosure = 64 << 10

// ParseDisclosure reads an encoded disclosure. Whether an entry holds its digest is another question.
func ParseDisclosure(text string) (Disclosure, error) {
	if len(text) > maxDisclosure {
		return Disclosure{}, fmt.Errorf("disclosure: it has %d bytes, and %d is the most", len(text), maxDisclosure)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return Disclosure{}, errors.New("disclosure: it is no base64url")
	}
	var parts []json.RawMessage
	var d Disclosure
	if err := json.Unmarshal(raw, &parts); err != nil || len(parts) != 3 ||
		json.Unmarshal(parts[0], &d.Salt) != nil || json.Unmarshal(parts[1], &d.Name) != nil {
		return Disclosure{}, errors.New("disclosure: it is no array of salt, name and value")
	}
	if len(d.Salt) < minSalt || d.Name == "" {
		return Disclosure{}, fmt.Errorf("disclosure %.80q: it has no name, or a salt of less than 128 bits", d.Name)
	}
	d.Value = string(parts[2])
	return d, nil
}
