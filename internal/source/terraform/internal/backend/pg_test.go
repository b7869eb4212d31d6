//go:build unix

package backend

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/pgtest"
)

const pgPassword = pgtest.Password

func TestPostgres(t *testing.T) {
	port := pgtest.Start(t, "fsync=off").Port
	url := func(user, password, database string) string {
		return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", user, password, port, database)
	}
	captain := url("captain", pgPassword, "postgres")
	db, err := pgx.Connect(t.Context(), captain)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.Background())
	execute := func(sql string, arguments ...any) {
		t.Helper()
		if _, err := db.Exec(t.Context(), sql, arguments...); err != nil {
			t.Fatal(err)
		}
	}
	execute(`CREATE SEQUENCE public.global_states_id_seq AS bigint START 4294967290`) // locks have two halves of 32 bits
	for _, schema := range []string{"terraform_remote_state", `"Odd ""schema"`} {
		execute(`CREATE SCHEMA ` + schema)
		execute(`CREATE TABLE ` + schema + `.states (id bigint NOT NULL DEFAULT nextval('public.global_states_id_seq') PRIMARY KEY, name text UNIQUE, data text)`)
		execute(`INSERT INTO `+schema+`.states (name, data) VALUES ('default', $1), ('blue', $1), ('empty', ''), ('nothing', NULL), ('large', repeat('x', 3000))`, sample)
	}
	execute(`CREATE ROLE passenger LOGIN PASSWORD 'steerage'`)

	reader := func(workspace string, attributes map[string]any) Reader {
		c := settings(t, "pg", attributes)
		c.Workspace, c.Limit = workspace, 2000
		return open(t, c)
	}
	t.Run("reads", func(t *testing.T) {
		fetch(t, reader("", map[string]any{"conn_str": captain}))
		r := reader("blue", map[string]any{"conn_str": fmt.Sprintf("host=127.0.0.1 port=%d user=captain password='%s' dbname=postgres sslmode=disable", port, pgPassword), "schema_name": `Odd "schema`})
		version := fetch(t, r)
		execute(`UPDATE "Odd ""schema".states SET data = data || ' ' WHERE name = 'blue'`)
		if body, moved, err := r.Fetch(t.Context(), version); err != nil || string(body) != sample+" " || moved == version {
			t.Errorf("after it moved: %q, %q, %v", body, moved, err)
		}
		if want := `postgres://127.0.0.1/postgres/Odd "schema.states/blue`; r.Name() != want {
			t.Errorf("the name is %q", r.Name())
		}
	})
	t.Run("comes back", func(t *testing.T) {
		r := reader("", map[string]any{"conn_str": captain})
		fetch(t, r)
		execute(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`)
		_, _, err := r.Fetch(t.Context(), "")
		wantKind(t, err, taffrail.KindUnavailable)
		fetch(t, r)
	})
	t.Run("sees the lock", func(t *testing.T) {
		r := reader("blue", map[string]any{"conn_str": captain})
		if lock, err := r.Locked(t.Context()); err != nil || lock.Held {
			t.Errorf("without a lock: %+v, %v", lock, err)
		}
		execute(`SELECT pg_try_advisory_lock(id) FROM terraform_remote_state.states WHERE name = 'blue'`)
		lock, err := r.Locked(t.Context())
		if err != nil || !lock.Held || lock.Who != "captain@127.0.0.1" || lock.Since == "" {
			t.Errorf("with a lock: %+v, %v", lock, err)
		}
		if other, err := reader("", map[string]any{"conn_str": captain}).Locked(t.Context()); err != nil || other.Held {
			t.Errorf("another workspace: %+v, %v", other, err)
		}
		execute(`SELECT pg_advisory_unlock_all()`)
		if lock, err := r.Locked(t.Context()); err != nil || lock.Held {
			t.Errorf("after the lock: %+v, %v", lock, err)
		}
	})
	t.Run("refusals", func(t *testing.T) {
		for name, tc := range map[string]struct {
			conn, workspace string
			more            map[string]any
			kind            taffrail.Kind
		}{
			"no row":         {captain, "green", nil, taffrail.KindNotFound},
			"empty":          {captain, "empty", nil, taffrail.KindNotFound},
			"null":           {captain, "nothing", nil, taffrail.KindNotFound},
			"too large":      {captain, "large", nil, taffrail.KindInvalid},
			"no table":       {captain, "", map[string]any{"table_name": "nowhere"}, taffrail.KindNotFound},
			"no schema":      {captain, "", map[string]any{"schema_name": "nowhere"}, taffrail.KindNotFound},
			"wrong password": {url("captain", "wr0ng-secret", "postgres"), "", nil, taffrail.KindDenied},
			"no right":       {url("passenger", "steerage", "postgres"), "", nil, taffrail.KindDenied},
			"no database":    {url("captain", pgPassword, "nowhere"), "", nil, taffrail.KindInvalid},
			"no TLS there":   {strings.TrimSuffix(captain, "?sslmode=disable"), "", nil, taffrail.KindUnavailable},
			"nobody there":   {fmt.Sprintf("postgres://captain:%s@127.0.0.1:1/postgres?sslmode=disable", pgPassword), "", nil, taffrail.KindUnavailable},
		} {
			attributes := map[string]any{"conn_str": tc.conn}
			for k, v := range tc.more {
				attributes[k] = v
			}
			r := reader(tc.workspace, attributes)
			_, _, err := r.Fetch(t.Context(), "")
			t.Log(name, err)
			wantKind(t, err, tc.kind)
			wantNoSecret(t, err, pgPassword, "wr0ng-secret", "steerage")
		}
	})
	t.Run("what the real tool wrote", func(t *testing.T) {
		block := fmt.Sprintf("conn_str = %q\nschema_name = \"real\"", captain)
		c, tool := apply(t, "pg", block, map[string]any{"conn_str": captain, "schema_name": "real"})
		if ours, theirs := wantApplied(t, open(t, c)), wantApplied(t, pull(t, c, tool)); ours != theirs {
			t.Errorf("our reader sees lineage %s, the tool %s", ours, theirs)
		}
	})
	t.Run("waits no longer than it may", func(t *testing.T) {
		other, err := pgx.Connect(t.Context(), captain)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close(context.Background())
		if _, err := other.Exec(t.Context(), `BEGIN; LOCK TABLE terraform_remote_state.states`); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, _, err = reader("", map[string]any{"conn_str": captain}).Fetch(ctx, "")
		wantKind(t, err, taffrail.KindUnavailable)
	})
}

func TestPostgresSettings(t *testing.T) {
	_, err := Open(t.Context(), settings(t, "pg", map[string]any{"conn_str": "postgres://captain:keel-haul-7@host:notaport/db"}))
	wantKind(t, err, taffrail.KindInvalid, "conn_str")
	wantNoSecret(t, err, pgPassword)
	c := settings(t, "pg", nil)
	c.Env = func(name string) string {
		return map[string]string{"PG_CONN_STR": "host=db.example user=x dbname=ops", "PG_SCHEMA_NAME": "s", "PG_TABLE_NAME": "t", "PGPASSWORD": "p"}[name]
	}
	if r := open(t, c); r.Name() != "postgres://db.example/ops/s.t/default" {
		t.Errorf("the name is %q", r.Name())
	}
}
