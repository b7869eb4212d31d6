package rfc3161

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// A chain is a root and what it signs.
type chain struct {
	t    testing.TB
	root *x509.Certificate
	key  ed25519.PrivateKey // whose signatures are all of one length
	file string             // the root, in PEM
}

func newChain(t testing.TB) *chain {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Root"}, NotBefore: now.AddDate(-10, 0, 0), NotAfter: now.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	c := &chain{t: t, key: private}
	c.root = c.sign(template, template, public, private)
	c.file = filepath.Join(t.TempDir(), "ca.pem")
	c.write(c.file, "CERTIFICATE", c.root.Raw)
	return c
}

func (c *chain) sign(template, parent *x509.Certificate, public, by any) *x509.Certificate {
	c.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		c.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		c.t.Fatal(err)
	}
	return cert
}

func (c *chain) write(path, kind string, der []byte) {
	c.t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate for time stamps, unless it is changed.
func (c *chain) issue(key crypto.Signer, change func(*x509.Certificate)) *x509.Certificate {
	c.t.Helper()
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "Stamps"}, NotBefore: now.AddDate(-5, 0, 0), NotAfter: now.AddDate(5, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: []pkix.Extension{usage(c.t, true, oidTimeStamping)},
	}
	if change != nil {
		change(template)
	}
	return c.sign(template, c.root, key.Public(), c.key)
}

var oidTimeStamping = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}

func usage(t testing.TB, critical bool, oids ...asn1.ObjectIdentifier) pkix.Extension {
	t.Helper()
	value, err := asn1.Marshal(oids)
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: oidExtKeyUsage, Critical: critical, Value: value}
}

// A stamper is an authority that can be told to misbehave.
type stamper struct {
	t      testing.TB
	cert   *x509.Certificate
	key    crypto.Signer
	hash   crypto.Hash
	change func(*timestamp.Timestamp)
}

func newStamper(t testing.TB, c *chain, change func(*x509.Certificate)) *stamper {
	t.Helper()
	key := newKey(t)
	return &stamper{t: t, cert: c.issue(key, change), key: key, hash: crypto.SHA256}
}

// reply answers a query, all of it in DER.
func (s *stamper) reply(query []byte) []byte {
	s.t.Helper()
	request, err := timestamp.ParseRequest(query)
	if err != nil {
		s.t.Error(err)
		return nil
	}
	stamp := &timestamp.Timestamp{
		HashAlgorithm: request.HashAlgorithm, HashedMessage: request.HashedMessage, Nonce: request.Nonce, Time: time.Now().UTC().Truncate(time.Second),
		Policy: asn1.ObjectIdentifier{1, 2, 3, 4, 1}, Accuracy: time.Second, AddTSACertificate: request.Certificates,
	}
	if request.TSAPolicyOID != nil {
		stamp.Policy = request.TSAPolicyOID
	}
	if s.change != nil {
		s.change(stamp)
	}
	response, err := stamp.CreateResponseWithOpts(s.cert, s.key, s.hash)
	if err != nil {
		s.t.Error(err)
	}
	return response
}

// serve answers each query by a function.
func serve(t testing.TB, reply func(query []byte) []byte) string {
	t.Helper()
	return answering(t, func(w http.ResponseWriter, r *http.Request) {
		query, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != queryType {
			t.Errorf("%s %s, %v", r.Method, r.Header, err)
		}
		w.Header().Set("Content-Type", replyType)
		_, _ = w.Write(reply(query))
	})
}

func answering(t testing.TB, f http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return server.URL
}

// open opens an authority through the registry, as the program does.
func open(t testing.TB, now func() time.Time, settings string) audit.Anchor {
	t.Helper()
	a, err := tryOpen(t, now, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.(io.Closer).Close() })
	return a
}

func tryOpen(t testing.TB, now func() time.Time, settings string) (audit.Anchor, error) {
	t.Helper()
	r := &plug.Registry{}
	Register(r)
	env := plug.Env{Logger: slog.New(slog.DiscardHandler), Now: now}
	return plug.Open[audit.Anchor](t.Context(), r, "rfc3161", env, plug.Settings{File: "test", YAML: []byte(settings)})
}

// checkpoints gives signed checkpoints of a log, of sizes from 1 on.
func checkpoints(t testing.TB, n int) []audit.Checkpoint {
	t.Helper()
	ring := audittest.Ring(t, "log.example/a")
	var all []audit.Checkpoint
	for size := range int64(n) {
		head := audit.Head{Origin: "log.example/a", Size: size + 1, Root: tlog.RecordHash([]byte{byte(size)})}
		msg, err := ring.Sign(head)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, audit.Checkpoint{Head: head, Note: msg})
	}
	return all
}
