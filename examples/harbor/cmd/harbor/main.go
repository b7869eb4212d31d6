// Command harbor runs a practice cloud, and changes what is in it by hand, the
// way a person at a console would. Faults that are on for programs do not
// concern it, unless it is told --as-program.
//
// Exit status: 0 done, 1 not done.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/taffrail-dev/taffrail/examples/harbor/client"
)

const (
	envURL   = "HARBOR_URL"
	envToken = "HARBOR_TOKEN"
	envKey   = "HARBOR_ACCESS_KEY"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "harbor:", err)
		os.Exit(1)
	}
}

// remote is how a subcommand reaches the cloud.
type remote struct {
	url       string
	token     string
	key       string
	as        string
	asProgram bool
}

func newCommand() *cobra.Command {
	r := &remote{}
	root := &cobra.Command{
		Use:           "harbor",
		Short:         "A practice cloud for demonstrations and tests",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVar(&r.url, "url", os.Getenv(envURL), "address of the cloud (else "+envURL+")")
	flags.StringVar(&r.token, "token", "", "bearer token (else "+envToken+")")
	flags.StringVar(&r.key, "access-key", "", "credential of the caller (else "+envKey+")")
	flags.StringVar(&r.as, "as", "", "sign in as somebody first: carol@corp.example, user:dana, ci:4711, carol@corp.example>Operations")
	flags.BoolVar(&r.asProgram, "as-program", false, "be subject to faults, as the provider is")
	root.AddCommand(serveCommand(r), listCommand(r), getCommand(r), createCommand(r), setCommand(r), unsetCommand(r), deleteCommand(r), faultCommand(r),
		doCommand(r), loginCommand(r), whoamiCommand(r), principalsCommand(r), stepCommand(r), clockCommand(r), trailCommand(r), populateCommand(r), actCommand(r))
	return root
}

// secret returns the token of the flag, or of the environment.
func (r *remote) secret() string {
	if r.token != "" {
		return r.token
	}
	return os.Getenv(envToken)
}

// client is one for the cloud, with the credential that was given or signed in for.
func (r *remote) client(ctx context.Context) (*client.Client, error) {
	c, err := r.plain()
	if err != nil {
		return nil, err
	}
	if r.as == "" {
		return c, nil
	}
	key, err := c.Login(ctx, r.as)
	if err != nil {
		return nil, fmt.Errorf("sign in as %s: %w", r.as, err)
	}
	return c.As(key), nil
}

func (r *remote) plain() (*client.Client, error) {
	if r.url == "" {
		return nil, errors.New("the address of the cloud is missing: give --url or set " + envURL + " (harbor serve prints it)")
	}
	o := client.Options{Token: r.secret(), Operator: !r.asProgram, UserAgent: userAgent()}
	if o.AccessKey = r.key; o.AccessKey == "" {
		o.AccessKey = os.Getenv(envKey)
	}
	if !r.asProgram {
		o.Timeout = 30 * time.Second
	}
	return client.New(r.url, o)
}

// userAgent is what we call ourselves, and what the environment adds to it.
func userAgent() string {
	return strings.TrimSpace("harbor-cli/1 " + os.Getenv("HARBOR_APPEND_USER_AGENT"))
}
