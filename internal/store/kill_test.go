package store_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/store"
	"github.com/taffrail-dev/taffrail/internal/trust/file"
)

// The environment that makes of the test binary a process that is to be killed.
const (
	envVictim  = "TAFFRAIL_TEST_STORE_VICTIM" // "append" or "enqueue"
	envPlace   = "TAFFRAIL_TEST_STORE_PLACE"
	envAddress = "TAFFRAIL_TEST_STORE_ADDRESS"
	envTrust   = "TAFFRAIL_TEST_STORE_TRUST"
)

// trustIn gives guard and key in files.
func trustIn(ctx context.Context, folder string) (audit.Guard, audit.Keyring, error) {
	var r plug.Registry
	file.Register(&r)
	settings := func(sub string) plug.Settings {
		return plug.Settings{YAML: fmt.Appendf(nil, "folder: %q", filepath.Join(folder, sub))}
	}
	guard, err := plug.Open[audit.Guard](ctx, &r, "file", plug.Env{Now: time.Now}, settings("state"))
	if err != nil {
		return nil, nil, err
	}
	keyring, err := plug.Open[audit.Keyring](ctx, &r, "file", plug.Env{Now: time.Now}, settings("config"))
	return guard, keyring, err
}

func signerIn(ctx context.Context, folder string) (audit.Signer, error) {
	guard, keyring, err := trustIn(ctx, folder)
	if err != nil {
		return nil, err
	}
	return audit.NewSigner(keyring, guard), nil
}

