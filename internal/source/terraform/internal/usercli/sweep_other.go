//go:build !unix

package usercli

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// hold makes the file that tells the folder's age.
func hold(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
}

func isOurs(fs.FileInfo) bool { return true } // the folder for temporary files is the user's own here

// old is how long no plan takes.
const old = 24 * time.Hour

func isHeld(dir string) bool {
	info, err := os.Lstat(dir)
	return err != nil || time.Since(info.ModTime()) < old
}
