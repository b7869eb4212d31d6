package cloudtrail

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

// rec is a record with this id.
func rec(id string) string {
	return strings.Replace(recordOf(""), `"eventID":"e"`, `"eventID":"`+id+`"`, 1)
}

// trailFile is the content of a log file.
func trailFile(records ...string) []byte {
	return packed(`{"Records":[` + strings.Join(records, ",") + `]}`)
}

func packed(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}

func put(t *testing.T, dir, key string, content []byte) string {
	t.Helper()
	name := filepath.Join(dir, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// logKey is the key of a log file of the trail that the tests have.
func logKey(at string, n int) string {
	return fmt.Sprintf("AWSLogs/1/CloudTrail/eu-west-1/2026/01/01/1_CloudTrail_eu-west-1_20260101T%sZ_%d.json.gz", at, n)
}

func opened(t *testing.T, now func() time.Time, c Config) taffrail.EventReader {
	t.Helper()
	var r plug.Registry
	Register(&r)
	text := fmt.Sprintf("path: %q\nqueue: %q\nbucket: %q\nprefix: %q\nlookup: %v\nfrom: %q\ndigests: %q\npublic_keys: %q\nregion: %q\nendpoint: %q\n",
		c.Path, c.Queue, c.Bucket, c.Prefix, c.Lookup, c.From, c.Digests, c.PublicKeys, c.Region, c.Endpoint)
	events, err := plug.Open[taffrail.EventReader](t.Context(), &r, Name, plug.Env{Now: now}, plug.Settings{YAML: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// later is long after anything that a test puts somewhere.
func later() time.Time { return time.Now().Add(time.Hour) }

// A taken is what was read so far.
type taken struct {
	batches []taffrail.Batch
	cursor  taffrail.Cursor
}

// read reads on, and gives the ids or faults of what came.
func (k *taken) read(t *testing.T, r taffrail.EventReader) (came []string) {
	t.Helper()
	if err := k.try(t.Context(), r, &came); err != nil {
		t.Fatal(err)
	}
	return came
}

func (k *taken) try(ctx context.Context, r taffrail.EventReader, came *[]string) error {
	return r.ReadEvents(ctx, k.cursor, func(b taffrail.Batch) error {
		k.batches = append(k.batches, b)
		if b.Next != "" {
			k.cursor = b.Next
		}
		for _, r := range b.Records {
			id := r.Fault
			if parsed, err := parse(r.Raw); r.Fault == "" && err == nil {
				id = parsed.EventID
			}
			*came = append(*came, id)
		}
		return nil
	})
}

func (k *taken) notices() (all []string) {
	for _, b := range k.batches {
		for _, n := range b.Notices {
			all = append(all, fmt.Sprintf("%s %s-%s %s", n.Kind, n.Start.Format("15:04"), n.End.Format("15:04"), n.What))
		}
	}
	return all
}

func (k *taken) settled() (last time.Time) {
	for _, b := range k.batches {
		if b.Settled.After(last) {
			last = b.Settled
		}
	}
	return last
}

func TestFolderContract(t *testing.T) {
	plugtest.EventReader(t, plugtest.EventReaderCase{Want: 7, New: func(t *testing.T) plugtest.EventWorld {
		dir := t.TempDir()
		put(t, dir, logKey("0005", 1), trailFile(rec("a"), rec("b")))
		put(t, dir, logKey("0000", 2), trailFile(rec("c")))
		put(t, dir, logKey("0010", 3), trailFile())
		put(t, dir, "other/plain.json", []byte(rec("d")))
		put(t, dir, "lines.ndjson", []byte(rec("f")+"\n"+rec("g")+"\n"))
		put(t, dir, "broken.json", []byte("hello"))
		return plugtest.EventWorld{Open: func() taffrail.EventReader { return opened(t, later, Config{Path: dir}) }}
	}})
}

// CloudTrail's files arrive out of order and late: in a real set 22 % of neighbouring records were out of order, and the lag was up to 594 s. What
// arrives is read, whatever the time in its name.
func TestTrap41_FilesThatArriveLateAreRead(t *testing.T) {
	dir := t.TempDir()
	var k taken
	for round, at := range []string{"0010", "0005", "0020", "0000", "0015"} {
		put(t, dir, logKey(at, round), trailFile(rec(at)))
		if diff := cmp.Diff([]string{at}, k.read(t, opened(t, later, Config{Path: dir}))); diff != "" {
			t.Fatalf("round %d: %s", round, diff)
		}
	}
	if k.read(t, opened(t, later, Config{Path: dir})) != nil {
		t.Error("something came twice")
	}
}

// Near the present, files are noted one by one, since one that is listed later may have arrived before.
func TestFilesOfTheLastMoments(t *testing.T) {
	dir := t.TempDir()
	var k taken
	for i := range 5 {
		name := fmt.Sprintf("f%d.json", i)
		put(t, dir, name, []byte(rec(name)))
		if diff := cmp.Diff([]string{name}, k.read(t, opened(t, time.Now, Config{Path: dir}))); diff != "" {
			t.Fatal(diff)
		}
	}
	if came := k.read(t, opened(t, later, Config{Path: dir})); came != nil {
		t.Errorf("%q came again once they were old", came)
	}
	put(t, dir, "g.json", []byte(rec("g")))
	if diff := cmp.Diff([]string{"g"}, k.read(t, opened(t, later, Config{Path: dir}))); diff != "" {
		t.Error(diff)
	}
}

// A folder that is moved here brings files whose own inodes nobody touched.
func TestFolderThatWasMovedHere(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	first := arrivalOf(t, put(t, other, "in/1.json", []byte(rec("moved"))))
	for !arrivalOf(t, put(t, dir, "2.json", []byte(rec("here")))).After(first) { // until the clock of the disk has moved on
	}
	var k taken
	k.read(t, opened(t, later, Config{Path: dir}))
	if err := os.Rename(filepath.Join(other, "in"), filepath.Join(dir, "in")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"moved"}, k.read(t, opened(t, later, Config{Path: dir}))); diff != "" {
		t.Error(diff)
	}
}

func arrivalOf(t *testing.T, name string) time.Time {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return arrival(info)
}

// What arrived a moment ago says nothing of what arrived a little before.
func TestRecentFilesMoveNoMark(t *testing.T) {
	p, err := parseProgress("")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	recent, before, old := file{key: "b", arrived: now}, file{key: "a", arrived: now.Add(-time.Second)}, file{key: "c", arrived: now.Add(-time.Hour)}
	p.pass(old, now.Add(-time.Minute))
	p.pass(recent, now.Add(-time.Minute))
	if p.passed(before) || p.noted(before) || !p.noted(recent) || !p.passed(old) {
		t.Errorf("%+v", p)
	}
}

func TestBatchesHaveBounds(t *testing.T) {
	var sizes []int
	b := newBatcher(t.Context(), "", func(b taffrail.Batch) error {
		sizes = append(sizes, len(b.Records))
		return nil
	})
	big := make([]byte, 3<<20)
	for range 5 {
		if err := b.add(big, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	for range taffrail.MaxBatchRecords + 1 {
		if err := b.add([]byte("{}"), "", ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.flush(""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{2, 2, taffrail.MaxBatchRecords, 2}, sizes); diff != "" {
		t.Error(diff)
	}
}

func TestFileThatIsStillWritten(t *testing.T) {
	dir := t.TempDir()
	whole := trailFile(rec("a"), rec("b"))
	name := put(t, dir, "1.json.gz", whole[:len(whole)-10])
	put(t, dir, "2.json", []byte(rec("c")))
	var k taken
	came := k.read(t, opened(t, time.Now, Config{Path: dir}))
	if strings.Contains(strings.Join(came, " "), "cut off") {
		t.Errorf("%q: a fault was said of a file that a moment ago was written to", came)
	}
	if err := os.WriteFile(name, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	came = append(came, k.read(t, opened(t, time.Now, Config{Path: dir}))...)
	for _, id := range []string{"a", "b", "c"} {
		if !strings.Contains(strings.Join(came, " "), id) {
			t.Errorf("%s did not come: %q", id, came)
		}
	}
	put(t, dir, "3.json.gz", whole[:len(whole)-10])
	if came := k.read(t, opened(t, later, Config{Path: dir})); !strings.Contains(strings.Join(came, " "), "the gzip stream is cut off") {
		t.Errorf("%q: nothing is said of a file that stays cut off", came)
	}
}

func TestFileThatGrows(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "audit.log")
	write := func(text string) {
		t.Helper()
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	var k taken
	expect := func(step string, want ...string) {
		t.Helper()
		came := k.read(t, opened(t, later, Config{Path: name}))
		slices.Sort(came)
		slices.Sort(want)
		if diff := cmp.Diff(want, came); diff != "" {
			t.Errorf("%s: %s", step, diff)
		}
	}
	write(rec("a") + "\n")
	expect("the first line", "a")
	expect("nothing new")
	write(rec("b")[:30])
	expect("half a line")
	write(rec("b")[30:] + "\n" + rec("c") + "\n")
	expect("the other half", "b", "c")
	write("hello\n" + rec("d") + "\n")
	expect("rubbish", "something stands where a record should begin", "d")

	write(rec("e") + "\n")
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	write(rec("f") + "\n")
	expect("rotated", "e", "f")

	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	write("{}\n")
	expect("truncated", "")
	if all := k.notices(); len(all) != 1 || !strings.Contains(all[0], "became shorter") {
		t.Errorf("notices: %q", all)
	}
	if err := os.WriteFile(name, []byte(rec("another file, and longer than the one before it")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	expect("written anew", "another file, and longer than the one before it")
}

func TestFrom(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, logKey("0005", 1), trailFile(rec("old")))
	put(t, dir, logKey("0015", 2), trailFile(rec("new")))
	var k taken
	if diff := cmp.Diff([]string{"new"}, k.read(t, opened(t, later, Config{Path: dir, From: "2026-01-01T00:10:00Z"}))); diff != "" {
		t.Error(diff)
	}
	if k.read(t, opened(t, later, Config{Path: dir, From: "2026-01-01T00:10:00Z"})) != nil {
		t.Error("it came again")
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	var k taken
	var came []string
	if err := k.try(t.Context(), opened(t, later, Config{Path: filepath.Join(t.TempDir(), "none")}), &came); taffrail.KindOf(err) != taffrail.KindNotFound || taffrail.HintOf(err) == "" {
		t.Errorf("a path that is not there: %v", err)
	}
	k.cursor = "none of ours"
	if err := k.try(t.Context(), opened(t, later, Config{Path: t.TempDir()}), &came); taffrail.KindOf(err) != taffrail.KindCorrupt {
		t.Errorf("a cursor of someone else: %v", err)
	}
}

// A file that may not be read stops the reading: nothing after it is said to be all there was.
func TestPermissionErrorIsNoAbsence(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("SKIPPED: root may read everything")
	}
	dir := t.TempDir()
	name := put(t, dir, "1.json", []byte(rec("a")))
	if err := os.Chmod(name, 0); err != nil {
		t.Fatal(err)
	}
	var k taken
	var came []string
	if err := k.try(t.Context(), opened(t, later, Config{Path: dir}), &came); taffrail.KindOf(err) != taffrail.KindDenied {
		t.Errorf("%v", err)
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a"}, k.read(t, opened(t, later, Config{Path: dir}))); diff != "" {
		t.Error(diff)
	}
}

func TestSettings(t *testing.T) {
	for name, c := range map[string]Config{
		"nothing": {}, "two": {Path: "x", Bucket: "y"}, "a prefix alone": {Path: "x", Prefix: "y"}, "digests": {Path: "x", Digests: "yes"}, "from": {Path: "x", From: "yesterday"},
		"digests of LookupEvents": {Lookup: true, Digests: "verify"}, "plain text": {Bucket: "x", Endpoint: "http://example.com", Region: "eu-west-1"}, "no URL": {Bucket: "x", Endpoint: "::", Region: "eu-west-1"},
	} {
		if _, err := openReader(t.Context(), plug.Env{}, c); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := (Config{Queue: "https://sqs.eu-west-3.amazonaws.com/1/q"}).region(); got != "eu-west-3" {
		t.Errorf("region %q", got)
	}
}

func TestManyFilesAtOnce(t *testing.T) {
	p, err := parseProgress("")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i := range 5000 {
		p.pass(file{key: fmt.Sprintf("%0200d", i), arrived: now.Add(time.Duration(i))}, now.Add(-time.Hour))
	}
	if _, err := p.cursor(); err != nil {
		t.Errorf("many recent files: %v", err)
	}
	for i := range 2000 {
		p.Chains[token(fmt.Sprint(i))] = chain{End: now.Unix()}
	}
	if _, err := p.cursor(); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
		t.Errorf("many chains: %v", err)
	}
}

// Whoever tells CloudTrail to record less is an alarm, whether or not it succeeded in hiding what followed.
func TestSomebodyTellsItToRecordLess(t *testing.T) {
	call := func(name, more string) string {
		return `{"eventVersion":"1","eventID":"` + name + `","eventTime":"2026-01-01T00:00:00Z","eventSource":"cloudtrail.amazonaws.com","eventName":"` + name + `"` + more + `}`
	}
	dir := t.TempDir()
	put(t, dir, "1.json.gz", trailFile(call("StopLogging", ""), call("DeleteTrail", `,"errorCode":"AccessDenied"`), call("DescribeTrails", ""), call("PutEventSelectors", ""),
		strings.Replace(call("UpdateTrail", ""), `"cloudtrail.`, `"x":"cloudtrail.amazonaws.com","eventSource":"other.`, 1)))
	var k taken
	k.read(t, opened(t, later, Config{Path: dir}))
	want := []string{"stopped 00:00-00:00 StopLogging was called: CloudTrail may record less from then on", "stopped 00:00-00:00 PutEventSelectors was called: CloudTrail may record less from then on"}
	if diff := cmp.Diff(want, k.notices()); diff != "" {
		t.Error(diff)
	}
	if k.batches[0].Notices[0].Event != "StopLogging" {
		t.Errorf("%+v", k.batches[0].Notices[0])
	}
}

func TestSettledWithoutDigests(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, logKey("0005", 1), trailFile(rec("a")))
	var k taken
	k.read(t, opened(t, later, Config{Path: dir}))
	if want := time.Date(2025, 12, 31, 23, 50, 0, 0, time.UTC); !k.settled().Equal(want) {
		t.Errorf("settled %v", k.settled())
	}
	n := len(k.batches)
	k.read(t, opened(t, later, Config{Path: dir}))
	if len(k.batches) != n {
		t.Error("the same was said again: each time is an entry of the log")
	}
}
