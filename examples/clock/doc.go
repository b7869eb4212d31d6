// Package clock holds a stack of the released provider hashicorp/time and the test that applies it and scans. The provider is served
// under a host of our own, so that its resources are read at all: under its own name they are known to live in the state alone.
package clock
