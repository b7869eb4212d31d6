package cloud

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/api"
)

const fileFormat = "harbor.cloud/1"

// contents is all that survives a restart, and the layout of the file. The
// journal beside it holds what changed since.
type contents struct {
	Format   string             `json:"format"`
	Journal  int64              `json:"journal,omitempty"` // number of the journal that goes with this file
	Counters map[string]int64   `json:"counters"`          // last number given to an id, by type
	Objects  map[string]*object `json:"objects"`           // by TYPE/ID
}

// A revision is an object as it was from a moment on; nil where it did not exist.
type revision struct {
	from   time.Time
	object *object
}

// store keeps the objects. Objects that it holds are never changed in place, so
// that a pointer read under the lock stays good without it.
type store struct {
	now  func() time.Time
	seed string // of ids; "" counts

	// witness says what is to be told of a change before it is made durable, and
	// tell is called once it is. Both may be nil.
	witness func(d *deed, before, after []*object) *telling
	tell    func(*telling) error

	mu      sync.RWMutex
	journal *journal // nil for memory only
	data    contents
	keys    []string              // of all objects, and of deleted ones that a lagging read may see; in order
	history map[string][]revision // what a lagging read may still answer; where there is none, the object has always been as it is
	recent  []remembered          // what is in history, oldest first
}

type remembered struct {
	key  string
	from time.Time
}

func openStore(path, seed string, now func() time.Time) (*store, error) {
	s := &store{now: now, seed: seed, history: map[string][]revision{}}
	s.data = contents{Format: fileFormat, Counters: map[string]int64{}, Objects: map[string]*object{}}
	if path == "" {
		return s, nil
	}
	if err := s.loadFile(path); err != nil {
		return nil, err
	}
	var err error
	if s.journal, err = openJournal(path, s.data.Journal, s.replay); err != nil {
		return nil, err
	}
	s.keys = slices.Sorted(maps.Keys(s.data.Objects))
	return s, nil
}

func (s *store) loadFile(path string) error {
	raw, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open cloud file: %w", err)
	}
	defer raw.Close()
	if err := s.load(raw); err != nil {
		return fmt.Errorf("read cloud file %s: %w", path, err)
	}
	return nil
}

func (s *store) load(file io.Reader) error {
	var data contents
	if err := api.Decode(file, &data); err != nil {
		return err
	}
	if data.Format != fileFormat {
		return fmt.Errorf("format is %q, want %q", data.Format, fileFormat)
	}
	if data.Counters == nil || data.Objects == nil {
		return errors.New("counters or objects are missing")
	}
	for key, o := range data.Objects {
		if err := checkStored(key, o); err != nil {
			return err
		}
	}
	s.data = data
	return nil
}

func checkStored(key string, o *object) error {
	if o == nil || key != keyOf(o.Type, o.ID) {
		return fmt.Errorf("object %q is stored under another key or empty", key)
	}
	if _, ok := kinds[o.Type]; !ok {
		return fmt.Errorf("object %q is of an unknown type", key)
	}
	return nil
}

// replay carries out one line of the journal.
func (s *store) replay(l line) error {
	maps.Copy(s.data.Counters, l.Counters)
	for key, o := range l.Objects {
		if o == nil {
			delete(s.data.Objects, key)
			continue
		}
		if err := checkStored(key, o); err != nil {
			return err
		}
		s.data.Objects[key] = o
	}
	return nil
}

func keyOf(kind, id string) string { return kind + "/" + id }

// get returns the object as it is, or nil.
func (s *store) get(kind, id string) *object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.data.Objects[keyOf(kind, id)]
}

// getBefore returns the object as it was lag ago, or nil.
func (s *store) getBefore(kind, id string, lag time.Duration) *object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.at(keyOf(kind, id), s.now().Add(-lag))
}

func (s *store) at(key string, moment time.Time) *object {
	revs, ok := s.history[key]
	if !ok {
		return s.data.Objects[key]
	}
	var found *object
	for _, rev := range revs {
		if rev.from.After(moment) {
			break
		}
		found = rev.object
	}
	return found
}

