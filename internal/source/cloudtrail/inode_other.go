//go:build !linux

package cloudtrail

import (
	"io/fs"
	"time"
)

// arrival is when a file was written last, which is all that can be known everywhere.
func arrival(info fs.FileInfo) time.Time { return info.ModTime() }

// inode is not known.
func inode(fs.FileInfo) string { return "" }
