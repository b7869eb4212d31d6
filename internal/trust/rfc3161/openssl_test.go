package rfc3161

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// An opensslAuthority is the one that OpenSSL has.
type opensslAuthority struct {
	t      *testing.T
	folder string
	chain  *chain
}

func newOpenSSL(t *testing.T, more string) *opensslAuthority {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("SKIPPED: openssl is not on PATH")
	}
	o := &opensslAuthority{t: t, folder: t.TempDir(), chain: newChain(t)}
	key := newKey(t)
	o.chain.write(o.path("tsa.pem"), "CERTIFICATE", o.chain.issue(key, nil).Raw)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	o.chain.write(o.path("tsa.key"), "PRIVATE KEY", der)
	o.write("serial", []byte("01\n"))
	o.write("tsa.cnf", fmt.Appendf(nil, `[tsa]
default_tsa = one
[one]
serial = %s
default_policy = 1.2.3.4.1
other_policies = 1.2.3.4.2
digests = sha1, sha256
signer_digest = sha256
accuracy = secs:1
%s
`, o.path("serial"), more))
	return o
}

func (o *opensslAuthority) path(name string) string { return filepath.Join(o.folder, name) }

func (o *opensslAuthority) write(name string, content []byte) {
	o.t.Helper()
	if err := os.WriteFile(o.path(name), content, 0o600); err != nil {
		o.t.Fatal(err)
	}
}

func (o *opensslAuthority) run(args ...string) (string, error) {
	out, err := exec.CommandContext(o.t.Context(), "openssl", args...).CombinedOutput()
	return string(out), err
}

func (o *opensslAuthority) reply(query []byte) []byte {
	o.write("query", query)
	out, err := o.run("ts", "-reply", "-config", o.path("tsa.cnf"), "-queryfile", o.path("query"), "-signer", o.path("tsa.pem"), "-inkey", o.path("tsa.key"), "-out", o.path("reply"))
	if err != nil {
		o.t.Errorf("%v: %s", err, out)
	}
	reply, err := os.ReadFile(o.path("reply"))
	if err != nil {
		o.t.Error(err)
	}
	return reply
}

func (o *opensslAuthority) verify(note, response []byte) (string, error) {
	o.write("checkpoint.note", note)
	o.write("checkpoint.tsr", response)
	return o.run("ts", "-verify", "-data", o.path("checkpoint.note"), "-in", o.path("checkpoint.tsr"), "-CAfile", o.chain.file)
}

// A real authority stamps, and a real verifier accepts what stands in the receipt, by the command that the package comment has.
func TestOpenSSLStampsAndVerifies(t *testing.T) {
	for name, more := range map[string]string{"SHA-256": "ess_cert_id_alg = sha256", "SHA-1": "ess_cert_id_alg = sha1", "SHA-512": "ess_cert_id_alg = sha512"} {
		t.Run("certificate named by "+name, func(t *testing.T) {
			o := newOpenSSL(t, more)
			cp := checkpoints(t, 1)[0]
			a := open(t, time.Now, "name: stamps\nurl: "+serve(t, o.reply)+"\nca_file: "+o.chain.file+"\npolicy: 1.2.3.4.2")
			r, err := a.Anchor(t.Context(), cp)
			if err != nil {
				t.Fatal(err)
			}
			if at, err := a.Check(t.Context(), cp, r); err != nil || !at.Equal(r.At) {
				t.Errorf("%v, %v", at, err)
			}
			held, err := parseReceipt(r.Data)
			if err != nil {
				t.Fatal(err)
			}
			if out, err := o.verify(held.Note, held.Response); err != nil || !strings.Contains(out, "Verification: OK") {
				t.Errorf("%v: %s", err, out)
			}
			if out, err := o.verify(bytes.ToUpper(held.Note), held.Response); err == nil {
				t.Errorf("another note: %s", out)
			}
		})
	}
}

func TestOpenSSLRefusesAPolicy(t *testing.T) {
	o := newOpenSSL(t, "")
	_, err := open(t, time.Now, "name: stamps\nurl: "+serve(t, o.reply)+"\nca_file: "+o.chain.file+"\npolicy: 1.2.3.9").Anchor(t.Context(), checkpoints(t, 1)[0])
	if taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(taffrail.HintOf(err), "policy") {
		t.Errorf("error is %v, hint %q", err, taffrail.HintOf(err))
	}
}

// A stamp over a hash that can be made to collide is none.
func TestSHA1ImprintIsRefused(t *testing.T) {
	o := newOpenSSL(t, "")
	cp := checkpoints(t, 1)[0]
	o.write("note", cp.Note)
	if out, err := o.run("ts", "-query", "-data", o.path("note"), "-sha1", "-cert", "-out", o.path("sha1.tsq")); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	query, err := os.ReadFile(o.path("sha1.tsq"))
	if err != nil {
		t.Fatal(err)
	}
	a := open(t, time.Now, "name: stamps\nurl: "+serve(t, func([]byte) []byte { return o.reply(query) })+"\nca_file: "+o.chain.file)
	if _, err := a.Anchor(t.Context(), cp); taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(err.Error(), "SHA-1") {
		t.Errorf("asked for: %v", err)
	}
	if _, err := a.Check(t.Context(), cp, receiptOf(t, cp, o.reply(query))); err == nil || !strings.Contains(err.Error(), "SHA-1") {
		t.Errorf("checked: %v", err)
	}
}
