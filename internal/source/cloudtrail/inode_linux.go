package cloudtrail

import (
	"io/fs"
	"strconv"
	"syscall"
	"time"
)

// arrival is when the inode of a file was changed last.
func arrival(info fs.FileInfo) time.Time {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(int64(s.Ctim.Sec), int64(s.Ctim.Nsec)) //nolint:unconvert // the fields are narrower on some machines
	}
	return info.ModTime()
}

// inode tells a file from all others that are there, whatever it is called.
func inode(info fs.FileInfo) string {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return strconv.FormatUint(uint64(s.Dev), 36) + "." + strconv.FormatUint(uint64(s.Ino), 36) //nolint:unconvert // the fields are narrower on some machines
	}
	return ""
}
