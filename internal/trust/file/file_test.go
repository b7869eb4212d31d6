package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

func TestFailed(t *testing.T) {
	path := func(err error) error { return &os.PathError{Op: "open", Path: "a", Err: err} }
	for _, test := range []struct {
		err  error
		kind taffrail.Kind
		hint bool
	}{
		{path(syscall.EACCES), taffrail.KindDenied, true},
		{path(syscall.EPERM), taffrail.KindDenied, true},
		{path(syscall.EROFS), taffrail.KindDenied, true},
		{path(syscall.ENOSPC), taffrail.KindUnavailable, true},
		{path(syscall.EIO), taffrail.KindUnavailable, false},
		{&os.LinkError{Op: "link", Old: "a", New: "b", Err: syscall.EPERM}, taffrail.KindUnavailable, true},
		{context.Canceled, taffrail.KindUnavailable, false},
		{&taffrail.Error{Kind: taffrail.KindConflict, Hint: "as it was"}, taffrail.KindConflict, true},
	} {
		got := failed("test", fmt.Errorf("around: %w", test.err))
		if taffrail.KindOf(got) != test.kind || !errors.Is(got, test.err) || (taffrail.HintOf(got) != "") != test.hint {
			t.Errorf("%v is of kind %s, hint %q", test.err, taffrail.KindOf(got), taffrail.HintOf(got))
		}
	}
	if failed("test", nil) != nil {
		t.Error("nothing has failed")
	}
}
