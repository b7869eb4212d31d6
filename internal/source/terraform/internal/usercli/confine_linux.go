package usercli

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// writing are the rights that make, change and remove files. Those of newer kernels are added by version.
const writing = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
	unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
	unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
	unix.LANDLOCK_ACCESS_FS_MAKE_SYM

// confine forbids this thread, and every program that it starts, to write outside of some folders, for ever. It says whether the thread
// is another than it was. A kernel that cannot do this is no error: then the copy is what keeps the original safe.
func confine(writable []string) bool {
	if len(writable) == 0 {
		return false
	}
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || version < 2 {
		return false // the first version forbids all moves between folders
	}
	rights := uint64(writing | unix.LANDLOCK_ACCESS_FS_REFER)
	if version >= 3 {
		rights |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	rules := unix.LandlockRulesetAttr{Access_fs: rights}
	// Only the first field is passed: it is all that these versions need.
	set, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), unsafe.Sizeof(rules.Access_fs), 0)
	if errno != 0 {
		return false
	}
	defer unix.Close(int(set))
	for _, folder := range writable {
		if !permit(int(set), folder, rights) {
			return false
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return false
	}
	_, _, _ = unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0)
	return true // that it gains no privileges is for ever, too
}

// permit allows writing below a folder. One that is not there needs no permission.
func permit(set int, folder string, rights uint64) bool {
	fd, err := unix.Open(folder, unix.O_PATH|unix.O_CLOEXEC|unix.O_DIRECTORY, 0)
	if err != nil {
		return os.IsNotExist(err) || err == unix.ENOTDIR
	}
	defer unix.Close(fd)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(set), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	return errno == 0
}
