package file

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
)

var update = flag.Bool("update", false, "write the examples of the format's description anew")

const formatDoc = "../../../docs/design/log-format.md"

// exampleOrigin and the seed of bytes 0 to 31 make the example's key.
const exampleOrigin = "taffrail.local/5f0b7a3d9c214e86"

// An example is one log, as the description of the format shows it.
type example struct {
	leaves     []string
	hashes     []tlog.Hash
	checkpoint audit.Checkpoint
	key        string // of log.key
	public     string
	guard      string // of guard.json, without the spaces that fill it

	keys        audit.Keys
	witness     string // its public key
	cosignature string // the line
	field       string // disclosure of the last entry, encoded
	proof       string // of entry 1
	bundle      []byte
	report      audit.BundleReport
}

func makeExample(t *testing.T) example {
	t.Helper()
	e := example{}
	folder := t.TempDir()
	k := &keyring{folder: folder}
	e.key, e.public = exampleKey(t)
	if err := create(k.path(), []byte(e.key), nil); err != nil {
		t.Fatal(err)
	}
	g := &guard{folder: folder}
	storage := audittest.NewMemory()
	l, err := audit.Begin(t.Context(), storage, audit.NewSigner(k, g))
	if err != nil {
		t.Fatal(err)
	}
	entries := exampleEntries(e.public)
	_, digest := exampleField(t)
	entries[2].Digests = []string{digest}
	for i, entry := range entries {
		e.leaves = append(e.leaves, appendExample(t, storage, int64(i), entry))
	}
	if e.checkpoint, err = l.Sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, h := range storage.State().Hashes {
		e.hashes = append(e.hashes, *h)
	}
	text, err := os.ReadFile(g.path())
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		e.guard += strings.TrimRight(line, " \n") + "\n"
	}
	ring, err := k.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e.keys = ring.Keys()
	e.cosign(t, storage)
	e.export(t, storage)
	return e
}

