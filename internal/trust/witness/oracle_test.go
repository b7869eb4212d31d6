package witness

import (
	"net/url"
	"testing"

	fwitness "github.com/transparency-dev/formats/witness"
)

// satisfied asks another implementation whether a witness cosigned a checkpoint.
func satisfied(t *testing.T, vkey, at string, msg []byte) bool {
	t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	w, err := fwitness.New(vkey, u)
	if err != nil {
		t.Fatal(err)
	}
	return fwitness.NewGroup(1, w).Satisfied(msg)
}
