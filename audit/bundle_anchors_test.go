package audit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

// receipt is one of a kind that the test makes up, about a checkpoint.
func receipt(cp audit.Checkpoint, kind string, at time.Time) audit.Receipt {
	sum := sha256.Sum256([]byte(cp.Root.String()))
	return audit.Receipt{Size: cp.Size, Kind: kind, Anchor: "the " + kind, At: at, Data: fmt.Appendf(nil, "%x at %s", sum, at.Format(time.RFC3339))}
}

// checkReceipt is the checker of such receipts.
func checkReceipt(_ context.Context, cp audit.Checkpoint, r audit.Receipt) (time.Time, error) {
	digest, at, _ := strings.Cut(string(r.Data), " at ")
	if sum := sha256.Sum256([]byte(cp.Root.String())); digest != fmt.Sprintf("%x", sum) {
		return time.Time{}, &audit.CorruptError{What: "it is about another root"}
	}
	return time.Parse(time.RFC3339, at)
}

func TestBundleOfReceipts(t *testing.T) {
	a := newArchive(t)
	early, late := a.grow(100), a.grow(600)
	after := a.clock.Add(time.Hour)
	elsewhere := newArchive(t)
	elsewhere.clock = after
	other := elsewhere.grow(600)
	checkers := map[string]audit.Checker{
		"good": checkReceipt,
		"down": func(context.Context, audit.Checkpoint, audit.Receipt) (time.Time, error) {
			return time.Time{}, errors.New("connection refused")
		},
	}
	for name, tc := range map[string]struct {
		receipts []audit.Receipt
		finding  audit.Finding
		says     string // of the verdict or of a receipt
	}{
		"none":                          {nil, audit.FindingNotChecked, "the bundle holds none"},
		"good ones":                     {[]audit.Receipt{receipt(early, "good", after), receipt(late, "good", after)}, audit.FindingOK, "2 outside authorities' receipts hold, the last of " + after.Format(time.RFC3339)},
		"of a later one":                {[]audit.Receipt{receipt(audit.Checkpoint{Head: audit.Head{Size: 601}}, "good", after)}, audit.FindingNotChecked, "the bundle holds none"},
		"of none that is stored":        {[]audit.Receipt{receipt(audit.Checkpoint{Head: audit.Head{Size: 99}}, "good", after)}, audit.FindingNotChecked, "the bundle holds none"},
		"no checker":                    {[]audit.Receipt{receipt(late, "s3", after)}, audit.FindingNotChecked, "receipts of this kind are not checked here"},
		"silence":                       {[]audit.Receipt{receipt(late, "down", after)}, audit.FindingNotChecked, "connection refused"},
		"one of two":                    {[]audit.Receipt{receipt(late, "down", after), receipt(late, "good", after)}, audit.FindingNotChecked, "1 of 2 receipts hold, and the others were not checked"},
		"another root":                  {[]audit.Receipt{receipt(other, "good", after)}, audit.FindingFailed, "it is about another root"},
		"no stamp at all":               {[]audit.Receipt{receipt(late, "rfc3161", after)}, audit.FindingFailed, "no JSON object of note and response"},
		"a stamp of another checkpoint": {[]audit.Receipt{stamped(t, late, other.Note, after)}, audit.FindingFailed, "it is about another checkpoint"},
		"a stamp":                       {[]audit.Receipt{stamped(t, late, late.Note, after)}, audit.FindingNotChecked, "receipts of this kind are not checked here"},
	} {
		bundle := a.export(audit.BundleRequest{To: 600, Receipts: tc.receipts})
		r, err := audit.VerifyBundle(t.Context(), bytes.NewReader(bundle), a.policy(), nil, checkers)
		v := verdictOf(r, audit.VerdictAnchors)
		if text := fmt.Sprintf("%+v %+v", v, r.Anchors); err != nil || v.Finding != tc.finding || !strings.Contains(text, tc.says) || r.OK() != (tc.finding != audit.FindingFailed) {
			t.Errorf("%s: %s, %v\n%s", name, text, err, faults(r))
		}
	}
	// A receipt bounds the entries as a cosignature does.
	bundle := a.export(audit.BundleRequest{To: 600, Receipts: []audit.Receipt{receipt(early, "good", after), receipt(late, "good", a.clock.Add(-time.Hour))}})
	r, err := audit.VerifyBundle(t.Context(), bytes.NewReader(bundle), a.policy(), nil, checkers)
	if err != nil || r.OK() || !strings.Contains(faults(r), "entry 0: it says 2026-01-02T03:04:05Z, and the good had seen it at 2026-01-02T02:04:05Z") {
		t.Errorf("%v, %s", err, faults(r))
	}
	// Receipts that are missing, or not listed.
	all := files(t, bundle)
	for i, f := range all {
		if strings.HasPrefix(f.Name, "anchors/") {
			without := append(append([]*file{}, all[:i]...), all[i+1:]...)
			got, err := audit.VerifyBundle(t.Context(), bytes.NewReader(bundled(t, without)), a.policy(), nil, checkers)
			if err == nil && got.OK() {
				t.Errorf("%s is gone, and nobody noticed", f.Name)
			}
		}
	}
}

