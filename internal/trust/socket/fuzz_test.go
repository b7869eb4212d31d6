package socket

import (
	"bytes"
	"encoding/json"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// FuzzRequest: what is understood is written as it was meant, and what it asks of a signer can be asked.
func FuzzRequest(f *testing.F) {
	f.Add(frame(`{"version":1,"op":"head"}`))
	f.Add(frame(`{"version":1,"op":"rotate","from":3,"until":9}`))
	f.Add(frame(`{"version":1,"op":"revoke","vkey":"a","at":3}`))
	var b bytes.Buffer
	if err := writeFrame(&b, request{Version: protocol, Op: opSign, Old: &headForm{Origin: origin, Size: 3}, Size: 4, Root: &tlog.Hash{1}, Proof: []tlog.Hash{{2}}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := receive[request](bytes.NewReader(text))
		if err != nil {
			return
		}
		same(t, r)
		a := perform(t.Context(), r, failing{errOfTest}, failing{errOfTest})
		if a.Error == nil || a.Error.Text != errOfTest.Error() {
			t.Errorf("the answer to %+v is %+v", r, a)
		}
	})
}

// FuzzAnswer: whatever a server says, an error in it stays one.
func FuzzAnswer(f *testing.F) {
	f.Add(frame(`{"version":1,"head":{"origin":"a","size":0,"root":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}}`))
	f.Add(frame(`{"version":1,"error":{"text":"x","is":["conflict","other"],"corrupt":{"part":"guard","what":"w","from":1,"to":2},"kinded":{"kind":"corrupt","text":"y"}}}`))
	f.Add(frame(`{"version":1,"error":{"text":""}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := receive[answer](bytes.NewReader(text))
		if err != nil {
			return
		}
		same(t, a)
		if (a.Error == nil) != (a.Error.err() == nil) {
			t.Errorf("%+v becomes %v", a.Error, a.Error.err())
		}
		_ = see(a.Error.err())
	})
}

// same says whether a value that is sent arrives as the same.
func same[T interface{ check() error }](t *testing.T, value T) {
	t.Helper()
	first, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := writeFrame(&b, value); err != nil {
		return // it has grown beyond a frame: JSON can be written more shortly than we do
	}
	again, err := receive[T](&b)
	if err != nil {
		t.Fatalf("%s: %v", first, err)
	}
	if second, err := json.Marshal(again); err != nil || !bytes.Equal(first, second) || b.Len() > 0 {
		t.Fatalf("%s becomes %s, %v", first, second, err)
	}
}
