package plug_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

type greeter interface{ Greet() string }

type polite struct{ text string }

func (p polite) Greet() string { return p.text }

type config struct {
	Text  string `yaml:"text"`
	Times int    `yaml:"times"`
}

func register(r *plug.Registry, name string) {
	plug.Add(r, name, func(_ context.Context, _ plug.Env, c config) (greeter, error) {
		if c.Times < 0 {
			return nil, errors.New("times is negative")
		}
		return polite{strings.Repeat(c.Text, c.Times)}, nil
	})
}

func TestOpen(t *testing.T) {
	var r plug.Registry
	register(&r, "polite")
	g, err := plug.Open[greeter](t.Context(), &r, "polite", plug.Env{}, plug.Settings{File: "f", YAML: []byte("text: ha\ntimes: 2\n")})
	if err != nil {
		t.Fatal(err)
	}
	if got := g.Greet(); got != "haha" {
		t.Errorf("got %q", got)
	}
	if _, err := plug.Open[greeter](t.Context(), &r, "polite", plug.Env{}, plug.Settings{}); err != nil {
		t.Errorf("no settings at all: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	var r plug.Registry
	register(&r, "polite")
	register(&r, "curt")
	for _, tc := range []struct{ name, plugin, yaml, want string }{
		{"unknown plug-in", "rude", "", `open greeter: "rude" is not known`},
		{"unknown key", "polite", "text: a\ntims: 3\n", "site.yaml:2:1"},
		{"wrong type", "polite", "times: many\n", "site.yaml:1:8"},
		{"broken text", "polite", "text: [\n", "site.yaml:1"},
		{"the plug-in's own refusal", "polite", "times: -1\n", "times is negative"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := plug.Open[greeter](t.Context(), &r, tc.plugin, plug.Env{}, plug.Settings{File: "site.yaml", YAML: []byte(tc.yaml)})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want %q in it", err, tc.want)
			}
		})
	}
	_, err := plug.Open[greeter](t.Context(), &r, "rude", plug.Env{}, plug.Settings{})
	if diff := cmp.Diff("known are: curt, polite", taffrail.HintOf(err)); diff != "" {
		t.Error(diff)
	}
}

func TestAddTwicePanics(t *testing.T) {
	var r plug.Registry
	register(&r, "polite")
	defer func() {
		if recover() == nil {
			t.Error("the second Add of a name did not panic")
		}
	}()
	register(&r, "polite")
}
