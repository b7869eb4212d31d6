// Command testsum reads the stream of `go test -json` on standard input and prints
// what a person wants of it: the line of each package as go test prints it, the whole
// output of every test that failed and of no other, and at the end what was skipped
// and the totals.
//
// It exits with 1 if anything failed, did not build, did not finish, or if there was
// nothing to read: silence is not success.
package main

import (
	"fmt"
	"os"
)

func main() {
	sum := newSummary(os.Stdout)
	if err := sum.read(os.Stdin); err != nil {
		fmt.Fprintf(os.Stderr, "testsum: read test events: %v\n", err)
		os.Exit(1)
	}
	if !sum.finish() {
		os.Exit(1)
	}
}
