package terraform

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/install"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/usercli"
)

// What Config.Init may say.
const (
	initAuto  = "auto"
	initNever = "never"
)

// installer gives what fetches a locked provider that is nowhere on this host: the user's own tool, into our cache. The folder is
// named after what the lock file says of the provider, so that it serves every stack that says the same.
func (s *stack) installer(ctx context.Context) func(addr.Provider, install.Locked) (install.Mirror, error) {
	cache := cmp.Or(s.config.CacheDir, s.host.cache)
	if s.config.Init == initNever || cache == "" {
		return nil
	}
	return func(p addr.Provider, locked install.Locked) (install.Mirror, error) {
		key := installKey(p, locked)
		m := install.Mirror{Path: filepath.Join(cache, "installed", key)}
		if exists(m.Path) {
			return m, nil
		}
		return m, s.attempts.once(key, s.env.Now(), func() error { return s.install(ctx, p, locked, m.Path) })
	}
}

func (s *stack) install(ctx context.Context, p addr.Provider, locked install.Locked, folder string) error {
	if exists(folder) { // another provider configuration wanted it, too
		return nil
	}
	tool, err := usercli.Find(ctx, usercli.Wish{Program: s.config.CLI, Path: s.host.getenv("PATH"), Locked: []addr.Provider{p}, Environ: s.host.environ})
	if err != nil {
		return err
	}
	s.env.Logger.Info("a provider is installed", slog.String("provider", p.String()), slog.String("version", locked.Version), slog.String("by", tool.Name))
	return tool.Install(ctx, usercli.Locked{Provider: p, Version: locked.Version, Hashes: locked.Hashes}, folder, s.host.environ)
}

// attempts keeps what an installation came to, so that a watched stack does not try again and again in vain.
type attempts struct {
	mu   sync.Mutex
	done map[string]attempt
}

type attempt struct {
	at  time.Time
	err error
}

// failureStands is how long.
const failureStands = 10 * time.Minute

// once tries, one at a time, unless the same failed a while ago.
func (a *attempts) once(key string, now time.Time, try func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last, tried := a.done[key]; tried && last.err != nil && now.Sub(last.at) < failureStands {
		return last.err
	}
	if a.done == nil {
		a.done = map[string]attempt{}
	}
	err := try()
	if errors.Is(err, context.Canceled) {
		return err
	}
	a.done[key] = attempt{at: now, err: err}
	return err
}

func installKey(p addr.Provider, locked install.Locked) string {
	hashes := slices.Sorted(slices.Values(locked.Hashes))
	sum := sha256.Sum256([]byte(p.String() + "\n" + locked.Version + "\n" + strings.Join(hashes, "\n")))
	return fmt.Sprintf("%s-%s-%s", p.Type, locked.Version, hex.EncodeToString(sum[:8]))
}

func checkInit(mode string) error {
	if mode != "" && mode != initAuto && mode != initNever {
		return badConfig("init is %q, and can be %s or %s", addr.Clip(mode), initAuto, initNever)
	}
	return nil
}
