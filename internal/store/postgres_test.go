package store_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/pgtest"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// altered gives an address with one of its parts changed.
func altered(t *testing.T, address string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}

// TestPostgresErrors walks what can be wrong with a database. No error may tell the password.
func TestPostgresErrors(t *testing.T) {
	good := inSchema(t)
	good.store(t, store.Create)
	schema := good.address[strings.LastIndex(good.address, "=")+1:]
	good.tamper(t, `CREATE ROLE stranger LOGIN PASSWORD 'keel-haul-7';
		CREATE ROLE lookout LOGIN PASSWORD 'keel-haul-7'; GRANT USAGE ON SCHEMA `+schema+` TO lookout;
		CREATE ROLE hasty LOGIN SUPERUSER PASSWORD 'keel-haul-7'; ALTER ROLE hasty SET synchronous_commit = off`)
	as := func(user string) func(*url.URL) {
		return func(u *url.URL) { u.User = url.UserPassword(user, pgtest.Password) }
	}
	for name, tc := range map[string]struct {
		change     func(*url.URL)
		kind       taffrail.Kind
		want, hint string
	}{
		"wrong password":  {func(u *url.URL) { u.User = url.UserPassword(pgtest.User, "keel-haul-8") }, taffrail.KindDenied, "password", "role and password"},
		"no such role":    {as("nobody"), taffrail.KindDenied, "nobody", "role and password"},
		"no such base":    {func(u *url.URL) { u.Path = "/gone" }, taffrail.KindNotFound, "gone", "make the database first"},
		"nobody is there": {func(u *url.URL) { u.Host = "127.0.0.1:1" }, taffrail.KindUnavailable, "127.0.0.1:1", "server runs"},
		"no address":      {func(u *url.URL) { u.RawQuery = "sslmode=whatever" }, taffrail.KindInvalid, "cannot be read", "postgres://"},
		"no schema":       {as("stranger"), taffrail.KindDenied, "no schema", "grant"},
		"no rights":       {as("lookout"), taffrail.KindDenied, "permission denied", "granted"},
		"not durable":     {as("hasty"), taffrail.KindInvalid, "synchronous_commit is off", "ALTER ROLE"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := store.OpenPostgres(t.Context(), altered(t, good.address, tc.change), store.Write)
			if taffrail.KindOf(err) != tc.kind || !strings.Contains(fmt.Sprint(err), tc.want) || !strings.Contains(taffrail.HintOf(err), tc.hint) {
				t.Errorf("%v of kind %s, hint %q", err, taffrail.KindOf(err), taffrail.HintOf(err))
			}
			if said := fmt.Sprint(err, taffrail.HintOf(err)); strings.Contains(said, "keel-haul") {
				t.Errorf("it tells the password: %s", said)
			}
		})
	}
	if s, err := store.OpenPostgres(t.Context(), altered(t, good.address, as("hasty")), store.ReadOnly); err != nil {
		t.Errorf("for reading it does not matter how commits are made: %v", err)
	} else if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestAWordThatPostgresCannotHold: text in Postgres has no NUL, and what was observed must be logged all the same, byte by byte.
func TestAWordThatPostgresCannotHold(t *testing.T) { onEach(t, aWordWithNul) }

func aWordWithNul(t *testing.T, p *place) {
	s := p.store(t, store.Create)
	e := entry(taffrail.LogStarted{Origin: "a\x00b"})
	e.Resource = "a.b[\"\x00\"]"
	update(t, s, e)
	err := s.Read(t.Context(), func(tx *store.Tx) error {
		return tx.Entries(0, 1, func(_ int64, leaf []byte) error {
			got, err := taffrail.ParseEntry(leaf)
			if got.Resource != e.Resource {
				t.Errorf("%q", got.Resource)
			}
			return err
		})
	})
	if err != nil {
		t.Error(err)
	}
	if _, changed := rebuild(t, s); len(changed) != 0 {
		t.Errorf("%q", changed)
	}
}

// TestTwoWritersTakeTurnsByALock has a second process come while the first is in its turn: it waits, and sees all of the first.
func TestTwoWritersTakeTurnsByALock(t *testing.T) {
	p := inSchema(t)
	s := p.store(t, store.Create)
	other := p.store(t, store.Write)
	inside, leave := make(chan struct{}), make(chan struct{})
	var first error
	done := make(chan struct{})
	go func() {
		defer close(done)
		first = s.Update(t.Context(), func(tx *store.Tx) error {
			close(inside)
			<-leave
			_, err := tx.Append(entry(taffrail.LogStarted{}))
			return err
		})
	}()
	<-inside
	second := make(chan error, 1)
	go func() {
		second <- other.Update(t.Context(), func(tx *store.Tx) error {
			if n, err := tx.Size(); n != 1 || err != nil {
				t.Errorf("it does not see what was written in the turn before: %d, %v", n, err)
			}
			return nil
		})
	}()
	for waits := []string{"0"}; waits[0] == "0"; { // until the server says that it waits
		select {
		case err := <-second:
			close(leave)
			t.Fatalf("it did not wait: %v", err)
		default:
		}
		waits = p.rows(t, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
	}
	close(leave)
	<-done
	if err := <-second; first != nil || err != nil {
		t.Error(first, err)
	}
}

// TestClassifyState: what a person can do about an error of Postgres depends on its state.
func TestClassifyState(t *testing.T) {
	for code, want := range map[string]struct {
		kind taffrail.Kind
		hint string
	}{
		"42501": {taffrail.KindDenied, "granted"}, "25006": {taffrail.KindDenied, "takes writes"}, "28P01": {taffrail.KindDenied, "password"},
		"3D000": {taffrail.KindNotFound, "make the database"}, "53100": {taffrail.KindUnavailable, "disk is full"}, "55P03": {taffrail.KindUnavailable, "half a minute"},
		"57P01": {taffrail.KindUnavailable, "server runs"}, "40P01": {taffrail.KindUnavailable, "tried again"}, "08006": {taffrail.KindUnavailable, "server runs"},
		"XX001": {taffrail.KindCorrupt, "restore"}, "23505": {taffrail.KindInternal, ""}, "": {taffrail.KindInternal, ""},
	} {
		if kind, hint := store.ClassifyState(code); kind != want.kind || !strings.Contains(hint, want.hint) {
			t.Errorf("%q is %s, hint %q", code, kind, hint)
		}
	}
}

// TestWhatGrowsIsReadByItsIndexes keeps what Postgres plans for an empty table from being done to a large one.
func TestWhatGrowsIsReadByItsIndexes(t *testing.T) {
	err := inSchema(t).store(t, store.Create).Update(t.Context(), func(tx *store.Tx) error {
		then, after, err := tx.ScansWhileDeriving()
		if then != "off" || after != "on" {
			t.Errorf("tables may be read as a whole while the index is derived: %q; after that: %q", then, after)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
