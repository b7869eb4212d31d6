package postgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/pgtest"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

const origin = "taffrail.local/test"

func headOf(size int64) audit.Head {
	if size == 0 {
		return audit.EmptyHead(origin)
	}
	return audit.Head{Origin: origin, Size: size, Root: tlog.RecordHash([]byte{byte(size)})}
}

func openGuard(t testing.TB, url string) *guard {
	t.Helper()
	return openConfig(t, Config{Name: "site", URL: url})
}

func openConfig(t testing.TB, c Config) *guard {
	t.Helper()
	g, err := open(plug.Env{}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return g
}

func mustSwap(t *testing.T, g audit.Guard, old, new audit.Head) {
	t.Helper()
	if err := g.Swap(t.Context(), old, new); err != nil {
		t.Fatalf("swap: %v", err)
	}
}

func wantHeld(t *testing.T, g audit.Guard, want audit.Head) {
	t.Helper()
	if got, err := g.Load(t.Context()); err != nil || got != want {
		t.Fatalf("held is %+v, %v, want %+v", got, err, want)
	}
}

// sql runs statements as the superuser.
func sql(t testing.TB, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// TestGuard has all that can share a server.
func TestGuard(t *testing.T) {
	server := pgtest.Start(t)
	for name, test := range map[string]func(*testing.T, *pgtest.Server){
		"Contract":                         contract,
		"ManyBeginOneWins":                 manyBegin,
		"HandlesCompete":                   handlesCompete,
		"LogsShareATable":                  logsShare,
		"Row":                              rowIsAsDescribed,
		"Garbage":                          garbage,
		"Lost":                             lostRow,
		"Trap12_PermissionErrorIsNotNone":  denied,
		"AnotherProgramsTable":             foreignTable,
		"TableThatACrashEmpties":           unlogged,
		"LogsOwnDatabaseIsRefused":         sameDatabase,
		"PasswordsStayOutOfErrors":         passwords,
		"Faults":                           faults,
		"ConnectionCut":                    cut,
		"WaitIsGivenUp":                    wait,
		"ConnectionsAreTakenAgain":         reconnect,
		"Nonsense":                         nonsense,
		"DefaultsOfTheRoleDoNotWeakenThis": roleDefaults,
	} {
		t.Run(name, func(t *testing.T) { test(t, server) })
	}
}

func contract(t *testing.T, s *pgtest.Server) {
	url := s.Database(t)
	audittest.Guard(t, func(t *testing.T) audit.Guard { return anew(t, url) })
}

// anew gives a guard without state, in a database that others have used before: to make one takes long.
func anew(t *testing.T, url string) *guard {
	t.Helper()
	sql(t, url, "DROP TABLE IF EXISTS taffrail_guard")
	return openGuard(t, url)
}

// manyBegin has many make the table at once.
func manyBegin(t *testing.T, s *pgtest.Server) {
	url := s.Database(t)
	var all sync.WaitGroup
	var wins atomic.Int64
	for range 8 {
		g := openGuard(t, url)
		all.Go(func() {
			switch err := g.Swap(t.Context(), audit.Head{}, headOf(0)); {
			case err == nil:
				wins.Add(1)
			case !errors.Is(err, audit.ErrConflict) || taffrail.KindOf(err) != taffrail.KindConflict:
				t.Errorf("swap: %v", err)
			}
		})
	}
	all.Wait()
	if n := wins.Load(); n != 1 {
		t.Errorf("%d began the log", n)
	}
}

func handlesCompete(t *testing.T, s *pgtest.Server) {
	url := s.Database(t)
	g := openGuard(t, url)
	mustSwap(t, g, audit.Head{}, headOf(0))
	var all sync.WaitGroup
	for range 4 {
		other := openGuard(t, url)
		all.Go(func() { climb(t, other, 25) })
	}
	all.Wait()
	wantHeld(t, g, headOf(100))
}

// climb swaps the state for the next until so many of its swaps went through.
func climb(t *testing.T, g audit.Guard, times int) {
	for won := 0; won < times; {
		held, err := g.Load(t.Context())
		if err == nil {
			err = g.Swap(t.Context(), held, headOf(held.Size+1))
		}
		switch {
		case err == nil:
			won++
		case !errors.Is(err, audit.ErrConflict):
			t.Errorf("climb: %v", err)
			return
		}
	}
}

func logsShare(t *testing.T, s *pgtest.Server) {
	url := s.Database(t)
	a, b := openConfig(t, Config{Name: "a", URL: url}), openConfig(t, Config{Name: "b", URL: url})
	mustSwap(t, a, audit.Head{}, headOf(0))
	if _, err := b.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) {
		t.Errorf("load: %v", err)
	}
	mustSwap(t, b, audit.Head{}, headOf(0))
	mustSwap(t, b, headOf(0), headOf(3))
	wantHeld(t, a, headOf(0))
	wantHeld(t, b, headOf(3))
}

func rowIsAsDescribed(t *testing.T, s *pgtest.Server) {
	url := s.Database(t)
	sql(t, url, "CREATE SCHEMA trust")
	g := openConfig(t, Config{Name: "prod/eu-1", URL: url, Table: "trust.guards"})
	mustSwap(t, g, audit.Head{}, headOf(0))
	mustSwap(t, g, headOf(0), headOf(7))
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var got string
	err = conn.QueryRow(t.Context(), `SELECT concat_ws(' ', log, origin, size, encode(root, 'hex'), now() - changed < '1 minute') FROM trust.guards`).Scan(&got)
	if want := fmt.Sprintf("prod/eu-1 taffrail.local/test 7 %x t", [32]byte(headOf(7).Root)); err != nil || got != want {
		t.Errorf("row is %q, %v, want %q", got, err, want)
	}
}

// garbage: what is there and cannot be understood is an alarm and never "none", and stays as it is.
func garbage(t *testing.T, s *pgtest.Server) {
	const free = `DROP TABLE taffrail_guard; CREATE TABLE taffrail_guard (log text, origin text, size bigint, root bytea, changed timestamptz);`
	const insert = `INSERT INTO taffrail_guard VALUES ('site', 'taffrail.local/test', 0, sha256(''), now());`
	url := s.Database(t)
	for name, change := range map[string]string{
		"short root":           `UPDATE taffrail_guard SET root = '\x00'`,
		"root of no empty log": `UPDATE taffrail_guard SET root = sha256('x')`,
		"negative size":        `UPDATE taffrail_guard SET size = -1`,
		"no origin":            `UPDATE taffrail_guard SET origin = ''`,
		"impossible origin":    `UPDATE taffrail_guard SET origin = 'a b'`,
		"null root":            `ALTER TABLE taffrail_guard ALTER root DROP NOT NULL; UPDATE taffrail_guard SET root = NULL`,
		"null size":            `ALTER TABLE taffrail_guard ALTER size DROP NOT NULL; UPDATE taffrail_guard SET size = NULL`,
		"two rows":             free + insert + insert,
	} {
		t.Run(name, func(t *testing.T) {
			g := anew(t, url)
			mustSwap(t, g, audit.Head{}, headOf(0))
			sql(t, url, change)
			before := dump(t, url)
			_, loaded := g.Load(t.Context())
			refused := []error{loaded, g.Swap(t.Context(), headOf(0), headOf(1)), g.Swap(t.Context(), headOf(5), headOf(6))}
			if name != "two rows" { // without a key there is no insert at all
				refused = append(refused, g.Swap(t.Context(), audit.Head{}, headOf(0)))
			}
			for _, err := range refused {
				var c *audit.CorruptError
				if taffrail.KindOf(err) != taffrail.KindCorrupt || !errors.As(err, &c) || c.Part != audit.PartGuard || errors.Is(err, audit.ErrNoHead) {
					t.Errorf("error is %v, want one of kind corrupt", err)
				}
				if taffrail.HintOf(err) == "" || !strings.Contains(err.Error(), "/public.taffrail_guard/site") {
					t.Errorf("error %v does not name the row, or has no hint", err)
				}
			}
			if after := dump(t, url); after != before {
				t.Errorf("the table is now %s, was %s", after, before)
			}
		})
	}
}

func dump(t *testing.T, url string) (text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), `SELECT coalesce(string_agg(t::text, ' '), '') FROM taffrail_guard t`).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func lostRow(t *testing.T, s *pgtest.Server) {
	url := s.Database(t)
	for name, statement := range map[string]string{"row": "DELETE FROM taffrail_guard", "table": "DROP TABLE taffrail_guard"} {
		t.Run(name, func(t *testing.T) {
			g := anew(t, url)
			mustSwap(t, g, audit.Head{}, headOf(0))
			mustSwap(t, g, headOf(0), headOf(1))
			sql(t, url, statement)
			_, err := g.Load(t.Context())
			if !errors.Is(err, audit.ErrNoHead) || taffrail.KindOf(err) != taffrail.KindNotFound || taffrail.HintOf(err) == "" {
				t.Errorf("load: %v", err)
			}
			if err := g.Swap(t.Context(), headOf(1), headOf(2)); !errors.Is(err, audit.ErrConflict) {
				t.Errorf("swap: %v", err)
			}
			if _, err := g.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) {
				t.Errorf("load: %v", err)
			}
		})
	}
	t.Run("database", func(t *testing.T) {
		g := openGuard(t, s.URL("nowhere"))
		_, loaded := g.Load(t.Context())
		for _, err := range []error{loaded, g.Swap(t.Context(), audit.Head{}, headOf(0))} {
			if errors.Is(err, audit.ErrNoHead) || taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
				t.Errorf("error is %v", err)
			}
		}
	})
}

