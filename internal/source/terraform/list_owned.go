package terraform

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/addr"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/state"
)

// A kind is a resource type of a provider, whichever registry the provider came from: Terraform's default host is another than
// OpenTofu's.
type kind struct{ namespace, provider, resource string }

func kindOf(p addr.Provider, resource string) kind { return kind{p.Namespace, p.Type, resource} }

// A record is one object that a state holds, current or deposed: whatever it is, it is no stranger.
type record struct {
	instance *state.Instance
	own      bool   // of the stack itself, so that its live side may be read
	id       string // empty where there is none
	key      string // the identity, once the provider's schema is known; empty where the state has none
	likely   string // the identity that its attributes make up, where the state has none; empty where they do not
	listed   bool   // a list showed the object under one of these
	live     string // the identity that the live object has, once it was asked for
	asked    bool
	failed   bool // it was asked for in vain
}

// An estate is all that the stack, and the stacks that it was told of, declare.
type estate struct {
	records map[kind][]*record
	others  []*other
}

// An other is a stack whose resources are no strangers to ours.
type other struct {
	name   string
	keeper *keeper
	header state.Header
}

func (e *estate) add(instances []state.Instance, own bool) {
	for n := range instances {
		i := &instances[n]
		k := kindOf(i.Provider.Provider, i.Type)
		e.records[k] = append(e.records[k], &record{instance: i, own: own, id: storedID(i)})
	}
}

// storedID takes the attribute "id" as it stands in the state.
func storedID(i *state.Instance) string {
	if id, ok := i.Flat["id"]; ok {
		return id
	}
	var stored struct {
		ID *string `json:"id"`
	}
	if json.Unmarshal(i.Attributes, &stored) != nil || stored.ID == nil {
		return ""
	}
	return *stored.ID
}

// survey reads the states of the stack and of the others. If another's cannot be read, then nothing can be called unmanaged.
func (s *stack) survey(ctx context.Context, l *listing) error {
	own, err := s.keeper.read(ctx)
	if err != nil {
		return err
	}
	l.estate = &estate{records: map[kind][]*record{}}
	l.estate.add(own.Instances, true)
	l.reading.header = own.Header // the end is compared with what was read last
	for _, name := range s.config.Also {
		if err := l.estate.addOther(ctx, name, s.host); err != nil {
			f := unconfigured(err)
			f.Detail = fmt.Sprintf("the state of %s could not be read, and what it declares would be called unmanaged: %s", name, f.Detail)
			if taffrail.KindOf(err) == taffrail.KindDenied {
				f.Reason = taffrail.ReasonDenied
			}
			l.blind = f
		}
	}
	return nil
}

func (e *estate) addOther(ctx context.Context, name string, host host) error {
	t, err := findTarget(Config{Target: name}, host)
	if err != nil {
		return err
	}
	o := &other{name: filepath.Base(t.name), keeper: &keeper{target: t, host: host}}
	e.others = append(e.others, o) // so that it is closed
	recorded, err := o.keeper.read(ctx)
	if err != nil {
		return err
	}
	o.header = recorded.Header
	e.add(recorded.Instances, false)
	return nil
}

// moved says whether one of the other stacks changed since it was read.
func (e *estate) moved(ctx context.Context) error {
	for _, o := range e.others {
		now, err := o.keeper.readHeader(ctx)
		if err != nil {
			return fmt.Errorf("the state of %s could not be read again: %w", o.name, err)
		}
		if now != o.header && now.Serial == o.header.Serial {
			return fmt.Errorf("the state of %s was replaced: another one, of the same serial %d", o.name, now.Serial)
		}
		if now != o.header {
			return fmt.Errorf("the state of %s moved from serial %d to %d", o.name, o.header.Serial, now.Serial)
		}
	}
	return nil
}

// close ends the connections to where the other states are kept. Nothing was written to them.
func (e *estate) close() {
	for _, o := range e.others {
		_ = o.keeper.close()
	}
}
