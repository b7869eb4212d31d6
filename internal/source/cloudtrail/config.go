package cloudtrail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
	"github.com/taffrail-dev/taffrail/internal/source/cloudtrail/internal/digest"
)

// Config says where the records of a trail are read. Exactly one of path, queue, bucket and lookup is set.
type Config struct {
	Path   string `yaml:"path"`   // a folder, with all below it, or a file; lines are read from *.log, *.jsonl and *.ndjson as they come
	Queue  string `yaml:"queue"`  // the URL of an SQS queue, that S3 tells of new files, directly or through SNS, or to which EventBridge sends events
	Bucket string `yaml:"bucket"` // an S3 bucket that is listed each time
	Prefix string `yaml:"prefix"` // of the keys in the bucket
	Lookup bool   `yaml:"lookup"` // ask LookupEvents, which knows 90 days of one region

	From       string `yaml:"from"`        // nothing from before this time: 2026-01-02T15:04:05Z
	Lateness   string `yaml:"lateness"`    // how late an event may come; 15m if nothing is set, as CloudTrail says
	Digests    string `yaml:"digests"`     // "verify" or "off"; if nothing is set they are verified in S3, and in a path if public_keys is set
	PublicKeys string `yaml:"public_keys"` // a file that `aws cloudtrail list-public-keys` wrote; AWS is asked if nothing is set

	Region   string `yaml:"region"`   // that of the environment or profile if nothing is set
	Profile  string `yaml:"profile"`  // of the shared configuration files
	Endpoint string `yaml:"endpoint"` // of something that is not AWS: https://host
}

func openReader(ctx context.Context, env plug.Env, c Config) (taffrail.EventReader, error) {
	from, verify, err := c.check()
	if err != nil {
		return nil, err
	}
	late, err := c.late()
	if err != nil {
		return nil, err
	}
	logger, now := env.Logger, env.Now
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if now == nil {
		now = time.Now
	}
	g := &gatherer{logger: logger, now: now, from: from, slack: folderSlack, late: late}
	if c.Path != "" && (!verify || c.PublicKeys != "") { // AWS is not asked for anything
		if verify {
			g.digest = newVerifier(c.fileKeys)
		}
		g.shelf, err = openFolder(c.Path)
		return g, err
	}
	clients, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	if verify {
		g.digest = newVerifier(c.keys(clients, now))
	}
	switch {
	case c.Path != "":
		g.shelf, err = openFolder(c.Path)
		return g, err
	case c.Bucket != "":
		g.shelf, g.slack, g.live = &bucket{clients, c.Bucket, c.Prefix}, bucketSlack, true
		return g, nil
	case c.Queue != "":
		return &queue{clients: clients, url: c.Queue, gatherer: g, visibility: visibility, wait: longPoll}, nil
	}
	return &lookup{clients: clients, now: now, from: from, late: late, limit: newLimit()}, nil
}

// Slack is how long a file may be there before it is listed.
const (
	folderSlack = 30 * time.Second
	bucketSlack = time.Minute
)

func (c Config) check() (from time.Time, verify bool, err error) {
	set := 0
	for _, is := range []bool{c.Path != "", c.Queue != "", c.Bucket != "", c.Lookup} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return from, false, invalid("set exactly one of path, queue, bucket and lookup", "%d places to read are named", set)
	case c.Prefix != "" && c.Bucket == "":
		return from, false, invalid("set `bucket`, too", "prefix is set without a bucket")
	case c.Digests != "" && c.Digests != "verify" && c.Digests != "off":
		return from, false, invalid("write verify or off", "digests is %q", c.Digests)
	case c.Digests == "verify" && c.Lookup:
		return from, false, invalid("take `digests` away: LookupEvents has none", "digests cannot be verified there")
	}
	if c.From != "" {
		if from, err = time.Parse(time.RFC3339, c.From); err != nil {
			return from, false, invalid("write it as 2026-01-02T15:04:05Z", "from is no time of RFC 3339")
		}
	}
	verify = c.Digests == "verify" || c.Digests == "" && (c.PublicKeys != "" || c.Bucket != "" || c.Queue != "") && !c.Lookup
	return from.UTC(), verify, nil
}

// late is how late an event may come.
func (c Config) late() (time.Duration, error) {
	if c.Lateness == "" {
		return usualLateness, nil
	}
	late, err := time.ParseDuration(c.Lateness)
	if err != nil || late < 0 {
		return 0, invalid("write a time such as 0s or 15m", "lateness is %q", c.Lateness)
	}
	return late, nil
}

func invalid(hint, format string, args ...any) error {
	return &taffrail.Error{Op: "open source cloudtrail", Kind: taffrail.KindInvalid, Hint: hint, Err: fmt.Errorf(format, args...)}
}

// fileKeys reads the keys that sign digests from the file that was named. A file beside the digests would prove nothing: who can change the one can change the other.
func (c Config) fileKeys(context.Context) (digest.Keys, error) {
	text, err := os.ReadFile(c.PublicKeys)
	if err != nil {
		e := unreadable(c.PublicKeys, err)
		var known *taffrail.Error
		if errors.As(e, &known) && known.Kind == taffrail.KindNotFound {
			known.Hint = "check `public_keys`, or write the file with `aws cloudtrail list-public-keys`"
		}
		return nil, e
	}
	keys, err := digest.ParseKeys(text)
	if err != nil {
		return nil, invalid("write the file with `aws cloudtrail list-public-keys`", "%s: %w", c.PublicKeys, err)
	}
	return keys, nil
}
