package trail

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// A Digest is the content of a digest file: which log files were delivered in a
// time, and the digest before it.
type Digest struct {
	AWSAccountID                string    `json:"awsAccountId"`
	DigestStartTime             Time      `json:"digestStartTime"`
	DigestEndTime               Time      `json:"digestEndTime"`
	DigestS3Bucket              string    `json:"digestS3Bucket"`
	DigestS3Object              string    `json:"digestS3Object"`
	DigestPublicKeyFingerprint  string    `json:"digestPublicKeyFingerprint"`
	DigestSignatureAlgorithm    string    `json:"digestSignatureAlgorithm"`
	NewestEventTime             *Time     `json:"newestEventTime"`
	OldestEventTime             *Time     `json:"oldestEventTime"`
	PreviousDigestS3Bucket      *string   `json:"previousDigestS3Bucket"`
	PreviousDigestS3Object      *string   `json:"previousDigestS3Object"`
	PreviousDigestHashValue     *string   `json:"previousDigestHashValue"`
	PreviousDigestHashAlgorithm *string   `json:"previousDigestHashAlgorithm"`
	PreviousDigestSignature     *string   `json:"previousDigestSignature"`
	LogFiles                    []LogFile `json:"logFiles"`
}

// A LogFile is what a digest says of a log file. The hash is of its content
// without compression.
type LogFile struct {
	S3Bucket        string `json:"s3Bucket"`
	S3Object        string `json:"s3Object"`
	HashValue       string `json:"hashValue"`
	HashAlgorithm   string `json:"hashAlgorithm"`
	NewestEventTime Time   `json:"newestEventTime"`
	OldestEventTime Time   `json:"oldestEventTime"`
}

// A PublicKeyList is what tells of the keys that signed digests.
type PublicKeyList struct {
	PublicKeyList []PublicKey `json:"PublicKeyList"`
}

// A PublicKey is one key: Value is DER of PKCS #1, times are seconds since 1970.
type PublicKey struct {
	Value             []byte `json:"Value"`
	ValidityStartTime int64  `json:"ValidityStartTime"`
	ValidityEndTime   int64  `json:"ValidityEndTime"`
	Fingerprint       string `json:"Fingerprint"`
}

const (
	hashAlgorithm      = "SHA-256"
	signatureAlgorithm = "SHA256withRSA"
	keyBits            = 2048
	keyLife            = 10 * 365 * 24 * time.Hour
)

// toSign is what a signature is made over. A first digest, which has none before
// it, has the word null in the last line.
func (d Digest) toSign(content []byte) []byte {
	previous := "null"
	if d.PreviousDigestSignature != nil {
		previous = *d.PreviousDigestSignature
	}
	return fmt.Appendf(nil, "%s\n%s/%s\n%s\n%s", d.DigestEndTime.UTC().Format(timeLayout), d.DigestS3Bucket, d.DigestS3Object, hexSum(content), previous)
}

// Sign gives the signature of a digest with its uncompressed content, in hex.
func (d Digest) sign(key *rsa.PrivateKey, content []byte) (string, error) {
	sum := sha256.Sum256(d.toSign(content))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	return hex.EncodeToString(signature), err
}

// Check says whether a signature in hex is that of a digest with its uncompressed
// content.
func (d Digest) Check(key []byte, content []byte, signature string) error {
	public, err := x509.ParsePKCS1PublicKey(key)
	if err != nil {
		return fmt.Errorf("read the key of a digest: %w", err)
	}
	raw, err := hex.DecodeString(signature)
	if err != nil {
		return fmt.Errorf("read the signature of a digest: %w", err)
	}
	sum := sha256.Sum256(d.toSign(content))
	return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], raw)
}

func hexSum(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func publicOf(key *rsa.PrivateKey) (der []byte, fingerprint string) {
	der = x509.MarshalPKCS1PublicKey(&key.PublicKey)
	return der, hexSum(der)[:32]
}

// loadKey reads the key that signs digests, or makes one the first time.
func loadKey(file string) (*rsa.PrivateKey, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(file)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM file", file)
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

func makeKey(file string) (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return key, replaceFile(file, pem.EncodeToMemory(block), 0o600)
}

// publish writes the list of keys, if the key is not in it yet.
func (w *Writer) publish() error {
	file := w.path(w.o.Place.keys())
	der, fingerprint := publicOf(w.key)
	var list PublicKeyList
	content, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(content, &list)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %s: %w", file, err)
	}
	for _, k := range list.PublicKeyList {
		if k.Fingerprint == fingerprint {
			return nil
		}
	}
	from := w.o.Now().Add(-24 * time.Hour)
	list.PublicKeyList = append(list.PublicKeyList, PublicKey{der, from.Unix(), from.Add(keyLife).Unix(), fingerprint})
	if content, err = json.MarshalIndent(list, "", "  "); err != nil {
		return err
	}
	return w.place(w.o.Place.keys(), append(content, '\n'))
}
