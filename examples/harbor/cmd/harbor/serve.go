package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail/examples/harbor/cloud"
	"github.com/taffrail-dev/taffrail/examples/harbor/identity"
	"github.com/taffrail-dev/taffrail/examples/harbor/trail"
)

// stopTimeout is how long answers that are under way may take at the end.
const stopTimeout = 5 * time.Second

type serveOptions struct {
	addr       string
	urlFile    string
	verbose    bool
	principals bool
	clock      string
	clockStep  time.Duration
	autoscale  time.Duration
	truth      string
	push       string
	trail      trail.Options
	deliver    func() error // of the trail; nil where there is none
	cloud      cloud.Options
}

func serveCommand(r *remote) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a cloud until it is interrupted",
		Long: "Run a cloud until it is interrupted. It prints its address, and writes it to --url-file once it listens.\n" +
			"With --state it keeps its objects in that file, and in a journal beside it, which no other cloud may use at the same time.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.cloud.Token = r.secret()
			if o.verbose {
				o.cloud.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			}
			return serve(cmd.Context(), o, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.addr, "addr", "127.0.0.1:7700", "where to listen; port 0 takes a free one")
	f.StringVar(&o.urlFile, "url-file", "", "write the address to this file once listening, remove it at the end")
	f.StringVar(&o.cloud.File, "state", "", "keep the objects in this file (else in memory alone)")
	f.DurationVar(&o.cloud.Tick, "tick", 30*time.Second, "an object arrives in each bucket this often; 0 is never")
	f.BoolVar(&o.principals, "principals", false, "ask callers who they are (harbor principals lists who there is)")
	f.StringVar(&o.cloud.Seed, "seed", "", "make ids, credentials and delays that follow from this text")
	f.StringVar(&o.clock, "clock", "", "have a clock of its own that begins at this time, such as 2026-01-01T00:00:00Z")
	f.DurationVar(&o.clockStep, "clock-step", time.Second, "how far that clock moves with each request")
	f.DurationVar(&o.autoscale, "autoscale", 0, "have the controllers look at everything this often; 0 is only when harbor step says so")
	f.StringVar(&o.trail.Folder, "trail", "", "keep an audit trail in this folder, in CloudTrail's form")
	f.DurationVar(&o.trail.MaxDelay, "trail-delay", 0, "how late records are delivered at most")
	f.DurationVar(&o.trail.RotateEvery, "trail-rotate", 5*time.Minute, "how long a record waits for others in its file at most")
	f.IntVar(&o.trail.RotateCount, "trail-count", 1000, "how many records a file holds at most")
	f.DurationVar(&o.trail.DigestEvery, "trail-digest", time.Hour, "how much time a digest is about")
	f.StringVar(&o.push, "push", "", "post records to this address, too, as EventBridge does")
	f.StringVar(&o.truth, "truth", "", "keep what calls changed in this file, for judges")
	f.BoolVar(&o.verbose, "verbose", false, "log each request to standard error")
	return cmd
}

// serve runs a cloud until ctx ends.
func serve(ctx context.Context, o serveOptions, out io.Writer) (err error) {
	closeLogs, err := o.prepare()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLogs()) }()
	c, err := cloud.Open(o.cloud)
	if err != nil {
		return err
	}
	listener, err := listen(o.addr, o.cloud.Token)
	if err != nil {
		return err
	}
	address := "http://" + listener.Addr().String()
	srv := &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(listener) }()
	if o.urlFile != "" {
		if err := cloud.WriteFileAtomic(o.urlFile, []byte(address+"\n")); err != nil {
			return errors.Join(fmt.Errorf("write url file: %w", err), srv.Close())
		}
		defer func() { err = errors.Join(err, os.Remove(o.urlFile)) }()
	}
	fmt.Fprintln(out, "harbor: serving", address)
	work, cancel := context.WithCancel(ctx)
	var by sync.WaitGroup
	by.Go(func() { o.keepHouse(work, c) })
	defer by.Wait()
	defer cancel()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
		return stop(c, srv)
	}
}

// prepare opens what the cloud tells its calls to, and says how to close it.
func (o *serveOptions) prepare() (closeLogs func() error, err error) {
	now := time.Now
	if o.clock != "" {
		start, err := time.Parse(time.RFC3339, o.clock)
		if err != nil {
			return nil, fmt.Errorf("--clock: %w", err)
		}
		o.cloud.Clock = cloud.NewClock(start, o.clockStep)
		now = o.cloud.Clock.Now
	}
	if o.principals {
		d := identity.Practice()
		o.cloud.Directory = &d
	}
	if o.cloud.Logger == nil {
		o.cloud.Logger = slog.New(slog.DiscardHandler)
	}
	if o.trail.Folder == "" && (o.truth != "" || o.push != "") {
		return nil, errors.New("--truth and --push tell of the trail: give --trail as well")
	}
	if o.trail.Folder == "" {
		return func() error { return nil }, nil
	}
	return o.openLogs(now)
}

func (o *serveOptions) openLogs(now func() time.Time) (closeLogs func() error, err error) {
	o.trail.Folder = filepath.Clean(o.trail.Folder)
	o.trail.Now, o.trail.Rand = now, seeded(o.cloud.Seed)
	o.trail.Place = trail.Place{Account: identity.Account, Region: identity.Region, Bucket: filepath.Base(o.trail.Folder), Trail: "harbor"}
	if o.push != "" {
		o.trail.Push = trail.NewPusher(o.push, o.cloud.Logger)
	}
	w, err := trail.Open(o.trail)
	if err != nil {
		return nil, err
	}
	o.cloud.Trail, o.deliver = w, w.Tick
	if o.truth == "" {
		return w.Close, nil
	}
	truth, err := trail.OpenTruth(o.truth)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	o.cloud.Truth = truth
	return func() error { return errors.Join(w.Close(), truth.Close()) }, nil
}

// seeded is a source of chance that follows from a text, or from nothing.
func seeded(seed string) *mathrand.Rand {
	if seed == "" {
		seed = rand.Text()
	}
	sum := sha256.Sum256([]byte(seed))
	return mathrand.New(mathrand.NewChaCha8(sum))
}

// keepHouse delivers records as they are due, and has the controllers look.
func (o *serveOptions) keepHouse(ctx context.Context, c *cloud.Cloud) {
	deliver := time.NewTicker(time.Second)
	defer deliver.Stop()
	var look <-chan time.Time
	if o.autoscale > 0 {
		t := time.NewTicker(o.autoscale)
		defer t.Stop()
		look = t.C
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-deliver.C:
			if o.deliver != nil {
				err = o.deliver()
			}
		case <-look:
			_, err = c.Step()
		}
		if err != nil {
			o.cloud.Logger.Error("keep house", "error", err)
		}
	}
}

// stop lets answers under way finish; every change that was answered is in the
// file already.
func stop(c *cloud.Cloud, srv *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := errors.Join(c.Close(), srv.Shutdown(ctx)); err != nil {
		return errors.Join(fmt.Errorf("stop: %w", err), srv.Close())
	}
	return nil
}

// listen opens the address; one that others can reach needs a token.
func listen(addr, token string) (net.Listener, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	if tcp, ok := listener.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && token == "" {
		return nil, errors.Join(fmt.Errorf("%s is reachable from other machines: give --token, or listen on 127.0.0.1", addr), listener.Close())
	}
	return listener, nil
}