// list returns up to so many objects of a type ("" for all) that are wanted, in
// the order of type and id, from behind a key on, each as lagOf says; deleted ones
// that lag are among them. It tells whether there are more.
func (s *store) list(kind, after string, limit int, lagOf func(*object) time.Duration, wanted func(*object) bool) (out []*object, more bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	from, found := slices.BinarySearch(s.keys, max(after, kind))
	if found && after >= kind {
		from++
	}
	for _, key := range s.keys[from:] {
		if kind != "" && !strings.HasPrefix(key, kind+"/") {
			if key > kind+"/\xff" {
				break
			}
			continue
		}
		latest := s.latestKnown(key)
		if latest == nil {
			continue
		}
		o := s.at(key, s.now().Add(-lagOf(latest)))
		if o == nil || !wanted(o) {
			continue
		}
		if len(out) == limit {
			return out, true
		}
		out = append(out, o)
	}
	return out, false
}

// latestKnown returns the newest revision that is not a deletion.
func (s *store) latestKnown(key string) *object {
	for _, rev := range slices.Backward(s.history[key]) {
		if rev.object != nil {
			return rev.object
		}
	}
	return s.data.Objects[key]
}

// byName returns the one object of a type that has a name, or nil.
func (s *store) byName(kind, name string) *object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found *object
	from, _ := slices.BinarySearch(s.keys, kind+"/")
	for _, key := range s.keys[from:] {
		if !strings.HasPrefix(key, kind+"/") {
			break
		}
		if o := s.data.Objects[key]; o != nil && o.Name() == name {
			if found != nil {
				return nil
			}
			found = o
		}
	}
	return found
}

// all calls f for each object of a type, in order, on what is true at one moment.
func (s *store) all(kind string, f func(*object)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, o := range s.of(kind) {
		f(o)
	}
}

func (s *store) of(kind string) (found []*object) {
	from, _ := slices.BinarySearch(s.keys, kind+"/")
	for _, key := range s.keys[from:] {
		if !strings.HasPrefix(key, kind+"/") {
			break
		}
		if o := s.data.Objects[key]; o != nil {
			found = append(found, o)
		}
	}
	return found
}

// make makes an object under the next id of its type, which nobody sees yet.
func (s *store) make(kind string, next int64, attributes map[string]any) *object {
	now := s.now()
	o := &object{Secrets: map[string]string{}}
	o.Object = api.Object{Type: kind, ID: s.idOf(kind, next), Attributes: map[string]any{}, CreatedAt: now}
	o.write(attributes)
	o.seal(now)
	return o
}

// idOf is the id that goes with a number: the number, or what a seed makes of it.
func (s *store) idOf(kind string, n int64) string {
	if s.seed == "" {
		return fmt.Sprintf("%s-%04d", kinds[kind].prefix, n)
	}
	return kinds[kind].prefix + "-" + digest("id", s.seed, kind, fmt.Sprint(n))[:12]
}

// create adds an object under the next id of its type.
func (s *store) create(d *deed, kind string, attributes map[string]any) (*object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.data.Counters[kind] + 1
	o := s.make(kind, next, attributes)
	return o, s.commit(d, map[string]int64{kind: next}, []*object{nil}, []*object{o})
}

// An edit takes the object as it is (nil where there is none) and returns what
// it shall be (nil to delete it), or the reason why it must not change.
type edit func(before *object) (*object, error)

// change applies an edit; an edit that changes nothing leaves the version alone.
func (s *store) change(d *deed, kind, id string, fn edit) (*object, error) {
	after, err := s.changeAll(d, kind, []string{id}, fn)
	if err != nil {
		return nil, err
	}
	return after[0], nil
}

// changeAll applies an edit to several objects, to all of them or to none.
func (s *store) changeAll(d *deed, kind string, ids []string, fn edit) ([]*object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all, before, after []*object
	for _, id := range ids {
		was := s.data.Objects[keyOf(kind, id)]
		is, err := fn(was)
		if err != nil {
			return nil, err
		}
		if was != nil && is != nil {
			if was.sameContent(is) {
				all = append(all, was)
				continue
			}
			is.seal(s.now())
		}
		all, before, after = append(all, is), append(before, was), append(after, is)
	}
	if len(before) == 0 {
		return all, nil
	}
	return all, s.commit(d, nil, before, after)
}

