package terraform

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/examples/stage"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/plugtest"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

// A harbor is the practice cloud in a process of its own, with its stack applied by a real tool.
type harbor struct {
	t       *testing.T
	tool    string
	command string
	dir     string
	host    host
	log     *strings.Builder
}

const harborToken = "practice-token-7"

// newHarbor applies the practice stack, or skips the test where nothing can apply it.
func newHarbor(t *testing.T) *harbor {
	t.Helper()
	return newHarborBy(t, anyTool(t))
}

func newHarborBy(t *testing.T, tool string) *harbor {
	t.Helper()
	h := startHarborBy(t, tool, "harbor", "../../../examples/harbor/stack")
	h.run(h.tool, "apply", "-input=false", "-auto-approve")
	return h
}

// startHarbor makes all ready for an apply of a stack of this provider.
func startHarbor(t *testing.T, plugin, stack string) *harbor {
	t.Helper()
	return startHarborBy(t, anyTool(t), plugin, stack)
}

// anyTool is a real tool, or the test is skipped.
func anyTool(t *testing.T) string {
	t.Helper()
	tool := cmp.Or(os.Getenv("TAFFRAIL_TEST_TOFU"), lookPath("terraform"), lookPath("tofu"))
	if tool == "" {
		t.Skip("neither terraform nor tofu is in PATH, and TAFFRAIL_TEST_TOFU names none: nothing was applied")
	}
	return tool
}

func startHarborBy(t *testing.T, tool, plugin, stack string) *harbor {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: nothing was applied")
	}
	work := t.TempDir()
	h := &harbor{t: t, tool: tool, command: filepath.Join(work, "harbor"), dir: filepath.Join(work, "stack"), log: &strings.Builder{}}
	mirror := filepath.Join(work, stage.Mirror)
	const commands = "examples/harbor/cmd/"
	err := stage.Build(work, map[string]string{
		"harbor": commands + "harbor", stage.Plugin("taffrail.example/practice/"+plugin, "0.1.0"): commands + "terraform-provider-" + plugin,
	})
	if err != nil {
		t.Fatal(err)
	}
	cli := filepath.Join(work, "cli.tfrc")
	writeFile(t, cli, "provider_installation {\n  filesystem_mirror {\n    path = \""+mirror+"\"\n  }\n}\n")
	url := h.serve(work)
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "TF_") && !strings.HasPrefix(entry, "HARBOR_") {
			h.host.environ = append(h.host.environ, entry)
		}
	}
	h.host.environ = append(h.host.environ, "HARBOR_URL="+url, "HARBOR_TOKEN="+harborToken, "TF_CLI_CONFIG_FILE="+cli, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1")
	h.host.cache = filepath.Join(work, "cache")
	if err := os.CopyFS(h.dir, os.DirFS(stack)); err != nil {
		t.Fatal(err)
	}
	h.run(h.tool, "init", "-input=false")
	return h
}

func lookPath(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (h *harbor) serve(work string) string {
	h.t.Helper()
	file := filepath.Join(work, "url")
	server := exec.Command(h.command, "serve", "--addr", "127.0.0.1:0", "--url-file", file, "--state", filepath.Join(work, "cloud.json"))
	server.Env = append(os.Environ(), "HARBOR_TOKEN="+harborToken)
	if err := server.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	return await(h.t, func() (string, bool) {
		data, err := os.ReadFile(file)
		return strings.TrimSpace(string(data)), err == nil
	})
}

func (h *harbor) run(program string, args ...string) {
	h.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = h.dir, h.host.environ
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("%s %v: %v\n%s", filepath.Base(program), args, err, out)
	}
}

// by runs the cloud's own command: a person who changes things by hand.
func (h *harbor) by(args ...string) { h.t.Helper(); h.run(h.command, args...) }

func (h *harbor) open(set ...func(*Config)) *stack {
	h.t.Helper()
	c := Config{Target: h.dir, ConfirmDelay: 10 * time.Millisecond, Timeout: 30 * time.Second}
	for _, f := range set {
		f(&c)
	}
	logger := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := open(plug.Env{Logger: logger, Now: time.Now, Sealer: sealer{}}, c, h.host)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = s.Close() })
	return s
}

