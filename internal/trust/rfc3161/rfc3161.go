// Package rfc3161 has checkpoints dated by a time stamp authority (RFC 3161).
//
// # What is stamped
//
// The SHA-256 of a checkpoint's note, byte for byte as it is at that moment, with the signature of the log and the cosignatures that it
// has by then. Lines that are added to the note later change nothing: the receipt keeps the bytes that were stamped.
//
// # The receipt
//
// Its data is an [audit.Stamp]: a JSON object of the bytes that were stamped and of the authority's whole answer, in DER. Both, each in a
// file of its own, are all that anybody needs beside the authority's certificate:
//
//	jq -rj .note receipt.json > checkpoint.note
//	jq -r .response receipt.json | base64 -d > checkpoint.tsr
//	openssl ts -verify -data checkpoint.note -in checkpoint.tsr -CAfile ca.pem
//
// # What is checked
//
// The answer has one signature, with SHA-256 or stronger, over a token for this note, by a certificate that may sign time stamps and
// nothing else, that was valid at the time of the stamp, and that goes back to one of the certificates in ca_file: the system's own count
// for nothing here. When it is asked for, also that it answers this very request (nonce), and that its clock and ours agree.
// Whether a certificate was revoked is not looked at: that would need somebody to ask.
package rfc3161

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/digitorus/timestamp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// Config says which authority, and whom to believe.
type Config struct {
	// Name is what its receipts call it.
	Name string `yaml:"name"`
	// URL is where it is asked.
	URL string `yaml:"url"`
	// CAFile has the certificates, in PEM, that its own must go back to.
	CAFile string `yaml:"ca_file"`
	// Policy is the one to ask for, as 1.2.3.4; without it the authority chooses.
	Policy string `yaml:"policy"`
	// Timeout is for one request and its answer; 20 seconds if it is 0.
	Timeout time.Duration `yaml:"timeout"`
	// User and PasswordFile are for authorities that ask for a password, which is all that the file holds.
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
	// HeadersFile has lines `Name: value` that are sent with each request, for authorities that ask for a token.
	HeadersFile string `yaml:"headers_file"`
}

const (
	kind           = audit.KindTimestamp
	opOpen         = "open time stamp authority"
	opAnchor       = "ask for a time stamp"
	opCheck        = "check time stamp"
	defaultTimeout = 20 * time.Second
	// maxSkew is how far its clock and ours may be apart.
	maxSkew = 5 * time.Minute
)

// Register registers the anchor.
func Register(r *plug.Registry) {
	plug.Add(r, kind, func(_ context.Context, env plug.Env, c Config) (audit.Anchor, error) {
		a, err := newAuthority(env, c)
		if err != nil {
			return nil, err
		}
		return a, nil
	})
}

// An authority is an [audit.Anchor].
type authority struct {
	config Config
	roots  *x509.CertPool
	policy asn1.ObjectIdentifier // nil: any
	http   *http.Client
	now    func() time.Time
}

func newAuthority(env plug.Env, c Config) (*authority, error) {
	a := &authority{config: c, http: newHTTPClient(), now: env.Now}
	if c.Name == "" {
		return nil, invalid(errors.New("it has no name"), "set `name`: its receipts are found by it")
	}
	if err := checkURL(c.URL); err != nil {
		return nil, invalid(err, "set `url` to where the authority is asked, as https://host/path")
	}
	if (c.User == "") != (c.PasswordFile == "") {
		return nil, invalid(errors.New("there is a user without a password, or a password without a user"), "set both `user` and `password_file`, or none")
	}
	if c.Timeout < 0 {
		return nil, invalid(fmt.Errorf("timeout is %v", c.Timeout), "set `timeout` to a time such as 20s")
	}
	if c.Timeout == 0 {
		a.config.Timeout = defaultTimeout
	}
	var err error
	if a.policy, err = parseOID(c.Policy); err != nil {
		return nil, invalid(err, "set `policy` to numbers with dots between, or leave it out")
	}
	a.roots, err = readRoots(c.CAFile)
	return a, err
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return errors.New("no url is named")
	case err != nil:
		return errors.New("the url cannot be understood")
	case u.User != nil, u.RawQuery != "":
		return errors.New("the url holds a user, a password or a query, which would show in messages; there are files for secrets")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "", u.Fragment != "":
		return fmt.Errorf("%q is not of the form https://host/path", text)
	}
	return nil
}

// parseOID reads an object identifier in dotted form; nil for none.
func parseOID(text string) (asn1.ObjectIdentifier, error) {
	if text == "" {
		return nil, nil
	}
	var oid asn1.ObjectIdentifier
	for word := range strings.SplitSeq(text, ".") {
		n, err := strconv.ParseUint(word, 10, 31)
		if err != nil {
			return nil, fmt.Errorf("policy %q is no object identifier", text)
		}
		oid = append(oid, int(n))
	}
	if _, err := asn1.Marshal(oid); err != nil {
		return nil, fmt.Errorf("policy %q is no object identifier", text)
	}
	return oid, nil
}

func readRoots(path string) (*x509.CertPool, error) {
	const hint = "set `ca_file` to the certificates, in PEM, that sign the authority's own; it publishes them"
	if path == "" {
		return nil, invalid(errors.New("no ca_file is named, and no other certificates are trusted with time stamps"), hint)
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, invalid(err, hint)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, invalid(fmt.Errorf("%s holds no certificate in PEM", path), hint)
	}
	return roots, nil
}

func invalid(err error, hint string) error {
	return &taffrail.Error{Op: opOpen, Kind: taffrail.KindInvalid, Err: err, Hint: hint}
}

// Close ends idle connections.
func (a *authority) Close() error {
	a.http.CloseIdleConnections()
	return nil
}

