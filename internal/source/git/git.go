// Package git reads who declared what: the commits of a repository that touch code of infrastructure are events, and the lines of its files have authors.
//
// A commit changes nothing live by itself. It is an event that reads, `git:commit`, whose names are the paths it touched, beside what people and
// pipelines then do.
//
// A repository is only read, and nothing that it names is run: no hook, no filter, no program that checks signatures. So what is said of authors is what
// git was told by whoever made the commit: nobody has verified it. Whether a commit carries a signature, and of which kind, is said; whose it is can be
// found out with `git verify-commit`, by someone who knows the keys.
package git

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/source/internal/mapping"
)

// Name is the plug-in's name.
const Name = "git"

// Config says which commits are read.
type Config struct {
	// Path is a folder of the repository: its working tree, anything in that, or a bare repository.
	Path string `yaml:"path"`
	// Branch is the branch whose commits are read; that which is checked out if it is empty.
	Branch string `yaml:"branch"`
	// Patterns say which files are code of infrastructure. One without a slash is of names, one with a slash of whole paths: deploy/**/*.yaml. Without any
	// they are the files of Terraform, OpenTofu and Terragrunt.
	Patterns []string `yaml:"patterns"`
	// Since is how far back it reads the first time, such as 2160h; the whole history if it is 0.
	Since time.Duration `yaml:"since"`
}

// usual are the files of Terraform, OpenTofu and Terragrunt.
var usual = []string{"*.tf", "*.tf.json", "*.tofu", "*.tofu.json", "*.tfvars", "*.tfvars.json", "*.tfstack.hcl", "*.tfcomponent.hcl", "*.tfdeploy.hcl", "terragrunt*.hcl", ".terraform.lock.hcl"}

// batchCommits is how many commits are looked at for one batch at most.
const batchCommits = 2000

const (
	opRead  = "read commits"
	opBlame = "find who declared a line"
	hint    = "a record is the JSON of a commit, as the reader of git makes it"
)

// fields is where things are in the record of a commit.
var fields = mapping.Config{
	ID: "commit", Time: "committer.time", Action: "=git:commit", Read: "=true", Refs: []string{"paths.*"},
	Actor: mapping.Actor{ID: "author.email | author.name", Name: "author.name", Class: "class"},
}

// Register registers the plug-in.
func Register(r *plug.Registry) {
	plug.Add(r, Name, func(_ context.Context, env plug.Env, _ Config) (taffrail.Decoder, error) {
		m, err := mapping.New(Name, env.Sealer, fields, hint)
		if err != nil {
			return nil, err
		}
		return decoder{m}, nil
	})
	plug.Add(r, Name, func(_ context.Context, env plug.Env, c Config) (taffrail.EventReader, error) {
		if err := c.check(); err != nil {
			return nil, &taffrail.Error{Op: opRead, Kind: taffrail.KindInvalid, Err: err, Hint: "set `path` to the whole path of a repository, and `patterns` to patterns such as *.tf"}
		}
		if len(c.Patterns) == 0 {
			c.Patterns = usual
		}
		return &reader{config: c, now: env.Now, batch: batchCommits}, nil
	})
	plug.Add(r, Name, func(_ context.Context, _ plug.Env, c Config) (taffrail.Declarer, error) {
		if err := c.check(); err != nil {
			return nil, &taffrail.Error{Op: opBlame, Kind: taffrail.KindInvalid, Err: err, Hint: "set `path` to the whole path of a repository"}
		}
		return declarer{c}, nil
	})
}

func (c Config) check() error {
	switch {
	case c.Path == "":
		return errors.New("it is not said which repository")
	case !filepath.IsAbs(c.Path):
		return fmt.Errorf("path: %s depends on the working directory", c.Path)
	case c.Since < 0:
		return errors.New("since is negative")
	}
	for _, pattern := range c.Patterns {
		if pattern == "" || !doublestar.ValidatePattern(pattern) {
			return fmt.Errorf("patterns: %q is no pattern", pattern)
		}
	}
	return nil
}
