//go:build !unix

package cli

import (
	"os"
	"os/exec"
)

// passedOn are the signals that a command gets from us: none, since the console gives them to everybody. We only must not end by them.
var passedOn = []os.Signal{os.Interrupt}

func ofTerminal(os.Signal) bool { return true }

func inForeground() bool { return true }

func setApart(*exec.Cmd) {}

func signalNumber(string) int { return 0 }
