package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/store"
)

// A usage is what a process took for its work.
type usage struct {
	Wall time.Duration `json:"wall"`
	CPU  time.Duration `json:"cpu"`
	Peak int64         `json:"peak"` // bytes resident at most, all its life
}

// bundleName and policyName are files beside the log.
const (
	bundleName = "bundle.tar"
	policyName = "policy"
)

// grown gives the folder of a log of n entries, which it makes once, with a cosigned checkpoint and a bundle of all of it.
func grown(ctx context.Context, o options, n int) (string, error) {
	dir := filepath.Join(o.dir, "grown"+strconv.Itoa(n))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	began := time.Now()
	l, err := openSQLite(ctx, dir)
	if err != nil {
		return "", err
	}
	if err := l.fill(ctx, int64(n)); err != nil {
		return "", errors.Join(err, l.store.Close())
	}
	built := time.Since(began)
	if err := l.witness(ctx, dir); err != nil {
		return "", errors.Join(err, l.store.Close())
	}
	began = time.Now()
	size, err := l.writeBundle(ctx, filepath.Join(dir, bundleName), int64(n))
	if err != nil {
		return "", errors.Join(err, l.store.Close())
	}
	fmt.Fprintf(os.Stderr, "made a log of %d entries in %v, a bundle of %d MiB in %v\n", n, built.Round(time.Millisecond), size>>20, time.Since(began).Round(time.Millisecond))
	return dir, l.store.Close()
}

