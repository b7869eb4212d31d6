package receive

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// A certificate is read again when its file has changed, so that it can be renewed while events come in.
type certificate struct {
	files   TLS
	clients *x509.CertPool
	logger  *slog.Logger

	mu      sync.Mutex
	changed time.Time // of the file that was read last
	current *tls.Certificate
}

// openTLS gives nil where no certificate is named.
func openTLS(files TLS, logger *slog.Logger) (*certificate, error) {
	if files == (TLS{}) {
		return nil, nil
	}
	if files.Cert == "" || files.Key == "" {
		return nil, Invalid("set `tls.cert` and `tls.key`", errors.New("tls: certificate or key is not named"))
	}
	c := &certificate{files: files, logger: logger}
	if err := c.read(); err != nil {
		return nil, err
	}
	if files.ClientCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(files.ClientCA)
	if err != nil {
		return nil, Invalid("let `tls.client_ca` name a file that can be read", err)
	}
	c.clients = x509.NewCertPool()
	if !c.clients.AppendCertsFromPEM(pem) {
		return nil, Invalid("set `tls.client_ca` to a file of certificates", fmt.Errorf("%s holds no certificate in PEM", files.ClientCA))
	}
	return c, nil
}

func (c *certificate) read() error {
	info, err := os.Stat(c.files.Cert)
	if err != nil {
		return Invalid("let `tls.cert` name a file that can be read", err)
	}
	cert, err := os.ReadFile(c.files.Cert)
	if err != nil {
		return Invalid("let `tls.cert` name a file that can be read", err)
	}
	key, err := ReadSecret("tls.key", c.files.Key)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return Invalid("let `tls.cert` and `tls.key` name a certificate and its key, in PEM", fmt.Errorf("tls: %w", err))
	}
	c.current, c.changed = &pair, info.ModTime()
	return nil
}

// get gives the certificate as it is now in the file. One that cannot be read, as while it is being replaced, leaves the one before.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if info, err := os.Stat(c.files.Cert); err == nil && info.ModTime().Equal(c.changed) {
		return c.current, nil
	}
	if err := c.read(); err != nil {
		c.logger.Warn("the certificate has changed and cannot be read: the one before is still used", "err", err)
	}
	return c.current, nil
}

func (c *certificate) listen(l net.Listener) net.Listener {
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"h2", "http/1.1"}}
	if c.clients != nil {
		config.ClientCAs, config.ClientAuth = c.clients, tls.RequireAndVerifyClientCert
	}
	return tls.NewListener(l, config)
}
