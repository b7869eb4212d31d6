// Package digest reads the digest files of CloudTrail and checks what they say.
//
// A trail writes one every hour and for each region: which log files were delivered in it, each with a hash of its content without compression, and
// which digest was the one before, with its hash and its signature. The digest is signed, RSA with PKCS #1 v1.5 over SHA-256 of four lines: the end of
// its time, bucket and key, the hash of the digest file's own content, and the signature of the one before, or the word null. So nobody can change
// a log file, or leave out a digest in the middle, without the key, which AWS holds for each region. What the chain cannot show by itself is that
// its newest end was cut off.
//
// The signature is no part of the file: S3 holds it as metadata of the object.
package digest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"
)

// A Digest is what a digest file says.
type Digest struct {
	Start             time.Time
	End               time.Time
	Bucket, Object    string // where it was written to
	Fingerprint       string // of the key that signed it
	Newest, Oldest    time.Time
	PreviousObject    string // empty: it is the first one
	PreviousHash      string
	PreviousSignature string
	Logs              []Log

	end string // as it was written, and so signed
}

// A Log is a log file that a digest names.
type Log struct {
	Bucket, Object string
	Hash           string // SHA-256 of its content without compression, in hex
	Newest, Oldest time.Time
}

type digestForm struct {
	DigestStartTime            time.Time `json:"digestStartTime"`
	DigestEndTime              string    `json:"digestEndTime"`
	DigestS3Bucket             string    `json:"digestS3Bucket"`
	DigestS3Object             string    `json:"digestS3Object"`
	DigestPublicKeyFingerprint string    `json:"digestPublicKeyFingerprint"`
	DigestSignatureAlgorithm   string    `json:"digestSignatureAlgorithm"`
	NewestEventTime            time.Time `json:"newestEventTime"`
	OldestEventTime            time.Time `json:"oldestEventTime"`
	PreviousDigestS3Object     string    `json:"previousDigestS3Object"`
	PreviousDigestHashValue    string    `json:"previousDigestHashValue"`
	PreviousDigestSignature    string    `json:"previousDigestSignature"`
	LogFiles                   []logForm `json:"logFiles"`
}

type logForm struct {
	S3Bucket        string    `json:"s3Bucket"`
	S3Object        string    `json:"s3Object"`
	HashValue       string    `json:"hashValue"`
	HashAlgorithm   string    `json:"hashAlgorithm"`
	NewestEventTime time.Time `json:"newestEventTime"`
	OldestEventTime time.Time `json:"oldestEventTime"`
}

// Parse reads a digest file, without compression.
func Parse(content []byte) (Digest, error) {
	var f digestForm
	if err := json.Unmarshal(content, &f); err != nil {
		return Digest{}, errors.New("it is no digest file by its form")
	}
	end, err := time.Parse(time.RFC3339, f.DigestEndTime)
	switch {
	case err != nil || f.DigestStartTime.IsZero() || end.Before(f.DigestStartTime):
		return Digest{}, errors.New("the digest's times are missing, or in the wrong order")
	case f.DigestS3Object == "" || f.DigestPublicKeyFingerprint == "":
		return Digest{}, errors.New("the digest does not say where it was written to, or which key signed it")
	case f.DigestSignatureAlgorithm != "SHA256withRSA":
		return Digest{}, errors.New("the digest is signed in a way that is not known")
	}
	d := Digest{
		Start: f.DigestStartTime.UTC(), End: end.UTC(), end: f.DigestEndTime, Bucket: f.DigestS3Bucket, Object: f.DigestS3Object, Fingerprint: f.DigestPublicKeyFingerprint,
		Newest: f.NewestEventTime.UTC(), Oldest: f.OldestEventTime.UTC(),
		PreviousObject: f.PreviousDigestS3Object, PreviousHash: f.PreviousDigestHashValue, PreviousSignature: f.PreviousDigestSignature,
	}
	for _, l := range f.LogFiles {
		if l.HashAlgorithm != "SHA-256" || l.S3Object == "" {
			return Digest{}, errors.New("the digest names a log file in a way that is not known")
		}
		d.Logs = append(d.Logs, Log{l.S3Bucket, l.S3Object, l.HashValue, l.NewestEventTime.UTC(), l.OldestEventTime.UTC()})
	}
	return d, nil
}

// What can be wrong with a signature.
var (
	ErrUnsigned   = errors.New("the signature is missing")
	ErrUnknownKey = errors.New("it is signed by a key that is not known")
	ErrForged     = errors.New("the signature is not that of the digest")
)

// Verify checks the signature, in hex, of a digest with its content without compression.
func (d Digest) Verify(content []byte, signature string, keys Keys) error {
	signature = strings.TrimSpace(signature)
	if signature == "" {
		return ErrUnsigned
	}
	key, ok := keys[d.Fingerprint]
	if !ok {
		return ErrUnknownKey
	}
	raw, err := hex.DecodeString(signature)
	if err != nil {
		return ErrForged
	}
	sum := sha256.Sum256(d.signed(content))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], raw) != nil {
		return ErrForged
	}
	return nil
}

// signed is what the signature is made over.
func (d Digest) signed(content []byte) []byte {
	previous := d.PreviousSignature
	if previous == "" {
		previous = "null"
	}
	return fmt.Appendf(nil, "%s\n%s/%s\n%x\n%s", d.end, d.Bucket, d.Object, sha256.Sum256(content), previous)
}

// Follows checks that a digest names another one, given by its content and its signature, as the one before.
func (d Digest) Follows(content []byte, signature string) error {
	if sum := sha256.Sum256(content); !strings.EqualFold(hex.EncodeToString(sum[:]), d.PreviousHash) {
		return errors.New("the digest before it is not the one that it names")
	}
	if signature = strings.TrimSpace(signature); signature != "" && !strings.EqualFold(signature, d.PreviousSignature) {
		return errors.New("the digest before it has another signature than it names")
	}
	return nil
}

// Keys are the keys that sign digests, by their fingerprints.
type Keys map[string]*rsa.PublicKey

// Add takes a key in DER of PKCS #1.
func (k Keys) Add(fingerprint string, der []byte) error {
	key, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return fmt.Errorf("the key %s is no RSA key in PKCS #1: %w", fingerprint, err)
	}
	k[fingerprint] = key
	return nil
}

// ParseKeys reads keys as `aws cloudtrail list-public-keys` writes them.
func ParseKeys(text []byte) (Keys, error) {
	var list struct {
		PublicKeyList []struct {
			Fingerprint string
			Value       []byte // base64
		}
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("it is no list of keys as `aws cloudtrail list-public-keys` writes it: %w", err)
	}
	keys := Keys{}
	for _, k := range list.PublicKeyList {
		if err := keys.Add(k.Fingerprint, k.Value); err != nil {
			return nil, err
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("it holds no key")
	}
	return keys, nil
}

var fileName = regexp.MustCompile(`^(.+_CloudTrail-Digest_.+)_(\d{8}T\d{6}Z)(\.json\.gz)$`)

// Name tells of a key whether it is that of a digest file by its name, which chain the file is of, and the end of its time.
func Name(key string) (chain string, end time.Time, ok bool) {
	m := fileName.FindStringSubmatch(path.Base(key))
	if m == nil {
		return "", time.Time{}, false
	}
	end, err := time.Parse("20060102T150405Z", m[2])
	return m[1], end, err == nil
}