// fill appends entries up to a size, a thousand in a transaction, and signs.
func (l *ledger) fill(ctx context.Context, size int64) error {
	m, err := newMill()
	if err == nil {
		err = m.check()
	}
	for at := int64(0); at < size && err == nil; at += 1000 {
		err = l.store.Update(ctx, func(tx *store.Tx) error {
			for i := at; i < min(at+1000, size); i++ {
				if _, err := audit.Append(tx, m.leaf(i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil && at%50_000 == 0 {
			err = l.sign(ctx)
		}
	}
	return errors.Join(err, l.sign(ctx))
}

// witness has the newest checkpoint cosigned, and writes the policy that asks for it.
func (l *ledger) witness(ctx context.Context, dir string) error {
	skey, vkey, err := audit.GenerateCosigner("witness.example/w1", [ed25519.SeedSize]byte{1})
	if err != nil {
		return err
	}
	c, err := audit.NewCosigner(skey, time.Now)
	if err != nil {
		return err
	}
	cp, err := l.log.Sign(ctx)
	if err != nil {
		return err
	}
	keys, err := l.signer.Keys(ctx)
	if err != nil {
		return err
	}
	msg, err := cosign(cp, c)
	if err != nil {
		return err
	}
	err = l.store.Write(ctx, func(w audit.Writer) error { return w.PutCheckpoint(cp.Size, msg) })
	policy := keys.String() + "witness w1 " + vkey + "\nquorum w1\n"
	return errors.Join(err, os.WriteFile(filepath.Join(dir, policyName), []byte(policy), 0o600))
}

func (l *ledger) writeBundle(ctx context.Context, path string, size int64) (bytes int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	keys, err := l.signer.Keys(ctx)
	if err == nil {
		_, err = audit.WriteBundle(ctx, f, l.store, keys, audit.BundleRequest{To: size, Program: "bench", Made: time.Now()})
	}
	info, statErr := f.Stat()
	if err := errors.Join(err, statErr, f.Close()); err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// verifyWhole hashes whole logs again.
func verifyWhole(ctx context.Context, o options) error {
	fmt.Printf("\nHashing the whole log again and comparing every stored hash, one processor\n\n| Entries | wall | CPU | entries in a second of CPU | peak memory |\n|---|---|---|---|---|\n")
	return each(ctx, o, "verify")
}

// verifyBundles comes to all verdicts on bundles of whole logs.
func verifyBundles(ctx context.Context, o options) error {
	fmt.Printf("\nAll nine verdicts on a bundle of the whole log, one processor\n\n| Entries | wall | CPU | entries in a second of CPU | peak memory |\n|---|---|---|---|---|\n")
	return each(ctx, o, "bundle")
}

func each(ctx context.Context, o options, what string) error {
	for _, n := range o.sizes {
		dir, err := grown(ctx, o, n)
		if err != nil {
			return err
		}
		var walls, cpus []time.Duration
		var peaks []int64
		for range o.runs {
			u, err := child(ctx, what, dir)
			if err != nil {
				return err
			}
			walls, cpus, peaks = append(walls, u.Wall), append(cpus, u.CPU), append(peaks, u.Peak)
		}
		cpu := median(cpus).Seconds()
		fmt.Printf("| %d | %.2f s | %.2f s | %.0f | %d MiB |\n", n, median(walls).Seconds(), cpu, float64(n)/cpu, median(peaks)>>20)
	}
	return nil
}

// child does something in a process of its own, on one processor, so that its memory is its own.
func child(ctx context.Context, what, dir string) (u usage, err error) {
	self, err := os.Executable()
	if err != nil {
		return u, err
	}
	cmd := exec.CommandContext(ctx, self, "-child", what, "-dir", dir)
	cmd.Env, cmd.Stderr = append(os.Environ(), "GOMAXPROCS=1"), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return u, fmt.Errorf("%s: %w", what, err)
	}
	return u, json.Unmarshal(out, &u)
}

// beChild is the other process.
func beChild(ctx context.Context, what string, o options) error {
	var work func() error
	switch what {
	case "verify":
		l, err := openSQLite(ctx, o.dir)
		if err != nil {
			return err
		}
		work = func() error {
			_, err := l.log.Verify(ctx, nil)
			return err
		}
	case "bundle":
		work = func() error { return bundleVerdicts(ctx, o.dir) }
	default:
		return fmt.Errorf("%q is nothing that a child does", what)
	}
	u, err := used(work)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(u)
}

// used says what f took.
func used(f func() error) (u usage, err error) {
	began, before := time.Now(), cpu()
	if err := f(); err != nil {
		return u, err
	}
	u.Wall, u.CPU = time.Since(began), cpu()-before
	u.Peak, err = peak()
	return u, err
}

// cpu is the time that this process has had a processor.
func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // it fails for no process of one's own
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// bundleVerdicts fails unless every verdict that can be come to is ok.
func bundleVerdicts(ctx context.Context, dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, policyName))
	if err != nil {
		return err
	}
	policy, err := audit.ParsePolicy(text)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(dir, bundleName))
	if err != nil {
		return err
	}
	defer f.Close()
	report, err := audit.VerifyBundle(ctx, f, policy, nil, nil)
	if err != nil {
		return err
	}
	for _, v := range report.Verdicts {
		if v.Finding == audit.FindingFailed {
			return fmt.Errorf("%s: %s: %v", v.Name, v.Detail, v.Faults)
		}
	}
	if report.Signed != "WITNESSED(1)" {
		return fmt.Errorf("the bundle is %s", report.Signed)
	}
	return nil
}

// peak is the most memory that this process ever had resident, from /proc (proc(5)).
func peak() (bytes int64, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return kib << 10, err
}

// proveOne proves entries of the largest log, each in a snapshot of its own.
func proveOne(ctx context.Context, o options) error {
	n := o.sizes[len(o.sizes)-1]
	dir, err := grown(ctx, o, n)
	if err != nil {
		return err
	}
	l, err := openSQLite(ctx, dir)
	if err != nil {
		return err
	}
	cp, err := l.log.Sign(ctx)
	if err != nil {
		return err
	}
	var took times
	for range 1000 {
		index := rand.Int64N(cp.Size)
		err := took.measure(func() error {
			return l.store.View(ctx, func(r audit.Reader) error {
				p, err := audit.Prove(r, index, cp)
				if err != nil {
					return err
				}
				return r.Entries(index, index+1, func(_ int64, leaf []byte) error { return p.Check(cp, leaf) })
			})
		})
		if err != nil {
			return err
		}
	}
	fmt.Printf("\nThe proof of one of %d entries, made and checked\n\n| p50 | p90 | p99 |\n|---|---|---|\n| %v |\n", cp.Size, took)
	return l.store.Close()
}

// cosign puts a cosignature into the note of a checkpoint.
func cosign(cp audit.Checkpoint, c *audit.Cosigner) ([]byte, error) {
	text, err := audit.FormatCheckpoint(cp.Head)
	if err != nil {
		return nil, err
	}
	cosigned, err := note.Sign(&note.Note{Text: string(text)}, c)
	if err != nil {
		return nil, err
	}
	return append(bytes.Clone(cp.Note), cosigned[len(text)+1:]...), nil
}
