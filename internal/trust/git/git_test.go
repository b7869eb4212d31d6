package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

func TestAnchorAndCheck(t *testing.T) {
	remote := newRemote(t)
	one, two := newLog(t, "log.example/a"), newLog(t, ".log.example:b/é")
	for _, folder := range []string{"", "\nfolder: " + filepath.Join(t.TempDir(), "not", "there")} {
		settings := "name: mirror\nurl: " + remote + "\nauthor: Log <log@example.com>\nbranch: kept/" + fmt.Sprint(len(folder)) + folder
		a := open(t, settings)
		cps := []audit.Checkpoint{one.at(1, "x"), two.at(5, "x"), one.at(2, "x"), cosigned(one.at(2, "x"))}
		var receipts []audit.Receipt
		for _, cp := range cps {
			receipts = append(receipts, anchored(t, a, cp))
		}
		again := anchored(t, open(t, settings), cps[3]) // as after a crash, before the receipt was kept
		if string(again.Data) != string(receipts[3].Data) {
			t.Errorf("once more: %s", again.Data)
		}
		clone := t.TempDir()
		branch := formOf(t, again).Branch
		run(t, "clone", "--quiet", "--branch", branch, remote, clone)
		run(t, "-C", clone, "fsck", "--strict")
		if n := run(t, "-C", clone, "rev-list", "--count", "HEAD"); n != "4" {
			t.Errorf("%s commits", n)
		}
		for i, r := range receipts {
			if r.Size != cps[i].Size || r.Kind != "git" || r.Anchor != "mirror" || !r.At.Equal(noon) {
				t.Errorf("receipt is %+v", r)
			}
			for _, checker := range []audit.Anchor{a, open(t, settings)} {
				if at, err := checker.Check(t.Context(), cps[i], r); err != nil || !at.Equal(noon) {
					t.Errorf("%v, %v", at, err)
				}
			}
			f := formOf(t, r)
			run(t, "-C", clone, "merge-base", "--is-ancestor", f.Commit, "origin/"+branch)
			if text := run(t, "-C", clone, "show", f.Commit+":"+f.Path); text != strings.TrimSpace(string(cps[i].Note)) {
				t.Errorf("it is %q", text)
			}
		}
		message := run(t, "-C", clone, "log", "-1", "--format=%an <%ae>|%B")
		if want := "Log <log@example.com>|checkpoint log.example/a 2\n\norigin: log.example/a\nsize: 2\nroot: " + cps[3].Root.String(); message != want {
			t.Errorf("the commit says %q", message)
		}
		if files := run(t, "-C", clone, "ls-files"); files != "%2Elog.example%3Ab%2F%C3%A9/checkpoint\nlog.example%2Fa/checkpoint" {
			t.Errorf("files are %q", files)
		}
	}
}

// What others keep on the branch stays, in the order that git wants.
func TestAnchorKeepsWhatIsThere(t *testing.T) {
	remote := newRemote(t)
	rewrite(t, remote, map[string]string{
		"README": "x", "log.example%2Fa.txt": "x", "log.example%2Fa/notes": "x", "log.example%2Fa0": "x", "zzz/deep/er": "x",
	})
	anchored(t, open(t, "name: mirror\nurl: "+remote), newLog(t, "log.example/a").at(3, "x"))
	run(t, "-C", remote, "fsck", "--strict")
	files := run(t, "-C", remote, "ls-tree", "-r", "--name-only", defaultBranch)
	if want := "README\nlog.example%2Fa.txt\nlog.example%2Fa/checkpoint\nlog.example%2Fa/notes\nlog.example%2Fa0\nzzz/deep/er"; files != want {
		t.Errorf("files are %q", files)
	}
}

