//go:build linux

package taffrail_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A wrapped is a run of the real program around a script, in folders of its own.
type wrapped struct {
	t   *testing.T
	cmd *exec.Cmd
	out *transcript
}

// A transcript is what was said so far.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// justTaffrail builds the real program alone, and gives its path.
func justTaffrail(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	goBuild(t, folder, map[string]string{"taffrail": "cmd/taffrail"})
	return filepath.Join(folder, "taffrail")
}

func wrap(t *testing.T, binary, home, script string) *wrapped {
	t.Helper()
	w := &wrapped{t: t, cmd: exec.Command(binary, "run", "--", "sh", "-c", script), out: &transcript{}}
	w.cmd.Dir = home
	w.cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME=", "XDG_STATE_HOME=", "XDG_CONFIG_HOME=")
	w.cmd.Stdout, w.cmd.Stderr = w.out, w.out
	return w
}

// says waits until it has said something.
func (w *wrapped) says(text string) {
	w.t.Helper()
	eventually(w.t, "it says "+text, func() bool { return strings.Contains(w.out.String(), text) })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited too long until ", what)
		}
	}
}

// counting counts the interrupts that it gets, waits long enough for a second one, and says how many there were.
const counting = `echo "group $(cut -d' ' -f5 /proc/$$/stat)."; n=0; trap 'n=$((n+1)); echo "got $n"' INT TERM; echo ready; while [ $n -eq 0 ]; do sleep 0.05; done; sleep 0.5; echo "all $n"; exit 5`

// A signal that is sent to us alone reaches the command, once; and so does one that is sent to all of our group.
func TestRunPassesASignalOnOnce(t *testing.T) {
	binary := justTaffrail(t)
	for _, tc := range []struct {
		name   string
		signal syscall.Signal
		group  bool
	}{
		{"SIGTERM to us", syscall.SIGTERM, false}, {"SIGINT to us", syscall.SIGINT, false}, {"SIGINT to our group", syscall.SIGINT, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := wrap(t, binary, t.TempDir(), counting)
			w.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // nobody's terminal
			if err := w.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w.says("ready")
			to := w.cmd.Process.Pid
			if tc.group {
				to = -to
			}
			if err := syscall.Kill(to, tc.signal); err != nil {
				t.Fatal(err)
			}
			_ = w.cmd.Wait()
			said := w.out.String()
			if w.cmd.ProcessState.ExitCode() != 5 || !strings.Contains(said, "all 1\n") {
				t.Errorf("exit status %d: %s", w.cmd.ProcessState.ExitCode(), said)
			}
			// Two signals may come as one, so that the number alone does not tell.
			if strings.Contains(said, fmt.Sprintf("group %d.", w.cmd.Process.Pid)) {
				t.Error("the command is in our group, and gets what is sent to that twice")
			}
		})
	}
}

// A Ctrl-C on a terminal reaches the command once: from the terminal, and not from us again. The command has the terminal: it can read it.
func TestRunOnATerminal(t *testing.T) {
	binary := justTaffrail(t)
	master, terminal := openTerminal(t)
	home := t.TempDir()
	w := wrap(t, binary, home, `test -t 0 && test -t 1 && read line && echo "read $line"; `+counting)
	w.cmd.Stdin, w.cmd.Stdout, w.cmd.Stderr = terminal, terminal, terminal
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = terminal.Close()
	copied := make(chan struct{})
	go func() { defer close(copied); _, _ = io.Copy(w.out, master) }()
	if _, err := master.WriteString("a word\n"); err != nil {
		t.Fatal(err)
	}
	w.says("ready")
	if _, err := master.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	_ = w.cmd.Wait()
	<-copied // a terminal that nobody holds any more ends
	said := strings.ReplaceAll(w.out.String(), "\r", "")
	if w.cmd.ProcessState.ExitCode() != 5 || !strings.Contains(said, "read a word\n") || !strings.Contains(said, "all 1\n") {
		t.Errorf("exit status %d: %s", w.cmd.ProcessState.ExitCode(), said)
	}
	if !strings.Contains(said, fmt.Sprintf("group %d.", w.cmd.Process.Pid)) {
		t.Error("the command is not in the group that the terminal sends signals to")
	}
	runs := exec.Command(binary, "runs", "-o", "json")
	runs.Dir, runs.Env = w.cmd.Dir, w.cmd.Env
	out, err := runs.CombinedOutput()
	if err != nil || os.Getenv("CI") == "" && !bytes.Contains(out, []byte(`"class": "person"`)) || !bytes.Contains(out, []byte(`"exit": 5`)) {
		t.Errorf("%v: %s", err, out)
	}
}

func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("SKIPPED: there are no terminals here: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, terminal
}

// If we are killed in the middle of an apply, no provider is left, the tool ends by itself and says why, and the log says that nobody
// knows how the run went.
func TestRunKilledDuringAnApply(t *testing.T) {
	scene := setScene(t, program(t))
	url, stop, err := scene.cloud(scene.path("start"))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TF_") || strings.HasPrefix(v, "HARBOR_") })
	env = append(env, "HARBOR_URL="+url, "TF_CLI_CONFIG_FILE="+scene.path("cli.tfrc"), "CHECKPOINT_DISABLE=1", "HOME="+scene.path("home"), "XDG_DATA_HOME=", "XDG_STATE_HOME=", "XDG_CONFIG_HOME=")
	tool := scene.path("named", "tofu") // a name that is known, whatever the file is called
	if err := os.MkdirAll(filepath.Dir(tool), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(scene.program, tool); err != nil {
		t.Fatal(err)
	}
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = scene.path("start/stack"), env
		return cmd
	}
	if out, err := command(scene.path("bin/harbor"), "fault", "set", "bucket/logs", "hang").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	run := command(scene.path("bin/taffrail"), "run", "--", tool, "apply", "-input=false", "-auto-approve", "-no-color", "-refresh=false", "-var=environment=other")
	file, err := os.Create(scene.path("said"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	run.Stdout, run.Stderr = file, file
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	text := func() string { data, _ := os.ReadFile(scene.path("said")); return string(data) }
	eventually(t, "the apply hangs", func() bool { return strings.Contains(text(), "harbor_bucket.logs: Modifying...") })
	providers := processes(scene.path("start/stack"))
	if len(providers) == 0 {
		t.Fatal("no provider runs")
	}
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = run.Wait()
	eventually(t, "no provider is left", func() bool { return len(processes(scene.path("start/stack"))) == 0 })
	eventually(t, "the tool has ended", func() bool { return !running(tool) })
	if !strings.Contains(text(), "lugin did not respond") {
		t.Errorf("the tool said %s", text())
	}
	out, err := command(scene.path("bin/taffrail"), "runs").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("unknown")) {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := command(scene.path("bin/taffrail"), "log", "verify").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// processes are the providers that run in a folder.
func processes(folder string) (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range all {
		exe, _ := os.Readlink(p + "/exe")
		dir, _ := os.Readlink(p + "/cwd")
		if strings.Contains(exe, "terraform-provider-") && dir == folder {
			found = append(found, fmt.Sprint(p, " ", exe))
		}
	}
	return found
}

// running says whether a program runs that was started by this name.
func running(name string) bool {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range all {
		line, _ := os.ReadFile(p + "/cmdline")
		if exe, _ := os.Readlink(p + "/exe"); bytes.HasPrefix(line, []byte(name+"\x00")) && exe != "" {
			return true
		}
	}
	return false
}