// victim opens the log and has four writers write to it until it is killed. It tells what was acknowledged, a line each: "signed 7 nonce",
// "queued nonce", "sequenced 7 nonce".
func victim() error {
	ctx := context.Background()
	tell := func(format string, args ...any) { fmt.Printf(format+"\n", args...) } // one write each
	tell("started")
	p := &place{kind: os.Getenv(envPlace), address: os.Getenv(envAddress)}
	s, err := p.openIn(ctx, store.Write)
	if err != nil {
		return err
	}
	signer, err := signerIn(ctx, os.Getenv(envTrust))
	if err != nil {
		return err
	}
	log, err := audit.Open(ctx, s, signer)
	if err != nil {
		return err
	}
	tell("opened")
	queues := os.Getenv(envVictim) == "enqueue"
	failed := make(chan error)
	if queues {
		go func() { failed <- s.Sequence(ctx) }()
	}
	for range 4 {
		go func() {
			for {
				nonce := rand.Text()
				if queues {
					err = queueOne(ctx, s, nonce, tell)
				} else {
					err = signOne(ctx, s, log, nonce, tell)
				}
				if err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

func signOne(ctx context.Context, s *store.Store, log *audit.Log, nonce string, tell func(string, ...any)) error {
	var stamp store.Stamp
	err := s.Update(ctx, func(tx *store.Tx) (err error) {
		stamp, err = tx.Append(victimEntry(nonce))
		return err
	})
	if err != nil {
		return err
	}
	cp, err := log.Sign(ctx)
	if err == nil && cp.Size <= stamp.Index {
		err = fmt.Errorf("entry %d is not covered by the checkpoint of size %d", stamp.Index, cp.Size)
	}
	if err == nil {
		tell("signed %d %s", stamp.Index, nonce)
	}
	return err
}

func queueOne(ctx context.Context, s *store.Store, nonce string, tell func(string, ...any)) error {
	ticket, err := s.Enqueue(ctx, []taffrail.Entry{victimEntry(nonce)})
	if err != nil {
		return err
	}
	tell("queued %s", nonce)
	stamps, err := s.Await(ctx, ticket)
	if err == nil {
		tell("sequenced %d %s", stamps[0].Index, nonce)
	}
	return err
}

func victimEntry(nonce string) taffrail.Entry {
	e := entry(taffrail.LogStarted{Origin: "o"})
	e.Nonce, e.Time = nonce, time.Now()
	return e
}

// A killing is a log whose processes are killed, and what they had acknowledged.
type killing struct {
	place  *place
	trust  string
	kind   string
	mu     sync.Mutex
	stored map[int64]string // nonces by index
	queued map[string]bool
	random *mathrand.Rand
}

// newKilling begins a log.
func newKilling(t *testing.T, p *place, kind string, seed uint64) *killing {
	t.Helper()
	k := &killing{
		place: p, trust: t.TempDir(), kind: kind, stored: map[int64]string{}, queued: map[string]bool{},
		random: mathrand.New(mathrand.NewPCG(seed, 1)), //nolint:gosec // where it is killed is no secret
	}
	guard, keyring, err := trustIn(t.Context(), k.trust)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Create(t.Context(), "taffrail.local/victim"); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Begin(t.Context(), p.store(t, store.Create), audit.NewSigner(keyring, guard)); err != nil {
		t.Fatal(err)
	}
	return k
}

// A running victim.
type running struct {
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	stderr *strings.Builder
}

func (k *killing) run(t *testing.T) *running {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envVictim+"="+k.kind, envPlace+"="+k.place.kind, envAddress+"="+k.place.address, envTrust+"="+k.trust)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{cmd: cmd, lines: bufio.NewScanner(out), stderr: new(strings.Builder)}
	cmd.Stderr = r.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// follow reads some lines of a victim, and takes note of what they acknowledge. It says how many came.
func (k *killing) follow(t *testing.T, r *running, lines int) (came int) {
	t.Helper()
	for ; came < lines && r.lines.Scan(); came++ {
		k.note(t, r.lines.Text())
	}
	return came
}

func (k *killing) note(t *testing.T, line string) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	var index int64
	var nonce string
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "queued":
		k.queued[rest] = true
	case "signed", "sequenced":
		if _, err := fmt.Sscanf(rest, "%d %s", &index, &nonce); err != nil {
			t.Errorf("line %q: %v", line, err)
		}
		if other, taken := k.stored[index]; taken && other != nonce {
			t.Errorf("index %d was acknowledged for two entries", index)
		}
		k.stored[index] = nonce
	}
}

// kill kills a victim, and reads what it still had said.
func (k *killing) kill(t *testing.T, r *running) {
	t.Helper()
	if err := r.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	k.follow(t, r, 1<<30)
	if err := r.cmd.Wait(); err == nil || r.cmd.ProcessState.Exited() {
		t.Errorf("it ended by itself: %v: %s", err, r.stderr)
	}
}

// check looks for everything that was acknowledged, and verifies the whole tree.
func (k *killing) check(t *testing.T, index bool) {
	t.Helper()
	s, err := k.place.open(t, store.Write)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	signer, err := signerIn(t.Context(), k.trust)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Open(t.Context(), s, signer); err != nil {
		t.Fatalf("it does not open again: %v", err)
	}
	if _, err := audit.Verify(t.Context(), s, signer, nil); err != nil {
		t.Errorf("it does not verify: %v", err)
	}
	nonces := noncesOf(t, s)
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, nonce := range k.stored {
		if i >= int64(len(nonces)) || nonces[i] != nonce {
			t.Errorf("entry %d was acknowledged and is not there, or is another", i)
		}
	}
	seen := map[string]bool{}
	for i, nonce := range nonces {
		if seen[nonce] {
			t.Errorf("entry %d is there twice", i)
		}
		seen[nonce] = true
	}
	if !index {
		return
	}
	if changed := read(t, s, (*store.Tx).CheckIndex); len(changed) != 0 {
		t.Errorf("the index does not follow from the log: %q", changed)
	}
}

func noncesOf(t *testing.T, s *store.Store) (nonces []string) {
	t.Helper()
	return read(t, s, func(tx *store.Tx) ([]string, error) {
		size, err := tx.Size()
		if err != nil {
			return nil, err
		}
		err = tx.Entries(0, size, func(_ int64, leaf []byte) error {
			e, err := taffrail.ParseEntry(leaf)
			nonces = append(nonces, e.Nonce)
			return err
		})
		return nonces, err
	})
}

// killings kills one process after another, each after it has said a few things, or hardly begun.
func (k *killing) killings(t *testing.T, n int) {
	for i := range n {
		r := k.run(t)
		k.follow(t, r, k.random.IntN(12))
		k.kill(t, r)
		k.check(t, i%20 == 19 || i == n-1)
		if t.Failed() {
			t.Fatalf("after %d kills", i+1)
		}
	}
	if len(k.stored) < 2*n {
		t.Errorf("%d kills, and only %d entries were acknowledged", n, len(k.stored))
	}
	t.Logf("%d kills, %d entries acknowledged", n, len(k.stored))
}

// TestNothingAcknowledgedIsLostByKills kills processes at random moments, 200 on SQLite: everything that one had acknowledged is there
// afterwards, at its index, and the tree verifies.
func TestNothingAcknowledgedIsLostByKills(t *testing.T) {
	for lane := range uint64(2) {
		t.Run(fmt.Sprint("sqlite ", lane), func(t *testing.T) {
			t.Parallel()
			newKilling(t, inFolder(t.TempDir()), "append", lane).killings(t, 100)
		})
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		newKilling(t, inSchema(t), "append", 3).killings(t, 40)
	})
}

// TestNothingQueuedIsLostByKills has two processes queue and sequence, and kills the one that sequences, each time: the other takes over.
func TestNothingQueuedIsLostByKills(t *testing.T) {
	k := newKilling(t, inSchema(t), "enqueue", 4)
	var alive []*running
	const kills = 25
	for range kills {
		for len(alive) < 2 {
			r := k.run(t)
			k.follow(t, r, 2+k.random.IntN(3)) // it is the second to wait for its turn
			alive = append(alive, r)
		}
		leader := alive[0]
		alive = alive[1:]
		k.follow(t, leader, k.random.IntN(30))
		k.kill(t, leader)
		k.follow(t, alive[0], 12) // four writers have queued, and wait: some of this is of the next turn
		if t.Failed() {
			break
		}
	}
	for _, r := range alive {
		k.kill(t, r)
	}
	s := k.place.store(t, store.Write)
	sequence(t, s)
	await(t, s, enqueue(t, s, victimEntry("the last")))
	k.check(t, true)
	there := map[string]bool{}
	for _, nonce := range noncesOf(t, s) {
		there[nonce] = true
	}
	for nonce := range k.queued {
		if !there[nonce] {
			t.Errorf("%s was acknowledged as queued and is not in the log", nonce)
		}
	}
	t.Logf("%d kills, %d queued, %d sequenced", kills, len(k.queued), len(k.stored))
}
