package cli

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit/publish"
	"github.com/taffrail-dev/taffrail/internal/api"
	"github.com/taffrail-dev/taffrail/internal/config"
)

func (a *app) serveCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Keep the log: heartbeats, witnesses, anchors, verification, tiles for others",
		Long: "Runs until it is stopped, and does what config.yaml says: writes a heartbeat at an interval, has the log witnessed and anchored, hashes all of it again now and then and writes down what came of that, and shows checkpoint and tiles to others over HTTP (C2SP tlog-tiles). " +
			"Scans and other commands may use the same log meanwhile.\n\n" + exitStatusHelp("0 stopped", "1 error", "3 the log is not what was written"),
		Example: "taffrail serve --listen 127.0.0.1:8844",
		Args:    cobra.ArbitraryArgs,
		RunE:    a.do(0, func(ctx context.Context, _ []string) error { return a.serve(ctx, listen) }),
	}
	cmd.Flags().StringVar(&listen, "listen", "", "where others may read checkpoint and tiles, as host:port (else as config.yaml says; else nowhere)")
	return cmd
}

func (a *app) serve(ctx context.Context, listen string) error {
	return a.serving(ctx, true, func(s service, in config.Installation) error {
		if listen == "" {
			listen = in.Listen
		}
		if listen == "" {
			return s.Serve(ctx)
		}
		storage, signer, err := s.Published()
		if err != nil {
			return err
		}
		l, err := a.listen("tcp", listen)
		if err != nil {
			return err
		}
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		web := make(chan error, 1)
		go func() {
			defer stop()
			alive := func(ctx context.Context) error { _, err := s.LogStatus(ctx); return err }
			web <- api.Serve(ctx, l, api.Handler(publish.Handler(storage, signer.Keys, a.logger()), alive), a.logger())
		}()
		err = s.Serve(ctx)
		stop()
		if failed := <-web; err == nil {
			err = failed
		}
		return err
	})
}

// serving is [app.with] for what runs on, and for which the configuration counts.
func (a *app) serving(ctx context.Context, started bool, f func(service, config.Installation) error) error {
	o, err := a.options()
	if err != nil {
		return err
	}
	return a.withService(ctx, a.open(o), started, func(s service) error { return f(s, o.Installation) })
}

// listen listens, and says where.
func (a *app) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, &taffrail.Error{Op: "listen", Kind: taffrail.KindUnavailable, Err: err, Hint: "name an address of this machine whose port is free, such as 127.0.0.1:8844"}
	}
	a.listening(l.Addr().String())
	return l, nil
}

func (a *app) listening(at string) { fmt.Fprintf(a.screen, "Listening on %s\n", safe(at)) }

func (a *app) signerCommand() *cobra.Command {
	signer := a.group(&cobra.Command{
		Use:   "signer",
		Short: "Sign for a log that another process keeps",
		Long:  "A process of its own, under a user of its own, holds guard and key, and signs over a Unix socket. Whoever keeps the log then never holds the key: `signer: socket` in its config.yaml names the socket.",
	})
	var origin string
	begin := &cobra.Command{
		Use:     "init",
		Short:   "Make guard state and key of a log that another process will keep",
		Long:    "Makes guard state and key. The log begins with the first scan, or `taffrail log init`, of the process that keeps it.\n\n" + exitStatusHelp("0 done", "1 error", "3 there was a log, and it is not what it was"),
		Example: "taffrail signer init --origin example.org/log/production --config-dir /etc/taffrail-signer --state-dir /var/lib/taffrail-signer",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error {
			return a.serving(ctx, false, func(s service, _ config.Installation) error {
				info, err := s.InitSigner(ctx, origin)
				if err == nil {
					_, err = fmt.Fprintln(a.out, safe(info.Key))
				}
				return err
			})
		}),
	}
	begin.Flags().StringVar(&origin, "origin", "", "name that the log signs with for ever (else one is made up)")
	var socket string
	var users []int
	serve := &cobra.Command{
		Use:     "serve",
		Short:   "Sign over a Unix socket",
		Long:    "Signs, behind its guard, for processes of the same user, or of those that may use the socket, until it is stopped.\n\n" + exitStatusHelp("0 stopped", "1 error", "3 guard state and key do not belong together"),
		Example: "taffrail signer serve --socket /run/taffrail/signer.sock",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error {
			if socket == "" {
				return usage("give --socket /run/taffrail/signer.sock", "no socket is named")
			}
			return a.serving(ctx, false, func(s service, _ config.Installation) error {
				return s.ServeSigner(ctx, socket, users, func() { a.listening(socket) })
			})
		}),
	}
	serve.Flags().StringVar(&socket, "socket", "", "path of the socket; required")
	serve.Flags().IntSliceVar(&users, "uid", nil, "numbers of users to sign for, beside this one and root")
	signer.AddCommand(begin, serve)
	return signer
}

func (a *app) witnessCommand() *cobra.Command {
	witness := a.group(&cobra.Command{
		Use:   "witness",
		Short: "Watch other people's logs",
		Long:  "A witness cosigns the checkpoints of logs, each only if it contains the one before (C2SP tlog-witness). It can be asked by any log of that format, and two installations that cosign each other are the cheapest evidence from outside.",
	})
	witness.AddCommand(a.witnessInitCommand(), a.witnessServeCommand())
	return witness
}

func (a *app) witnessInitCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:     "init",
		Short:   "Make the key of a witness",
		Long:    "Makes the key, and prints the public one: it stands in the policies of those who trust this witness.\n\n" + exitStatusHelp("0 done", "1 error, or there is a key already"),
		Example: "taffrail witness init --name witness.example.org/1",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error {
			if name == "" {
				return usage("give --name witness.example.org/1", "a witness has a name, for ever")
			}
			return a.serving(ctx, false, func(s service, _ config.Installation) error {
				vkey, err := s.InitWitness(name)
				if err == nil {
					_, err = fmt.Fprintln(a.out, safe(vkey))
				}
				return err
			})
		}),
	}
	cmd.Flags().StringVar(&name, "name", "", "name of the witness, like a host and a path; required")
	return cmd
}

func (a *app) witnessServeCommand() *cobra.Command {
	var listen, logs string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Cosign for the logs that a file names",
		Long: "Answers `add-checkpoint` of C2SP tlog-witness for the logs of a file, in the form of `taffrail log policy`: one line `log VKEY` for each key. What it saw last of each log stands in the folder of the guard's state. It never goes back.\n\n" +
			exitStatusHelp("0 stopped", "1 error"),
		Example: "taffrail witness serve --logs logs.policy --listen 0.0.0.0:8845",
		Args:    cobra.ArbitraryArgs,
		RunE: a.do(0, func(ctx context.Context, _ []string) error {
			text, err := readLogs(logs)
			if err != nil {
				return err
			}
			return a.serving(ctx, false, func(s service, _ config.Installation) error {
				l, err := a.listen("tcp", listen)
				if err != nil {
					return err
				}
				return s.ServeWitness(ctx, l, text)
			})
		}),
	}
	cmd.Flags().StringVar(&logs, "logs", "", "file that names the logs; required")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8845", "where it answers, as host:port")
	return cmd
}

// readLogs reads which logs a witness watches.
func readLogs(path string) ([]byte, error) {
	if path == "" {
		return nil, usage("give --logs FILE: a line `log VKEY` for each key of each log", "no logs are named")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &taffrail.Error{Op: "read logs", Kind: taffrail.KindInvalid, Err: err, Hint: "`taffrail log policy` of each log prints its part"}
	}
	return text, nil
}
