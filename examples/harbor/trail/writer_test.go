package trail

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// desk is a trail under a clock that the test moves.
type desk struct {
	t   *testing.T
	now time.Time
	o   Options
	w   *Writer
	n   int
}

func newDesk(t *testing.T, change func(*Options)) *desk {
	t.Helper()
	d := &desk{t: t, now: time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)}
	d.o = Options{Folder: filepath.Join(t.TempDir(), "trail"), Place: Place{Account: "123456789012", Region: "harbor-1", Bucket: "trail", Trail: "harbor"},
		RotateEvery: time.Minute, RotateCount: 3, DigestEvery: time.Hour, Now: func() time.Time { return d.now }, Rand: rand.New(rand.NewPCG(1, 2))}
	if change != nil {
		change(&d.o)
	}
	if err := replaceFile(d.o.Folder+".work/key.pem", signingKey(), 0o600); err != nil {
		t.Fatal(err)
	}
	d.open()
	return d
}

// signingKey is one key for all tests, since to make one takes a while.
var signingKey = sync.OnceValue(func() []byte {
	folder, err := os.MkdirTemp("", "key.")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if _, err := makeKey(filepath.Join(folder, "key.pem")); err != nil {
		panic(err)
	}
	content, err := os.ReadFile(filepath.Join(folder, "key.pem"))
	if err != nil {
		panic(err)
	}
	return content
})

// open opens the trail as a new process does, whatever became of the one before.
func (d *desk) open() {
	d.t.Helper()
	w, err := Open(d.o)
	if err != nil {
		d.t.Fatal(err)
	}
	d.w = w
}

func (d *desk) append(n int) {
	d.t.Helper()
	for range n {
		d.n++
		r := Record{EventVersion: Version, EventTime: At(d.now), EventSource: "firewall.harbor.example", EventName: "Put", EventID: fmt.Sprintf("e%03d", d.n), EventType: APICall,
			RequestParameters: json.RawMessage(`{"quota":9007199254740993}`), RecipientAccountID: "123456789012"}
		if err := d.w.Append(r, true); err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *desk) tick(forward time.Duration) {
	d.t.Helper()
	d.now = d.now.Add(forward)
	if err := d.w.Tick(); err != nil {
		d.t.Fatal(err)
	}
}

// files are the objects below a part of the folder, in order.
func (d *desk) files(part, end string) (all []string) {
	d.t.Helper()
	root := filepath.Join(d.o.Folder, "AWSLogs", "123456789012", part)
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.HasSuffix(path, end) {
			all = append(all, path)
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return all
}

func inflate(t *testing.T, file string) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(file, err)
	}
	content, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(file, err)
	}
	return content
}

// ids are the events in all log files.
func (d *desk) ids() (all []string) {
	d.t.Helper()
	for _, file := range d.files("CloudTrail", ".json.gz") {
		var got struct{ Records []Record }
		if err := json.Unmarshal(inflate(d.t, file), &got); err != nil {
			d.t.Fatal(file, err)
		}
		for _, r := range got.Records {
			all = append(all, r.EventID)
		}
	}
	return all
}

func (d *desk) wantIDs(n int) {
	d.t.Helper()
	got := d.ids()
	slices.Sort(got)
	if len(got) != n || len(slices.Compact(got)) != n {
		d.t.Errorf("%d events delivered, want %d: %v", len(got), n, got)
	}
}

func TestFilesRotateByTimeAndCount(t *testing.T) {
	d := newDesk(t, nil)
	d.append(2)
	d.tick(59 * time.Second)
	d.wantIDs(0)
	d.tick(time.Second)
	d.wantIDs(2)
	d.append(4)
	d.tick(0) // three fill a file
	d.wantIDs(5)
	d.tick(time.Minute)
	d.wantIDs(6)
	names := d.files("CloudTrail", ".json.gz")
	if len(names) != 3 || !strings.Contains(names[0], "/CloudTrail/harbor-1/2026/01/02/123456789012_CloudTrail_harbor-1_20260102T0301Z_") {
		t.Errorf("files are %v", names)
	}
}

func TestRecordsAreLateAndOutOfOrder(t *testing.T) {
	d := newDesk(t, func(o *Options) { o.MaxDelay, o.RotateCount = 20*time.Minute, 100 })
	for range 60 {
		d.append(1)
		d.tick(10 * time.Second)
	}
	if n := len(d.ids()); n == 0 || n == 60 {
		t.Errorf("after 10 minutes %d of 60 are there", n)
	}
	d.tick(21 * time.Minute)
	d.wantIDs(60)
	if got := d.ids(); slices.IsSorted(got) {
		t.Errorf("they came in order: %v", got)
	}
}

