package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

const installed = `store:
  postgres: {url_file: secrets/log.url}
guard:
  s3:
    bucket: guard
    # comments stay
    key: prod
witnesses:
  policy: /etc/witnesses.policy
  every: 1m
anchors:
  - rfc3161: {name: tsa, url: "http://tsa.example"}
  - git:
      name: forge
      url: /srv/git/checkpoints
    # and this is nothing
anchor_every: 2h
max_unanchored: 6h
heartbeat: 10m
verify: 12h
listen: 127.0.0.1:8844
sources:
  trail-2:
    webhook: {listen: "127.0.0.1:0"}
  trail-1:
    cloudtrail:
      path: /trail   # comments stay
events_every: 5s
models: [ours.json, /etc/more.json]
`

func TestParseInstallation(t *testing.T) {
	in, err := ParseInstallation("/home/captain/config.yaml", []byte(installed))
	if err != nil {
		t.Fatal(err)
	}
	sections := append([]Section{*in.Guard}, in.Anchors...)
	for i, name := range []string{"trail-1", "trail-2"} {
		if in.Sources[i].Name != name {
			t.Errorf("source %d is %s", i, in.Sources[i].Name)
		}
		sections = append(sections, in.Sources[i].Section)
	}
	in.Guard, in.Anchors, in.Sources = nil, nil, nil
	want := Installation{
		Path: "/home/captain/config.yaml", Store: &Postgres{URLFile: "/home/captain/secrets/log.url"},
		Witnesses:   Witnesses{Policy: "/etc/witnesses.policy", Every: time.Minute, Timeout: 10 * time.Second},
		AnchorEvery: 2 * time.Hour, MaxUnanchored: 6 * time.Hour, Heartbeat: 10 * time.Minute, Verify: 12 * time.Hour, Listen: "127.0.0.1:8844", EventsEvery: 5 * time.Second, Models: []string{"/home/captain/ours.json", "/etc/more.json"},
	}
	if diff := cmp.Diff(want, in); diff != "" {
		t.Error(diff)
	}
	for i, want := range []struct {
		plugin   string
		settings map[string]string
	}{
		{"s3", map[string]string{"bucket": "guard", "key": "prod"}},
		{"rfc3161", map[string]string{"name": "tsa", "url": "http://tsa.example"}},
		{"git", map[string]string{"name": "forge", "url": "/srv/git/checkpoints"}},
		{"cloudtrail", map[string]string{"path": "/trail"}},
		{"webhook", map[string]string{"listen": "127.0.0.1:0"}},
	} {
		var got map[string]string
		if err := yaml.Unmarshal(sections[i].YAML, &got); err != nil {
			t.Errorf("%s: %v\n%s", want.plugin, err, sections[i].YAML)
		}
		if diff := cmp.Diff(want.settings, got); diff != "" || sections[i].Plugin != want.plugin {
			t.Errorf("%s: %s", sections[i].Plugin, diff)
		}
	}
}

// What a plug-in decodes stands where it stood, so that its errors name the place in the file.
func TestPluginSettingsKeepTheirPlace(t *testing.T) {
	for _, tc := range []struct{ name, text, place string }{
		{"below", "guard:\n  s3:\n    bucket: a\n    wrong: 1\nlisten: a:1\n", "[4:5]"},
		{"beside", "guard: {s3: {bucket: a, wrong: 1}}\n", "[1:25]"},
		{"beside, over two lines", "guard: {s3: {bucket: a,\n  wrong: 1}\n}\n", "[2:3]"},
		{"half beside", "guard:\n  s3: {bucket: a, wrong: 1}\nlisten: a:1\n", "[2:19]"},
		{"in a list", "anchors:\n  - git:\n      bucket: a\n      wrong: 1\n  - git:\n      bucket: b\n", "[4:7]"},
		{"in a list without indent", "anchors:\n- git: {bucket: a}\n- git:\n    wrong: 1\nlisten: a:1\n", "[4:5]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in, err := ParseInstallation("f", []byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			sections := in.Anchors
			if in.Guard != nil {
				sections = append(sections, *in.Guard)
			}
			wrong := false
			for _, s := range sections {
				var strict struct{ Bucket string }
				err := yaml.UnmarshalWithOptions(s.YAML, &strict, yaml.Strict())
				wrong = wrong || err != nil && strings.Contains(err.Error(), tc.place)
			}
			if !wrong {
				t.Errorf("no error at %s: %q", tc.place, sections)
			}
		})
	}
}

