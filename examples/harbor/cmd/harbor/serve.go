package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail/examples/harbor/cloud"
)

// stopTimeout is how long answers that are under way may take at the end.
const stopTimeout = 5 * time.Second

type serveOptions struct {
	addr    string
	urlFile string
	verbose bool
	cloud   cloud.Options
}

func serveCommand(r *remote) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a cloud until it is interrupted",
		Long: "Run a cloud until it is interrupted. It prints its address, and writes it to --url-file once it listens.\n" +
			"With --state it keeps its objects in that file, which no other cloud may use at the same time.",
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
	f.BoolVar(&o.verbose, "verbose", false, "log each request to standard error")
	return cmd
}

// serve runs a cloud until ctx ends.
func serve(ctx context.Context, o serveOptions, out io.Writer) (err error) {
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
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
		return stop(c, srv)
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
