package witness

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/taffrail-dev/taffrail/audit"
)

// Logs are the logs that a witness knows.
type Logs struct {
	keys map[string]audit.Keys // by origin
}

// ParseLogs reads them from a policy (C2SP tlog-policy, with key ranges as [audit.ParsePolicy] reads them):
//
//	log example.com/log+1a2b3c4d+AQ...
//
// Only its log lines mean something here. Witnesses and a quorum may stand beside them, so that one file can serve both who verifies and
// who cosigns; here, other than there, no quorum need be named.
func ParseLogs(text []byte) (*Logs, error) {
	if !namesQuorum(text) {
		text = append(bytes.Clone(text), "\nquorum none\n"...)
	}
	policy, err := audit.ParsePolicy(text)
	if err != nil {
		return nil, invalid(opRead, err, hintLogs)
	}
	if len(policy.Logs) == 0 {
		return nil, invalid(opRead, errors.New("there is no line that begins with `log`"), hintLogs)
	}
	l := &Logs{keys: map[string]audit.Keys{}}
	for _, k := range policy.Logs {
		if l.keys[k.Origin()], err = policy.Keys(k.Origin()); err != nil {
			return nil, invalid(opRead, err, hintLogs)
		}
	}
	return l, nil
}

const (
	opRead   = "read the logs to witness"
	hintLogs = "each log is a line: log VKEY"
)

func namesQuorum(text []byte) bool {
	for line := range bytes.Lines(text) {
		if words := bytes.Fields(line); len(words) > 0 && string(words[0]) == "quorum" {
			return true
		}
	}
	return false
}

// Origins are the names of the logs, sorted.
func (l *Logs) Origins() []string { return slices.Sorted(maps.Keys(l.keys)) }

// Witness gives a witness of these logs. What it cosigned last of a log is kept by the guard of its origin, which is asked for at each
// request; a guard must be as durable as the promise of a witness, and belong to this witness alone.
func (l *Logs) Witness(signer *audit.Cosigner, guard func(origin string) (audit.Guard, error)) *audit.Witness {
	return &audit.Witness{Signer: signer, Log: func(origin string) (audit.Keys, audit.Guard, error) {
		keys, ok := l.keys[origin]
		if !ok {
			return audit.Keys{}, nil, fmt.Errorf("%w: %.120q", audit.ErrUnknownLog, origin)
		}
		g, err := guard(origin)
		return keys, g, err
	}}
}