func newPolicyOf(t *testing.T, lines ...string) *audit.Policy {
	t.Helper()
	p, err := audit.ParsePolicy([]byte(strings.Join(lines, "\n") + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A receipt under a checkpoint that the policy does not accept is nobody's.
func TestReceiptOfACheckpointThatIsNotAccepted(t *testing.T) {
	a := newArchive(t)
	cp := a.grow(10)
	bundle := a.export(audit.BundleRequest{To: 10, Receipts: []audit.Receipt{receipt(cp, "good", a.clock)}})
	other := newPolicyOf(t, audittest.Ring(t, origin).Keys().String(), "quorum none")
	r, err := audit.VerifyBundle(t.Context(), bytes.NewReader(bundle), other, nil, map[string]audit.Checker{"good": checkReceipt})
	if err != nil || r.OK() || findings(r)["anchors"] != audit.FindingNotChecked {
		t.Errorf("%+v, %v", r.Verdicts, err)
	}
}

func stamped(t *testing.T, cp audit.Checkpoint, msg []byte, at time.Time) audit.Receipt {
	t.Helper()
	data, err := audit.Stamp{Note: msg, Response: []byte{1}}.Data()
	if err != nil {
		t.Fatal(err)
	}
	return audit.Receipt{Size: cp.Size, Kind: audit.KindTimestamp, Anchor: "tsa", At: at, Data: data}
}

const tsaConfig = `
[tsa]
default_tsa = one
[one]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
[ca]
distinguished_name = dn
[dn]
[ts]
extendedKeyUsage = critical,timeStamping
`

// TestStampByHand stamps a checkpoint with a real authority, and runs the command that the report prints.
func TestStampByHand(t *testing.T) {
	for _, tool := range []string{"sh", "openssl", "jq", "base64"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: there is no %s", tool)
		}
	}
	a := newArchive(t)
	cp := a.grow(300)
	dir := t.TempDir()
	run := func(script string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", script)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	put := func(name string, data []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("conf", []byte(tsaConfig))
	put("serial", []byte("01\n"))
	put("note", cp.Note)
	if out, err := run(`
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out THE-AUTHORITYS-CA.pem -subj /CN=ca -days 2
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tsa.key -out tsa.csr -subj /CN=tsa
openssl x509 -req -in tsa.csr -CA THE-AUTHORITYS-CA.pem -CAkey ca.key -CAcreateserial -days 1 -extfile conf -extensions ts -out tsa.pem
openssl ts -query -data note -sha256 -cert -out query
openssl ts -reply -config conf -queryfile query -signer tsa.pem -inkey tsa.key -out token`); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	token, err := os.ReadFile(filepath.Join(dir, "token"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := audit.Stamp{Note: cp.Note, Response: token}.Data()
	if err != nil {
		t.Fatal(err)
	}
	bundle := a.export(audit.BundleRequest{To: 300, Receipts: []audit.Receipt{{Size: 300, Kind: audit.KindTimestamp, Anchor: "tsa", At: a.clock, Data: data}}})
	r := verify(t, bundle, a.policy(), nil)
	hint := verdictOf(r, audit.VerdictAnchors).Hint
	for _, f := range files(t, bundle) {
		put(f.Name, f.data)
	}
	if out, err := run(hint); err != nil || !strings.Contains(out, "Verification: OK") {
		t.Errorf("%s: %v\n%s", hint, err, out)
	}
	if out, err := run(strings.Replace(hint, "-digest ", "-digest 00", 1)); err == nil {
		t.Errorf("another digest: %s", out)
	}
}

func FuzzParseStamp(f *testing.F) {
	f.Add([]byte(`{"version":1,"note":"x","response":"eA=="}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := audit.ParseStamp(data)
		if err != nil {
			return
		}
		if again, err := s.Data(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%q becomes %q, %v", data, again, err)
		}
	})
}