// denied: what may not be read is never taken for none.
func denied(t *testing.T, s *pgtest.Server) {
	for _, test := range []struct{ name, grants string }{
		{"schema", `REVOKE USAGE ON SCHEMA public FROM PUBLIC; GRANT SELECT, INSERT, UPDATE ON taffrail_guard TO NAME`},
		{"table", `SELECT`},
		{"rows", `GRANT SELECT, INSERT, UPDATE ON taffrail_guard TO NAME; ALTER TABLE taffrail_guard ENABLE ROW LEVEL SECURITY`},
		{"login", `ALTER ROLE NAME NOLOGIN`},
		{"password", `ALTER ROLE NAME PASSWORD 'another'`},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := s.Database(t)
			name := "deckhand_" + test.name
			sql(t, url, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'swab-the-deck'", name))
			mustSwap(t, openGuard(t, url), audit.Head{}, headOf(0))
			sql(t, url, strings.ReplaceAll(test.grants, "NAME", name))
			g := openGuard(t, as(url, name, "swab-the-deck"))
			_, loaded := g.Load(t.Context())
			for _, err := range []error{loaded, g.Swap(t.Context(), headOf(0), headOf(1)), g.Swap(t.Context(), audit.Head{}, headOf(0))} {
				if taffrail.KindOf(err) != taffrail.KindDenied || taffrail.HintOf(err) == "" || errors.Is(err, audit.ErrNoHead) {
					t.Errorf("error is %v, kind %s", err, taffrail.KindOf(err))
				}
			}
		})
	}
}

