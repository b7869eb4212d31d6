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
	"strings"

	"golang.org/x/mod/sumdb/dirhash"
)

// maxUnpacked bounds what a packed provider may grow to, in bytes.
const maxUnpacked = 4 << 30

// maxSpoiled bounds how many folders of one package are passed over since something else than the package is in them.
const maxSpoiled = 100

// unpack checks a packed package against the lock and unpacks it into the cache, unless that was done before. It gives where its content
// is, and the digest of that: the content of the packed file, which the lock vouches for.
func (c candidate) unpack(locked Locked, cache string) (unpacked candidate, digest string, err error) {
	if _, err := os.Stat(c.packed); err != nil {
		return c, "", err
	}
	if cache == "" {
		return c, "", fmt.Errorf("%s is packed, and there is no cache folder to unpack it in", c.packed)
	}
	digest, err = c.checkPacked(locked)
	if err != nil {
		return c, "", err
	}
	dir, err := unpackOnce(c.packed, filepath.Join(cache, c.dir, folderName(digest)), digest)
	return candidate{dir: dir, kind: c.kind}, digest, err
}

// folderName makes a digest the name of a folder.
func folderName(digest string) string {
	return strings.NewReplacer("h1:", "", "/", "_", "+", "-", "=", "").Replace(digest)
}

// checkPacked gives the h1 digest of the files that are packed, if the lock vouches for the package.
func (c candidate) checkPacked(locked Locked) (string, error) {
	content, files, err := packedDigests(c.packed)
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
	return files, nil
}

// packedDigests gives the h1 digest of all entries of a packed package, which is what lock files hold, and that of its files, which is
// what its unpacked folder has: the two differ if there are entries for folders.
func packedDigests(path string) (content, files string, err error) {
	r, err := zip.OpenReader(path)
	if err != nil {
		return "", "", err
	}
	defer r.Close()
	entries := map[string]*zip.File{}
	var all, plain []string
	for _, f := range r.File {
		entries[f.Name] = f
		all = append(all, f.Name)
		if !f.FileInfo().IsDir() {
			plain = append(plain, f.Name)
		}
	}
	open := func(name string) (io.ReadCloser, error) { return entries[name].Open() }
	if content, err = dirhash.Hash1(all, open); err != nil || len(plain) == len(all) {
		return content, content, err
	}
	files, err = dirhash.Hash1(plain, open)
	return content, files, err
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

// unpackOnce gives a folder that holds just what is packed, by its digest: the one named, or, if something else is in it, the same name
// with a number. A folder is never changed or removed once it has its name, since its program may be running.
//
// The content gets its name by a rename. If we stop before, a folder with another name stays in the cache and is of no harm:
// nobody looks for it. Several processes may do this at once: the first one to rename wins, and the others take what it left.
func unpackOnce(packed, name, digest string) (string, error) {
	holds := func(dir string) bool {
		found, err := (candidate{dir: dir}).digest()
		return err == nil && found == digest
	}
	work := ""
	defer func() { _ = os.RemoveAll(work) }() // it has another name by then, unless something failed or somebody was faster
	for n := range maxSpoiled {
		dir := name
		if n > 0 {
			dir = fmt.Sprintf("%s.%d", name, n)
		}
		if holds(dir) {
			return dir, nil
		}
		if exists(dir) {
			continue
		}
		if work == "" {
			var err error
			if work, err = unpackBeside(packed, name); err != nil {
				return "", fmt.Errorf("unpack %s: %w", packed, err)
			}
			if !holds(work) {
				return "", fmt.Errorf("unpack %s: it changed meanwhile", packed)
			}
		}
		err := os.Rename(work, dir)
		if err == nil || holds(dir) {
			return dir, nil
		}
		if !exists(dir) {
			return "", err
		}
	}
	return "", fmt.Errorf("%s and its neighbours hold something else than %s: remove them", name, packed)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// unpackBeside unpacks into a new folder beside the one named. With an error nothing is left of it.
func unpackBeside(packed, name string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(filepath.Dir(name), ".unpack-")
	if err != nil {
		return "", err
	}
	if err := unpackInto(packed, work); err != nil {
		return "", errors.Join(err, os.RemoveAll(work))
	}
	return work, nil
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
