//go:build !linux

package provider

// Memory is how many bytes of the process are resident; 0 where that is not known.
func (p *Process) Memory() int64 { return 0 }
