package provider

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/testprovider"
)

const envParent = "ORPHAN_PARENT"

// beParent starts a provider, says which process it is, and waits to be killed.
func beParent(path string) {
	p, f := Start(context.Background(), Program{Path: path, Dir: os.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if f != nil {
		fmt.Println(f)
		os.Exit(1)
	}
	// The system ends a provider with the thread that started it. Threads of ours come and go: the provider must outlive them.
	var threads sync.WaitGroup
	for range 50 {
		threads.Go(func() {
			runtime.LockOSThread() // and never unlocks: the thread ends with the goroutine
			time.Sleep(time.Millisecond)
		})
	}
	threads.Wait()
	time.Sleep(100 * time.Millisecond)
	fmt.Println("provider", p.ID(), p.Alive())
	select {}
}

// A provider that outlives us keeps credentials in memory. Nothing of ours runs when we are killed: the system has to do it.
func TestNoOrphanAfterKill(t *testing.T) {
	if path := os.Getenv(envParent); path != "" {
		beParent(path)
	}
	dir, err := testprovider.Install(t.TempDir(), "1.0.0", "any", "6", filepath.Join(t.TempDir(), "world.json"))
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(os.Args[0], "-test.run", "^TestNoOrphanAfterKill$")
	parent.Env = append(os.Environ(), envParent+"="+filepath.Join(dir, "terraform-provider-odd_v1.0.0"))
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n') // what is missing is found below
	var pid int
	var alive bool
	if _, err := fmt.Sscanf(line, "provider %d %t", &pid, &alive); err != nil || !alive || gone(pid) {
		_ = parent.Process.Kill()
		t.Fatalf("the parent said %q", line)
	}
	if err := parent.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	for began := time.Now(); !gone(pid); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the provider outlives its parent")
		}
	}
}

// gone says whether a process has ended, waited for or not.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z")
}