// read checks a chain of digests from the newest to the first, and gives the objects that it covers.
func (d *desk) read() (covered []string) {
	d.t.Helper()
	keys := d.keys()
	digests := d.files("CloudTrail-Digest", "Z.json.gz")
	var after *Digest
	for _, file := range slices.Backward(digests) {
		content := inflate(d.t, file)
		var g Digest
		if err := json.Unmarshal(content, &g); err != nil {
			d.t.Fatal(err)
		}
		signature, err := os.ReadFile(file + ".signature")
		if err != nil {
			d.t.Fatal(err)
		}
		if err := g.Check(keys[g.DigestPublicKeyFingerprint], content, string(signature)); err != nil {
			d.t.Errorf("%s: %v", file, err)
		}
		if after != nil && (*after.PreviousDigestHashValue != hexSum(content) || *after.PreviousDigestSignature != string(signature) || *after.PreviousDigestS3Object != g.DigestS3Object || after.DigestStartTime != g.DigestEndTime) {
			d.t.Errorf("the digest after %s is chained to another: %+v", file, after)
		}
		for _, f := range g.LogFiles {
			if got := hexSum(inflate(d.t, filepath.Join(d.o.Folder, f.S3Object))); got != f.HashValue {
				d.t.Errorf("%s has another hash", f.S3Object)
			}
			covered = append(covered, f.S3Object)
		}
		after = &g
	}
	if after == nil || after.PreviousDigestSignature != nil {
		d.t.Errorf("the chain has no first digest: %+v", after)
	}
	return covered
}

