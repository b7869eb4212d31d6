package audittest

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail/audit"
)

// Keyring tests an [audit.Keyring] against its contract. Open gives a keyring without a key, another one at each call, and cleans up
// behind itself. Again opens the same keyring as another process would.
func Keyring(t *testing.T, open func(t *testing.T) (k audit.Keyring, again func() audit.Keyring)) {
	for _, part := range []struct {
		name string
		test func(*testing.T, audit.Keyring, func() audit.Keyring)
	}{
		{"None", keyringNone},
		{"Create", keyringCreate},
		{"Rotate", keyringRotate},
		{"RotateRefuses", keyringRotateRefuses},
		{"Revoke", keyringRevoke},
		{"RevokeInAnOverlap", keyringRevokeOld},
		{"Cancelled", keyringCancelled},
	} {
		t.Run(part.name, func(t *testing.T) {
			k, again := open(t)
			part.test(t, k, again)
		})
	}
}

func keyringNone(t *testing.T, k audit.Keyring, _ func() audit.Keyring) {
	if _, err := k.Load(t.Context()); !errors.Is(err, audit.ErrNoKey) {
		t.Errorf("load: %v, want ErrNoKey", err)
	}
	if _, err := k.Rotate(t.Context(), 1, 1); !errors.Is(err, audit.ErrNoKey) {
		t.Errorf("rotate: %v, want ErrNoKey", err)
	}
	if _, err := k.Revoke(t.Context(), "x", 1); !errors.Is(err, audit.ErrNoKey) {
		t.Errorf("revoke: %v, want ErrNoKey", err)
	}
}

func loadRing(t *testing.T, k audit.KeySource) audit.Ring {
	t.Helper()
	r, err := k.Load(t.Context())
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return r
}

