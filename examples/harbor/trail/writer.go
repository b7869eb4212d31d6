package trail

import (
	"bytes"
	"cmp"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options say where a trail lies and how it is delivered.
type Options struct {
	// Folder is the bucket. What is not for readers lies in Folder.work: the
	// private key and what was not delivered yet.
	Folder string
	Place  Place
	// MaxDelay bounds how late a record is delivered; each has a random delay.
	MaxDelay time.Duration
	// RotateEvery is how long a record that is due waits for others in its file,
	// RotateCount how many records a file holds at most.
	RotateEvery time.Duration
	RotateCount int
	// DigestEvery is how much time a digest is about.
	DigestEvery time.Duration
	// Push gets records as they are due; nil is nobody.
	Push *Pusher
	Now  func() time.Time
	Rand *rand.Rand
}

// A Writer takes records and delivers them. It is safe for concurrent use.
type Writer struct {
	o     Options
	key   *rsa.PrivateKey
	mu    sync.Mutex
	spool *os.File
	items []*item
	state state
	ended bool
}

// An item is a record on its way.
type item struct {
	Due       time.Time       `json:"due"`
	Delivered bool            `json:"delivered,omitempty"`
	Pushed    bool            `json:"pushed,omitempty"`
	ID        string          `json:"id"`
	Time      Time            `json:"time"`
	Change    bool            `json:"change,omitempty"`
	Record    json.RawMessage `json:"record"`
	queued    bool            // it is on its way to the receiver
	taken     atomic.Bool     // the receiver has it
}

// state is what a restart must know beside the items.
type state struct {
	Count     uint64     `json:"count"`      // records that were appended, but for those in the spool
	Change    string     `json:"lastChange"` // id of the last record that was appended as a change, unless a later one is in the spool
	Since     Time       `json:"since"`
	Files     []LogFile  `json:"files"` // delivered, and in no digest yet
	Previous  *previous  `json:"previous"`
	Writing   *writing   `json:"writing"`
	Digesting *digesting `json:"digesting"`
}

type previous struct {
	Object, Hash, Signature string
	End                     Time
}

// writing is a log file that is about to be written.
type writing struct {
	File LogFile
	IDs  []string
}

type digesting struct{ Previous previous }

// Open makes or continues a trail.
func Open(o Options) (*Writer, error) {
	o.RotateCount, o.RotateEvery, o.DigestEvery = cmp.Or(o.RotateCount, 1000), cmp.Or(o.RotateEvery, 5*time.Minute), cmp.Or(o.DigestEvery, time.Hour)
	w := &Writer{o: o}
	if err := os.MkdirAll(w.work(""), 0o700); err != nil {
		return nil, err
	}
	var err error
	if w.key, err = loadKey(w.work("key.pem")); err != nil {
		return nil, fmt.Errorf("open trail: key: %w", err)
	}
	if err := errors.Join(w.loadState(), w.loadSpool()); err != nil {
		return nil, fmt.Errorf("open trail: %w", err)
	}
	w.settle()
	if err := errors.Join(w.publish(), w.rewrite()); err != nil {
		return nil, fmt.Errorf("open trail: %w", err)
	}
	return w, nil
}

func (w *Writer) work(name string) string { return filepath.Join(w.o.Folder+".work", name) }

func (w *Writer) path(object string) string {
	return filepath.Join(w.o.Folder, filepath.FromSlash(object))
}

// place puts a file where readers find it.
func (w *Writer) place(object string, content []byte) error {
	return replaceFile(w.path(object), content, 0o644)
}

func (w *Writer) loadState() error {
	content, err := os.ReadFile(w.work("state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		w.state.Since = At(w.o.Now())
		return nil
	}
	if err == nil {
		err = json.Unmarshal(content, &w.state)
	}
	return err
}

func (w *Writer) saveState() error {
	content, err := json.Marshal(w.state)
	if err != nil {
		return err
	}
	return replaceFile(w.work("state.json"), content, 0o600)
}

// loadSpool reads what was on its way. A line that does not end was not appended.
func (w *Writer) loadSpool() error {
	content, err := os.ReadFile(w.work("spool.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range bytes.Lines(content) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		it := &item{}
		if err := json.Unmarshal(line, it); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		w.items = append(w.items, it)
	}
	return nil
}

// settle finishes what a process that was killed had begun. A file that is there
// was delivered, whatever came after it.
func (w *Writer) settle() {
	if b := w.state.Writing; b != nil {
		if exists(w.path(b.File.S3Object)) {
			w.delivered(b)
		}
		w.state.Writing = nil
	}
	if d := w.state.Digesting; d != nil {
		if exists(w.path(d.Previous.Object)) {
			w.digested(d.Previous)
		}
		w.state.Digesting = nil
	}
}

// rewrite makes the spool anew, without what needs no more doing.
func (w *Writer) rewrite() error {
	w.state.Change = w.lastChange()
	for _, it := range w.items {
		it.Pushed = it.Pushed || it.taken.Load()
	}
	had := len(w.items)
	w.items = slices.DeleteFunc(w.items, func(it *item) bool { return it.Delivered && (it.Pushed || w.o.Push == nil) })
	w.state.Count += uint64(had - len(w.items))
	if err := w.saveState(); err != nil {
		return err
	}
	var b bytes.Buffer
	for _, it := range w.items {
		line, err := json.Marshal(it)
		if err != nil {
			return err
		}
		b.Write(append(line, '\n'))
	}
	if err := replaceFile(w.work("spool.jsonl"), b.Bytes(), 0o600); err != nil {
		return err
	}
	if w.spool != nil {
		_ = w.spool.Close() // the file of before, which nothing reads any more
	}
	var err error
	w.spool, err = os.OpenFile(w.work("spool.jsonl"), os.O_WRONLY|os.O_APPEND, 0o600)
	return err
}

// LastChange is the id of the record that was appended last as one of a change; ""
// where there was none.
func (w *Writer) LastChange() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lastChange()
}

func (w *Writer) lastChange() string {
	for _, it := range slices.Backward(w.items) {
		if it.Change {
			return it.ID
		}
	}
	return w.state.Change
}

// Count is how many records were appended, in all processes.
func (w *Writer) Count() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.Count + uint64(len(w.items))
}

// Append takes a record, and whether it is one of a change. Once it returns, the
// record will be delivered, by this process or by the next one.
func (w *Writer) Append(r Record, change bool) error {
	content, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	it := &item{Due: w.o.Now().Add(w.delay()), ID: r.EventID, Time: r.EventTime, Change: change, Record: content}
	line, err := json.Marshal(it)
	if err != nil {
		return err
	}
	if _, err := w.spool.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("append record: %w", err)
	}
	w.items = append(w.items, it)
	return nil
}

