package store_test

import (
	"context"
	"database/sql"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/store"
)

func TestParseSnapshotRefuses(t *testing.T) {
	head := `{"taffrail_index":1,"before":256}` + "\n"
	good := head + `{"table":"hold","row":{"idx":9007199254740993,"reason":"r"}}`
	if _, rows, err := store.ParseSnapshot([]byte(good)); err != nil || len(rows) != 1 || rows[0].Row["idx"] != int64(9007199254740993) {
		t.Errorf("%v, %v", rows, err)
	}
	for _, data := range []string{
		"", "{}", `{"taffrail_index":99,"before":0}`, `{"taffrail_index":1,"before":0,"more":1}`, head + "x", head + `{"table":"hold"}`,
		head + `{"table":"hold; DROP TABLE entry","row":{"idx":1}}`, head + `{"table":"hold","row":{"idx) VALUES (1) --":1}}`,
		head + `{"table":"hold","row":{"idx":1.5}}`, head + `{"table":"hold","row":{"idx":[1]}}`, head + `{"table":"hold","row":{"idx":true}}`,
	} {
		if _, _, err := store.ParseSnapshot([]byte(data)); taffrail.KindOf(err) != taffrail.KindCorrupt {
			t.Errorf("%s: %v", data, err)
		}
	}
}

func FuzzParseSnapshot(f *testing.F) {
	f.Add([]byte(`{"taffrail_index":1,"before":256}` + "\n" + `{"table":"hold","row":{"idx":1,"reason":"r"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, rows, err := store.ParseSnapshot(data)
		if err != nil && taffrail.KindOf(err) != taffrail.KindCorrupt {
			t.Errorf("%v", err)
		}
		for _, r := range rows {
			if strings.ContainsAny(r.Table, " ;()'\"") {
				t.Errorf("table %q", r.Table)
			}
		}
	})
}

// TestAnOlderDatabaseIsBroughtUpToDate makes the tables as earlier programs did, puts a log into them, and has its index derived.
func TestAnOlderDatabaseIsBroughtUpToDate(t *testing.T) {
	p := inFolder(t.TempDir())
	live(t, p.store(t, store.Create))
	want := p.dump(t)
	for version := int64(1); version <= 2; version++ {
		old := inFolder(t.TempDir())
		makeOld(t, old.source, version, p.source)
		if _, err := old.open(t, store.ReadOnly); taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(taffrail.HintOf(err), "index rebuild") {
			t.Errorf("version %d, for reading: %v, hint %q", version, err, taffrail.HintOf(err))
		}
		s := old.store(t, store.Write)
		if diff := cmp.Diff(want, old.dump(t)); diff != "" {
			t.Errorf("version %d: %s", version, diff)
		}
		if _, changed := rebuild(t, s); len(changed) != 0 {
			t.Errorf("version %d: %q", version, changed)
		}
	}
}

// makeOld makes a database of an earlier version with the log of another.
func makeOld(t *testing.T, path string, version int64, log string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	files, err := fs.Sub(os.DirFS("migrations"), "sqlite")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(context.Background(), version); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"ATTACH '" + log + "' AS log", "INSERT INTO entry SELECT * FROM log.entry", "INSERT INTO node SELECT * FROM log.node", "INSERT INTO blob SELECT * FROM log.blob",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnIndexOfOtherRulesIsDerivedAnew: the program knows by which rules an index was derived, and does not use one of others.
func TestAnIndexOfOtherRulesIsDerivedAnew(t *testing.T) { onEach(t, indexOfOtherRules) }

func indexOfOtherRules(t *testing.T, p *place) {
	live(t, p.store(t, store.Create))
	want := p.dump(t)
	p.tamper(t, "UPDATE derived SET version = 0; UPDATE index_drift SET status = 'other'; DELETE FROM index_group")
	if _, err := p.open(t, store.ReadOnly); taffrail.KindOf(err) != taffrail.KindInvalid {
		t.Errorf("for reading: %v", err)
	}
	p.store(t, store.Write)
	if diff := cmp.Diff(want, p.dump(t)); diff != "" {
		t.Error(diff)
	}
	p.tamper(t, "UPDATE derived SET version = 99")
	if _, err := p.open(t, store.Write); taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(taffrail.HintOf(err), "newer") {
		t.Errorf("of rules to come: %v", err)
	}
}
