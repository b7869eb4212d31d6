package receive

import (
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/taffrail-dev/taffrail"
)

// maxFile bounds a file of tokens, keys or certificates.
const maxFile = 1 << 20

// ReadSecret reads a file to which nobody but its owner has access. Key is what the settings call it.
func ReadSecret(key, path string) ([]byte, error) {
	if err := whole(key, path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not make us wait
	if err != nil {
		return nil, Invalid(fmt.Sprintf("let `%s` name a file that can be read", key), err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, Invalid(fmt.Sprintf("let `%s` name a file that can be read", key), err)
	case !info.Mode().IsRegular():
		return nil, Invalid(fmt.Sprintf("let `%s` name a file", key), fmt.Errorf("%s is no file", path))
	case info.Mode().Perm()&0o077 != 0:
		return nil, &taffrail.Error{Op: opOpen, Kind: taffrail.KindDenied, Hint: "chmod 600 " + path,
			Err: fmt.Errorf("%s: its mode is %04o, so that others than its owner have access", path, info.Mode().Perm())}
	case info.Size() > maxFile:
		return nil, Invalid("let it name another file", fmt.Errorf("%s: it has more than %d bytes", path, maxFile))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, Invalid(fmt.Sprintf("let `%s` name a file that can be read", key), fmt.Errorf("read %s: %w", path, err))
	}
	return text, nil
}
