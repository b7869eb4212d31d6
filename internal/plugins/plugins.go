// Package plugins is the list of what this program can speak to. A plug-in is a folder and one line here; without the line it is
// not built in.
package plugins

import (
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/source/cloudtrail"
	code "github.com/taffrail-dev/taffrail/internal/source/git"
	"github.com/taffrail-dev/taffrail/internal/source/kubeaudit"
	"github.com/taffrail-dev/taffrail/internal/source/otlp"
	"github.com/taffrail-dev/taffrail/internal/source/splunk"
	"github.com/taffrail-dev/taffrail/internal/source/syslog"
	"github.com/taffrail-dev/taffrail/internal/source/terraform"
	"github.com/taffrail-dev/taffrail/internal/source/webhook"
	"github.com/taffrail-dev/taffrail/internal/trust/file"
	"github.com/taffrail-dev/taffrail/internal/trust/git"
	"github.com/taffrail-dev/taffrail/internal/trust/postgres"
	"github.com/taffrail-dev/taffrail/internal/trust/rfc3161"
	"github.com/taffrail-dev/taffrail/internal/trust/s3"
	"github.com/taffrail-dev/taffrail/internal/trust/socket"
	"github.com/taffrail-dev/taffrail/internal/trust/witness"
)

// Register registers every plug-in.
func Register(r *plug.Registry) {
	cloudtrail.Register(r)
	code.Register(r)
	file.Register(r)
	git.Register(r)
	kubeaudit.Register(r)
	otlp.Register(r)
	postgres.Register(r)
	s3.Register(r)
	socket.Register(r)
	splunk.Register(r)
	syslog.Register(r)
	rfc3161.Register(r)
	terraform.Register(r)
	webhook.Register(r)
	witness.Register(r)
}

// Registry is a registry of every plug-in.
func Registry() *plug.Registry {
	r := &plug.Registry{}
	Register(r)
	return r
}
