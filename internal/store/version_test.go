package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// scanned appends the end of a scan that saw these versions for the first time.
func scanned(t *testing.T, s *store.Store, versions ...taffrail.Version) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		data, err := json.Marshal(taffrail.Salted[[]taffrail.Version]{Nonce: fmt.Sprint(versions), Content: versions})
		if err != nil {
			return err
		}
		ref, err := tx.PutBlob(data)
		if err != nil {
			return err
		}
		_, err = tx.Append(entry(taffrail.ScanFinished{Versions: &taffrail.Versions{Key: "k", Changed: len(versions), Blob: ref}}))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func seenVersions(t *testing.T, s *store.Store) (all []string) {
	t.Helper()
	err := s.Read(t.Context(), func(tx *store.Tx) error {
		return tx.Versions("terraform/l/default", func(v store.SeenVersion) error {
			all = append(all, fmt.Sprintf("%s %s %d", v.Address, v.Digest, v.Entry))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestVersions(t *testing.T) { onEach(t, versions) }

func versions(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	live(t, s) // seven entries
	scanned(t, s, taffrail.Version{Address: "a.b", Digest: "1"}, taffrail.Version{Address: "a.c", Digest: "1"}, taffrail.Version{Address: "a.B", Digest: "1"})
	scanned(t, s, taffrail.Version{Address: "a.c", Digest: ""}, taffrail.Version{Address: "a.d", Digest: "2"})
	want := []string{"a.B 1 7", "a.b 1 7", "a.c  8", "a.d 2 8"}
	if diff := cmp.Diff(want, seenVersions(t, s)); diff != "" {
		t.Error(diff)
	}
	before := p.dump(t)
	p.tamper(t, "DELETE FROM index_version WHERE address = 'a.b'")
	if _, changed := rebuild(t, s); len(changed) != 1 {
		t.Errorf("%q", changed)
	}
	if diff := cmp.Diff(before, p.dump(t)); diff != "" {
		t.Error(diff)
	}
}

func TestVersionsInManyStatements(t *testing.T) { onEach(t, versionsInManyStatements) }

func versionsInManyStatements(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	versions := make([]taffrail.Version, 1001)
	for i := range versions {
		versions[i] = taffrail.Version{Address: taffrail.Address(fmt.Sprintf("a.%04d", i)), Digest: "1"}
	}
	scanned(t, s, versions...)
	if got := seenVersions(t, s); len(got) != len(versions) || got[1000] != "a.1000 1 0" {
		t.Errorf("%d versions", len(got))
	}
}

// TestARebuildNamesWhatWasErased: without the payload nobody knows the versions, and the rest of the index is there.
func TestARebuildNamesWhatWasErased(t *testing.T) {
	for name, statement := range map[string]string{"erased": "DELETE FROM blob", "edited": "UPDATE blob SET data = 'other'"} {
		t.Run(name, func(t *testing.T) {
			p := inFolder(t.TempDir())
			s := p.store(t, store.Create)
			live(t, s)
			scanned(t, s, taffrail.Version{Address: "a.b", Digest: "1"})
			p.tamper(t, statement)
			for again := range 2 {
				rows, changed := rebuild(t, s)
				if len(changed) != 2-again || !strings.Contains(changed[len(changed)-1], "entry 7: 1 versions cannot be known: ") || rows < 8 {
					t.Errorf("%d rows, %q", rows, changed)
				}
			}
			if got := seenVersions(t, s); len(got) != 0 {
				t.Errorf("%q", got)
			}
		})
	}
}