// Several push at once, to one branch, from several processes and within one. Each commit stands on the one before, and none is lost.
func TestPushersAtOnce(t *testing.T) {
	remote := newRemote(t)
	const pushers, each = 4, 4
	shared := open(t, "name: mirror\nurl: "+remote)
	receipts := make([][]audit.Receipt, pushers)
	cps := make([][]audit.Checkpoint, pushers)
	var wg sync.WaitGroup
	for i := range pushers {
		a := shared
		if i > 1 {
			a = open(t, "name: mirror\nurl: "+remote)
		}
		l := newLog(t, fmt.Sprintf("log.example/%d", i))
		for size := range int64(each) {
			cps[i] = append(cps[i], l.at(size+1, "x"))
		}
		wg.Go(func() {
			for _, cp := range cps[i] {
				r, err := a.Anchor(t.Context(), cp)
				for taffrail.KindOf(err) == taffrail.KindConflict { // the others were faster, too often
					r, err = a.Anchor(t.Context(), cp)
				}
				if err != nil {
					t.Errorf("pusher %d, size %d: %v", i, cp.Size, err)
				}
				receipts[i] = append(receipts[i], r)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for i := range pushers {
		for j, r := range receipts[i] {
			if _, err := shared.Check(t.Context(), cps[i][j], r); err != nil {
				t.Error(err)
			}
		}
	}
	if n := run(t, "-C", remote, "rev-list", "--count", "--max-parents=1", defaultBranch); n != fmt.Sprint(pushers*each) {
		t.Errorf("%s commits", n)
	}
}

// Somebody pushes in between, so often. Ours is put on top of theirs, unless there is no end to it.
func TestOthersAreFaster(t *testing.T) {
	for _, times := range []int{1, 3, maxTries} {
		remote := newRemote(t)
		other, l := newLog(t, "log.example/b"), newLog(t, "log.example/a")
		faster := open(t, "name: other\nurl: "+remote)
		var pushed int
		a, err := openAt(t, func() time.Time {
			if pushed < times {
				pushed++
				anchored(t, faster, other.at(int64(pushed), "x"))
			}
			return noon
		}, "name: mirror\nurl: "+remote)
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Anchor(t.Context(), l.at(1, "x"))
		want := fmt.Sprint(times + 1)
		if times == maxTries {
			want = fmt.Sprint(times)
			if taffrail.KindOf(err) != taffrail.KindConflict || taffrail.HintOf(err) == "" {
				t.Errorf("error is %v", err)
			}
		} else if err != nil {
			t.Errorf("after %d: %v", times, err)
		}
		if n := run(t, "-C", remote, "rev-list", "--count", defaultBranch); n != want {
			t.Errorf("%s commits, want %s", n, want)
		}
	}
}

// A push whose premise is gone changes nothing, whatever it was.
func TestNothingIsForced(t *testing.T) {
	remote := newRemote(t)
	a, ok := open(t, "name: mirror\nurl: "+remote).(*anchor)
	if !ok {
		t.Fatal("it is no anchor")
	}
	l := newLog(t, "log.example/a")
	first := plumbing.NewHash(formOf(t, anchored(t, a, l.at(1, "x"))).Commit)
	orphan, err := a.commit(plumbing.ZeroHash, "x/checkpoint", l.at(2, "x"))
	if err != nil {
		t.Fatal(err)
	}
	child, err := a.commit(first, "x/checkpoint", l.at(2, "x"))
	if err != nil {
		t.Fatal(err)
	}
	second := anchored(t, open(t, "name: mirror\nurl: "+remote), l.at(3, "x"))
	for _, push := range []struct{ tip, commit plumbing.Hash }{{plumbing.ZeroHash, orphan}, {first, orphan}, {first, child}, {plumbing.ZeroHash, child}} {
		if err := a.push(t.Context(), push.tip, push.commit); err == nil {
			t.Errorf("from %s to %s: no error", push.tip, push.commit)
		}
	}
	if at := run(t, "-C", remote, "rev-parse", defaultBranch); at != formOf(t, second).Commit {
		t.Errorf("the branch is at %s", at)
	}
}

func wantCorrupt(t *testing.T, err error, what string) {
	t.Helper()
	var corrupt *audit.CorruptError
	if !errors.As(err, &corrupt) || taffrail.KindOf(err) != taffrail.KindCorrupt || taffrail.HintOf(err) == "" || !strings.Contains(err.Error(), what) {
		t.Errorf("error is %v, want one of kind corrupt that says %q", err, what)
	}
}

// The branch is set back, written anew, or deleted: whoever pushed sees it at the next push, and whoever has a receipt when it is checked.
func TestHistoryThatWasWrittenAnew(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(t *testing.T, remote string)
		what   string
	}{
		"set back": {func(t *testing.T, remote string) {
			run(t, "-C", remote, "branch", "-f", defaultBranch, defaultBranch+"~1")
		}, "written anew"},
		"another":       {func(t *testing.T, remote string) { rewrite(t, remote, map[string]string{"x": "x"}) }, "written anew"},
		"gone":          {func(t *testing.T, remote string) { run(t, "-C", remote, "branch", "-D", defaultBranch) }, "is gone"},
		"all gone, too": {replaceRepository, "is gone"},
		"gone, and other branches are there": {func(t *testing.T, remote string) {
			run(t, "-C", remote, "branch", "-m", defaultBranch, "other")
		}, "is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			remote := newRemote(t)
			l := newLog(t, "log.example/a")
			settings := "name: mirror\nurl: " + remote
			kept := settings + "\nfolder: " + t.TempDir()
			a, durable := open(t, settings), open(t, kept)
			anchored(t, a, l.at(1, "x"))
			r := anchored(t, a, l.at(2, "x"))
			anchored(t, durable, l.at(2, "x"))
			tc.change(t, remote)
			before, _ := tryRun(t, "-C", remote, "rev-parse", defaultBranch)
			for _, a := range []audit.Anchor{a, durable, open(t, kept)} {
				_, err := a.Anchor(t.Context(), l.at(3, "x"))
				wantCorrupt(t, err, tc.what)
				_, err = a.Check(t.Context(), l.at(2, "x"), r)
				wantCorrupt(t, err, tc.what)
			}
			_, err := open(t, settings).Check(t.Context(), l.at(2, "x"), r) // who knows nothing but the receipt
			wantCorrupt(t, err, "written anew")
			if after, _ := tryRun(t, "-C", remote, "rev-parse", defaultBranch); after != before {
				t.Errorf("the branch has moved from %s to %s", before, after)
			}
		})
	}
}

func replaceRepository(t *testing.T, remote string) {
	if err := os.RemoveAll(remote); err != nil {
		t.Fatal(err)
	}
	run(t, "init", "--quiet", "--bare", remote)
}

// What stands on the branch for this log is never written over by what contradicts it.
func TestBranchThatContradicts(t *testing.T) {
	l, other := newLog(t, "log.example/a"), newLog(t, "log.example/b")
	for name, tc := range map[string]struct {
		held string
		kind taffrail.Kind
	}{
		"another tree":       {string(l.at(5, "y").Note), taffrail.KindCorrupt},
		"a larger one":       {string(l.at(6, "x").Note), taffrail.KindConflict},
		"another log":        {string(other.at(4, "x").Note), taffrail.KindCorrupt},
		"garbage":            {"garbage", taffrail.KindCorrupt},
		"nothing":            {"", taffrail.KindCorrupt},
		"far too much":       {string(l.at(4, "x").Note) + strings.Repeat("— x AAAAAAAA\n", maxNote/10), taffrail.Kind("")},
		"an earlier one":     {string(l.at(4, "x").Note), taffrail.Kind("")},
		"fewer cosignatures": {string(l.at(5, "x").Note), taffrail.Kind("")},
	} {
		t.Run(name, func(t *testing.T) {
			remote := newRemote(t)
			rewrite(t, remote, map[string]string{"log.example%2Fa/checkpoint": tc.held})
			before := run(t, "-C", remote, "rev-parse", defaultBranch)
			_, err := open(t, "name: mirror\nurl: "+remote).Anchor(t.Context(), cosigned(l.at(5, "x")))
			if (err == nil) != (tc.kind == "") || err != nil && (taffrail.KindOf(err) != tc.kind || taffrail.HintOf(err) == "") {
				t.Errorf("error is %v", err)
			}
			if after := run(t, "-C", remote, "rev-parse", defaultBranch); (after == before) != (err != nil) {
				t.Errorf("the branch was at %s and is at %s", before, after)
			}
		})
	}
}

func TestCheckRefusesWhatContradicts(t *testing.T) {
	remote := newRemote(t)
	l := newLog(t, "log.example/a")
	a := open(t, "name: mirror\nurl: "+remote)
	first, second := anchored(t, a, l.at(1, "x")), anchored(t, a, l.at(2, "x"))
	changed := func(f func(*receiptForm)) audit.Receipt {
		form := formOf(t, second)
		f(&form)
		data, err := formatReceipt(form)
		if err != nil {
			t.Fatal(err)
		}
		return audit.Receipt{Size: 2, Kind: kind, Anchor: "mirror", Data: data}
	}
	for name, r := range map[string]audit.Receipt{
		"another checkpoint's": {Size: 2, Kind: kind, Anchor: "mirror", Data: first.Data},
		"another size":         {Size: 1, Kind: kind, Anchor: "mirror", Data: second.Data},
		"no receipt":           {Size: 2, Kind: kind, Anchor: "mirror"},
		"spaces":               {Size: 2, Kind: kind, Anchor: "mirror", Data: bytes.Replace(second.Data, []byte(","), []byte(", "), 1)},
		"another commit":       changed(func(f *receiptForm) { f.Commit = formOf(t, first).Commit }),
		"an unknown commit":    changed(func(f *receiptForm) { f.Commit = strings.Repeat("1", 40) }),
		"no commit":            changed(func(f *receiptForm) { f.Commit = "HEAD" }),
		"another path":         changed(func(f *receiptForm) { f.Path = "x/checkpoint" }),
		"another note":         changed(func(f *receiptForm) { f.Note = string(cosigned(l.at(2, "x")).Note) }),
		"another tree":         changed(func(f *receiptForm) { f.Note = string(l.at(2, "y").Note) }),
		"another version":      changed(func(f *receiptForm) { f.Version = 2 }),
		"beyond all bounds":    changed(func(f *receiptForm) { f.Note += strings.Repeat("— x AAAAAAAA\n", maxReceipt/10) }),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := a.Check(t.Context(), l.at(2, "x"), r)
			wantCorrupt(t, err, "size 2")
		})
	}
	for name, r := range map[string]audit.Receipt{
		"another kind":   {Size: 2, Kind: "rfc3161", Anchor: "mirror", Data: second.Data},
		"another anchor": {Size: 2, Kind: kind, Anchor: "x", Data: second.Data},
		"another place":  changed(func(f *receiptForm) { f.URL = "https://elsewhere.example/x" }),
		"another branch": changed(func(f *receiptForm) { f.Branch = "x" }),
	} {
		if _, err := a.Check(t.Context(), l.at(2, "x"), r); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A hook stands for whatever a host may have against a push. It is said, and nothing was pushed.
func TestRefusedPush(t *testing.T) {
	remote := newRemote(t)
	l := newLog(t, "log.example/a")
	a := open(t, "name: mirror\nurl: "+remote)
	anchored(t, a, l.at(1, "x"))
	before := run(t, "-C", remote, "rev-parse", defaultBranch)
	hook := filepath.Join(remote, "hooks", "pre-receive")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	_, err := a.Anchor(t.Context(), l.at(2, "x"))
	if taffrail.KindOf(err) != taffrail.KindDenied || !strings.Contains(err.Error(), "hook") || taffrail.HintOf(err) == "" {
		t.Errorf("error is %v, hint %q", err, taffrail.HintOf(err))
	}
	if after := run(t, "-C", remote, "rev-parse", defaultBranch); after != before {
		t.Errorf("the branch is at %s", after)
	}
	if err := os.Remove(hook); err != nil {
		t.Fatal(err)
	}
	anchored(t, a, l.at(2, "x"))
}

// A repository that cannot be read says nothing of its history.
func TestUnreachableIsNoAlarm(t *testing.T) {
	remote := newRemote(t)
	l := newLog(t, "log.example/a")
	a := open(t, "name: mirror\nurl: "+remote)
	r := anchored(t, a, l.at(1, "x"))
	if err := os.Rename(remote, remote+".away"); err != nil {
		t.Fatal(err)
	}
	_, anchorErr := a.Anchor(t.Context(), l.at(2, "x"))
	_, checkErr := a.Check(t.Context(), l.at(1, "x"), r)
	for _, err := range []error{anchorErr, checkErr} {
		var corrupt *audit.CorruptError
		if taffrail.KindOf(err) != taffrail.KindNotFound || errors.As(err, &corrupt) || taffrail.HintOf(err) == "" {
			t.Errorf("error is %v", err)
		}
	}
	if err := os.Rename(remote+".away", remote); err != nil {
		t.Fatal(err)
	}
	anchored(t, a, l.at(2, "x"))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Anchor(ended, l.at(3, "x")); taffrail.KindOf(err) != taffrail.KindUnavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestAnchorRefusesAForeignNote(t *testing.T) {
	a := open(t, "name: mirror\nurl: /nowhere")
	l := newLog(t, "log.example/a")
	long := newLog(t, "log.example/"+strings.Repeat("x", maxName))
	for _, cp := range []audit.Checkpoint{{Head: l.at(1, "x").Head, Note: l.at(2, "x").Note}, {Head: l.at(1, "x").Head}, long.at(1, "x")} {
		if _, err := a.Anchor(t.Context(), cp); taffrail.KindOf(err) != taffrail.KindInvalid {
			t.Errorf("error is %v", err)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := "name: mirror\nurl: https://git.example/x.git"
	for _, settings := range []string{good, "name: x\nurl: git@git.example:x.git", "name: x\nurl: ssh://git@git.example/x", "name: x\nurl: /srv/x.git", good + "\nbranch: a/b"} {
		if _, err := tryOpen(t, settings); err != nil {
			t.Errorf("%q: %v", settings, err)
		}
	}
	for _, settings := range []string{
		"", "name: mirror", "url: https://git.example/x.git", "name: x\nurl: https://hunter2@git.example/x", "name: x\nurl: https://u:hunter2@git.example/x",
		"name: x\nurl: ssh://git:hunter2@git.example/x", "name: x\nurl: git://git.example/x", "name: x\nurl: https://git.example/x?token=hunter2",
		"name: x\nurl: http://git.example/x\npassword_env: X", "name: x\nurl: http://git.example/x\npassword_file: X", good + "\nauthor: nobody", good + "\nauthor: a@b",
		good + "\nbranch: a b", good + "\nbranch: ..", good + "\ntimeout: -1s", good + "\npassword_env: X\npassword_file: Y", good + "\nca_file: /nowhere",
		good + "\nfolder: " + file, good + "\nmore: 1",
	} {
		_, err := tryOpen(t, settings)
		if taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, hint %q", settings, err, taffrail.HintOf(err))
		}
	}
}

func TestParseReceiptRefuses(t *testing.T) {
	good := receiptForm{Version: 1, URL: "u", Branch: "b", Path: "p", Commit: strings.Repeat("a", 40), Note: "n"}
	long, short, none := good, good, good
	long.Note = strings.Repeat("n", maxReceipt)
	short.Commit = "abc"
	none.Commit = "HEAD"
	for name, tc := range map[string]struct {
		form receiptForm
		fine bool
	}{"good": {good, true}, "too long": {long, false}, "a short commit": {short, false}, "no commit": {none, false}} {
		data, err := formatReceipt(tc.form)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseReceipt(data); (err == nil) != tc.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseReceipt(f *testing.F) {
	good, _ := formatReceipt(receiptForm{Version: 1, URL: "u", Branch: "b", Path: "p", Commit: strings.Repeat("a", 40), Note: "— <"})
	f.Add(good)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		form, err := parseReceipt(data)
		if err != nil {
			return
		}
		if again, err := formatReceipt(form); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%q becomes %q, %v", data, again, err)
		}
	})
}

// FuzzEscape: no two origins share a folder, and no folder is one that git or a file system takes for something else.
func FuzzEscape(f *testing.F) {
	f.Add("log.example/a", "log.example%2Fa")
	f.Add(".git", "..")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := escape(a), escape(b)
		if (a == b) != (x == y) {
			t.Errorf("%q is %q, %q is %q", a, x, b, y)
		}
		if strings.HasPrefix(x, ".") || strings.ContainsAny(x, "/\\:\x00 \n") {
			t.Errorf("%q is %q", a, x)
		}
	})
}

func FuzzHeadOf(f *testing.F) {
	f.Add([]byte("log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— log AAAA\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		head, err := headOf(msg)
		if err != nil {
			return
		}
		if text, err := audit.FormatCheckpoint(head); err != nil || !bytes.HasPrefix(msg, append(text, '\n')) {
			t.Errorf("%q is %+v", msg, head)
		}
	})
}
