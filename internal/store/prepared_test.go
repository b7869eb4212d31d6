package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/store"
)

const countTo = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?) SELECT n FROM c"

// TestPreparedStatements asks the same while its rows are being read, asks more than is kept, and goes on after a statement that fails.
func TestPreparedStatements(t *testing.T) {
	db, err := store.OpenSQLiteAt("file:" + filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "CREATE TABLE one (n INTEGER PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	var got []string
	each := func(query string, to int, f func(n int)) {
		rows, err := conn.QueryContext(t.Context(), query, to)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var n int
			if err := rows.Scan(&n); err != nil {
				t.Fatal(err)
			}
			f(n)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	each(countTo, 3, func(n int) {
		each(countTo, 2, func(m int) { got = append(got, fmt.Sprint(n, m)) })
		for i := range 100 {
			each(fmt.Sprint(countTo, " LIMIT ", i+n), 1, func(int) {})
		}
	})
	if want := "[1 1 1 2 2 1 2 2 3 1 3 2]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
	for i := range 6 {
		_, err := conn.ExecContext(t.Context(), "INSERT INTO one (n) VALUES (?)", i/2)
		if failed := err != nil; failed != (i%2 == 1) {
			t.Errorf("insert %d: %v", i, err)
		}
	}
	var n int
	if err := conn.QueryRowContext(t.Context(), "SELECT n FROM one WHERE n > ?", 7).Scan(&n); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("no row: %v", err)
	}
}

// TestVerifyNamesWhatIsNoBytes: SQLite keeps anything in a column of bytes. What somebody put there is a fault of the log, and no reason not
// to look at the rest.
func TestVerifyNamesWhatIsNoBytes(t *testing.T) {
	for _, tampered := range []string{
		"UPDATE entry SET body = 7 WHERE idx = 1", "UPDATE entry SET body = 'text' WHERE idx = 1", "UPDATE node SET hash = 1.5 WHERE id = 1",
		"UPDATE node SET hash = 'text' WHERE id = 1", "UPDATE entry SET body = x'' WHERE idx = 1",
	} {
		p := inFolder(t.TempDir())
		s := p.store(t, store.Create)
		log, err := audit.Begin(t.Context(), s, audit.NewSigner(audittest.Ring(t, "taffrail.local/bytes"), audittest.NewMemoryGuard()))
		if err != nil {
			t.Fatal(err)
		}
		live(t, s)
		if _, err := log.Sign(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.tamper(t, tampered)
		var corrupt *audit.CorruptError
		if r, err := log.Verify(t.Context(), nil); !errors.As(err, &corrupt) || r.Size != 7 {
			t.Errorf("%s: %v of %d entries", tampered, err, r.Size)
		}
	}
}
