//go:build !linux

package usercli

// confine says whether the thread was forbidden to write outside of some folders: here nothing can do that.
func confine([]string) bool { return false }
