package cloud

import (
	"errors"
	"fmt"
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

// contents is all that survives a restart, and the layout of the file.
type contents struct {
	Format   string             `json:"format"`
	Counters map[string]int64   `json:"counters"` // last number given to an id, by type
	Objects  map[string]*object `json:"objects"`  // by TYPE/ID
}

// A revision is an object as it was from a moment on; nil where it did not exist.
type revision struct {
	from   time.Time
	object *object
}

// store keeps the objects. Objects that it holds are never changed in place, so
// that a pointer read under the lock stays good without it.
type store struct {
	path string // "" for memory only
	now  func() time.Time

	mu      sync.RWMutex
	data    contents
	history map[string][]revision // what a lagging read may still answer
}

func openStore(path string, now func() time.Time) (*store, error) {
	s := &store{path: path, now: now, history: map[string][]revision{}}
	s.data = contents{Format: fileFormat, Counters: map[string]int64{}, Objects: map[string]*object{}}
	if path == "" {
		return s, nil
	}
	raw, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open cloud file: %w", err)
	}
	defer raw.Close()
	if err := s.load(raw); err != nil {
		return nil, fmt.Errorf("read cloud file %s: %w", path, err)
	}
	return s, nil
}

func (s *store) load(file *os.File) error {
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
		if o == nil || key != keyOf(o.Type, o.ID) {
			return fmt.Errorf("object %q is stored under another key or empty", key)
		}
		if _, ok := kinds[o.Type]; !ok {
			return fmt.Errorf("object %q is of an unknown type", key)
		}
		s.history[key] = []revision{{object: o}}
	}
	s.data = data
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
	var found *object
	for _, rev := range s.history[key] {
		if rev.from.After(moment) {
			break
		}
		found = rev.object
	}
	return found
}

// list returns the objects of a type ("" for all) in the order of type and id,
// from behind a key on, each as lagOf says; deleted ones that lag are among them.
func (s *store) list(kind, after string, lagOf func(*object) time.Duration) []*object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []*object
	for _, key := range slices.Sorted(maps.Keys(s.history)) {
		if key <= after || kind != "" && !strings.HasPrefix(key, kind+"/") {
			continue
		}
		latest := s.latestKnown(key)
		if latest == nil {
			continue
		}
		if o := s.at(key, s.now().Add(-lagOf(latest))); o != nil {
			out = append(out, o)
		}
	}
	return out
}

// latestKnown returns the newest revision that is not a deletion.
func (s *store) latestKnown(key string) *object {
	for _, rev := range slices.Backward(s.history[key]) {
		if rev.object != nil {
			return rev.object
		}
	}
	return nil
}

// create adds an object under the next id of its type.
func (s *store) create(kind string, attributes map[string]any) (*object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.data.Counters[kind] + 1
	now := s.now()
	o := &object{Secrets: map[string]string{}}
	o.Object = api.Object{Type: kind, ID: fmt.Sprintf("%s-%04d", kinds[kind].prefix, next), Attributes: map[string]any{}, CreatedAt: now}
	o.write(attributes)
	o.seal(now)
	return o, s.commit(kind, o.ID, o, next)
}

// An edit takes the object as it is (nil where there is none) and returns what
// it shall be (nil to delete it), or the reason why it must not change.
type edit func(before *object) (*object, error)

// change applies an edit; an edit that changes nothing leaves the version alone.
func (s *store) change(kind, id string, fn edit) (*object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.data.Objects[keyOf(kind, id)]
	after, err := fn(before)
	if err != nil {
		return nil, err
	}
	if before != nil && after != nil {
		if before.sameContent(after) {
			return before, nil
		}
		after.seal(s.now())
	}
	return after, s.commit(kind, id, after, s.data.Counters[kind])
}

// commit makes a change durable and only then visible. If we stop before the
// rename, the file holds the old contents and the client got no answer; after
// it, the new ones. Nobody has to repair anything.
func (s *store) commit(kind, id string, o *object, counter int64) error {
	key := keyOf(kind, id)
	next := contents{Format: fileFormat, Counters: maps.Clone(s.data.Counters), Objects: maps.Clone(s.data.Objects)}
	next.Counters[kind] = counter
	if o == nil {
		delete(next.Objects, key)
	} else {
		next.Objects[key] = o
	}
	if s.path != "" {
		if err := writeFile(s.path, next); err != nil {
			return fmt.Errorf("keep %s: %w", key, err)
		}
	}
	s.data = next
	s.remember(key, o)
	return nil
}

// remember adds a revision and forgets those that no lag can reach any more.
func (s *store) remember(key string, o *object) {
	now := s.now()
	s.history[key] = append(s.history[key], revision{from: now, object: o})
	for key, revs := range s.history {
		for len(revs) > 1 && now.Sub(revs[1].from) > api.MaxDelay {
			revs = revs[1:]
		}
		s.history[key] = revs
		if len(revs) == 1 && revs[0].object == nil {
			delete(s.history, key)
		}
	}
}
