package usercli

import (
	"os"
	"path/filepath"
)

const prefix = "taffrail-plan-"

// Sweep removes what runs that were killed left in the folder for temporary files.
func Sweep() { sweep(os.TempDir()) }

// sweep removes folders of this user that nobody holds: their owners were killed. What cannot be removed is left for the next time.
func sweep(folder string) {
	left, err := filepath.Glob(filepath.Join(folder, prefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range left {
		if info, err := os.Lstat(dir); err == nil && info.IsDir() && isOurs(info) && !isHeld(dir) {
			_ = removeAll(dir)
		}
	}
}