// Anchor implements [audit.Anchor]. If we stop before the receipt is kept, another stamp is asked for, which does no harm.
func (a *authority) Anchor(ctx context.Context, cp audit.Checkpoint) (audit.Receipt, error) {
	if !utf8.Valid(cp.Note) || !isOf(cp.Note, cp.Head) {
		return audit.Receipt{}, &taffrail.Error{Op: opAnchor, Kind: taffrail.KindInternal, Err: errors.New("the note is not that of the checkpoint")}
	}
	nonce := randomNonce()
	sum := sha256.Sum256(cp.Note)
	query, err := (&timestamp.Request{
		HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Certificates: true, Nonce: nonce, TSAPolicyOID: a.policy,
	}).Marshal()
	if err != nil {
		return audit.Receipt{}, a.error(opAnchor, taffrail.KindInternal, err, "")
	}
	response, err := a.post(ctx, query)
	if err != nil {
		return audit.Receipt{}, err
	}
	token, err := tokenOf(response)
	if err != nil {
		return audit.Receipt{}, a.refused(err)
	}
	stamp, err := a.verify(cp.Note, token)
	if err == nil {
		err = a.timely(stamp, nonce)
	}
	if err != nil {
		return audit.Receipt{}, a.unusable(opAnchor, err)
	}
	data, err := audit.Stamp{Note: cp.Note, Response: response}.Data()
	if err != nil {
		return audit.Receipt{}, a.error(opAnchor, taffrail.KindInternal, err, "")
	}
	return audit.Receipt{Size: cp.Size, Kind: kind, Anchor: a.config.Name, At: stamp.Time.UTC(), Data: data}, nil
}

// randomNonce has 63 bits, since some authorities take no more.
func randomNonce() *big.Int {
	b := make([]byte, 8)
	rand.Read(b) // never fails
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b)
}

// isOf says whether a note has the text of a head.
func isOf(msg []byte, head audit.Head) bool {
	text, _, ok := bytes.Cut(msg, []byte("\n\n"))
	if !ok {
		return false
	}
	got, err := audit.ParseCheckpoint(append(bytes.Clone(text), '\n'))
	return err == nil && got == head
}

// timely is what only who asked can check.
func (a *authority) timely(stamp *timestamp.Timestamp, nonce *big.Int) error {
	if stamp.Nonce == nil || stamp.Nonce.Cmp(nonce) != 0 {
		return fmt.Errorf("%w: it answers another request", errForged)
	}
	if off := stamp.Time.Sub(a.now()); off.Abs() > maxSkew {
		return &taffrail.Error{
			Kind: taffrail.KindUnavailable, Err: fmt.Errorf("its clock is %v off ours", off.Round(time.Second)),
			Hint: "set the clock of this machine, or ask another authority",
		}
	}
	return nil
}

// Check implements [audit.Anchor]. It asks nobody.
func (a *authority) Check(ctx context.Context, cp audit.Checkpoint, r audit.Receipt) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, a.error(opCheck, taffrail.KindUnavailable, err, "")
	}
	if r.Kind != kind || r.Anchor != a.config.Name {
		err := fmt.Errorf("the receipt is of %.40q, by %.80q", r.Kind, r.Anchor)
		return time.Time{}, a.error(opCheck, taffrail.KindInvalid, err, "check each receipt with the anchor that it names")
	}
	held, err := parseReceipt(r.Data)
	if err != nil {
		return time.Time{}, a.corrupt(cp, "the receipt holds what was never written", err)
	}
	if r.Size != cp.Size || !isOf(held.Note, cp.Head) {
		return time.Time{}, a.corrupt(cp, "the receipt is for another checkpoint", nil)
	}
	token, err := tokenOf(held.Response)
	if err != nil {
		return time.Time{}, a.corrupt(cp, "the receipt holds no time stamp", err)
	}
	stamp, err := a.verify(held.Note, token)
	switch {
	case errors.Is(err, errForged):
		return time.Time{}, a.corrupt(cp, "the time stamp was not made for this checkpoint", err)
	case err != nil:
		return time.Time{}, a.unusable(opCheck, err)
	case stamp.Time.After(a.now().Add(maxSkew)):
		return time.Time{}, a.error(opCheck, taffrail.KindUnavailable, fmt.Errorf("the stamp is of %s, which is yet to come", stamp.Time.UTC().Format(time.RFC3339)),
			"set the clock of this machine")
	}
	return stamp.Time.UTC(), nil
}

// corrupt says that receipt and checkpoint contradict each other. Which of the two was changed it does not say.
func (a *authority) corrupt(cp audit.Checkpoint, what string, err error) error {
	const hint = "keep the log and the receipt as they are as evidence: one of the two was changed; the bundles that were exported hold copies of both"
	c := &audit.CorruptError{
		Part: audit.PartCheckpoints, What: fmt.Sprintf("%s, size %d: %s", a.config.Name, cp.Size, what), From: 0, To: cp.Size, Hint: hint, Err: err,
	}
	return &taffrail.Error{Op: opCheck, Kind: taffrail.KindCorrupt, Err: c, Hint: hint}
}

// unusable is for a stamp that we must not count on.
func (a *authority) unusable(op string, err error) error {
	if known := (*taffrail.Error)(nil); errors.As(err, &known) {
		return a.error(op, known.Kind, err, known.Hint)
	}
	return a.error(op, taffrail.KindInvalid, err, "check that `ca_file` is of this authority, and that it makes time stamps by RFC 3161")
}

func (a *authority) error(op string, k taffrail.Kind, err error, hint string) error {
	return &taffrail.Error{Op: op, Kind: k, Err: fmt.Errorf("%s: %w", a.config.Name, err), Hint: hint}
}
