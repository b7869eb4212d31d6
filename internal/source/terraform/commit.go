package terraform

import (
	"context"
	"log/slog"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/git"
)

// commitTime bounds how long the version of the code is looked for: a scan does not wait for it.
const commitTime = time.Second

// commit tells the version of the stack's code; nil where it has none, or none that can be read: that is no reason not to scan.
func (s *stack) commit(ctx context.Context) *taffrail.Commit {
	if !s.target.code {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	commit, err := git.Commit(ctx, s.target.dir)
	if err != nil {
		s.env.Logger.Warn("the commit of the code cannot be read", slog.String("folder", s.target.dir), slog.Any("error", err))
	}
	return commit
}