func (w *Writer) delay() time.Duration {
	if w.o.MaxDelay <= 0 {
		return 0
	}
	return time.Duration(w.o.Rand.Int64N(int64(w.o.MaxDelay)))
}

// Tick delivers what is due, and makes a digest if its time has come.
func (w *Writer) Tick() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tick(w.o.Now(), false)
}

// Flush delivers everything at once, due or not, and a digest of it.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tick(w.o.Now(), true)
}

// Close delivers everything and ends.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return nil
	}
	w.ended = true
	err := w.tick(w.o.Now(), true)
	if w.o.Push != nil {
		err = errors.Join(err, w.o.Push.Close(), w.rewrite())
	}
	return errors.Join(err, w.spool.Close())
}

func (w *Writer) tick(now time.Time, all bool) error {
	var due []*item
	for _, it := range w.items {
		if all || !it.Due.After(now) {
			w.push(it)
			if !it.Delivered {
				due = append(due, it)
			}
		}
	}
	slices.SortStableFunc(due, func(a, b *item) int { return a.Due.Compare(b.Due) })
	for len(due) > 0 && (all || len(due) >= w.o.RotateCount || !due[0].Due.Add(w.o.RotateEvery).After(now)) {
		n := min(len(due), w.o.RotateCount)
		if err := w.deliver(due[:n], now); err != nil {
			return err
		}
		due = due[n:]
	}
	if all && len(w.state.Files) > 0 || !now.Before(w.state.Since.Add(w.o.DigestEvery)) {
		return w.digest(now)
	}
	return nil
}

func (w *Writer) push(it *item) {
	if w.o.Push != nil && !it.Pushed && !it.queued {
		it.queued = w.o.Push.offer(it)
	}
}