func (h *harbor) scan(set ...func(*Config)) seen {
	h.t.Helper()
	s := h.open(set...)
	defer s.Close()
	return (&rig{t: h.t}).read(s)
}

// drift lists the differences that no handling excuses.
func drift(s seen) []string {
	var out []string
	for _, o := range s.all {
		switch {
		case o.Gap != nil:
			out = append(out, string(o.Resource.Address)+" "+string(o.Gap.Reason))
			continue
		case o.Live.IsNull():
			out = append(out, string(o.Resource.Address)+" gone")
			continue
		}
		for _, c := range changes(o) {
			text, _, _ := strings.Cut(c, ": ")
			p, err := taffrail.ParsePath(text)
			excused := err == nil && slices.ContainsFunc(o.Handling, func(h taffrail.Handling) bool {
				return h.Treatment != taffrail.EmptyIsNull && h.Path.Covers(p)
			})
			if !excused {
				out = append(out, string(o.Resource.Address)+" "+c)
			}
		}
	}
	return out
}

func TestHarbor(t *testing.T) {
	t.Parallel()
	h := newHarbor(t)
	t.Run("no drift right after an apply", func(t *testing.T) {
		got := h.scan()
		if d := drift(got); len(d) > 0 || got.coverage.Checked != 13 || !got.coverage.Complete() {
			t.Errorf("%s\n%+v", strings.Join(d, "\n"), got.coverage)
		}
		for _, o := range got.all {
			if o.Resource.File == "" || o.Resource.Line == 0 || o.Resource.ID == "" {
				t.Errorf("it is not said where %s is declared, or its ID: %+v", o.Resource.Address, o.Resource)
			}
		}
		odd := got.by[`module.shop.harbor_dns_record.alias["db.internal"]`]
		if odd.Resource.File != "modules/service/main.tf" || odd.Resource.Module != "module.shop" {
			t.Errorf("resource %+v", odd.Resource)
		}
	})
	t.Run("changes by hand", func(t *testing.T) { h.changeByHand(t) })
	t.Run("faults", func(t *testing.T) { h.misbehave(t) })
	t.Run("credentials", func(t *testing.T) { h.credentials(t) })
	t.Run("no secret leaves", func(t *testing.T) {
		dump := h.scan().dump() + h.log.String()
		for _, secret := range []string{"practice-token-app", "practice-token-report", "stolen-user-token", harborToken} {
			if strings.Contains(dump, secret) {
				t.Errorf("%s left", secret)
			}
		}
	})
}

// The contract counts what is left in the whole process, so that nothing else may run beside it.
func TestHarborContract(t *testing.T) {
	h := newHarbor(t)
	plugtest.Stack(t, plugtest.StackCase{Want: 13, Folder: h.dir, Open: func(*testing.T) taffrail.Stack { return h.open() }})
}

