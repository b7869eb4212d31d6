// Package legacy is a second Terraform provider of the practice cloud, written
// as most providers in the field are: on hashicorp/terraform-plugin-sdk/v2, over
// protocol 5, with blocks, and with that SDK's habit of not telling null from "",
// 0, false and empty collections.
//
// A resource type is an SDK schema and a Go struct, whose JSON is what the cloud
// keeps. The types differ on purpose in how they come by their state, because
// providers do:
//
//	firewall    reads after each write; the cloud's answer is taken whole, with a
//	            zero value where the cloud has nothing
//	bucket      reads after each write; what the cloud does not have is nil
//	database    keeps what was planned after a write, so that the first read that
//	            follows may spell the same things in another way
//	dns_record  like firewall, with an attribute "id" of its own in the schema
//
// Read removes a resource only if the cloud says that it is not there; every other
// trouble is an error. [NewMixed] serves the same types over protocol 6, next to a
// type that is made with terraform-plugin-framework.
package legacy

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"

	"github.com/taffrail-dev/taffrail/examples/harbor/client"
)

// Source addresses of the two providers. Resource types begin with "harborlegacy"
// in both.
const (
	Address      = "taffrail.example/practice/harborlegacy"
	AddressMixed = "taffrail.example/practice/harbormixed"
)

const (
	prefix         = "harborlegacy_"
	envURL         = "HARBOR_URL"
	envToken       = "HARBOR_TOKEN"
	defaultTimeout = 120
)

// What the provider block takes. Both halves of the mixed provider must say the
// same, word for word.
const (
	aboutURL     = "Address of the cloud; else " + envURL + "."
	aboutToken   = "Bearer token; else " + envToken + "."
	aboutTimeout = "Seconds to wait for each answer, 120 by default."
)

// New makes the provider. It does not connect.
func New() *schema.Provider {
	return &schema.Provider{
		Schema: map[string]*schema.Schema{
			"url":             {Type: schema.TypeString, Optional: true, Description: aboutURL},
			"token":           {Type: schema.TypeString, Optional: true, Sensitive: true, Description: aboutToken},
			"request_timeout": {Type: schema.TypeInt, Optional: true, Description: aboutTimeout},
		},
		ResourcesMap: map[string]*schema.Resource{
			prefix + "firewall":   firewallResource(),
			prefix + "bucket":     bucketResource(),
			prefix + "database":   databaseResource(),
			prefix + "dns_record": dnsRecordResource(),
		},
		ConfigureContextFunc: func(_ context.Context, d *schema.ResourceData) (any, diag.Diagnostics) {
			url, _ := d.Get("url").(string)
			token, _ := d.Get("token").(string)
			timeout, _ := d.Get("request_timeout").(int)
			c, err := connect(url, token, timeout)
			if err != nil {
				return nil, diag.FromErr(err)
			}
			return &connection{client: c, die: die}, nil
		},
	}
}

// connect makes the client. What is empty comes from the environment, or is what
// is usual.
func connect(url, token string, timeout int) (*client.Client, error) {
	if url == "" {
		url = os.Getenv(envURL)
	}
	if token == "" {
		token = os.Getenv(envToken)
	}
	switch {
	case url == "":
		return nil, fmt.Errorf("the address of the practice cloud is missing: set url in the provider block, or %s; `harbor serve` prints it", envURL)
	case timeout < 0:
		return nil, fmt.Errorf("request_timeout is %d: give seconds, more than 0", timeout)
	case timeout == 0:
		timeout = defaultTimeout
	}
	return client.New(url, client.Options{Token: token, Timeout: time.Duration(timeout) * time.Second})
}

// connection is what resources get from the provider.
type connection struct {
	client *client.Client
	die    func(message string)
}

// die ends the process at once, as a provider with a bug does.
func die(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(2)
}
