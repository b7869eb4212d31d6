//go:build unix

package pgtest

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestServerComesBackAfterACrash(t *testing.T) {
	s := Start(t)
	address := s.Database(t)
	ask := func(query string) (n int) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	ask("WITH made AS (SELECT 1) SELECT count(*) FROM made")
	s.Crash(t)
	if conn, err := pgx.Connect(t.Context(), address); err == nil {
		conn.Close(t.Context())
		t.Error("it answers though it was ended")
	}
	s.Run(t)
	if n := ask("SELECT 7"); n != 7 {
		t.Errorf("it says %d", n)
	}
}
