package plugtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificates are files of an authority, a server at 127.0.0.1 and a client, for one test.
type Certificates struct {
	CA, Cert, Key         string // of the server
	ClientCert, ClientKey string
}

// NewCertificates makes an authority and what it signs. The client is called "sender".
func NewCertificates(t *testing.T) Certificates {
	t.Helper()
	dir := t.TempDir()
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "practice authority"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key := newKey(t)
	c := Certificates{
		CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key"),
		ClientCert: filepath.Join(dir, "client.pem"), ClientKey: filepath.Join(dir, "client.key"),
	}
	signed(t, c.CA, "", authority, authority, key, key)
	for i, leaf := range []struct {
		cert, key, name string
		use             x509.ExtKeyUsage
	}{
		{c.Cert, c.Key, "receiver", x509.ExtKeyUsageServerAuth},
		{c.ClientCert, c.ClientKey, "sender", x509.ExtKeyUsageClientAuth},
	} {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 2)), Subject: pkix.Name{CommonName: leaf.name}, NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{leaf.use},
		}
		signed(t, leaf.cert, leaf.key, template, authority, newKey(t), key)
	}
	return c
}

// Client is a configuration that trusts the authority, and shows the client's certificate if it is to.
func (c Certificates) Client(t *testing.T, known bool) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(c.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if known {
		pair, err := tls.LoadX509KeyPair(c.ClientCert, c.ClientKey)
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signed writes a certificate, and its key beside it if that has a path.
func signed(t *testing.T, certPath, keyPath string, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, certPath, "CERTIFICATE", der)
	if keyPath == "" {
		return
	}
	packed, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, keyPath, "EC PRIVATE KEY", packed)
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