func as(url, user, password string) string {
	return strings.Replace(url, pgtest.User+":"+pgtest.Password, user+":"+password, 1)
}

func foreignTable(t *testing.T, s *pgtest.Server) {
	url := s.Database(t)
	for name, table := range map[string]string{
		"other columns": "CREATE TABLE taffrail_guard (id int PRIMARY KEY)",
		"other types":   "CREATE TABLE taffrail_guard (log text PRIMARY KEY, origin text, size text, root text, changed text); INSERT INTO taffrail_guard VALUES ('site', 'a', 'many', 'deep', '')",
	} {
		t.Run(name, func(t *testing.T) {
			g := anew(t, url)
			sql(t, url, table)
			_, loaded := g.Load(t.Context())
			for _, err := range []error{loaded, g.Swap(t.Context(), audit.Head{}, headOf(0))} {
				if taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" || errors.Is(err, audit.ErrNoHead) {
					t.Errorf("error is %v", err)
				}
			}
		})
	}
}

func unlogged(t *testing.T, s *pgtest.Server) {
	url := s.Database(t)
	g := openGuard(t, url)
	mustSwap(t, g, audit.Head{}, headOf(0))
	sql(t, url, "ALTER TABLE taffrail_guard SET UNLOGGED")
	if err := g.Swap(t.Context(), headOf(0), headOf(1)); taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(err.Error(), "unlogged") {
		t.Errorf("swap: %v", err)
	}
	wantHeld(t, g, headOf(0))
	sql(t, url, "ALTER TABLE taffrail_guard SET LOGGED")
	mustSwap(t, g, headOf(0), headOf(1))
}

