package cloudtrail

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A progress says which files of a folder or a bucket are done. Files are read in the order in which they arrived, whatever is in them and whatever
// they are called, so that one that is late is a new one like any other; and one time says of all before it that they are done. Near the present
// that cannot be said: what arrived a moment ago may not be listed yet, after one that is. So the files of the last moments are noted one by one.
type progress struct {
	Mark    int64            `json:"m,omitempty"` // Unix time in ns; files that arrived earlier are done
	Last    string           `json:"k,omitempty"` // and of those that arrived then, the ones with a key up to this
	Recent  []string         `json:"r,omitempty"` // tokens of files that arrived later and are done
	Chains  map[string]chain `json:"c,omitempty"` // of digests
	Tails   map[string]tail  `json:"f,omitempty"` // of files that grow
	Settled int64            `json:"s,omitempty"` // Unix time in s
	Bare    bool             `json:"b,omitempty"` // it was said that there are no digests

	seen []string // tokens of recent files that were met in this round
}

// A chain says how far the digests of a trail, a region and an account were verified.
type chain struct {
	End int64 `json:"e"`           // of the last digest, Unix time in s
	Cut bool  `json:"x,omitempty"` // it was said that the digests after it are missing
}

// A tail says how far a file that grows was read.
type tail struct {
	Offset int64  `json:"o"`
	Head   string `json:"h,omitempty"` // token of its beginning
}

// maxRecent bounds the files that are noted one by one. Those beyond it are read again, which does no harm.
const maxRecent = 600

func parseProgress(c taffrail.Cursor) (*progress, error) {
	p := &progress{}
	if c != "" && json.Unmarshal([]byte(c), p) != nil {
		return nil, &taffrail.Error{Op: "read events of CloudTrail", Kind: taffrail.KindCorrupt, Err: errors.New("the cursor is none of ours"),
			Hint: "the source was of another kind under this name: give it another name"}
	}
	if p.Chains == nil {
		p.Chains = map[string]chain{}
	}
	if p.Tails == nil {
		p.Tails = map[string]tail{}
	}
	return p, nil
}

// cursor writes the progress.
func (p *progress) cursor() (taffrail.Cursor, error) {
	if n := len(p.Recent); n > maxRecent {
		p.Recent = p.Recent[n-maxRecent:]
	}
	text, err := json.Marshal(p)
	if err == nil && len(text) > taffrail.MaxCursor {
		err = &taffrail.Error{Op: "read events of CloudTrail", Kind: taffrail.KindInvalid,
			Err:  fmt.Errorf("%d chains of digests and %d growing files are too many for one source", len(p.Chains), len(p.Tails)),
			Hint: "make several sources of it, each with a narrower path or prefix"}
	}
	return taffrail.Cursor(text), err
}

// token is a short digest of a text.
func token(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

func compareFiles(a, b file) int {
	return cmp.Or(a.arrived.Compare(b.arrived), cmp.Compare(a.key, b.key))
}

func (f file) token() string { return token(fmt.Sprint(f.arrived.UnixNano(), " ", f.key)) }

// passed says whether a file is done since all before it are.
func (p *progress) passed(f file) bool {
	at := f.arrived.UnixNano()
	return at < p.Mark || at == p.Mark && f.key <= p.Last
}

// noted says whether a recent file is done.
func (p *progress) noted(f file) bool {
	t := f.token()
	for _, done := range p.Recent {
		if done == t {
			return true
		}
	}
	return false
}

// pass notes that a file is done, and that all which arrived before it are. Horizon is the time up to which everything is listed.
func (p *progress) pass(f file, horizon time.Time) {
	if f.arrived.Before(horizon) {
		p.Mark, p.Last = f.arrived.UnixNano(), f.key
		return
	}
	t := f.token()
	p.seen = append(p.seen, t)
	if !p.noted(f) {
		p.Recent = append(p.Recent, t)
	}
}

// tidy forgets recent files that were not met: they are gone, or lie before the mark now.
func (p *progress) tidy() { p.Recent, p.seen = p.seen, nil }
