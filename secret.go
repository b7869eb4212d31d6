package taffrail

import (
	"fmt"
	"regexp"
	"strings"
)

// A SecretDigest stands in the place of a secret: "hmac:<kid>:<digest>", where kid names the key (8 hexadecimal digits)
// and digest is HMAC-SHA-256 over [SealInput] (64 hexadecimal digits). Only digests of one key can be compared.
type SecretDigest string

var secretForm = regexp.MustCompile(`^hmac:[0-9a-f]{8}:[0-9a-f]{64}$`)

// ParseSecretDigest checks the form.
func ParseSecretDigest(s string) (SecretDigest, error) {
	if !secretForm.MatchString(s) {
		return "", fmt.Errorf("secret digest %q is not hmac:<kid>:<sha256>", clip(s))
	}
	return SecretDigest(s), nil
}

// KeyID names the key that made the digest.
func (d SecretDigest) KeyID() string {
	_, rest, _ := strings.Cut(string(d), ":")
	kid, _, _ := strings.Cut(rest, ":")
	return kid
}

// Secret is the value that stands for a secret.
func Secret(d SecretDigest) Value { return Value{shape: ShapeSecret, text: string(d)} }

// SealInput is what a keyed digest of a value is made over. Scalars give their text, so that the number 5 of one system and
// the string "5" of another have one digest; all else gives its canonical encoding. A first byte tells the two apart.
func SealInput(v Value) []byte {
	switch v.shape {
	case ShapeBool:
		return fmt.Appendf(nil, "s%t", v.yes)
	case ShapeNumber, ShapeString:
		return append([]byte("s"), v.text...)
	}
	return v.AppendCanonical([]byte("c"))
}

// FingerprintInput is what the digest of a version is made over: a first byte that no [SealInput] begins with, so that the digest of a version
// is never that of a secret, and the canonical encoding.
func FingerprintInput(v Value) []byte { return v.AppendCanonical(append(make([]byte, 0, 2048), 'v')) }
