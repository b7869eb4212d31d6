// Command terraform-provider-harbormixed serves the practice cloud's provider in
// its mixed form, old SDK and new framework behind one plugin of protocol 6.
// Terraform and OpenTofu start it; a person does not.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/taffrail-dev/taffrail/examples/harbor/legacy"
)

func main() {
	factory, err := legacy.NewMixed(context.Background())
	if err == nil {
		err = tf6server.Serve(legacy.AddressMixed, factory)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "terraform-provider-harbormixed:", err)
		os.Exit(1)
	}
}
