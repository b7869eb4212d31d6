// Command taffrail finds infrastructure drift and keeps a record of it that can be proved.
package main

import (
	"context"
	"os"

	"github.com/taffrail-dev/taffrail/internal/cli"
	"github.com/taffrail-dev/taffrail/internal/plugins"
)

// version is set when a release is built: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	os.Exit(cli.Main(context.Background(), cli.Program{
		Version: version,
		Plugins: plugins.Registry(),
		Args:    os.Args[1:],
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Getenv:  os.Getenv,
	}))
}
