// Package config reads taffrail.yaml: what people have settled about their stacks, beside the code and under its version control.
//
// It knows no plug-in. A section for one is cut out as it stands, for the plug-in to decode by its own rules. Everything else is read
// strictly: what is not understood is an error that names file, line and column, since a rule that is misread accepts the wrong thing.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/taffrail-dev/taffrail"
)

// FileName is the name of the file in the folder of a stack.
const FileName = "taffrail.yaml"

// maxSize bounds the file: it is written by people.
const maxSize = 256 << 10

// A Config is what one file says.
type Config struct {
	// Accept holds the rules of acceptance in the order of the file, those that have expired as well.
	Accept []taffrail.AcceptRule
	// Terraform is the section `terraform:` as YAML, for the source to decode; nil if there is none. Empty lines stand for what precedes
	// it in the file, so that the lines and columns of a decoder's errors are those of the file.
	Terraform []byte
}

// Load reads a file. That there is none is an error of [taffrail.KindNotFound], and whatever in it is not understood one of
// [taffrail.KindInvalid] that names the place.
func Load(path string) (Config, error) {
	text, err := read(path)
	if err != nil {
		return Config{}, failed(path, err)
	}
	return Parse(path, text)
}

// read reads a regular file. A pipe would wait for somebody to write to it.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", path)
	}
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may have become a pipe since
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(text) > maxSize {
		err = fmt.Errorf("%s has more than %d bytes", path, maxSize)
	}
	return text, err
}

func failed(path string, err error) error {
	e := &taffrail.Error{Op: "read configuration", Kind: taffrail.KindInvalid, Err: err, Hint: "name a file such as " + FileName}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Kind = taffrail.KindNotFound
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Hint = taffrail.KindDenied, "make "+path+" readable for you"
	}
	return e
}
