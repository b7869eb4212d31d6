package terraform

import (
	"bytes"
	"context"
	"errors"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/module"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
)

// scope is what the expressions of the stack's code depend on in this reading.
func (r *reading) scope() module.Scope {
	s := r.stack
	scope := module.Scope{
		Environ: s.host.environ, Workspace: s.target.workspace, Vars: s.config.Vars, VarFiles: s.config.VarFiles,
	}
	scope.State = func(wanted func(module, mode, resourceType, name string) bool) ([]state.Referenced, error) {
		ctx, cancel := context.WithTimeout(context.Background(), s.config.Timeout) // whoever waits for it has a context of no reading
		defer cancel()
		found, h, err := s.keeper.references(ctx, wanted)
		if err == nil && (h.Lineage != r.header.Lineage || h.Serial != r.header.Serial) {
			return nil, errors.New("the state moved during the scan")
		}
		return found, err
	}
	return scope
}

// references reads the state once more, for what expressions refer to.
func (k *keeper) references(ctx context.Context, wanted func(module, mode, resourceType, name string) bool) ([]state.Referenced, state.Header, error) {
	if k.target.backend == nil {
		return state.ReadReferences(k.target.state, wanted)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	body, err := k.fetch(ctx, "")
	if err != nil {
		return nil, state.Header{}, err
	}
	found, h, err := state.References(bytes.NewReader(body), wanted)
	return found, h, k.named(err)
}
