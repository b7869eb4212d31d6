package digest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const content = `{"awsAccountId":"1","digestStartTime":"2026-01-01T00:00:00Z","digestEndTime":"2026-01-01T01:00:00Z","digestS3Bucket":"b","digestS3Object":"k",` +
	`"digestPublicKeyFingerprint":"f1","digestSignatureAlgorithm":"SHA256withRSA","newestEventTime":null,"oldestEventTime":null,"previousDigestS3Bucket":"b","previousDigestS3Object":"k0",` +
	`"previousDigestHashValue":"%s","previousDigestHashAlgorithm":"SHA-256","previousDigestSignature":"abcd","logFiles":[{"s3Bucket":"b","s3Object":"l","hashValue":"00","hashAlgorithm":"SHA-256",` +
	`"newestEventTime":"2026-01-01T00:30:00Z","oldestEventTime":"2026-01-01T00:10:00Z"}]}`

func signedBy(t *testing.T, key *rsa.PrivateKey, text string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	raw, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(raw)
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sum(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

func TestVerify(t *testing.T) {
	previous := `{"the":"digest before"}`
	text := fmt.Sprintf(content, sum(previous))
	d, err := Parse([]byte(text))
	if err != nil || len(d.Logs) != 1 || d.Logs[0].Hash != "00" {
		t.Fatalf("%+v, %v", d, err)
	}
	key := newKey(t)
	keys := Keys{"f1": &key.PublicKey}
	signature := signedBy(t, key, "2026-01-01T01:00:00Z\nb/k\n"+sum(text)+"\nabcd")
	if err := d.Verify([]byte(text), signature+"\n", keys); err != nil {
		t.Error(err)
	}
	for name, tc := range map[string]struct {
		content, signature string
		keys               Keys
		want               error
	}{
		"another content":   {text + " ", signature, keys, ErrForged},
		"another signature": {text, signature[2:] + "00", keys, ErrForged},
		"no hex":            {text, "zz", keys, ErrForged},
		"none":              {text, " \n", keys, ErrUnsigned},
		"an unknown key":    {text, signature, Keys{}, ErrUnknownKey},
		"another key":       {text, signature, Keys{"f1": &newKey(t).PublicKey}, ErrForged},
		"without the chain": {text, signedBy(t, key, "2026-01-01T01:00:00Z\nb/k\n"+sum(text)+"\nnull"), keys, ErrForged},
	} {
		if err := d.Verify([]byte(tc.content), tc.signature, tc.keys); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := d.Follows([]byte(previous), "ABCD"); err != nil {
		t.Error(err)
	}
	if d.Follows([]byte(previous+" "), "abcd") == nil || d.Follows([]byte(previous), "abce") == nil {
		t.Error("any digest passes for the one before")
	}
}

// The first digest of a chain has the word null where the signature of the one before would stand.
func TestFirstDigest(t *testing.T) {
	text := `{"digestStartTime":"2026-01-01T00:00:00Z","digestEndTime":"2026-01-01T01:00:00Z","digestS3Bucket":"b","digestS3Object":"k","digestPublicKeyFingerprint":"f1",` +
		`"digestSignatureAlgorithm":"SHA256withRSA","previousDigestSignature":null,"logFiles":[]}`
	d, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	if err := d.Verify([]byte(text), signedBy(t, key, "2026-01-01T01:00:00Z\nb/k\n"+sum(text)+"\nnull"), Keys{"f1": &key.PublicKey}); err != nil {
		t.Error(err)
	}
}

// The AWS command line's own validator and OpenSSL verify and make the same signatures.
func TestOthersAgree(t *testing.T) {
	aws, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("SKIPPED: aws is not on PATH (PyPI: awscli)")
	}
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("SKIPPED: openssl is not on PATH")
	}
	dir, key, text := t.TempDir(), newKey(t), fmt.Sprintf(content, sum("x"))
	der, pem := filepath.Join(dir, "der"), filepath.Join(dir, "key")
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(der, private, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(openssl, "pkey", "-inform", "DER", "-in", der, "-out", pem).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sign := exec.Command(openssl, "dgst", "-sha256", "-sign", pem)
	sign.Stdin = strings.NewReader("2026-01-01T01:00:00Z\nb/k\n" + sum(text) + "\nabcd")
	raw, err := sign.Output()
	if err != nil {
		t.Fatal(err)
	}
	signature := hex.EncodeToString(raw)
	d, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Verify([]byte(text), signature, Keys{"f1": &key.PublicKey}); err != nil {
		t.Errorf("a signature of openssl: %v", err)
	}
	public := base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	judge := func(content, signature string) bool {
		script := `import sys, json
from awscli.customizations.cloudtrail.validation import Sha256RSADigestValidator
data = json.loads(sys.argv[1]); data['_signature'] = sys.argv[2]
Sha256RSADigestValidator().validate('b', 'k', sys.argv[3], data, sys.argv[1].encode())`
		return exec.Command(interpreter(t, aws), "-c", script, content, signature, public).Run() == nil
	}
	if !judge(text, signature) {
		t.Error("the AWS command line does not take the signature")
	}
	for _, s := range []string{signature, signature[:len(signature)-2] + "00"} {
		for _, c := range []string{text, text + " "} {
			ours := d.Verify([]byte(c), s, Keys{"f1": &key.PublicKey}) == nil
			if theirs := judge(c, s); ours != theirs {
				t.Errorf("we say %v, and the AWS command line %v", ours, theirs)
			}
		}
	}
}

// interpreter is the Python that runs the AWS command line, and has its modules.
func interpreter(t *testing.T, aws string) string {
	t.Helper()
	for _, python := range []string{filepath.Join(filepath.Dir(aws), "python3"), "python3"} {
		if exec.Command(python, "-c", "import awscli.customizations.cloudtrail.validation").Run() == nil {
			return python
		}
	}
	t.Skip("SKIPPED: no Python has the modules of the AWS command line, version 1")
	return ""
}

func TestParseKeys(t *testing.T) {
	key := newKey(t)
	value := base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	keys, err := ParseKeys([]byte(`{"PublicKeyList":[{"Value":"` + value + `","ValidityStartTime":1,"ValidityEndTime":2,"Fingerprint":"f1"}]}`))
	if err != nil || !keys["f1"].Equal(&key.PublicKey) {
		t.Errorf("%v, %v", keys, err)
	}
	for _, text := range []string{``, `{}`, `{"PublicKeyList":[]}`, `{"PublicKeyList":[{"Value":"AAAA","Fingerprint":"f"}]}`, `{"PublicKeyList":[{"Value":"!"}]}`} {
		if _, err := ParseKeys([]byte(text)); err == nil {
			t.Errorf("%s passes for keys", text)
		}
	}
}

func TestName(t *testing.T) {
	key := "x/AWSLogs/1/CloudTrail-Digest/eu-west-1/2026/01/01/1_CloudTrail-Digest_eu-west-1_my_trail_eu-west-1_20260101T010203Z.json.gz"
	chain, end, ok := Name(key)
	if chain != "1_CloudTrail-Digest_eu-west-1_my_trail_eu-west-1" || end.Format("2006-01-02T15:04:05") != "2026-01-01T01:02:03" || !ok {
		t.Errorf("%s, %s, %v", chain, end, ok)
	}
	for _, other := range []string{"1_CloudTrail_eu-west-1_20260101T0100Z_abc.json.gz", "1_CloudTrail-Digest_eu-west-1_t_eu-west-1_20261301T010203Z.json.gz", key + ".signature"} {
		if _, _, ok := Name(other); ok {
			t.Errorf("%s passes for a digest", other)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(content))
	f.Fuzz(func(t *testing.T, text []byte) {
		if d, err := Parse(text); err == nil && (d.End.Before(d.Start) || d.Object == "") {
			t.Errorf("%+v", d)
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(`{"PublicKeyList":[{"Value":"AAAA","Fingerprint":"f"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if keys, err := ParseKeys(text); err == nil && len(keys) == 0 {
			t.Error("no key, and no error")
		}
	})
}
