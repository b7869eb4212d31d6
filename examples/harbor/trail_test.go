package harbor

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail/examples/harbor/trail"
	"github.com/taffrail-dev/taffrail/examples/stage"
)

// told is a record as far as it is looked at here.
type told struct {
	EventID, EventName, EventSource, ErrorCode, UserAgent string
	ReadOnly                                              bool
	UserIdentity                                          struct{ ARN, InvokedBy string }
}

// records are those of all log files, with digests over them that check.
func (w *world) records() map[string]told {
	w.t.Helper()
	root := filepath.Join(w.folder, "trail")
	all := map[string]told{}
	hashes := map[string]string{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".json.gz") {
			return err
		}
		content := w.inflate(path)
		if strings.Contains(path, "CloudTrail-Digest") {
			w.checkDigest(path, content, hashes)
			return nil
		}
		var file struct{ Records []told }
		if err := json.Unmarshal(content, &file); err != nil {
			return err
		}
		for _, r := range file.Records {
			if _, twice := all[r.EventID]; twice {
				w.t.Errorf("%s is there twice", r.EventID)
			}
			all[r.EventID] = r
		}
		name, err := filepath.Rel(root, path)
		hashes[name] += "delivered"
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for name, state := range hashes {
		if !strings.Contains(state, "delivered") || !strings.Contains(state, "digested") {
			w.t.Errorf("%s is %s alone", name, state)
		}
	}
	return all
}

func (w *world) inflate(path string) []byte {
	w.t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	content, err := io.ReadAll(z)
	if err != nil {
		w.t.Fatal(err)
	}
	return content
}

func (w *world) checkDigest(path string, content []byte, hashes map[string]string) {
	w.t.Helper()
	var d trail.Digest
	var keys trail.PublicKeyList
	signature, err := os.ReadFile(path + ".signature")
	list, problem := os.ReadFile(filepath.Join(w.folder, "trail", "AWSLogs", "123456789012", "CloudTrail-Digest", "harbor-1", "public-keys.json"))
	if err != nil || problem != nil || json.Unmarshal(content, &d) != nil || json.Unmarshal(list, &keys) != nil {
		w.t.Fatal(path, err, problem)
	}
	if err := d.Check(keys.PublicKeyList[0].Value, content, string(signature)); err != nil {
		w.t.Errorf("%s: %v", path, err)
	}
	for _, f := range d.LogFiles {
		hashes[f.S3Object] += "digested "
	}
}

func (w *world) truth() (all []trail.Truth) {
	w.t.Helper()
	f, err := os.Open(filepath.Join(w.folder, "truth.jsonl"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var t trail.Truth
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, t)
	}
	return all
}

// peopled is a world whose cloud knows its people, with a trail, a truth log, and the stack of all types, which a pipeline is about to apply.
func peopled(t *testing.T, built *tools, program string) *world {
	t.Helper()
	w := &world{t: t, tools: built, program: program, folder: t.TempDir()}
	w.serve = []string{"--principals", "--seed", "7", "--trail", filepath.Join(w.folder, "trail"), "--truth", filepath.Join(w.folder, "truth.jsonl"), "--tick", "0", "--trail-count", "50"}
	w.start()
	t.Cleanup(func() {
		_ = w.server.Process.Kill()
		_ = w.server.Wait()
	})
	w.copyStack("stack-all")
	_, key, _ := strings.Cut(strings.TrimSpace(w.harbor("login", "ci:4711")), "=")
	w.key = strings.Trim(key, "'")
	w.want(0, "successfully initialized", "init", "-input=false")
	return w
}

// TestTrail applies the stack of all types as a pipeline, has people change it, and checks the trail against the truth.
func TestTrail(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: nothing was applied")
	}
	found := stage.Programs()
	if len(found) == 0 {
		t.Skip(stage.Missing)
	}
	w := peopled(t, buildTools(t), found[0])
	w.want(0, "22 added", "apply", "-input=false", "-auto-approve")
	w.plan(0, "No changes")
	applied := len(w.truth())
	w.harbor("trail", "flush")
	w.checkApply(w.records())

	if err := w.server.Process.Kill(); err != nil { // nothing is lost by it
		t.Fatal(err)
	}
	_ = w.server.Wait()
	w.start()
	w.harbor("act", "--seed", "5", "--count", "80")
	w.harbor("step")
	w.harbor("trail", "flush")
	w.checkTruth(w.records(), applied)
	w.want(2, "will be updated in-place", "plan", "-input=false", "-detailed-exitcode")
	w.want(0, "Apply complete", "apply", "-input=false", "-auto-approve")
	w.plan(0, "No changes")
}

// checkApply checks who applied the stack, and by which calls.
func (w *world) checkApply(records map[string]told) {
	w.t.Helper()
	var names []string
	for _, r := range records {
		if strings.Contains(r.UserAgent, "terraform-provider-harbor/0.1.0 taffrail/run-1") {
			names = append(names, r.EventName)
			if !strings.HasSuffix(r.UserIdentity.ARN, ":assumed-role/infra-apply/run-4711") {
				w.t.Errorf("%s was called by %s", r.EventName, r.UserIdentity.ARN)
			}
		}
	}
	for _, want := range []string{"CreateFirewall", "AuthorizeFirewallRules", "RunInstances", "CreateBucket", "PutBucketPolicy", "PutBucketVersioning", "PutBucketEncryption", "PutPublicAccessBlock",
		"PutBucketLifecycleConfiguration", "CreateRole", "AttachRolePolicy", "PutRolePolicy", "CreateFunction", "CreateQueue", "CreateKey", "CreateDatabase", "ChangeResourceRecordSets", "CreateScalingGroup", "CreateLaunchTemplate", "GetBucket"} {
		if !slices.Contains(names, want) {
			w.t.Errorf("nobody called %s", want)
		}
	}
}

// checkTruth checks that what changed anything is in the trail, once, with the principal that it was, and no error.
func (w *world) checkTruth(records map[string]told, applied int) {
	w.t.Helper()
	truth := w.truth()
	if len(truth) < applied+40 {
		w.t.Fatalf("%d lines of truth, %d of which of the apply", len(truth), applied)
	}
	principals := map[string]bool{}
	for _, line := range truth {
		r, ok := records[line.Event]
		service, _, _ := strings.Cut(r.EventSource, ".")
		if !ok || r.ErrorCode != "" || r.ReadOnly || service+":"+r.EventName != line.Action {
			w.t.Errorf("truth %+v, record %+v", line, r)
		}
		if who := r.UserIdentity.ARN + r.UserIdentity.InvokedBy; who != line.Principal {
			w.t.Errorf("%s was of %s, and is told of %s", line.Event, line.Principal, who)
		}
		principals[line.Principal] = true
	}
	failed := 0
	for _, r := range records {
		if r.ErrorCode != "" {
			failed++
		}
	}
	if failed == 0 || len(principals) < 6 {
		w.t.Errorf("%d calls failed, %d principals changed something", failed, len(principals))
	}
}
