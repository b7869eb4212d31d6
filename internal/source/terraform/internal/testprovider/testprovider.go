// Package testprovider is a provider of odd shapes for the tests of its neighbours, in versions 5 and 6 of the protocol. It is written
// against terraform-plugin-go alone, without a framework that would keep it from misbehaving.
//
// What is "live" is a file, the world: for each "type/id" what differs from what the caller brings, or how to misbehave. So a
// test changes the world by writing a file.
package testprovider

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov5/tf5server"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
)

// The environment that makes a test binary the provider: the version of the protocol, and the file of the world.
const (
	EnvProtocol = "ODD_PROTOCOL"
	EnvWorld    = "ODD_WORLD"
)

// Name is the address of the provider in a state.
const Name = "registry.example/test/odd"

// A World says what is live: by "type/id".
type World map[string]Object

// An Object is what differs from what the caller brings.
type Object struct {
	Gone         bool                       `json:"gone,omitempty"`
	GoneOnce     bool                       `json:"gone_once,omitempty"`  // the first read finds nothing, and later ones do
	Set          map[string]json.RawMessage `json:"set,omitempty"`        // attributes, as JSON of their types
	Fault        string                     `json:"fault,omitempty"`      // how to misbehave: see misbehave
	FaultOnce    string                     `json:"fault_once,omitempty"` // the same, in the first read alone
	WantPrivate  string                     `json:"want_private,omitempty"`
	WantIdentity string                     `json:"want_identity,omitempty"`
	// Upgrade is what an upgrade sets, even from the present version of the schema; Without is how to misbehave at a prior state
	// that did not go through it.
	Upgrade map[string]json.RawMessage `json:"upgrade,omitempty"`
	Without string                     `json:"without,omitempty"`

	PlanKeeps   []string `json:"plan_keeps,omitempty"`   // attributes that a plan leaves as they are
	PlanUnknown []string `json:"plan_unknown,omitempty"` // attributes that are known at the apply alone
	PlanFault   string   `json:"plan_fault,omitempty"`   // "crash" or "error"
	PlanStirred string   `json:"plan_stirred,omitempty"` // attribute that is planned anew if it is not "e1"
}

// Write makes the world what the file says.
func (w World) Write(path string) error {
	data, err := json.Marshal(w)
	if err != nil {
		return err
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// Main serves the provider if the environment says so, and does not return then. A test binary calls it first.
func Main() {
	protocol := os.Getenv(EnvProtocol)
	if protocol == "" {
		return
	}
	s := &server{world: os.Getenv(EnvWorld)}
	var err error
	if protocol == "5" {
		err = tf5server.Serve(Name, func() tfprotov5.ProviderServer { return &serverV5{v6: s} })
	} else {
		err = tf6server.Serve(Name, func() tfprotov6.ProviderServer { return s })
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Install writes a program that runs this test binary as the provider, into a folder of packages in the layout of mirrors.
func Install(root, version, platform, protocol, world string) (dir string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(root, filepath.FromSlash(Name), version, platform)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// A program built with the race detector sleeps for a second before it ends, unless told otherwise.
	script := fmt.Sprintf("#!/bin/sh\nGORACE=atexit_sleep_ms=0 %s=%s %s=%s exec %s\n", EnvProtocol, protocol, EnvWorld, shellQuote(world), shellQuote(self))
	// A child that another test starts now would hold the file open for writing, and what is open for that cannot be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return dir, os.WriteFile(filepath.Join(dir, "terraform-provider-odd_v"+version), []byte(script), 0o700)
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Log gives what the provider was asked, one line each, in order.
func Log(world string) []string {
	data, err := os.ReadFile(world + ".log")
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}
