package cloudtrail

import (
	"context"
	"io"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/internal/source/cloudtrail/internal/digest"
)

// A shelf is where files of a trail lie: a folder, or a bucket.
type shelf interface {
	// list calls f for each file, in any order.
	list(ctx context.Context, f func(file) error) error
	// open reads a file. One that is gone is an error that [fs.ErrNotExist] is.
	open(ctx context.Context, key string) (io.ReadCloser, error)
	// signature is the one of a digest, in hex, and empty if there is none.
	signature(ctx context.Context, key string) (string, error)
	// locate gives the key under which an object lies that a digest names; the digest itself lies under its key.
	locate(key string, d digest.Digest, bucket, object string) string
	// describe names a file for people.
	describe(key string) string
}

// A file is one file of a shelf.
type file struct {
	key     string
	arrived time.Time
	size    int64
	id      string // of the file itself, whatever it is called; empty if that is not known
	grows   bool   // it may have another line each time
}

const signatureEnding = ".signature"

// isNone says whether a file is none with records in it: it is hidden, under way, a signature or a list of keys.
func isNone(key string) bool {
	name := path.Base(key)
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, signatureEnding) || strings.HasSuffix(name, "public-keys.json") || strings.HasSuffix(name, ".tmp") ||
		strings.HasSuffix(name, ".part") || strings.Contains(key, "/CloudTrail-Insight/") || strings.HasSuffix(key, "/")
}

var growing = regexp.MustCompile(`\.(ndjson|jsonl|log)(\.\d+)?$`)

// mayGrow says of a file, by its name, whether lines are added to it.
func mayGrow(key string) bool { return growing.MatchString(key) }

var fileTime = regexp.MustCompile(`_(\d{8}T\d{4})Z_[^/]*$`)

// delivered is when CloudTrail wrote a file, by its name, or else when it arrived.
func (f file) delivered() time.Time {
	if m := fileTime.FindStringSubmatch(f.key); m != nil {
		if at, err := time.Parse("20060102T1504", m[1]); err == nil {
			return at
		}
	}
	return f.arrived
}