func keyringCreate(t *testing.T, k audit.Keyring, again func() audit.Keyring) {
	created, err := k.Create(t.Context(), guardOrigin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Create(t.Context(), guardOrigin); !errors.Is(err, audit.ErrExists) {
		t.Errorf("create again: %v, want ErrExists", err)
	}
	for _, other := range []audit.Keyring{k, again()} {
		if r := loadRing(t, other); !r.Keys().Equal(created.Keys()) || r.Keys().Origin() != guardOrigin {
			t.Errorf("loaded are %s, created %s", r.Keys(), created.Keys())
		}
	}
	signs(t, again(), map[int64]int{0: 1, 1: 1, 1 << 40: 1})
}

// signs says by how many keys each size is signed, and that the keys themselves take what is signed.
func signs(t *testing.T, k audit.KeySource, want map[int64]int) {
	t.Helper()
	r := loadRing(t, k)
	for size, n := range want {
		h := audit.Head{Origin: guardOrigin, Size: size, Root: tlog.RecordHash([]byte("root"))}
		if size == 0 {
			h = audit.EmptyHead(guardOrigin)
		}
		msg, err := r.Sign(h)
		if err != nil {
			t.Errorf("size %d: %v", size, err)
			continue
		}
		if cp, err := r.Keys().Open(msg); err != nil || cp.Head != h {
			t.Errorf("size %d: the keys do not take what they signed: %v", size, err)
		}
		lines := 0
		for _, one := range r.Keys().All() {
			only, err := audit.NewKeys(one)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := only.Open(msg); err == nil {
				lines++
			}
		}
		if lines != n {
			t.Errorf("size %d: %d keys signed it, want %d", size, lines, n)
		}
	}
}

func keyringRotate(t *testing.T, k audit.Keyring, again func() audit.Keyring) {
	first, err := k.Create(t.Context(), guardOrigin)
	if err != nil {
		t.Fatal(err)
	}
	other := again()
	loadRing(t, other)
	keys, err := k.Rotate(t.Context(), 10, 20)
	if err != nil {
		t.Fatal(err)
	}
	all := keys.All()
	if len(all) != 2 || all[0].VKey != first.Keys().Newest().VKey || all[0].To != 20 || all[1].From != 10 || all[1].To != 0 || all[1].VKey == all[0].VKey {
		t.Fatalf("keys are %s", keys)
	}
	for _, k := range []audit.Keyring{k, other, again()} { // also one that had loaded the old key
		if r := loadRing(t, k); !r.Keys().Equal(keys) {
			t.Errorf("loaded are %s, rotated %s", r.Keys(), keys)
		}
		signs(t, k, map[int64]int{0: 1, 9: 1, 10: 2, 19: 2, 20: 1, 1000: 1})
	}
	if _, err := other.Rotate(t.Context(), 30, 30); err != nil {
		t.Fatal(err)
	}
	signs(t, k, map[int64]int{9: 1, 10: 2, 20: 1, 29: 1, 30: 1})
}

func keyringRotateRefuses(t *testing.T, k audit.Keyring, _ func() audit.Keyring) {
	if _, err := k.Create(t.Context(), guardOrigin); err != nil {
		t.Fatal(err)
	}
	before, err := k.Rotate(t.Context(), 10, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]int64{{-1, 20}, {20, 19}, {9, 20}, {10, 10}, {1 << 61, 1 << 61}} {
		if keys, err := k.Rotate(t.Context(), r[0], r[1]); err == nil {
			t.Errorf("rotated from %d, until %d: %s", r[0], r[1], keys)
		}
	}
	if r := loadRing(t, k); !r.Keys().Equal(before) {
		t.Errorf("keys are %s, want %s", r.Keys(), before)
	}
	signs(t, k, map[int64]int{9: 1, 10: 1})
}

func keyringRevoke(t *testing.T, k audit.Keyring, again func() audit.Keyring) {
	first, err := k.Create(t.Context(), guardOrigin)
	if err != nil {
		t.Fatal(err)
	}
	stolen := first.Keys().Newest().VKey
	if _, err := k.Revoke(t.Context(), stolen+"x", 5); !errors.Is(err, audit.ErrNoKey) {
		t.Errorf("revoke of another key: %v, want ErrNoKey", err)
	}
	keys, err := k.Revoke(t.Context(), stolen, 5)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r := loadRing(t, again())
		if !r.Keys().Equal(keys) || len(keys.All()) != 2 || len(r.Private()) != 1 {
			t.Errorf("keys are %s, with %d private parts; revoked gave %s", r.Keys(), len(r.Private()), keys)
		}
		signs(t, again(), map[int64]int{6: 1, 100: 1})
		// The thief signs on.
		msg, err := first.Sign(head(6))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Keys().Open(msg); !errors.Is(err, audit.ErrKeyRange) {
			t.Errorf("size 6 by the revoked key: %v, want ErrKeyRange", err)
		}
		if msg, err = first.Sign(head(5)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Keys().Open(msg); err != nil {
			t.Errorf("size 5 by the revoked key: %v", err)
		}
		if keys, err = k.Revoke(t.Context(), stolen, 5); err != nil { // again
			t.Fatal(err)
		}
	}
}

// keyringRevokeOld revokes a key that has a successor, while both sign.
func keyringRevokeOld(t *testing.T, k audit.Keyring, again func() audit.Keyring) {
	first, err := k.Create(t.Context(), guardOrigin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Rotate(t.Context(), 10, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Revoke(t.Context(), first.Keys().Newest().VKey, 50); err != nil {
		t.Fatal(err)
	}
	signs(t, again(), map[int64]int{10: 1, 50: 1, 51: 2, 200: 2})
	if keys, err := again().Rotate(t.Context(), 60, 70); err != nil || len(keys.All()) != 4 {
		t.Fatalf("rotate after that: %s, %v", keys, err)
	}
	signs(t, again(), map[int64]int{50: 1, 59: 2, 60: 3, 69: 3, 70: 1})
}

func keyringCancelled(t *testing.T, k audit.Keyring, again func() audit.Keyring) {
	first, err := k.Create(t.Context(), guardOrigin)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, do := range map[string]func() error{
		"load":   func() error { _, err := k.Load(ctx); return err },
		"create": func() error { _, err := k.Create(ctx, guardOrigin); return err },
		"rotate": func() error { _, err := k.Rotate(ctx, 5, 5); return err },
		"revoke": func() error { _, err := k.Revoke(ctx, first.Keys().Newest().VKey, 5); return err },
	} {
		if err := do(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r := loadRing(t, again()); !r.Keys().Equal(first.Keys()) {
		t.Errorf("keys are %s", r.Keys())
	}
}
