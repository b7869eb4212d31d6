// Package file keeps guard state, signing key and sealing key in files of one machine.
//
// Each is a file of its own, in a folder that must be no part of the log's folder or of its backups:
//
//	guard.json   what was signed last; of its two slots the older is written at each signature, guard.lock beside it
//	log.key      the keys that sign the log
//	log.pub      which keys sign, and signed, which sizes; not there as long as there was one alone
//	seal.key     the key that secrets are sealed with; written once
//
// All are written so that a crash leaves the old content or the new one, and that more than one process may work on one
// folder. A file that is there and cannot be understood is an error of [taffrail.KindCorrupt], never taken for none, and
// never repaired. The formats are described in docs/design/log-format.md. It needs a Unix system and a local file system
// that has locks and hard links.
package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// Config says where guard state or signing key are.
type Config struct {
	Folder string `yaml:"folder"` // made, for the owner alone, when something is first written to it
}

// SealerConfig says where the sealing key is.
type SealerConfig struct {
	Folder string `yaml:"folder"`
	Create bool   `yaml:"create"` // make a key if there is none
}

// Register registers guard, keyring and sealer.
func Register(r *plug.Registry) {
	plug.Add(r, "file", func(_ context.Context, _ plug.Env, c Config) (audit.Guard, error) {
		return &guard{folder: c.Folder}, c.check("open guard")
	})
	plug.Add(r, "file", func(_ context.Context, _ plug.Env, c Config) (audit.Keyring, error) {
		return &keyring{folder: c.Folder}, c.check("open keyring")
	})
	plug.Add(r, "file", func(ctx context.Context, _ plug.Env, c SealerConfig) (taffrail.Sealer, error) {
		if err := (Config{c.Folder}).check("open sealer"); err != nil {
			return nil, err
		}
		return openSealer(ctx, c)
	})
}

func (c Config) check(op string) error {
	if c.Folder == "" {
		return &taffrail.Error{Op: op, Kind: taffrail.KindInvalid, Err: errors.New("no folder is named"), Hint: "set `folder`"}
	}
	return nil
}

// corrupt is an error for content that nobody ever wrote. It is the audit package's kind, too, so that a verification
// counts it among what is wrong with the log.
func corrupt(op, path, hint string, err error) error {
	c := &audit.CorruptError{Part: audit.PartGuard, What: path + " holds what was never written", Hint: hint, Err: err}
	return &taffrail.Error{Op: op, Kind: taffrail.KindCorrupt, Hint: hint, Err: c}
}

// failed gives an error of the system its kind. What has a kind keeps it.
func failed(op string, err error) error {
	var known *taffrail.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &taffrail.Error{Op: op, Kind: taffrail.KindUnavailable, Err: err}
	case isLinkError(err):
		return &taffrail.Error{Op: op, Kind: taffrail.KindUnavailable, Err: err, Hint: "keep this folder on a volume that has hard links"}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return &taffrail.Error{Op: op, Kind: taffrail.KindDenied, Err: err, Hint: "let the user that runs taffrail own this folder"}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &taffrail.Error{Op: op, Kind: taffrail.KindUnavailable, Err: err, Hint: "make room on this volume"}
	}
	return &taffrail.Error{Op: op, Kind: taffrail.KindUnavailable, Err: err}
}

// isLinkError says whether a hard link could not be made, for which systems have many words.
func isLinkError(err error) bool {
	var l *os.LinkError
	return errors.As(err, &l) && l.Op == "link"
}
