// Command terraform-provider-harbor serves the provider of the practice cloud
// over plugin protocol 6. Terraform and OpenTofu start it; a person does not.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/taffrail-dev/taffrail/examples/harbor/provider"
)

// version is set by the linker: -ldflags "-X main.version=0.2.0".
var version = "0.1.0"

func main() {
	err := providerserver.Serve(context.Background(), provider.New(version), providerserver.ServeOpts{Address: provider.Address})
	if err != nil {
		fmt.Fprintln(os.Stderr, "terraform-provider-harbor:", err)
		os.Exit(1)
	}
}
