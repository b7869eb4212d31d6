package provider

import (
	"os"
	"strconv"
	"strings"
)

// Memory is how many bytes of the process are resident, from /proc (proc(5)); 0 where that is not known.
func (p *Process) Memory() int64 {
	statm, err := os.ReadFile("/proc/" + p.ID() + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64) // the kernel wrote it
	return pages * int64(os.Getpagesize())
}
