package install

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/dirhash"
)

// maxUnpacked bounds what a packed provider may grow to, in bytes.
const maxUnpacked = 4 << 30

// unpack checks a packed package against the lock and unpacks it into the cache, unless that was done before.
func (c candidate) unpack(locked Locked, cache string) error {
	if _, err := os.Stat(c.packed); err != nil {
		return err
	}
	if cache == "" {
		return fmt.Errorf("%s is packed, and there is no cache folder to unpack it in", c.packed)
	}
	content, err := c.checkPacked(locked)
	if err != nil {
		return err
	}
	target := filepath.Join(cache, c.dir)
	if digest, err := (candidate{dir: target}).digest(); err == nil && digest == content {
		return nil
	}
	return unpackAtomically(c.packed, target)
}

// checkPacked gives the h1 digest of what is packed, if the lock vouches for the file.
func (c candidate) checkPacked(locked Locked) (string, error) {
	content, err := dirhash.HashZip(c.packed, dirhash.Hash1)
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.packed, err)
	}
	whole, err := fileDigest(c.packed)
	if err != nil {
		return "", err
	}
	if !slices.Contains(locked.Hashes, content) && !slices.Contains(locked.Hashes, "zh:"+whole) {
		return "", fmt.Errorf("%s has the hash %s, which %s does not have", c.packed, content, LockFile)
	}
	return content, nil
}

// openUnpacked opens what unpack left in the cache: its content is that of the packed file, which the lock vouches for.
func (c candidate) openUnpacked() (Package, error) {
	digest, err := c.digest()
	if err != nil {
		return Package{}, err
	}
	return c.found(digest)
}

func fileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// unpackAtomically unpacks beside the target and renames. If we stop in between, a folder with another name stays in the cache and is
// of no harm: nobody looks for it. Two processes may do this at once; both unpack the same content.
func unpackAtomically(packed, target string) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(target), ".unpack-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // gone by then, unless something failed
	if err := unpackInto(packed, work); err != nil {
		return fmt.Errorf("unpack %s: %w", packed, err)
	}
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	return os.Rename(work, target)
}

func unpackInto(packed, dir string) error {
	r, err := zip.OpenReader(packed)
	if err != nil {
		return err
	}
	defer r.Close()
	left := int64(maxUnpacked)
	for _, f := range r.File {
		n, err := unpackFile(f, dir, left)
		if err != nil {
			return fmt.Errorf("%q: %w", f.Name, err)
		}
		left -= n
	}
	return nil
}

func unpackFile(f *zip.File, dir string, left int64) (int64, error) {
	if !filepath.IsLocal(filepath.FromSlash(f.Name)) {
		return 0, errors.New("its name leads out of the package")
	}
	path := filepath.Join(dir, filepath.FromSlash(f.Name))
	if f.FileInfo().IsDir() {
		return 0, os.MkdirAll(path, 0o700)
	}
	if !f.Mode().IsRegular() {
		return 0, errors.New("it is no regular file")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return 0, err
	}
	in, err := f.Open()
	if err != nil {
		return 0, err
	}
	defer in.Close()
	// Packages made on other systems often lack the bit that lets a file be run.
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, io.LimitReader(in, left+1))
	if n > left {
		err = errors.New("the package is too large")
	}
	return n, errors.Join(err, out.Close())
}