func (h *harbor) changeByHand(t *testing.T) {
	h.by("set", "firewall/web", "description=Back door", "tags.owner=nobody")
	h.by("set", "bucket/logs", "quota_bytes=9007199254740992", "lifecycle_rules.0.expire_days=1", "versioning=false")
	h.by("unset", "bucket/logs", "encryption")
	h.by("set", "database/main", "users.0.token=stolen-user-token")
	h.by("delete", "bucket/plain")
	want := []string{
		`harbor_bucket.logs encryption: {"obj":{"algorithm":"aes256","key_id":"key-7"}} -> null`,
		`harbor_bucket.logs lifecycle_rules[0].expire_days: {"num":"30"} -> {"num":"1"}`,
		`harbor_bucket.logs quota_bytes: {"num":"9007199254740993"} -> {"num":"9007199254740992"}`,
		`harbor_bucket.logs versioning: true -> false`,
		`harbor_bucket.plain gone`,
		`harbor_database.main users: `,
		`harbor_firewall.web description: "Front door" -> "Back door"`,
		`harbor_firewall.web tags["owner"]: {"unknown":true} -> "nobody"`,
	}
	got := drift(h.scan())
	if len(got) != len(want) {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
	h.run(h.tool, "apply", "-input=false", "-auto-approve")
}

func (h *harbor) misbehave(t *testing.T) {
	short := func(c *Config) { c.Timeout = 3 * time.Second }
	for _, tc := range []struct {
		fault  string
		reason taffrail.Reason
	}{
		{"deny", taffrail.ReasonDenied}, {"error", taffrail.ReasonError}, {"throttle", taffrail.ReasonThrottled},
		{"hang", taffrail.ReasonTimeout}, {"crash", taffrail.ReasonCrashed}, {"latency=20ms", ""},
	} {
		t.Run(tc.fault, func(t *testing.T) {
			h.by("fault", "set", "firewall/web", tc.fault)
			defer h.by("fault", "clear")
			got := h.scan(short)
			o := got.by["harbor_firewall.web"]
			if tc.reason == "" && o.Gap != nil || tc.reason != "" && (o.Gap == nil || o.Gap.Reason != tc.reason) {
				t.Errorf("gap %+v", o.Gap)
			}
			for _, other := range got.all {
				if other.Resource.Address != o.Resource.Address && other.Gap != nil {
					t.Errorf("%s has a gap as well: %+v", other.Resource.Address, other.Gap)
				}
			}
		})
	}
}

func (h *harbor) credentials(t *testing.T) {
	environ := h.host.environ
	defer func() { h.host.environ = environ }()
	for _, tc := range []struct{ name, token string }{{"missing", ""}, {"wrong", "not-the-token-9"}} {
		t.Run(tc.name, func(t *testing.T) {
			h.host.environ = append(slices.Clip(environ), "HARBOR_TOKEN="+tc.token)
			got := h.scan()
			for _, o := range got.all {
				if o.Gap == nil || o.Gap.Reason != taffrail.ReasonDenied {
					t.Errorf("%s: live %s, gap %+v", o.Resource.Address, o.Live.Shape(), o.Gap)
				}
			}
			if strings.Contains(got.dump(), "not-the-token-9") {
				t.Error("the token left")
			}
		})
	}
}

// A released provider of others is the handshake's second opinion.
func TestProviderTime(t *testing.T) {
	binary := os.Getenv("TAFFRAIL_TEST_PROVIDER_TIME")
	if binary == "" {
		t.Skip("TAFFRAIL_TEST_PROVIDER_TIME names no binary of hashicorp/time")
	}
	const name = "registry.terraform.example/hashicorp/time"
	r := newRig(t)
	dir := filepath.Join(r.dir, ".terraform", "providers", name, "0.14.2", platform)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	copyFile(t, binary, filepath.Join(dir, "terraform-provider-time_v0.14.2"))
	r.write(".terraform.lock.hcl", "provider \""+name+"\" {\n  version = \"0.14.2\"\n  hashes = [\""+h1(t, dir)+"\"]\n}\n")
	r.write("main.tf", "resource \"time_static\" \"x\" {}\n")
	r.state(res{
		"mode": "managed", "type": "time_static", "name": "x", "provider": `provider["` + name + `"]`,
		"instances": []any{map[string]any{"schema_version": 0, "attributes": map[string]any{
			"day": 4, "hour": 5, "id": "2026-03-04T05:06:07Z", "minute": 6, "month": 3, "rfc3339": "2026-03-04T05:06:07Z", "second": 7,
			"triggers": nil, "unix": 1772600767, "year": 2026,
		}}},
	})
	if got := r.scan(); got.coverage.Unsupported != 1 {
		t.Errorf("coverage %+v", got.coverage)
	}
	r.config.ReadAll = true
	got := r.scan()
	if got.coverage.Checked != 1 || len(changes(got.all[0])) > 0 {
		t.Errorf("coverage %+v, %v", got.coverage, changes(got.all[0]))
	}
	if o := got.all[0]; o.Resource.File != "main.tf" || o.Resource.Line != 1 {
		t.Errorf("resource %+v", o.Resource)
	}
	plugtest.Stack(t, plugtest.StackCase{Want: 1, Folder: r.dir, Open: func(*testing.T) taffrail.Stack { return r.open() }})
	if log := testprovider.Log(r.world); log != nil {
		t.Errorf("the odd provider was asked: %v", log)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}
