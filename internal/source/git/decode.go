package git

import (
	"regexp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/mapping"
)

// A record is a commit.
type record struct {
	Commit     string              `json:"commit"`
	Repository string              `json:"repository,omitempty"`
	Branch     string              `json:"branch,omitempty"`
	Parents    []string            `json:"parents,omitempty"`
	Author     person              `json:"author"`
	Committer  person              `json:"committer"`
	Class      taffrail.ActorClass `json:"class"`
	Signature  string              `json:"signature,omitempty"` // kind of the one that it carries
	Message    string              `json:"message"`
	Paths      []string            `json:"paths,omitempty"`         // that it touched, of those that declare infrastructure
	More       int                 `json:"more_paths,omitempty"`    // how many of them are left out
	Unknown    bool                `json:"paths_unknown,omitempty"` // what it touched cannot be told: what is before it is not here
}

// A person is an author or a committer, as git was told.
type person struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	Time  int64  `json:"time"` // seconds since 1970
}

// A decoder reads commits.
type decoder struct{ *mapping.Decoder }

// Decode implements [taffrail.Decoder].
func (d decoder) Decode(raw []byte) (taffrail.Event, error) {
	e, err := d.Decoder.Decode(raw)
	if err != nil {
		return e, err
	}
	text := func(names ...string) string {
		v := e.Request
		for _, name := range names {
			v, _ = v.Field(name)
		}
		return v.Text()
	}
	r := record{Committer: person{Email: text("committer", "email")}, Signature: text("signature")}
	e.Actor = r.behind(e.Actor)
	more, _ := e.Request.Field("more_paths")
	unknown, _ := e.Request.Field("paths_unknown")
	e.Truncated = more.Text() != "" || unknown.Truth()
	return e, nil
}

// behind says what stands behind the author of a commit, and by what they are judged.
func (r record) behind(a taffrail.Actor) taffrail.Actor {
	if id := r.Committer.Email; id != "" && id != a.ID {
		a = a.Behind(taffrail.Link{Kind: "committer", ID: id})
	}
	if r.Signature != "" {
		a = a.Behind(taffrail.Link{Kind: "signature", ID: r.Signature + ", not verified"})
	}
	a.Features = []string{"the author as git was told, which nobody has verified"}
	return a
}

var machine = regexp.MustCompile(`(?i)\[bot\]|(^|[^a-z])(bot|ci|renovate|dependabot|github-actions|gitlab-ci|jenkins|atlantis|flux|argocd|runner|automation)([^a-z]|$)`)

// classOf says what sort of author it is, by its name.
func classOf(p person) taffrail.ActorClass {
	if machine.MatchString(p.Name) {
		return taffrail.ActorPipeline
	}
	return taffrail.ActorPerson
}
