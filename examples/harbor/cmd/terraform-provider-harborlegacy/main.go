// Command terraform-provider-harborlegacy serves the practice cloud's provider on
// the old SDK over plugin protocol 5. Terraform and OpenTofu start it; a person
// does not.
package main

import (
	"github.com/hashicorp/terraform-plugin-sdk/v2/plugin"

	"github.com/taffrail-dev/taffrail/examples/harbor/legacy"
)

func main() {
	plugin.Serve(&plugin.ServeOpts{ProviderFunc: legacy.New, ProviderAddr: legacy.Address})
}