// deliver writes a log file. If we stop before the file is there, the items are
// still in the spool; after it, [Writer.settle] finds it by what the state says.
func (w *Writer) deliver(items []*item, now time.Time) error {
	records := make([]json.RawMessage, len(items))
	b := &writing{File: LogFile{S3Bucket: w.o.Place.Bucket, S3Object: w.freshName(now), HashAlgorithm: hashAlgorithm, NewestEventTime: items[0].Time, OldestEventTime: items[0].Time}}
	for i, it := range items {
		records[i] = it.Record
		b.IDs = append(b.IDs, it.ID)
		b.File.note(it.Time)
	}
	content, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		return err
	}
	b.File.HashValue = hexSum(content)
	w.state.Writing = b
	if err := w.saveState(); err != nil {
		return err
	}
	if err := w.place(b.File.S3Object, compress(content)); err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	w.delivered(b)
	w.state.Writing = nil
	return w.rewrite()
}

// freshName is a name that no file has: a source of chance that was started
// again gives the names of before.
func (w *Writer) freshName(now time.Time) string {
	for {
		if name := w.o.Place.logFile(now, w.random(16)); !exists(w.path(name)) {
			return name
		}
	}
}

func (f *LogFile) note(t Time) {
	if t.After(f.NewestEventTime.Time) {
		f.NewestEventTime = t
	}
	if t.Before(f.OldestEventTime.Time) {
		f.OldestEventTime = t
	}
}

func (w *Writer) delivered(b *writing) {
	gone := make(map[string]bool, len(b.IDs))
	for _, id := range b.IDs {
		gone[id] = true
	}
	for _, it := range w.items {
		it.Delivered = it.Delivered || gone[it.ID]
	}
	w.state.Files = append(w.state.Files, b.File)
}

const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func (w *Writer) random(n int) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = letters[w.o.Rand.IntN(len(letters))]
	}
	return string(out)
}

// digest writes a digest of the files since the one before. Its signature is
// there before it, so that no reader meets a digest without one.
func (w *Writer) digest(now time.Time) error {
	d := w.nextDigest(now)
	content, err := json.Marshal(d)
	if err != nil {
		return err
	}
	signature, err := d.sign(w.key, content)
	if err != nil {
		return fmt.Errorf("sign digest: %w", err)
	}
	made := previous{Object: d.DigestS3Object, Hash: hexSum(content), Signature: signature, End: d.DigestEndTime}
	w.state.Digesting = &digesting{made}
	if err := w.saveState(); err != nil {
		return err
	}
	if err := w.place(made.Object+".signature", []byte(signature)); err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	if err := w.place(made.Object, compress(content)); err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	w.digested(made)
	w.state.Digesting = nil
	return w.saveState()
}

func (w *Writer) digested(made previous) {
	w.state.Files, w.state.Since, w.state.Previous = nil, made.End, &made
}

func (w *Writer) nextDigest(now time.Time) Digest {
	end := At(now)
	if !end.After(w.state.Since.Time) {
		end = Time{w.state.Since.Add(time.Second)} // two digests in one second: no two have one name
	}
	_, fingerprint := publicOf(w.key)
	d := Digest{AWSAccountID: w.o.Place.Account, DigestStartTime: w.state.Since, DigestEndTime: end, DigestS3Bucket: w.o.Place.Bucket, DigestS3Object: w.o.Place.digestFile(end.Time),
		DigestPublicKeyFingerprint: fingerprint, DigestSignatureAlgorithm: signatureAlgorithm, LogFiles: slices.Concat([]LogFile{}, w.state.Files)}
	for i, f := range w.state.Files {
		if i == 0 || f.NewestEventTime.After(d.NewestEventTime.Time) {
			d.NewestEventTime = &w.state.Files[i].NewestEventTime
		}
		if i == 0 || f.OldestEventTime.Before(d.OldestEventTime.Time) {
			d.OldestEventTime = &w.state.Files[i].OldestEventTime
		}
	}
	if p := w.state.Previous; p != nil {
		d.PreviousDigestS3Bucket, d.PreviousDigestS3Object, d.PreviousDigestHashValue = &w.o.Place.Bucket, &p.Object, &p.Hash
		d.PreviousDigestHashAlgorithm, d.PreviousDigestSignature = new(hashAlgorithm), &p.Signature
	}
	return d
}
