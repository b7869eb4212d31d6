package taffrail_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

func TestKindTables(t *testing.T) {
	type row struct {
		Exit, HTTP int
		Retry      bool
	}
	want := map[taffrail.Kind]row{
		taffrail.KindInvalid:     {1, 400, false},
		taffrail.KindNotFound:    {1, 404, false},
		taffrail.KindDenied:      {1, 403, false},
		taffrail.KindConflict:    {1, 409, true},
		taffrail.KindUnavailable: {1, 503, true},
		taffrail.KindCorrupt:     {3, 500, false},
		taffrail.KindInternal:    {1, 500, false},
	}
	got := map[taffrail.Kind]row{}
	for _, k := range taffrail.Kinds() {
		got[k] = row{k.ExitStatus(), k.HTTPStatus(), k.Retry()}
		if k.ExitStatus() == taffrail.ExitOK || k.ExitStatus() == taffrail.ExitDrift || k.HTTPStatus() < 400 {
			t.Errorf("an error of kind %s looks like a result", k)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if k := taffrail.Kind("new"); k.ExitStatus() != 1 || k.HTTPStatus() != http.StatusInternalServerError {
		t.Error("a kind that nobody knows is not internal")
	}
}

func TestErrorChain(t *testing.T) {
	cause := errors.New("no such file")
	inner := &taffrail.Error{Op: "read state", Kind: taffrail.KindNotFound, Hint: "is this a root module?", Err: cause}
	outer := fmt.Errorf("stack web: %w", &taffrail.Error{Op: "scan", Kind: taffrail.KindInvalid, Err: inner})
	if got, want := outer.Error(), "stack web: scan: read state: no such file"; got != want {
		t.Errorf("got %q", got)
	}
	if taffrail.KindOf(outer) != taffrail.KindInvalid {
		t.Error("the outermost kind does not decide")
	}
	if got := taffrail.HintOf(outer); got != "is this a root module?" {
		t.Errorf("hint %q", got)
	}
	if !errors.Is(outer, cause) {
		t.Error("the cause is lost")
	}
	if taffrail.KindOf(cause) != taffrail.KindInternal || taffrail.HintOf(cause) != "" || taffrail.HintOf(nil) != "" {
		t.Error("an error without kind or hint has one")
	}
	if got := (&taffrail.Error{Kind: taffrail.KindDenied}).Error(); got != "denied" {
		t.Errorf("an error without words says %q", got)
	}
}