// commit makes a change durable and only then visible, and then has it told. If
// we stop before the line is in the journal, nothing happened and the client got
// no answer; after it, the change is made, and [store.untold] gives what is to be
// told of it. Nobody has to repair anything.
func (s *store) commit(d *deed, counters map[string]int64, before, after []*object) error {
	l := line{Counters: counters, Objects: map[string]*object{}}
	for i := range before {
		if o := firstOf(after[i], before[i]); o != nil {
			l.Objects[keyOf(o.Type, o.ID)] = after[i]
		}
	}
	if s.witness != nil {
		l.Telling = s.witness(d, before, after)
	}
	if s.journal != nil {
		if err := s.journal.append(l); err != nil {
			return fmt.Errorf("keep %s: %w", strings.Join(slices.Sorted(maps.Keys(l.Objects)), ", "), err)
		}
	}
	maps.Copy(s.data.Counters, counters)
	for key, o := range l.Objects {
		s.show(key, o)
	}
	if l.Telling != nil {
		if err := s.tell(l.Telling); err != nil {
			return fmt.Errorf("the change is made, and was not told: %w", err)
		}
	}
	if s.journal != nil && s.journal.grown() {
		return s.compact()
	}
	return nil
}

func firstOf(a, b *object) *object {
	if a != nil {
		return a
	}
	return b
}

// compact writes the file anew and begins another journal. If we stop between the
// two, the old journal is there still, with a number that says that the file has
// it all.
func (s *store) compact() error {
	s.data.Journal++
	if err := writeFile(s.journal.path, s.data); err != nil {
		s.data.Journal--
		return fmt.Errorf("compact: %w", err)
	}
	return s.journal.begin(s.data.Journal)
}

// close leaves one file with everything, and no journal.
func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal == nil || s.journal.size == 0 {
		return nil
	}
	if err := s.compact(); err != nil {
		return err
	}
	return s.journal.end()
}

// show makes a change visible.
func (s *store) show(key string, o *object) {
	now := s.now()
	if _, ok := s.history[key]; !ok {
		if was := s.data.Objects[key]; was != nil {
			s.history[key] = []revision{{object: was}}
		} else if at, found := slices.BinarySearch(s.keys, key); !found {
			s.keys = slices.Insert(s.keys, at, key)
		}
	}
	s.history[key] = append(s.history[key], revision{from: now, object: o})
	s.recent = append(s.recent, remembered{key, now})
	if o == nil {
		delete(s.data.Objects, key)
	} else {
		s.data.Objects[key] = o
	}
	s.forget(now)
}

// forget drops revisions that no lag can reach any more.
func (s *store) forget(now time.Time) {
	for len(s.recent) > 0 && now.Sub(s.recent[0].from) > api.MaxDelay {
		key := s.recent[0].key
		s.recent = s.recent[1:]
		revs, ok := s.history[key]
		if !ok {
			continue
		}
		for len(revs) > 1 && now.Sub(revs[1].from) > api.MaxDelay {
			revs = revs[1:]
		}
		s.history[key] = revs
		if len(revs) > 1 || now.Sub(revs[0].from) <= api.MaxDelay {
			continue
		}
		delete(s.history, key)
		if revs[0].object == nil {
			if at, found := slices.BinarySearch(s.keys, key); found {
				s.keys = slices.Delete(s.keys, at, at+1)
			}
		}
	}
}

// populate adds objects that nobody is told of, and that are not durable until
// [store.keep].
func (s *store) populate(kind string, count int, attributes func(n int64) map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.data.Counters[kind]
	for range count {
		next++
		o := s.make(kind, next, attributes(next))
		s.data.Objects[keyOf(kind, o.ID)] = o
		s.keys = append(s.keys, keyOf(kind, o.ID))
	}
	s.data.Counters[kind] = next
	slices.Sort(s.keys)
}

// keep writes the file anew.
func (s *store) keep() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal == nil {
		return nil
	}
	return s.compact()
}

// untold is what the journal's last line has to tell, or nil. It may have been
// told before the cloud stopped.
func (s *store) untold() *telling {
	if s.journal == nil {
		return nil
	}
	return s.journal.last
}