func exampleKey(t *testing.T) (private, public string) {
	t.Helper()
	public, err := note.NewEd25519VerifierKey(exampleOrigin, ed25519.NewKeyFromSeed(knownKey).Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	hash := strings.Split(public, "+")[1]
	seed := base64.StdEncoding.EncodeToString(append([]byte{1}, knownKey...))
	return fmt.Sprintf("PRIVATE+KEY+%s+%s+%s\n", exampleOrigin, hash, seed), public
}

func exampleEntries(public string) []taffrail.Entry {
	entries := []taffrail.Entry{
		{Outcome: taffrail.OutcomeStarted, Body: taffrail.LogStarted{Origin: exampleOrigin, Key: public}},
		{
			Scope: "terraform/0b6e/default", Resource: `harbor_bucket.logs["é"]`, Request: "7c9e6679", Outcome: taffrail.OutcomeObserved,
			Body: taffrail.DriftEnded{Drift: "d1", Why: taffrail.EndInSync},
		},
		{
			Scope: "terraform/0b6e/default", Resource: "harbor_bucket.data", Request: "7c9e6679", Outcome: taffrail.OutcomeObserved,
			Body: taffrail.DriftEnded{Drift: "d2", Why: taffrail.EndReleased},
		},
	}
	for i := range entries {
		entries[i].Time = time.Date(2026, 1, 2, 3, 4, 5+i, 678900000, time.UTC)
		entries[i].Counter = int64(i)
		entries[i].Nonce = strings.Repeat(fmt.Sprintf("%02x", 0xa0+i), 16)
		entries[i].Actor = "taffrail/0.1.0"
	}
	return entries
}

func appendExample(t *testing.T, s audit.Storage, want int64, entry taffrail.Entry) (leaf string) {
	t.Helper()
	text, err := json.Marshal(entry)
	if err != nil {
		t.Fatal(err)
	}
	body, err := audit.Canonical(text)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Write(t.Context(), func(w audit.Writer) error {
		index, err := audit.Append(w, body)
		if index != want {
			t.Errorf("index is %d, want %d", index, want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// blocks gives what the description must show, by the names of its markers.
func (e example) blocks(t *testing.T) map[string]string {
	t.Helper()
	var hashes strings.Builder
	fmt.Fprintln(&hashes, "id  level  n  covers  hash")
	for id, h := range e.hashes {
		level, n := tlog.SplitStoredHashIndex(int64(id))
		fmt.Fprintf(&hashes, "%-3d %-6d %-2d [%d, %d)  %x\n", id, level, n, n<<level, (n+1)<<level, h[:])
	}
	root := e.checkpoint.Root
	fmt.Fprintf(&hashes, "root over 3 entries:   %x\n", root[:])
	sealing := &sealer{sealKeyID(knownKey), knownKey}
	blocks := map[string]string{
		"leaves":          strings.Join(e.leaves, "\n") + "\n",
		"hashes":          hashes.String(),
		"checkpoint":      string(e.checkpoint.Note),
		"log.key":         e.key,
		"public key":      e.public + "\n",
		"seal.key":        formatSealKey(knownKey),
		"sealed":          sealing.Seal(taffrail.String("hunter2")).Text() + "\n",
		"guard.json":      e.guard,
		"by hand":         e.script(),
		"by hand, output": e.checkpoint.Root.String() + "\nSignature Verified Successfully\n",
	}
	maps.Copy(blocks, e.bundleBlocks(t))
	return blocks
}

// script verifies the example with nothing of ours.
func (e example) script() string {
	text, sigs, _ := bytes.Cut(e.checkpoint.Note, []byte("\n\n"))
	sig := strings.Fields(string(sigs))[2]
	return `leaf() { (printf '\000'; printf %s "$1") | openssl dgst -sha256 -r | cut -d' ' -f1; }
node() { (printf '\001'; printf %s "$1$2" | xxd -r -p) | openssl dgst -sha256 -r | cut -d' ' -f1; }

h0=$(leaf '` + e.leaves[0] + `')
h1=$(leaf '` + e.leaves[1] + `')
h2=$(leaf '` + e.leaves[2] + `')
node "$(node "$h0" "$h1")" "$h2" | xxd -r -p | base64

printf '` + strings.ReplaceAll(string(text), "\n", `\n`) + `\n' > text
printf %s '` + sig + `' | base64 -d | tail -c 64 > signature
(printf 302a300506032b6570032100 | xxd -r -p   # DER: an Ed25519 public key follows
 printf %s '` + strings.SplitN(e.public, "+", 3)[2] + `' | base64 -d | tail -c 32) > public
openssl pkeyutl -verify -pubin -keyform DER -inkey public -rawin -in text -sigfile signature
`
}

// TestLogFormat compares the description of the format with what the code does.
func TestLogFormat(t *testing.T) {
	blocks := makeExample(t).blocks(t)
	text, err := os.ReadFile(formatDoc)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, block := range blocks {
		before, after, found := strings.Cut(want, "<!-- example: "+name+" -->\n```")
		_, rest, closed := strings.Cut(after, "\n```\n")
		if !found || !closed {
			t.Fatalf("there is no block %q", name)
		}
		info, _, _ := strings.Cut(after, "\n")
		want = before + "<!-- example: " + name + " -->\n```" + info + "\n" + block + "```\n" + rest
	}
	if n := strings.Count(want, "<!-- example: "); n != len(blocks) {
		t.Errorf("%d blocks are marked, %d are known", n, len(blocks))
	}
	if *update {
		if err := os.WriteFile(formatDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("%s is not what the code does (-update writes it anew):\n%s", filepath.Base(formatDoc), diff)
	}
}

// TestLogFormatNamesAllFields looks for each field of an entry in the description's table.
func TestLogFormatNamesAllFields(t *testing.T) {
	text, err := os.ReadFile(formatDoc)
	if err != nil {
		t.Fatal(err)
	}
	full := exampleEntries("")[1]
	full.Intent, full.Clock, full.Error, full.Digests = new(int64), full.Time, "e", []string{"d"}
	raw, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), "\n## The types of entry\n") // which are compared where their types are used
	_, after, _ := strings.Cut(rest, "\n## ")
	rows := strings.Count(before+after, "\n| `")
	for name := range fields {
		if !strings.Contains(string(text), "\n| `"+name+"` | ") {
			t.Errorf("field %q is not described", name)
		}
	}
	if tables := 4; rows != len(fields)+tables { // the database's have such rows, too
		t.Errorf("%d rows describe %d fields and %d tables", rows, len(fields), tables)
	}
	if audit.MaxEntry != 49152 || !strings.Contains(string(text), "49,152 bytes") {
		t.Errorf("the largest entry is not described")
	}
}

// TestLogFormatByHand runs the commands of the description.
func TestLogFormatByHand(t *testing.T) {
	for _, tool := range []string{"sh", "openssl", "xxd", "base64"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s", tool)
		}
	}
	blocks := makeExample(t).blocks(t)
	cmd := exec.Command("sh", "-c", blocks["by hand"])
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if diff := cmp.Diff(blocks["by hand, output"], string(out)); diff != "" {
		t.Error(diff)
	}
}