// faults stops a swap at each step. What is held is the old state or the new, and the next swap works.
func faults(t *testing.T, s *pgtest.Server) {
	url := s.Database(t)
	for _, begin := range []bool{true, false} {
		for _, step := range []string{"make table", "swap", "commit", "answer"} {
			if !begin && step == "make table" {
				continue
			}
			t.Run(fmt.Sprintf("%s begin=%v", step, begin), func(t *testing.T) {
				g := anew(t, url)
				old, next := audit.Head{}, headOf(0)
				if !begin {
					mustSwap(t, g, old, next)
					old, next = next, headOf(1)
				}
				g.steps = func(at string) error {
					if at == step {
						return audittest.ErrInjected
					}
					return nil
				}
				if err := g.Swap(t.Context(), old, next); !errors.Is(err, audittest.ErrInjected) {
					t.Fatalf("error is %v", err)
				}
				g.steps = nil
				if step == "answer" {
					old = next
				}
				if old == (audit.Head{}) {
					if _, err := g.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) {
						t.Errorf("load: %v", err)
					}
				} else {
					wantHeld(t, g, old)
				}
				mustSwap(t, g, old, next)
				mustSwap(t, g, next, next)
				wantHeld(t, g, next)
			})
		}
	}
}

// wait: whoever waits for the row may give up, and for the connection, too.
func wait(t *testing.T, s *pgtest.Server) {
	url := s.Database(t)
	g := openGuard(t, url)
	mustSwap(t, g, audit.Head{}, headOf(0))
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT * FROM taffrail_guard FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error, 2)
	for range 2 { // one waits for the row, the other for the first
		go func() { waits <- g.Swap(ctx, headOf(0), headOf(1)) }()
	}
	for locked := false; !locked; {
		if err := tx.QueryRow(t.Context(), "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted").Scan(&locked); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	for range 2 {
		if err := <-waits; !errors.Is(err, context.Canceled) || taffrail.KindOf(err) != taffrail.KindUnavailable {
			t.Errorf("swap: %v", err)
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantHeld(t, g, headOf(0))
	mustSwap(t, g, headOf(0), headOf(1))
}

func reconnect(t *testing.T, s *pgtest.Server) {
	url := s.Database(t)
	g := openGuard(t, url)
	mustSwap(t, g, audit.Head{}, headOf(0))
	end := "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
	sql(t, url, end)
	mustSwap(t, g, headOf(0), headOf(1))
	sql(t, url, end)
	wantHeld(t, g, headOf(1))
}

func nonsense(t *testing.T, s *pgtest.Server) {
	g := openGuard(t, s.Database(t))
	for _, h := range []audit.Head{{}, {Origin: origin}, {Origin: "a b", Root: audit.EmptyRoot()}, {Origin: origin, Size: -1}} {
		if err := g.Swap(t.Context(), audit.Head{}, h); taffrail.KindOf(err) != taffrail.KindInternal {
			t.Errorf("swap to %+v: %v", h, err)
		}
	}
	if _, err := g.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) {
		t.Errorf("load: %v", err)
	}
}

// roleDefaults: a role may have defaults under which rows are hidden, commits come back before they are durable, and updates fail.
func roleDefaults(t *testing.T, s *pgtest.Server) {
	url := s.Database(t)
	sql(t, url,
		"CREATE ROLE bosun LOGIN PASSWORD 'pipe'", "GRANT CREATE ON SCHEMA public TO bosun",
		"ALTER ROLE bosun SET synchronous_commit = off", "ALTER ROLE bosun SET default_transaction_isolation = 'serializable'",
		"ALTER ROLE bosun SET row_security = on")
	g := openGuard(t, as(url, "bosun", "pipe"))
	mustSwap(t, g, audit.Head{}, headOf(0))
	var all sync.WaitGroup
	for range 3 {
		other := openGuard(t, as(url, "bosun", "pipe"))
		all.Go(func() { climb(t, other, 10) })
	}
	all.Wait()
	wantHeld(t, g, headOf(30))
	tx, err := g.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	var got string
	query := "SELECT concat_ws(' ', current_setting('synchronous_commit'), current_setting('transaction_isolation'), current_setting('row_security'))"
	if err := tx.QueryRow(t.Context(), query).Scan(&got); err != nil || got != "on read committed off" {
		t.Errorf("it works under %s, %v", got, err)
	}
}

// TestGuardKilled kills processes in the midst of swapping. What they reported as swapped is held, or something newer.
func TestGuardKilled(t *testing.T) {
	if url := os.Getenv("TAFFRAIL_TEST_KILLED"); url != "" {
		g := openGuard(t, url)
		for held, err := g.Load(t.Context()); ; held, err = g.Load(t.Context()) {
			if err == nil {
				err = g.Swap(t.Context(), held, headOf(held.Size+1))
			}
			fmt.Println("swapped", held.Size+1, err)
		}
	}
	url := pgtest.Start(t).Database(t)
	g := openGuard(t, url)
	mustSwap(t, g, audit.Head{}, headOf(0))
	for round := range 4 {
		last := killWhileSwapping(t, url, 7+round*5)
		held, err := g.Load(t.Context())
		if err != nil || held.Size < last || held.Size > last+1 || last == 0 {
			t.Fatalf("held is size %d, %v, the last that was reported is %d", held.Size, err, last)
		}
		// What the dead process had sent may still be on its way to its commit: then this is a conflict, and is asked again.
		for err := audit.ErrConflict; errors.Is(err, audit.ErrConflict); {
			if held, err = g.Load(t.Context()); err == nil {
				err = g.Swap(t.Context(), held, headOf(held.Size+1))
			}
			if err != nil && !errors.Is(err, audit.ErrConflict) {
				t.Fatal(err)
			}
		}
	}
}

func killWhileSwapping(t *testing.T, url string, after int) (last int64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestGuardKilled$")
	cmd.Env = append(os.Environ(), "TAFFRAIL_TEST_KILLED="+url)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		size, ok := strings.CutSuffix(strings.TrimPrefix(lines.Text(), "swapped "), " <nil>")
		if !ok {
			t.Errorf("process: %s", lines.Text())
		}
		if last, err = strconv.ParseInt(size, 10, 64); err != nil {
			t.Error(err)
		}
		if n == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	return last
}

// TestGuardOutlivesACrashOfTheServer: what was swapped is held after a crash, even on a server that lets commits come back before they
// are durable, and writes them out ten seconds later.
func TestGuardOutlivesACrashOfTheServer(t *testing.T) {
	s := pgtest.Start(t, "synchronous_commit=off", "wal_writer_delay=10s", "wal_writer_flush_after=1GB")
	g := openGuard(t, s.Database(t))
	mustSwap(t, g, audit.Head{}, headOf(0))
	for size := range int64(5) {
		mustSwap(t, g, headOf(size), headOf(size+1))
	}
	s.Crash(t)
	if _, err := g.Load(t.Context()); taffrail.KindOf(err) != taffrail.KindUnavailable || errors.Is(err, audit.ErrNoHead) {
		t.Errorf("without a server: %v", err)
	}
	s.Run(t)
	wantHeld(t, g, headOf(5))
	mustSwap(t, g, headOf(5), headOf(6))
}

func TestGuardRefusesAServerThatForgets(t *testing.T) {
	g := openGuard(t, pgtest.Start(t, "fsync=off").Database(t))
	err := g.Swap(t.Context(), audit.Head{}, headOf(0))
	if taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(taffrail.HintOf(err), "fsync") {
		t.Errorf("swap: %v", err)
	}
	if _, err := g.Load(t.Context()); !errors.Is(err, audit.ErrNoHead) {
		t.Errorf("load: %v", err)
	}
}

// TestGuardRefusesAStandby: what a standby says may be older than what was signed.
func TestGuardRefusesAStandby(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t)
	g := openGuard(t, url)
	mustSwap(t, g, audit.Head{}, headOf(0))
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	var data string
	if err := errors.Join(conn.QueryRow(t.Context(), "SHOW data_directory").Scan(&data), conn.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	s.Stop(t)
	if err := os.WriteFile(data+"/standby.signal", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.Run(t)
	if held, err := g.Load(t.Context()); taffrail.KindOf(err) != taffrail.KindUnavailable || errors.Is(err, audit.ErrNoHead) {
		t.Errorf("load: %+v, %v", held, err)
	}
}
