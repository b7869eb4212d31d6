package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionForm says which program this is.
type versionForm struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Revision string `json:"revision"` // of the source; empty if it was not built from a repository
	Modified bool   `json:"modified"` // the source was changed since that revision
}

func (a *app) versionCommand() *cobra.Command {
	var form output
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which program this is",
		Long:  "Prints the version, the Go release and the platform that it was built for, and the revision of the source.\n\n" + exitStatusHelp("0 done", "1 error"),
		Args:  cobra.ArbitraryArgs,
		RunE:  a.do(0, func(context.Context, []string) error { return a.printVersion(form) }),
	}
	outputFlag(cmd, &form)
	return cmd
}

func (a *app) printVersion(form output) error {
	v := a.version()
	if form == outputJSON {
		return writeJSON(a.out, v)
	}
	revision := v.Revision
	switch {
	case revision == "":
		revision = "unknown"
	case v.Modified:
		revision += ", modified"
	}
	_, err := fmt.Fprintf(a.Stdout, "taffrail %s\n%s %s\nrevision %s\n", v.Version, v.Go, v.Platform, revision)
	return err
}

func (a *app) version() versionForm {
	v := versionForm{Version: a.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
