package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"strings"

	"github.com/taffrail-dev/taffrail/internal/source/internal/receive"
)

// Signature says how a sender signs a body: by an HMAC in a header.
type Signature struct {
	// KeyFile has the key that the sender shares, on one line. Mode 0600. Without it nothing is verified.
	KeyFile string `yaml:"key_file"`
	// Header is where the signature stands; X-Hub-Signature-256, as GitHub sends it, if it is empty.
	Header string `yaml:"header"`
	// Prefix stands before it in the header; sha256= for GitHub's header, else nothing.
	Prefix string `yaml:"prefix"`
	// Algorithm is sha256 or sha512; sha256 if it is empty.
	Algorithm string `yaml:"algorithm"`
	// Encoding is hex or base64; hex if it is empty.
	Encoding string `yaml:"encoding"`
	// SignedHeaders are headers that are signed, too: their values stand before the body, a dot after each, as in Standard Webhooks.
	SignedHeaders []string `yaml:"signed_headers"`
}

// minKey is the least length of a key: shorter ones are guessed.
const minKey = 16

// githubHeader is the header of GitHub, and of those that do it in the same way.
const githubHeader = "X-Hub-Signature-256"

// A signer verifies signatures.
type signer struct {
	Signature
	key    []byte
	hash   func() hash.Hash
	decode func(string) ([]byte, error)
}

// open gives nil where nothing is to be verified.
func (s Signature) open() (*signer, error) {
	if s.KeyFile == "" {
		if s.Header != "" || s.Algorithm != "" || s.Prefix != "" || s.Encoding != "" || s.SignedHeaders != nil {
			return nil, receive.Invalid("set `signature.key_file`, or leave `signature` out", fmt.Errorf("signature: there is no key to verify with"))
		}
		return nil, nil
	}
	if s.Header == "" {
		s.Header = githubHeader
	}
	if s.Prefix == "" && strings.EqualFold(s.Header, githubHeader) {
		s.Prefix = "sha256="
	}
	v := &signer{Signature: s}
	if err := v.choose(); err != nil {
		return nil, err
	}
	text, err := receive.ReadSecret("signature.key_file", s.KeyFile)
	if err != nil {
		return nil, err
	}
	v.key = bytes.TrimSpace(text)
	if packed, ok := bytes.CutPrefix(v.key, []byte("whsec_")); ok { // the form of Standard Webhooks
		if v.key, err = base64.StdEncoding.DecodeString(string(packed)); err != nil {
			return nil, receive.Invalid("write the key as the sender shows it", fmt.Errorf("%s: after whsec_ there is no base64", s.KeyFile))
		}
	}
	if len(v.key) < minKey {
		return nil, receive.Invalid("make a key with `openssl rand -hex 32`, and give it to the sender", fmt.Errorf("%s: the key has fewer than %d bytes", s.KeyFile, minKey))
	}
	return v, nil
}

func (v *signer) choose() error {
	switch v.Algorithm {
	case "", "sha256":
		v.hash = sha256.New
	case "sha512":
		v.hash = sha512.New
	default:
		return receive.Invalid("set it to sha256 or sha512", fmt.Errorf("signature.algorithm: %q is not known", v.Algorithm))
	}
	switch v.Encoding {
	case "", "hex":
		v.decode = hex.DecodeString
	case "base64":
		v.decode = base64.StdEncoding.DecodeString
	default:
		return receive.Invalid("set it to hex or base64", fmt.Errorf("signature.encoding: %q is not known", v.Encoding))
	}
	return nil
}

// signed says whether one of the signatures in the header is right. There may be several with spaces between them while a key is being changed.
func (v *signer) signed(header http.Header, body []byte) bool {
	mac := hmac.New(v.hash, v.key)
	for _, name := range v.SignedHeaders {
		mac.Write([]byte(header.Get(name) + "."))
	}
	mac.Write(body)
	want, right := mac.Sum(nil), false
	for one := range strings.FieldsSeq(header.Get(v.Header)) {
		rest, ok := strings.CutPrefix(one, v.Prefix)
		got, err := v.decode(rest)
		if ok && err == nil && hmac.Equal(got, want) {
			right = true
		}
	}
	return right
}

// formField gives a field of a form.
func formField(body []byte, name string) ([]byte, bool) {
	form, err := url.ParseQuery(string(body))
	if err != nil || !form.Has(name) {
		return nil, false
	}
	return []byte(form.Get(name)), true
}