func (d *desk) keys() map[string][]byte {
	d.t.Helper()
	content, err := os.ReadFile(filepath.Join(d.o.Folder, d.o.Place.keys()))
	var list PublicKeyList
	if err == nil {
		err = json.Unmarshal(content, &list)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	keys := map[string][]byte{}
	for _, k := range list.PublicKeyList {
		keys[k.Fingerprint] = k.Value
	}
	return keys
}

func TestDigestsChainAndCoverAllFiles(t *testing.T) {
	d := newDesk(t, nil)
	d.tick(time.Hour) // one of nothing
	d.append(7)
	d.tick(time.Hour)
	d.append(1)
	if err := d.w.Close(); err != nil {
		t.Fatal(err)
	}
	d.o.Rand = rand.New(rand.NewPCG(1, 2)) // a second process goes on with key and chain, and has the same chances
	d.open()
	d.append(1)
	if err := d.w.Flush(); err != nil {
		t.Fatal(err)
	}
	if d.w.Count() != 9 || d.w.LastChange() != "e009" {
		t.Errorf("count %d, last %q", d.w.Count(), d.w.LastChange())
	}
	covered := d.read()
	if files := d.files("CloudTrail", ".json.gz"); len(covered) != len(files) || len(covered) != 5 {
		t.Errorf("digests cover %d of %d files", len(covered), len(files))
	}
	if got := len(d.keys()); got != 1 {
		t.Errorf("%d keys", got)
	}
	d.wantIDs(9)
}

func TestWhatIsTamperedWithDoesNotCheck(t *testing.T) {
	d := newDesk(t, nil)
	d.append(1)
	if err := d.w.Flush(); err != nil {
		t.Fatal(err)
	}
	file := d.files("CloudTrail-Digest", "Z.json.gz")[0]
	content := inflate(t, file)
	var g Digest
	if err := json.Unmarshal(content, &g); err != nil {
		t.Fatal(err)
	}
	signature, _ := os.ReadFile(file + ".signature")
	key := d.keys()[g.DigestPublicKeyFingerprint]
	other := g
	other.DigestS3Object += "x"
	for name, err := range map[string]error{
		"content":   g.Check(key, append(slices.Clone(content), ' '), string(signature)),
		"moved":     other.Check(key, content, string(signature)),
		"signature": g.Check(key, content, strings.Repeat("0", len(signature))),
		"no hex":    g.Check(key, content, "x"),
	} {
		if err == nil {
			t.Errorf("%s: it checks", name)
		}
	}
	if err := g.Check(key, content, string(signature)); err != nil {
		t.Error(err)
	}
}

// A process that is killed leaves what it has written so far; the next one finds it. The steps are the states of the folder between two
// writes of a delivery.
func TestKilledAtAnyTime(t *testing.T) {
	const work = ".work"
	for _, step := range []string{"before delivery", "file not there", "file there", "digest not there", "digest there", "half a line"} {
		t.Run(step, func(t *testing.T) {
			d := newDesk(t, nil)
			d.append(2)
			spool, kept := filepath.Join(d.o.Folder+work, "spool.jsonl"), filepath.Join(d.o.Folder+work, "state.json")
			read := func(file string) []byte {
				content, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				return content
			}
			put := func(file string, content []byte) {
				if err := os.WriteFile(file, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			spooled := read(spool)
			switch step {
			case "file not there", "file there":
				d.tick(time.Minute)
				var s state
				if err := json.Unmarshal(read(kept), &s); err != nil {
					t.Fatal(err)
				}
				s.Writing, s.Files = &writing{File: s.Files[0], IDs: []string{"e001", "e002"}}, nil
				content, _ := json.Marshal(s)
				put(kept, content)
				put(spool, spooled)
				if step == "file not there" {
					if err := os.Remove(filepath.Join(d.o.Folder, s.Writing.File.S3Object)); err != nil {
						t.Fatal(err)
					}
				}
			case "digest not there", "digest there":
				d.tick(time.Minute)
				before := read(kept)
				d.tick(time.Hour)
				var s, after state
				if json.Unmarshal(before, &s) != nil || json.Unmarshal(read(kept), &after) != nil {
					t.Fatal("state")
				}
				s.Digesting = &digesting{*after.Previous}
				content, _ := json.Marshal(s)
				put(kept, content)
				if step == "digest not there" {
					if err := os.Remove(filepath.Join(d.o.Folder, after.Previous.Object)); err != nil {
						t.Fatal(err)
					}
				}
			case "half a line":
				put(spool, append(spooled, `{"due":"2026`...))
			}
			d.now = d.now.Add(time.Second)
			d.open()
			if d.w.LastChange() != "e002" {
				t.Errorf("the last record is %q", d.w.LastChange())
			}
			d.append(1)
			if err := d.w.Flush(); err != nil {
				t.Fatal(err)
			}
			d.wantIDs(3)
			if covered := d.read(); len(covered) != len(d.files("CloudTrail", ".json.gz")) {
				t.Errorf("digests cover %v", covered)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.pem")
	first, err := loadKey(file)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := loadKey(file); err != nil || !again.Equal(first) {
		t.Errorf("a key is another the second time: %v", err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read the key: %v", info.Mode())
	}
	for _, content := range []string{"", "x", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadKey(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%q is taken for a key, or the file is not named: %v", content, err)
		}
	}
}

func TestTruthLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "truth.jsonl")
	l, err := OpenTruth(file)
	if err != nil || l.Last() != "" {
		t.Fatal(err, l)
	}
	if err := errors.Join(l.Append([]Truth{{Event: "e1", Path: "a"}, {Event: "e1", Path: "b"}}), l.Append(nil), l.Append([]Truth{{Event: "e2"}}), l.Close()); err != nil {
		t.Fatal(err)
	}
	whole, _ := os.ReadFile(file)
	if err := os.WriteFile(file, append(whole, `{"event":"e3`...), 0o600); err != nil { // killed in the middle of a line
		t.Fatal(err)
	}
	l, err = OpenTruth(file)
	if err != nil || l.Last() != "e2" {
		t.Fatal(err, l)
	}
	defer l.Close()
	if got, _ := os.ReadFile(file); string(got) != string(whole) {
		t.Errorf("left %s", got)
	}
}

func FuzzOpenTruth(f *testing.F) {
	f.Add([]byte(`{"event":"e1"}` + "\n" + `{"ev`))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		file := filepath.Join(t.TempDir(), "truth.jsonl")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := OpenTruth(file)
		if err != nil {
			if got, _ := os.ReadFile(file); !bytes.Equal(got, content) {
				t.Error("a file that is refused was changed")
			}
			return
		}
		if err := errors.Join(l.Append([]Truth{{Event: "next"}}), l.Close()); err != nil {
			t.Fatal(err)
		}
		if l, err = OpenTruth(file); err != nil || l.Last() != "next" {
			t.Fatal(err)
		}
		_ = l.Close()
	})
}

func FuzzSpool(f *testing.F) {
	f.Add([]byte(`{"due":"2026-01-02T03:00:00Z","id":"e1","time":"2026-01-02T03:00:00Z","record":{"eventID":"e1"}}`+"\n{"), []byte(`{"since":"2026-01-02T03:00:00Z"}`))
	f.Fuzz(func(t *testing.T, spool, kept []byte) {
		o := Options{Folder: filepath.Join(t.TempDir(), "trail"), Place: Place{Account: "1", Region: "r", Bucket: "trail", Trail: "t"}, Rand: rand.New(rand.NewPCG(1, 2)),
			Now: func() time.Time { return time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC) }}
		for name, content := range map[string][]byte{"key.pem": signingKey(), "spool.jsonl": spool, "state.json": kept} {
			if err := replaceFile(filepath.Join(o.Folder+".work", name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w, err := Open(o)
		if err != nil {
			return
		}
		_ = w.Close()
	})
}

func FuzzWrap(f *testing.F) {
	f.Add([]byte(`{"eventID":"e1","eventSource":"firewall.harbor.example","eventTime":"2026-01-02T03:00:00Z","eventType":"AwsServiceEvent"}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		e, err := Wrap(record)
		if err == nil && (!bytes.Equal(e.Detail, record) || len(e.ID) != 36) {
			t.Errorf("%+v", e)
		}
	})
}

// receiver takes envelopes, after it has refused some.
type receiver struct {
	mu     sync.Mutex
	refuse int
	got    []Envelope
	enough chan struct{}
	want   int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse > 0 {
		r.refuse--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var batch []Envelope
	if err := json.NewDecoder(req.Body).Decode(&batch); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.got = append(r.got, batch...)
	if len(r.got) == r.want {
		close(r.enough)
	}
}

func (r *receiver) await(t *testing.T) {
	t.Helper()
	select {
	case <-r.enough:
	case <-time.After(20 * time.Second):
		t.Fatal("it was not pushed")
	}
}

func TestPush(t *testing.T) {
	to := &receiver{refuse: 2, want: 4, enough: make(chan struct{})}
	srv := httptest.NewServer(to)
	defer srv.Close()
	p := NewPusher(srv.URL, slog.New(slog.DiscardHandler))
	d := newDesk(t, func(o *Options) { o.Push = p })
	d.append(4)
	d.tick(0)
	to.await(t)
	if err := d.w.Close(); err != nil {
		t.Fatal(err)
	}
	e := to.got[0]
	if e.DetailType != "AWS API Call via CloudTrail" || e.Source != "harbor.firewall" || e.Account != "123456789012" || e.ID == "" || !bytes.Contains(e.Detail, []byte("9007199254740993")) {
		t.Errorf("envelope %+v %s", e, e.Detail)
	}
	d.wantIDs(4)
}

// What a receiver never took is offered again by the next process.
func TestWhatWasNotPushedIsNotForgotten(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	p := NewPusher(gone.URL, slog.New(slog.DiscardHandler))
	d := newDesk(t, func(o *Options) { o.Push = p })
	d.append(2)
	d.tick(time.Minute)
	d.wantIDs(2)
	p.cancel()
	if err := d.w.Close(); err != nil {
		t.Fatal(err)
	}
	to := &receiver{want: 2, enough: make(chan struct{})}
	srv := httptest.NewServer(to)
	defer srv.Close()
	d.o.Push = NewPusher(srv.URL, slog.New(slog.DiscardHandler))
	d.open()
	d.tick(0)
	to.await(t)
	if err := d.w.Close(); err != nil {
		t.Fatal(err)
	}
	d.wantIDs(2)
}

// The AWS CLI's own validator is asked about signature and hashes, where it is installed.
func TestAWSValidates(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err == nil {
		err = exec.Command(python, "-c", "import awscli.customizations.cloudtrail.validation").Run()
	}
	if err != nil {
		t.Skip("SKIPPED: there is no python3 with the AWS CLI: its validator was not asked")
	}
	d := newDesk(t, nil)
	d.append(4)
	d.tick(time.Hour)
	d.append(2)
	if err := d.w.Flush(); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", validator, d.o.Folder, d.o.Place.keys()).CombinedOutput()
	if err != nil || string(out) != "2 digests, 3 files\n" {
		t.Errorf("%v: %s", err, out)
	}
}

const validator = `
import base64, gzip, hashlib, json, os, sys
from awscli.customizations.cloudtrail.validation import Sha256RSADigestValidator
folder, keys = sys.argv[1], json.load(open(os.path.join(sys.argv[1], sys.argv[2])))
keys = {k["Fingerprint"]: k["Value"] for k in keys["PublicKeyList"]}
digests, files = 0, 0
for root, _, names in os.walk(os.path.join(folder, "AWSLogs")):
    for name in names:
        path = os.path.join(root, name)
        if "CloudTrail-Digest" not in name or not name.endswith(".json.gz"):
            continue
        content = gzip.open(path).read()
        digest = json.loads(content)
        digest["_signature"] = open(path + ".signature").read()
        digest["_signature_algorithm"] = digest["digestSignatureAlgorithm"]
        Sha256RSADigestValidator().validate(digest["digestS3Bucket"], digest["digestS3Object"], keys[digest["digestPublicKeyFingerprint"]], digest, content)
        digests += 1
        for f in digest["logFiles"]:
            assert hashlib.sha256(gzip.open(os.path.join(folder, f["s3Object"])).read()).hexdigest() == f["hashValue"]
            files += 1
print(digests, "digests,", files, "files")
`
