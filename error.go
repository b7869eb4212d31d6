package taffrail

import (
	"errors"
	"strings"
)

// A Kind says what sort of failure an [Error] is, for programs. There are few, on purpose: a caller that needs
// more than these needs a typed result, not a finer error.
type Kind string

// The kinds of error. KindInternal is what an error without a kind is taken for.
const (
	KindInvalid     Kind = "invalid"     // the request, the file or the argument is wrong
	KindNotFound    Kind = "not_found"   // what was named does not exist
	KindDenied      Kind = "denied"      // permission, credentials or file modes forbid it
	KindConflict    Kind = "conflict"    // the world moved since the premise was read
	KindUnavailable Kind = "unavailable" // it may work later
	KindCorrupt     Kind = "corrupt"     // what was stored is not what was written: verification failed
	KindInternal    Kind = "internal"    // a mistake of ours
)

// Exit statuses of the command line, the same for every command.
const (
	ExitOK      = 0 // in sync, done
	ExitError   = 1 // error, or incomplete: something could not be checked
	ExitDrift   = 2 // drift found
	ExitCorrupt = 3 // verification failed
)

// kinds is the one table that maps a kind to what each boundary makes of it.
var kinds = map[Kind]struct {
	exit  int
	http  int // RFC 9110, section 15
	retry bool
}{
	KindInvalid:     {ExitError, 400, false},
	KindNotFound:    {ExitError, 404, false},
	KindDenied:      {ExitError, 403, false},
	KindConflict:    {ExitError, 409, true},
	KindUnavailable: {ExitError, 503, true},
	KindCorrupt:     {ExitCorrupt, 500, false},
	KindInternal:    {ExitError, 500, false},
}

// Kinds lists every kind, in no particular order.
func Kinds() []Kind {
	all := make([]Kind, 0, len(kinds))
	for k := range kinds {
		all = append(all, k)
	}
	return all
}

// ExitStatus is the exit status of a command that ends with this kind of error.
func (k Kind) ExitStatus() int { return kinds[k.known()].exit }

// HTTPStatus is the status code of a response that carries this kind of error.
func (k Kind) HTTPStatus() int { return kinds[k.known()].http }

// Retry says whether the same call may succeed later with nothing changed by the caller.
func (k Kind) Retry() bool { return kinds[k.known()].retry }

func (k Kind) known() Kind {
	if _, ok := kinds[k]; ok {
		return k
	}
	return KindInternal
}

// An Error crosses a boundary: from a plug-in to the core, or from the core to a person.
type Error struct {
	Op   string // what was being done, present tense: "read state"
	Kind Kind
	Hint string // what the person can do about it; may be empty
	Err  error  // the cause, which says what and where
}

// Error gives the operation and the cause on one line, without the hint.
func (e *Error) Error() string {
	parts := make([]string, 0, 2)
	if e.Op != "" {
		parts = append(parts, e.Op)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	if len(parts) == 0 {
		return string(e.Kind.known())
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the first [Error] in err's chain, and [KindInternal] where there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind.known()
	}
	return KindInternal
}

// HintOf is the first hint in err's chain, or nothing.
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
