package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/pgtest"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

func TestRegister(t *testing.T) {
	var r plug.Registry
	Register(&r)
	g, err := plug.Open[audit.Guard](t.Context(), &r, "postgres", plug.Env{}, plug.Settings{File: "f", YAML: []byte("name: a\nurl: postgres://nobody@localhost/trust\n")})
	if err != nil {
		t.Fatal(err)
	}
	if closer, ok := g.(io.Closer); !ok || closer.Close() != nil {
		t.Error("the guard cannot be closed")
	}
}

func TestOpenRefuses(t *testing.T) {
	const url = "postgres://a:s3cr3t@localhost/trust"
	for name, c := range map[string]Config{
		"no name":        {URL: url},
		"name":           {Name: "a b", URL: url},
		"no url":         {Name: "a"},
		"two urls":       {Name: "a", URL: url, URLFile: "x"},
		"table":          {Name: "a", URL: url, Table: `x"; DROP TABLE y`},
		"deep table":     {Name: "a", URL: url, Table: "a.b.c"},
		"read otherwise": {Name: "a", URL: "postgres://a#b@trust.example"},
		"port":           {Name: "a", URL: "postgres://a:s3cr3t@localhost:x/trust"},
		"scheme":         {Name: "a", URL: "mysql://a:s3cr3t@localhost/trust"},
		"percent":        {Name: "a", URL: "postgres://a:s3cr3t%@localhost/trust"},
		"words":          {Name: "a", URL: "user=a password=s3cr3t port=many"},
		"log":            {Name: "a", URL: url, LogURL: "postgres://a:s3cr3t@localhost:x/log"},
		"file not there": {Name: "a", URLFile: filepath.Join(t.TempDir(), "not-there")},
		"relative file":  {Name: "a", URLFile: "connect_test.go"},
		"folder":         {Name: "a", URLFile: t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := open(plug.Env{}, c)
			if taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
				t.Errorf("error is %v", err)
			}
			if err != nil && strings.Contains(err.Error()+taffrail.HintOf(err), "s3cr3t") {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}

func TestURLFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(path, []byte("postgres://a:s3cr3t@localhost/trust?sslmode=require\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := open(plug.Env{}, Config{Name: "a", URLFile: path})
	if err != nil || g.settings.Password != "s3cr3t" || g.String() != "postgres://localhost/trust/public.taffrail_guard/a" {
		t.Fatalf("it is %v, %v", g, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := open(plug.Env{}, Config{Name: "a", URLFile: path}); taffrail.KindOf(err) != taffrail.KindDenied || !strings.HasPrefix(taffrail.HintOf(err), "chmod 600 ") {
		t.Errorf("readable by others: %v", err)
	}
}

func TestCertificateIsVerified(t *testing.T) {
	t.Setenv("PGSSLMODE", "")
	for url, verified := range map[string]bool{
		"postgres://a@trust.example/db":                 true,
		"host=trust.example user=a dbname=db":           true,
		"postgres://a@trust.example/db?sslmode=require": false,
		"host=trust.example sslmode = require":          false,
		"postgres://a:sslmode@trust.example/db":         true,
		"host=trust.example password=xsslmode=":         true,
		"host=trust.example user=a password=":           true,
	} {
		settings, err := parse("url", url)
		if err != nil {
			t.Fatal(err)
		}
		if settings.TLSConfig == nil || settings.TLSConfig.InsecureSkipVerify == verified || len(settings.Fallbacks) > 0 {
			t.Errorf("%s: TLS is %+v, and then %v", url, settings.TLSConfig, settings.Fallbacks)
		}
	}
}

func sameDatabase(t *testing.T, s *pgtest.Server) {
	url := s.Database(t)
	localhost := strings.Replace(url, "127.0.0.1", "localhost", 1)
	sql(t, url, "CREATE ROLE purser LOGIN PASSWORD 'rations'", "GRANT CREATE ON SCHEMA public TO purser")
	for _, c := range []Config{{URL: url, LogURL: url}, {URL: localhost, LogURL: url}, {URL: as(url, "purser", "rations"), LogURL: url}} {
		c.Name = "site"
		g := openConfig(t, c)
		_, loaded := g.Load(t.Context())
		for _, err := range []error{loaded, g.Swap(t.Context(), audit.Head{}, headOf(0))} {
			if taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(err.Error(), "the log's own") || errors.Is(err, audit.ErrNoHead) {
				t.Errorf("error is %v", err)
			}
		}
	}
	var logged bytes.Buffer
	g, err := open(plug.Env{Logger: slog.New(slog.NewTextHandler(&logged, nil))}, Config{Name: "site", URL: url, LogURL: s.Database(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	mustSwap(t, g, audit.Head{}, headOf(0))
	if !strings.Contains(logged.String(), "level=WARN") || strings.Contains(logged.String(), pgtest.Password) {
		t.Errorf("logged is %q", &logged)
	}
	unknown := openConfig(t, Config{Name: "site", URL: url, LogURL: s.URL("nowhere")})
	if _, err := unknown.Load(t.Context()); err == nil || errors.Is(err, audit.ErrNoHead) {
		t.Errorf("where nobody knows which database it is: %v", err)
	}
}

func passwords(t *testing.T, s *pgtest.Server) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	url := s.Database(t)
	for _, url := range []string{
		as(url, pgtest.User, "keel-haul-8"), as(url, "keel", "keel-haul-8"),
		fmt.Sprintf("postgres://keel:keel-haul-8@%s/trust?sslmode=disable", closed.Addr()),
		strings.Replace(as(url, pgtest.User, "keel-haul-8"), "sslmode=disable", "sslmode=verify-full", 1),
	} {
		g := openGuard(t, url)
		_, loaded := g.Load(t.Context())
		for _, err := range []error{loaded, g.Swap(t.Context(), audit.Head{}, headOf(0))} {
			if err == nil || strings.Contains(fmt.Sprintf("%v %+v %s", err, err, taffrail.HintOf(err)), "keel-haul") || errors.Is(err, audit.ErrNoHead) {
				t.Errorf("error is %v", err)
			}
		}
	}
}

// A cable carries one side's bytes to the other, and is cut at a commit: before it has arrived, or before its answer has.
type cable struct {
	listener net.Listener
	server   string
	arrives  bool
	mu       sync.Mutex
	armed    bool
}

func (c *cable) run() {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return
		}
		go c.carry(client)
	}
}

func (c *cable) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	answers := make(chan []byte)
	go func() {
		defer close(answers)
		for buffer := make([]byte, 64<<10); ; {
			n, err := server.Read(buffer)
			if err != nil {
				return
			}
			answers <- bytes.Clone(buffer[:n])
		}
	}()
	asked := make(chan []byte)
	go func() {
		defer close(asked)
		for buffer := make([]byte, 64<<10); ; {
			n, err := client.Read(buffer)
			if err != nil {
				return
			}
			asked <- bytes.Clone(buffer[:n])
		}
	}()
	defer func() { // whoever still reads must not wait for us
		go func() {
			for range asked {
			}
		}()
		go func() {
			for range answers {
			}
		}()
	}()
	for {
		select {
		case text, ok := <-asked:
			cutting := c.cuts(text)
			if !ok || cutting && !c.arrives {
				return
			}
			if _, err := server.Write(text); err != nil {
				return
			}
			if cutting {
				<-answers
				return
			}
		case text, ok := <-answers:
			if !ok {
				return
			}
			if _, err := client.Write(text); err != nil {
				return
			}
		}
	}
}

func (c *cable) cuts(text []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.armed || !bytes.Contains(text, []byte("commit\x00")) {
		return false
	}
	c.armed = false
	return true
}

// cut: a swap whose commit is lost on the way, or its answer, is an error; either is held, and the next call finds out which.
func cut(t *testing.T, s *pgtest.Server) {
	for _, arrives := range []bool{false, true} {
		t.Run(fmt.Sprintf("arrives=%v", arrives), func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			direct := s.Database(t)
			address := fmt.Sprintf("127.0.0.1:%d", s.Port)
			c := &cable{listener: listener, server: address, arrives: arrives}
			go c.run()
			g := openGuard(t, strings.Replace(direct, address, listener.Addr().String(), 1))
			mustSwap(t, g, audit.Head{}, headOf(0))
			c.mu.Lock()
			c.armed = true
			c.mu.Unlock()
			err = g.Swap(t.Context(), headOf(0), headOf(1))
			if taffrail.KindOf(err) != taffrail.KindUnavailable || errors.Is(err, audit.ErrConflict) {
				t.Fatalf("swap: %v", err)
			}
			held := headOf(0)
			if arrives {
				held = headOf(1)
			}
			wantHeld(t, g, held)
			mustSwap(t, g, held, headOf(1))
			wantHeld(t, openGuard(t, direct), headOf(1))
		})
	}
}

func TestCloseBeforeUse(t *testing.T) {
	g, err := open(plug.Env{}, Config{Name: "a", URL: "postgres://a@localhost/trust"})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("load: %v", err)
	}
}

// FuzzRow: whatever the columns hold, what is understood of them is a head that was written so.
func FuzzRow(f *testing.F) {
	root := headOf(0).Root
	f.Add(origin, int64(0), root[:], true)
	f.Add("", int64(-1), []byte{1}, false)
	f.Fuzz(func(t *testing.T, origin string, size int64, root []byte, given bool) {
		r := row{Size: &size, Root: root}
		if given {
			r.Origin = &origin
		}
		h, err := r.head()
		if err != nil {
			return
		}
		if _, err := audit.FormatCheckpoint(h); err != nil || h.Origin != origin || h.Size != size || !bytes.Equal(h.Root[:], root) {
			t.Fatalf("%q %d %x becomes %+v, %v", origin, size, root, h, err)
		}
	})
}

// FuzzParse: no address takes the verification of certificates away that does not speak of it, and no error tells what the address was.
func FuzzParse(f *testing.F) {
	f.Add("postgres://a:s3cr3t@trust.example:5432/db")
	f.Add("host=trust.example user=a password=s3cr3t")
	f.Fuzz(func(t *testing.T, text string) {
		t.Setenv("PGSSLMODE", "")
		if strings.Contains(text, "/") && !strings.Contains(text, "://") || strings.Contains(text, "cert") || strings.Contains(text, "file") {
			t.Skip("it may name a file, which the driver would read")
		}
		settings, err := parse("url", text)
		if err != nil {
			if err.Error() != "open guard: `url` cannot be read" {
				t.Fatalf("error is %v", err)
			}
			return
		}
		if loose(settings) && !strings.Contains(text, "sslmode") {
			t.Fatalf("%q is not verified", text)
		}
	})
}
