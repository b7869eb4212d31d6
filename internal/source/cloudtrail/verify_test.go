package cloudtrail

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

var midnight = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// signingKey is one key for all tests, since it takes a while to make.
var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// publicKeys is what `aws cloudtrail list-public-keys` says of the key.
func publicKeys() []byte {
	text, err := json.Marshal(map[string]any{"PublicKeyList": []any{map[string]any{"Fingerprint": "f1", "Value": x509.MarshalPKCS1PublicKey(&signingKey().PublicKey), "ValidityStartTime": 1, "ValidityEndTime": 2}}})
	if err != nil {
		panic(err)
	}
	return text
}

// A signedFile is a file of a trail, and its signature if it is a digest.
type signedFile struct {
	key       string
	content   []byte
	signature string
}

// trailOf is a trail of some hours, each with one log file and its digest.
func trailOf(hours int) (all []signedFile) {
	var before map[string]any
	for h := range hours {
		records := `{"Records":[` + rec(fmt.Sprintf("hour-%d", h)) + `]}`
		log := signedFile{key: logKey(fmt.Sprintf("%02d30", h), h), content: packed(records)}
		end := midnight.Add(time.Duration(h+1) * time.Hour)
		d := map[string]any{
			"awsAccountId": "1", "digestStartTime": end.Add(-time.Hour).Format(time.RFC3339), "digestEndTime": end.Format(time.RFC3339), "digestS3Bucket": "trail",
			"digestS3Object": digestKey(h), "digestPublicKeyFingerprint": "f1", "digestSignatureAlgorithm": "SHA256withRSA", "previousDigestS3Bucket": nil, "previousDigestS3Object": nil,
			"previousDigestHashValue": nil, "previousDigestSignature": nil, "logFiles": []any{map[string]any{"s3Bucket": "trail", "s3Object": log.key, "hashAlgorithm": "SHA-256",
				"hashValue": fmt.Sprintf("%x", sha256.Sum256([]byte(records))), "oldestEventTime": end.Add(-50 * time.Minute).Format(time.RFC3339), "newestEventTime": end.Add(-40 * time.Minute).Format(time.RFC3339)}},
		}
		for name, v := range before {
			d[name] = v
		}
		var f signedFile
		f, before = signed(d)
		all = append(all, log, f)
	}
	return all
}

func digestKey(hour int) string {
	return fmt.Sprintf("AWSLogs/1/CloudTrail-Digest/eu-west-1/2026/01/01/1_CloudTrail-Digest_eu-west-1_t_eu-west-1_20260101T%02d0000Z.json.gz", hour+1)
}