func TestInstallationDefaults(t *testing.T) {
	in, err := LoadInstallation(filepath.Join(t.TempDir(), InstallationName))
	if err != nil || in.Path != "" || in.Heartbeat != 15*time.Minute || in.MaxUnanchored != 0 || in.Store != nil || in.Guard != nil {
		t.Errorf("%+v %v", in, err)
	}
	if !strings.Contains(in.Name(), "defaults") {
		t.Error(in.Name())
	}
	in, err = ParseInstallation("f", []byte("witnesses: {policy: p}\n"))
	if err != nil || in.MaxUnanchored != 24*time.Hour || in.Witnesses.Policy != "p" || in.Witnesses.Every != 30*time.Second {
		t.Errorf("%+v %v", in, err)
	}
	in, err = ParseInstallation("f", []byte("witnesses: {policy: p}\nmax_unanchored: 0s\n"))
	if err != nil || in.MaxUnanchored != 0 {
		t.Errorf("%+v %v", in, err)
	}
}

func TestParseInstallationRefuses(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"unknown key", "gard: a", `f:1:1: the key "gard" is not known`},
		{"a list", "- a", "f:1:1: it is a list"},
		{"no store", "store: {}", "no store is named"},
		{"another store", "store: {mysql: {url: a}}", `the key "mysql" is not known`},
		{"two addresses", "store: {postgres: {url: a, url_file: b}}", "it takes one of url and url_file"},
		{"no address", "store:\n  postgres: {}\n", "it takes one of url and url_file"},
		{"a guard that is text", "guard: s3", "f:1:8: it names no plug-in"},
		{"two guards", "guard: {s3: {}, file: {}}", "or several"},
		{"settings that are text", "guard:\n  s3: bucket\n", "s3 is text, and no settings"},
		{"guard beside signer", "guard: {s3: {a: b}}\nsigner: {socket: {a: b}}\n", "f:1:1: guard has no meaning beside signer"},
		{"witnesses without policy", "witnesses: {every: 30s}", "no policy is named"},
		{"a time that is none", "heartbeat: soon", `heartbeat: "soon" is no time`},
		{"no time at all", "heartbeat: 0s", `heartbeat: "0s" is no time of at least 1s`},
		{"a negative time", "max_unanchored: -1h", "is no time of at least 0s"},
		{"anchors that are no list", "anchors: {git: {}}", "f:1:10: it is a map, and no list"},
		{"broken", "guard: [\n", "f:1:8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ParseInstallation("f", []byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) || taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
				t.Errorf("error %v, hint %q, want %q", err, taffrail.HintOf(err), tc.want)
			}
		})
	}
}

// TestInstallationReference compares the page with the keys that are read.
func TestInstallationReference(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/installation.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| Key | |\n|---|---|\n")
	for _, k := range installationKeys {
		table.WriteString("| `" + k.name + "` | " + k.about + " |\n")
	}
	if !strings.Contains(string(page), "\n"+table.String()+"\n") {
		t.Errorf("the page has no table\n%s", table.String())
	}
	_, example, _ := strings.Cut(string(page), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	if in, err := ParseInstallation("the page", []byte(example)); err != nil || in.Guard == nil || len(in.Anchors) == 0 {
		t.Errorf("the page's example: %+v %v", in, err)
	}
}

// Whatever the text, there is an answer, and an error says where and what to do.
func FuzzParseInstallation(f *testing.F) {
	f.Add(installed)
	f.Add("anchors:\n- git: {a: b,\n c: d}\n")
	f.Fuzz(func(t *testing.T, text string) {
		in, err := ParseInstallation("f", []byte(text))
		if err != nil && (taffrail.HintOf(err) == "" || !strings.HasPrefix(err.Error(), "read configuration: f")) {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil && (in.Heartbeat < time.Second || in.Guard != nil && in.Signer != nil) {
			t.Fatalf("%q gives %+v", text, in)
		}
	})
}
