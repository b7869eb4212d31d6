package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"github.com/taffrail-dev/taffrail/internal/store"
)

const origin = "taffrail.local/published"

// A world is one log, in memory if nothing else is said.
type world struct {
	storage audit.Storage
	ring    *audittest.MemoryKeyring
	signer  audit.Signer
	log     *audit.Log
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return worldOf(t, audittest.Ring(t, origin))
}

func worldOf(t testing.TB, keys audit.Ring) *world {
	t.Helper()
	return worldIn(t, audittest.NewMemory(), keys)
}

func worldIn(t testing.TB, s audit.Storage, keys audit.Ring) *world {
	t.Helper()
	w := &world{storage: s, ring: audittest.NewMemoryKeyring()}
	w.ring.Set(keys)
	w.signer = audit.NewSigner(w.ring, audittest.NewMemoryGuard())
	var err error
	if w.log, err = audit.Begin(t.Context(), w.storage, w.signer); err != nil {
		t.Fatal(err)
	}
	return w
}

// memory is the storage, to be tampered with.
func (w *world) memory() *audittest.Memory { return w.storage.(*audittest.Memory) }

func (w *world) keys(ctx context.Context) (audit.Keys, error) { return w.signer.Keys(ctx) }

// verifier is the newest key, as others read it.
func (w *world) verifier(t testing.TB) note.Verifier {
	t.Helper()
	keys, err := w.keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(keys.Newest().VKey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func body(i int64) []byte { return fmt.Appendf(nil, `{"n":%d,"text":"é\u0000"}`, i) }

// commit appends entries up to a size, and signs nothing.
func (w *world) commit(t testing.TB, size int64) {
	t.Helper()
	err := w.storage.Write(t.Context(), func(tx audit.Writer) error {
		from, err := tx.Size()
		for i := from; i < size && err == nil; i++ {
			_, err = audit.Append(tx, body(i))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// grow appends entries up to a size, and signs.
func (w *world) grow(t testing.TB, size int64) *world {
	t.Helper()
	w.commit(t, size)
	if _, err := w.log.Sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) publish(t testing.TB, dir string) Result {
	t.Helper()
	result, err := Folder(t.Context(), w.storage, w.keys, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func (w *world) handler() http.Handler {
	return Handler(w.storage, w.keys, slog.New(slog.DiscardHandler))
}

// serve gives Tessera's client of a handler.
func serve(t testing.TB, h http.Handler) fsck.Fetcher {
	t.Helper()
	server := httptest.NewServer(http.StripPrefix("/some/log", h))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL + "/some/log/")
	if err != nil {
		t.Fatal(err)
	}
	fetcher, err := client.NewHTTPFetcher(u, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return fetcher
}

// accepted has Tessera's fsck look at all of a log: signature, entries, every tile, root.
func (w *world) accepted(t testing.TB, f fsck.Fetcher) error {
	t.Helper()
	hashes := func(data []byte) ([][]byte, error) {
		var b api.EntryBundle
		if err := b.UnmarshalText(data); err != nil {
			return nil, err
		}
		var all [][]byte
		for _, e := range b.Entries {
			all = append(all, rfc6962.DefaultHasher.HashLeaf(e))
		}
		return all, nil
	}
	return fsck.New(origin, w.verifier(t), f, hashes, fsck.Opts{N: 8}).Check(t.Context())
}

// read has Tessera's client read entries and prove them, and prove that the tree of an earlier size is contained.
func (w *world) read(t testing.TB, f fsck.Fetcher, before uint64) {
	t.Helper()
	cp, _, _, err := client.FetchCheckpoint(t.Context(), f.ReadCheckpoint, w.verifier(t), origin)
	if err != nil {
		t.Fatal(err)
	}
	prover, err := client.NewProofBuilder(t.Context(), cp.Size, f.ReadTile)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []uint64{0, 1, 254, 255, 256, 511, cp.Size / 2, cp.Size - 1} {
		if i >= cp.Size {
			continue
		}
		b, err := client.GetEntryBundle(t.Context(), f.ReadEntryBundle, i/256, cp.Size)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.Entries[i%256]; !bytes.Equal(got, body(int64(i))) {
			t.Errorf("entry %d is %q", i, got)
		}
		hashes, err := prover.InclusionProof(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, i, cp.Size, rfc6962.DefaultHasher.HashLeaf(body(int64(i))), hashes, cp.Hash); err != nil {
			t.Errorf("entry %d of %d: %v", i, cp.Size, err)
		}
	}
	if before == 0 || before >= cp.Size {
		return
	}
	hashes, err := prover.ConsistencyProof(t.Context(), before, cp.Size)
	if err != nil {
		t.Fatal(err)
	}
	if err := proof.VerifyConsistency(rfc6962.DefaultHasher, before, cp.Size, hashes, w.root(t, int64(before)), cp.Hash); err != nil {
		t.Errorf("from %d to %d: %v", before, cp.Size, err)
	}
}

// root is that of an earlier checkpoint.
func (w *world) root(t testing.TB, size int64) []byte {
	t.Helper()
	for _, n := range w.memory().State().Checkpoints {
		if n.Size == size {
			cp, err := audit.OpenCheckpoint(n.Note, w.verifier(t))
			if err != nil {
				t.Fatal(err)
			}
			return cp.Root[:]
		}
	}
	t.Fatalf("nothing of size %d was signed", size)
	return nil
}

// TestTesseraAccepts publishes one log at growing sizes, both ways, and has another implementation of tlog-tiles look at all of it.
func TestTesseraAccepts(t *testing.T) {
	t.Parallel()
	w, dir := newWorld(t), t.TempDir()
	served := serve(t, w.handler())
	var before int64
	for _, size := range []int64{0, 1, 2, 3, 255, 256, 257, 300, 511, 512, 513, 65535, 65536, 65537, 65836} {
		w.grow(t, size)
		if got := w.publish(t, dir).Head.Size; got != size {
			t.Fatalf("published is size %d, want %d", got, size)
		}
		for name, f := range map[string]fsck.Fetcher{"handler": served, "folder": client.FileFetcher{Root: dir}} {
			if err := w.accepted(t, f); err != nil {
				t.Errorf("%s, size %d: %v", name, size, err)
			}
			w.read(t, f, uint64(before))
		}
		before = size
	}
}

// TestTesseraRejects shows that the one above can fail.
func TestTesseraRejects(t *testing.T) {
	t.Parallel()
	w, dir := newWorld(t).grow(t, 65836), t.TempDir()
	w.publish(t, dir)
	for _, name := range []string{
		"tile/entries/000", "tile/entries/257.p/44", "tile/0/000", "tile/0/257.p/44", "tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1", "checkpoint",
	} {
		t.Run(name, func(t *testing.T) {
			flip(t, filepath.Join(dir, name))
			if err := w.accepted(t, client.FileFetcher{Root: dir}); err == nil {
				t.Error("it was accepted")
			}
			flip(t, filepath.Join(dir, name))
		})
	}
	if err := w.accepted(t, client.FileFetcher{Root: dir}); err != nil {
		t.Error(err)
	}
}

// flip changes a bit of a file, or changes it back.
func flip(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-2] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// corrupt says whether an error is that something contradicts, of this part.
func corrupt(err error, part audit.Part) bool {
	var c *audit.CorruptError
	return errors.As(err, &c) && c.Part == part && c.Hint != ""
}

// TestContradictionIsNotPublished edits the storage of a log in each place, and publishes.
func TestContradictionIsNotPublished(t *testing.T) {
	for _, tc := range []struct {
		name   string
		tamper func(*audittest.State)
		path   string // that shows it
		part   audit.Part
	}{
		{"entry", func(s *audittest.State) { s.Entries[3][5] ^= 1 }, "/tile/entries/000", audit.PartEntries},
		{"entry of another length", func(s *audittest.State) { s.Entries[3] = append(s.Entries[3], ' ') }, "/tile/entries/000", audit.PartEntries},
		{"entry gone", func(s *audittest.State) { s.Entries[299] = nil }, "/tile/entries/001.p/44", audit.PartEntries},
		{"hash of a leaf", func(s *audittest.State) { s.Hashes[0][0] ^= 1 }, "/tile/0/000", audit.PartHashes},
		{"hash of the last leaf", func(s *audittest.State) { s.Hashes[tlog.StoredHashIndex(0, 299)][0] ^= 1 }, "/tile/0/000", audit.PartHashes},
		{"hash gone", func(s *audittest.State) { s.Hashes[0] = nil }, "/tile/0/000", audit.PartHashes},
		{"hash of a full tile", func(s *audittest.State) { s.Hashes[2*256-2][0] ^= 1 }, "/tile/1/000.p/1", audit.PartHashes},
		{"checkpoint", func(s *audittest.State) { n := s.Checkpoints[len(s.Checkpoints)-1].Note; n[len(n)-5] ^= 1 }, "/checkpoint", audit.PartCheckpoints},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t).grow(t, 300)
			if got := get(w.handler(), http.MethodGet, tc.path); got.Code != http.StatusOK {
				t.Fatalf("before: %d %s", got.Code, got.Body)
			}
			w.memory().Tamper(tc.tamper)
			got := get(w.handler(), http.MethodGet, tc.path)
			if got.Code != http.StatusInternalServerError || got.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("served: %d %v", got.Code, got.Header())
			}
			dir := t.TempDir()
			if _, err := Folder(t.Context(), w.storage, w.keys, dir, Options{}); !corrupt(err, tc.part) {
				t.Errorf("folder: %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "checkpoint")); err == nil {
				t.Error("a checkpoint was written")
			}
		})
	}
}

// TestNothingSigned has nothing to show, which is no fault.
func TestNothingSigned(t *testing.T) {
	w := newWorld(t)
	w.storage = audittest.NewMemory()
	if got := get(w.handler(), http.MethodGet, "/checkpoint"); got.Code != http.StatusNotFound {
		t.Errorf("served: %d", got.Code)
	}
	if _, err := Folder(t.Context(), w.storage, w.keys, t.TempDir(), Options{}); !errors.Is(err, ErrUnsigned) {
		t.Errorf("folder: %v", err)
	}
}

// TestKeysOverTime follows a log from key to key, and takes no other.
func TestKeysOverTime(t *testing.T) {
	w, dir := newWorld(t).grow(t, 3), t.TempDir()
	h := w.handler()
	w.publish(t, dir)
	if _, err := w.ring.Rotate(t.Context(), 4, 6); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{4, 5, 6, 7} {
		w.grow(t, size)
		if got := get(h, http.MethodGet, "/checkpoint"); got.Code != http.StatusOK {
			t.Errorf("size %d: %d", size, got.Code)
		}
		w.publish(t, dir)
		if err := w.accepted(t, client.FileFetcher{Root: dir}); err != nil {
			t.Error(err)
		}
	}
	w.ring.Set(audittest.Ring(t, origin))
	if got := get(h, http.MethodGet, "/checkpoint"); got.Code != http.StatusInternalServerError {
		t.Errorf("another key: %d", got.Code)
	}
}

// TestRevokedKey publishes nothing under a checkpoint that counts for nothing, and goes on in a folder that has one when the size is signed
// anew.
func TestRevokedKey(t *testing.T) {
	w, dir := newWorld(t).grow(t, 7), t.TempDir()
	w.publish(t, dir)
	keys, err := w.keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.ring.Revoke(t.Context(), keys.Newest().VKey, 5); err != nil {
		t.Fatal(err)
	}
	if got := get(w.handler(), http.MethodGet, "/checkpoint"); got.Code != http.StatusServiceUnavailable {
		t.Errorf("served: %d", got.Code)
	}
	if _, err := Folder(t.Context(), w.storage, w.keys, dir, Options{}); !errors.Is(err, audit.ErrKeyRange) {
		t.Errorf("folder: %v", err)
	}
	w.grow(t, 9)
	w.publish(t, dir)
	if err := w.accepted(t, client.FileFetcher{Root: dir}); err != nil {
		t.Error(err)
	}
}

// TestKeysThatCannotBeRead is unavailable, too.
func TestKeysThatCannotBeRead(t *testing.T) {
	w := newWorld(t).grow(t, 1)
	broken := func(context.Context) (audit.Keys, error) { return audit.Keys{}, errBroken }
	if got := get(Handler(w.storage, broken, slog.New(slog.DiscardHandler)), http.MethodGet, "/checkpoint"); got.Code != http.StatusServiceUnavailable {
		t.Errorf("served: %d", got.Code)
	}
	if _, err := Folder(t.Context(), w.storage, broken, t.TempDir(), Options{}); !errors.Is(err, errBroken) {
		t.Errorf("folder: %v", err)
	}
}

// brokenStorage cannot be read: from the beginning, or where hashes or entries are asked for.
type brokenStorage struct {
	audit.Storage
	at string
}

type brokenReader struct {
	audit.Reader
	at string
}

var errBroken = errors.New("disk on fire at /secret/place")

func (s brokenStorage) View(ctx context.Context, f func(audit.Reader) error) error {
	if s.at == "view" {
		return errBroken
	}
	return s.Storage.View(ctx, func(r audit.Reader) error { return f(brokenReader{r, s.at}) })
}

func (r brokenReader) ReadHashes(ids []int64) ([]tlog.Hash, error) {
	if r.at == "hashes" {
		return nil, errBroken
	}
	return r.Reader.ReadHashes(ids)
}

func (r brokenReader) Entries(from, to int64, f func(int64, []byte) error) error {
	if r.at == "entries" {
		return errBroken
	}
	return r.Reader.Entries(from, to, f)
}

func (r brokenReader) Checkpoint() ([]byte, error) {
	if r.at == "checkpoint" {
		return nil, errBroken
	}
	return r.Reader.Checkpoint()
}

func (r brokenReader) Pruned() (int64, error) {
	if r.at == "pruned" {
		return 0, errBroken
	}
	return r.Reader.Pruned()
}

// TestStorageThatCannotBeRead is unavailable, neither absent nor corrupt, and tells strangers no details.
func TestStorageThatCannotBeRead(t *testing.T) {
	w := newWorld(t).grow(t, 300)
	for _, at := range []string{"view", "checkpoint", "hashes", "entries", "pruned"} {
		s := brokenStorage{w.storage, at}
		var said bytes.Buffer
		h := Handler(s, w.keys, slog.New(slog.NewTextHandler(&said, nil)))
		got := get(h, http.MethodGet, "/tile/entries/000")
		if got.Code != http.StatusServiceUnavailable || bytes.Contains(got.Body.Bytes(), []byte("secret")) {
			t.Errorf("%s: %d %s", at, got.Code, got.Body)
		}
		if !bytes.Contains(said.Bytes(), []byte("/secret/place")) {
			t.Errorf("%s: the logger was told %q", at, said.String())
		}
		if _, err := Folder(t.Context(), s, w.keys, t.TempDir(), Options{}); !errors.Is(err, errBroken) || corrupt(err, audit.PartHashes) {
			t.Errorf("%s: %v", at, err)
		}
	}
}

// TestTesseraAcceptsSQLite does the same to a log in the database that the product keeps it in.
func TestTesseraAcceptsSQLite(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), t.TempDir(), store.Create)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w := worldIn(t, s, audittest.Ring(t, origin))
	dir := t.TempDir()
	served := serve(t, w.handler())
	for _, size := range []int64{0, 1, 256, 700} {
		w.grow(t, size)
		w.publish(t, dir)
		for name, f := range map[string]fsck.Fetcher{"handler": served, "folder": client.FileFetcher{Root: dir}} {
			if err := w.accepted(t, f); err != nil {
				t.Errorf("%s, size %d: %v", name, size, err)
			}
		}
	}
}