// signed signs a digest, and gives what the next one says of it.
func signed(d map[string]any) (f signedFile, before map[string]any) {
	content, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	previous, ok := d["previousDigestSignature"].(string)
	if !ok {
		previous = "null"
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s/%s\n%x\n%s", d["digestEndTime"], d["digestS3Bucket"], d["digestS3Object"], sha256.Sum256(content), previous))
	raw, err := rsa.SignPKCS1v15(nil, signingKey(), crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	f = signedFile{d["digestS3Object"].(string), packed(string(content)), hex.EncodeToString(raw)}
	return f, map[string]any{
		"previousDigestS3Bucket": "trail", "previousDigestS3Object": f.key, "previousDigestHashValue": fmt.Sprintf("%x", sha256.Sum256(content)), "previousDigestSignature": f.signature,
	}
}

// A trailFolder is a trail on disk, with a clock.
type trailFolder struct {
	t    *testing.T
	dir  string
	keys string
	now  time.Time
	k    taken
}

func newTrailFolder(t *testing.T) *trailFolder {
	f := &trailFolder{t: t, dir: t.TempDir(), now: time.Now().Add(time.Hour)}
	f.keys = put(t, t.TempDir(), "keys.json", publicKeys())
	return f
}

func (f *trailFolder) put(all ...signedFile) *trailFolder {
	for _, s := range all {
		put(f.t, f.dir, s.key, s.content)
		if s.signature != "" {
			put(f.t, f.dir, s.key+".signature", []byte(s.signature+"\n"))
		}
	}
	return f
}

func (f *trailFolder) remove(key string) *trailFolder {
	if err := os.Remove(filepath.Join(f.dir, key)); err != nil {
		f.t.Fatal(err)
	}
	return f
}

// read reads on, and gives the notices that came.
func (f *trailFolder) read() []string {
	before := len(f.k.notices())
	f.k.read(f.t, opened(f.t, func() time.Time { return f.now }, Config{Path: f.dir, PublicKeys: f.keys}))
	return f.k.notices()[before:]
}

// cut is the notice that is always said of a trail of the past.
const cut = "no digest of CloudTrail has come for the time since: the newest may have been taken away"

func withoutCut(all []string) (left []string) {
	for _, n := range all {
		if !strings.HasSuffix(n, cut) {
			left = append(left, n)
		}
	}
	return left
}

func TestDigestsOfAWholeTrail(t *testing.T) {
	f := newTrailFolder(t).put(trailOf(3)...)
	f.now = midnight.Add(3*time.Hour + time.Minute)
	if all := f.read(); len(all) > 0 {
		t.Errorf("notices: %q", all)
	}
	if want := midnight.Add(3*time.Hour - usualLateness); !f.k.settled().Equal(want) {
		t.Errorf("settled %v, want %v", f.k.settled(), want)
	}
}

// Where something may still come nothing is said to be settled. What is known to be wrong is said by a notice.
func TestNothingIsSettledWhileSomethingMayCome(t *testing.T) {
	trail := trailOf(3)
	f := newTrailFolder(t).put(trail...).remove(trail[4].key)
	f.now = midnight.Add(3*time.Hour + time.Minute)
	if all := f.read(); len(all) > 0 || !f.k.settled().IsZero() {
		t.Errorf("settled %v, notices %q", f.k.settled(), all)
	}
	f = newTrailFolder(t).put(trail...)
	put(t, f.dir, trail[5].key+".signature", []byte("00"))
	f.now = midnight.Add(3*time.Hour + time.Minute)
	if all := f.read(); len(all) != 1 || f.k.settled().IsZero() {
		t.Errorf("settled %v, notices %q", f.k.settled(), all)
	}
}

func TestDigestsFindWhatIsWrong(t *testing.T) {
	trail := trailOf(4)
	for _, tc := range []struct {
		name  string
		spoil func(*trailFolder)
		want  []string
	}{
		{"nothing", func(*trailFolder) {}, nil},
		{"a log file is missing", func(f *trailFolder) { f.remove(trail[2].key) }, []string{"gap 01:10-01:20 1_CloudTrail_eu-west-1_20260101T0130Z_1.json.gz is missing, and CloudTrail has delivered it"}},
		{"a log file was changed", func(f *trailFolder) {
			put(f.t, f.dir, trail[2].key, trailFile(rec("another")))
		}, []string{"forged 01:10-01:20 1_CloudTrail_eu-west-1_20260101T0130Z_1.json.gz is not what CloudTrail delivered"}},
		{"a log file is no gzip", func(f *trailFolder) {
			put(f.t, f.dir, trail[2].key, []byte("{}"))
		}, []string{"forged 01:10-01:20 1_CloudTrail_eu-west-1_20260101T0130Z_1.json.gz is not what CloudTrail delivered: it is no whole gzip stream"}},
		{"a digest is missing", func(f *trailFolder) { f.remove(trail[3].key) }, []string{"gap 01:00-02:00 digests of CloudTrail are missing between two that are here"}},
		{"a digest was changed", func(f *trailFolder) {
			text := strings.Replace(plainText(f.t, trail[3].content), `"hashValue":"`, `"hashValue":"0`, 1)
			put(f.t, f.dir, trail[3].key, packed(text))
		}, []string{"forged 01:00-02:00 1_CloudTrail-Digest_eu-west-1_t_eu-west-1_20260101T020000Z.json.gz: the signature is not that of the digest",
			"forged 01:00-02:00 1_CloudTrail-Digest_eu-west-1_t_eu-west-1_20260101T030000Z.json.gz: the digest before it is not the one that it names"}},
		{"a digest has lost its signature", func(f *trailFolder) { f.remove(trail[3].key + ".signature") },
			[]string{"gap 01:00-02:00 1_CloudTrail-Digest_eu-west-1_t_eu-west-1_20260101T020000Z.json.gz is not verified: the signature is missing"}},
		{"a digest was exchanged for another that was signed", func(f *trailFolder) {
			var d map[string]any
			if err := json.Unmarshal([]byte(plainText(f.t, trail[3].content)), &d); err != nil {
				f.t.Fatal(err)
			}
			d["logFiles"] = []any{}
			other, _ := signed(d)
			f.put(other)
		}, []string{"forged 01:00-02:00 1_CloudTrail-Digest_eu-west-1_t_eu-west-1_20260101T030000Z.json.gz: the digest before it is not the one that it names"}},
		{"a digest is none", func(f *trailFolder) {
			put(f.t, f.dir, trail[3].key, packed("{}"))
		}, []string{"forged 01:00-02:00 1_CloudTrail-Digest_eu-west-1_t_eu-west-1_20260101T020000Z.json.gz: the digest's times are missing, or in the wrong order",
			"forged 01:00-02:00 1_CloudTrail-Digest_eu-west-1_t_eu-west-1_20260101T030000Z.json.gz: the digest before it is not the one that it names"}},
		{"no digests at all", func(f *trailFolder) {
			if err := os.RemoveAll(filepath.Join(f.dir, "AWSLogs/1/CloudTrail-Digest")); err != nil {
				f.t.Fatal(err)
			}
		}, []string{"gap 03:30- there are log files of CloudTrail and no digests: nothing can be verified"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newTrailFolder(t).put(trail...)
			tc.spoil(f)
			got := withoutCut(f.read())
			for i, n := range got {
				if before, _, ok := strings.Cut(n, " there are log"); ok {
					got[i] = before[:len(before)-len("15:04")] + n[len(before):] // it ends now
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if again := f.read(); len(again) > 0 {
				t.Errorf("said again: %q", again)
			}
		})
	}
}

func plainText(t *testing.T, content []byte) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "x", content)
	r := &round{gatherer: &gatherer{shelf: &folder{root: dir}}}
	text, err := r.content(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// That the newest end was cut off shows by the clock alone. It is said once, and taken back when the digests come after all.
func TestTailOfDigestsIsCutOff(t *testing.T) {
	trail := trailOf(4)
	f := newTrailFolder(t).put(trail[:4]...)
	first := f.read()
	if len(first) != 1 || !strings.HasPrefix(first[0], "gap 02:00-") || !strings.HasSuffix(first[0], cut) {
		t.Fatalf("notices: %q", first)
	}
	if !f.k.settled().IsZero() {
		t.Errorf("settled %v, and who knows what was taken away", f.k.settled())
	}
	f.now = f.now.Add(time.Hour)
	if again := f.read(); len(again) > 0 {
		t.Fatalf("said again: %q", again)
	}
	f.now = f.now.Add(time.Hour)
	late := f.put(trail[4:6]...).read()
	if len(late) != 2 || late[0] != "closed 02:00-03:00 the digests that were missing have come" || !strings.HasSuffix(late[1], cut) {
		t.Errorf("notices: %q", late)
	}
}

// Copiers do not keep the order, so that what a digest names may come after it.
func TestDigestBeforeItsFiles(t *testing.T) {
	trail := trailOf(1)
	f := newTrailFolder(t)
	f.now = time.Now()
	if all := f.put(trail[1]).read(); len(all) > 0 {
		t.Errorf("at once: %q", all)
	}
	if all := withoutCut(f.put(trail[0]).read()); all != nil {
		t.Errorf("once the file has come: %q", all)
	}
	f = newTrailFolder(t)
	f.now = time.Now()
	if all := f.put(trail[1]).read(); len(all) > 0 {
		t.Errorf("at once: %q", all)
	}
	f.now = f.now.Add(2 * calm)
	if all := withoutCut(f.read()); len(all) != 1 || !strings.Contains(all[0], "is missing") {
		t.Errorf("after a while: %q", all)
	}
	f = newTrailFolder(t).put(trail[1])
	f.now = time.Now().Add(2 * patience)
	later := f.now.Add(-time.Second)
	f.k.read(t, &gatherer{logger: slog.New(slog.DiscardHandler), now: func() time.Time { return f.now }, slack: folderSlack, late: usualLateness, shelf: busy{&folder{root: f.dir}, later},
		digest: newVerifier(Config{PublicKeys: f.keys}.fileKeys)})
	if all := withoutCut(f.k.notices()); len(all) != 1 || !strings.Contains(all[0], "is missing") {
		t.Errorf("where something always comes: %q", all)
	}
}

// A busy shelf has a file that has just arrived.
type busy struct {
	*folder
	at time.Time
}

func (b busy) list(ctx context.Context, f func(file) error) error {
	if err := f(file{key: ".just-now", arrived: b.at}); err != nil {
		return err
	}
	return b.folder.list(ctx, f)
}

func TestKeysThatCannotBeRead(t *testing.T) {
	f := newTrailFolder(t).put(trailOf(1)...)
	for name, kind := range map[string]taffrail.Kind{f.keys + "x": taffrail.KindNotFound, put(t, t.TempDir(), "keys", []byte("{}")): taffrail.KindInvalid} {
		f.keys = name
		var k taken
		var came []string
		err := k.try(t.Context(), opened(t, later, Config{Path: f.dir, PublicKeys: name}), &came)
		if taffrail.KindOf(err) != kind || taffrail.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
		if len(came) != 1 {
			t.Errorf("what needs no key was not read: %q", came)
		}
	}
	other := strings.ReplaceAll(string(publicKeys()), "f1", "f2")
	f.keys = put(t, t.TempDir(), "keys.json", []byte(other))
	if all := withoutCut(f.read()); len(all) != 1 || !strings.Contains(all[0], "signed by a key that is not known") {
		t.Errorf("a key that is not known: %q", all)
	}
}

// The folder may be any part of a bucket's tree.
func TestFolderAboveAndBelow(t *testing.T) {
	trail := trailOf(2)
	for _, below := range []string{"", "copies/of/it/"} {
		f := newTrailFolder(t)
		for _, s := range trail {
			s.key = below + s.key
			f.put(s)
		}
		if all := withoutCut(f.read()); all != nil {
			t.Errorf("below %q: %q", below, all)
		}
	}
	f := newTrailFolder(t).put(trail...)
	f.dir = filepath.Join(f.dir, "AWSLogs", "1")
	if all := withoutCut(f.read()); all != nil {
		t.Errorf("from inside: %q", all)
	}
}
