package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Types of signature (C2SP signed-note, tlog-cosignature).
const (
	typeEd25519     = 1
	typeCosignature = 4 // Ed25519, over a time and a checkpoint
)

const (
	keyHashLen = 4
	stampLen   = 8
)

// A key is what a verifier key says: name+hash+base64 of type and key.
type key struct {
	name     string
	hash     uint32
	kind     byte
	material []byte
}

var errKey = errors.New("it is no key of the form name+hash+base64")

func parseKey(text string) (key, error) {
	name, rest, ok := strings.Cut(text, "+")
	hash, encoded, ok2 := strings.Cut(rest, "+")
	if !ok || !ok2 || !validOrigin(name) || len(hash) != 2*keyHashLen {
		return key{}, errKey
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(raw) == 0 {
		return key{}, errKey
	}
	k := key{name: name, kind: raw[0], material: raw[1:]}
	k.hash = keyHash(name, raw)
	if fmt.Sprintf("%08x", k.hash) != hash {
		return key{}, fmt.Errorf("the hash of the key is %08x, and it says %.8q", k.hash, hash)
	}
	return k, nil
}

// keyHash is the key ID of C2SP signed-note; raw is type and key.
func keyHash(name string, raw []byte) uint32 {
	h := sha256.Sum256(append([]byte(name+"\n"), raw...))
	return binary.BigEndian.Uint32(h[:keyHashLen])
}

// A cosigner verifies the cosignatures of one witness. It implements [note.Verifier].
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

// NewCosignatureVerifier gives the verifier of a witness's key: a verifier key of type 4 (C2SP tlog-cosignature, Ed25519).
func NewCosignatureVerifier(vkey string) (note.Verifier, error) {
	k, err := parseKey(vkey)
	if err != nil {
		return nil, fmt.Errorf("cosignature key: %w", err)
	}
	if k.kind != typeCosignature || len(k.material) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("cosignature key %s: it is of type %d, and cosignatures with Ed25519 are of type %d", k.name, k.kind, typeCosignature)
	}
	return &cosigner{name: k.name, hash: k.hash, key: k.material}, nil
}

// Name implements [note.Verifier].
func (c *cosigner) Name() string { return c.name }

// KeyHash implements [note.Verifier].
func (c *cosigner) KeyHash() uint32 { return c.hash }

// Verify implements [note.Verifier] for the text of a checkpoint.
func (c *cosigner) Verify(text, sig []byte) bool {
	at, ok := stamp(sig)
	return ok && len(sig) == stampLen+ed25519.SignatureSize && ed25519.Verify(c.key, cosigned(text, at), sig[stampLen:])
}

// stamp is the time in a cosignature, in seconds since 1970.
func stamp(sig []byte) (int64, bool) {
	if len(sig) < stampLen {
		return 0, false
	}
	at := binary.BigEndian.Uint64(sig)
	return int64(at), at <= math.MaxInt64 //nolint:gosec // it is looked at
}

// cosigned is the message that a cosignature signs.
func cosigned(text []byte, at int64) []byte {
	return append([]byte("cosignature/v1\ntime "+strconv.FormatInt(at, 10)+"\n"), text...)
}

// CosignedAt is when a signature of a witness was made, as the witness says, to the second.
func CosignedAt(s note.Signature) (time.Time, error) {
	raw, err := base64.StdEncoding.DecodeString(s.Base64)
	if err != nil || len(raw) < keyHashLen {
		return time.Time{}, errors.New("the signature is no cosignature")
	}
	at, ok := stamp(raw[keyHashLen:])
	if !ok {
		return time.Time{}, errors.New("the signature is no cosignature")
	}
	return time.Unix(at, 0).UTC(), nil
}

// A Cosigner makes cosignatures. It implements [note.Signer], with the time as it is.
type Cosigner struct {
	cosigner
	private ed25519.PrivateKey
	now     func() time.Time
}

// NewCosigner gives the signer of a witness: skey is PRIVATE+KEY+name+hash+base64 of type 4 and an Ed25519 seed. The error never holds the key.
func NewCosigner(skey string, now func() time.Time) (*Cosigner, error) {
	fields := strings.SplitN(strings.TrimSpace(skey), "+", 5)
	if len(fields) != 5 || fields[0] != "PRIVATE" || fields[1] != "KEY" {
		return nil, errors.New("cosigning key: it is not of the form PRIVATE+KEY+name+hash+base64")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(fields[4])
	if err != nil || len(raw) != 1+ed25519.SeedSize || raw[0] != typeCosignature || !validOrigin(fields[2]) {
		return nil, fmt.Errorf("cosigning key %.80q: it is no seed of an Ed25519 key for cosignatures", fields[2])
	}
	c := &Cosigner{private: ed25519.NewKeyFromSeed(raw[1:]), now: now}
	c.name, c.key = fields[2], c.private.Public().(ed25519.PublicKey)
	c.hash = keyHash(c.name, append([]byte{typeCosignature}, c.key...))
	if fmt.Sprintf("%08x", c.hash) != fields[3] {
		return nil, fmt.Errorf("cosigning key %s: its hash is another than it says", c.name)
	}
	return c, nil
}

// GenerateCosigner makes the key of a witness from 32 random bytes: the private text that [NewCosigner] reads, and the public one that
// policies hold.
func GenerateCosigner(name string, seed [ed25519.SeedSize]byte) (skey, vkey string, err error) {
	if !validOrigin(name) {
		return "", "", fmt.Errorf("cosigning key: the name %.80q is empty, or has white space, control characters, a plus sign or invalid UTF-8", name)
	}
	public := ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
	raw := append([]byte{typeCosignature}, public...)
	hash := fmt.Sprintf("%08x", keyHash(name, raw))
	private := base64.StdEncoding.EncodeToString(append([]byte{typeCosignature}, seed[:]...))
	return "PRIVATE+KEY+" + name + "+" + hash + "+" + private, name + "+" + hash + "+" + base64.StdEncoding.EncodeToString(raw), nil
}

// Sign implements [note.Signer] for the text of a checkpoint.
func (c *Cosigner) Sign(text []byte) ([]byte, error) {
	at := c.now().Unix()
	if at < 0 {
		return nil, errors.New("cosign: the clock shows a time before 1970")
	}
	sig := binary.BigEndian.AppendUint64(nil, uint64(at)) //nolint:gosec // it is not negative
	return append(sig, ed25519.Sign(c.private, cosigned(text, at))...), nil
}

// Public is the verifier key.
func (c *Cosigner) Public() string {
	raw := append([]byte{typeCosignature}, c.key...)
	return fmt.Sprintf("%s+%08x+%s", c.name, c.hash, base64.StdEncoding.EncodeToString(raw))
}
