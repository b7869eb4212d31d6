package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

const (
	kind     = "s3"
	lockHint = "use a bucket that was made with Object Lock, of which the user may set and read retention"
)

// An anchor is an [audit.Anchor]: a bucket that lets nobody delete for a while.
type anchor struct {
	*bucket
	title, prefix string
	mode          types.ObjectLockMode
	days          int
	now           func() time.Time
	steps         steps
}

var modes = map[string]types.ObjectLockMode{
	"": types.ObjectLockModeCompliance, "compliance": types.ObjectLockModeCompliance, "governance": types.ObjectLockModeGovernance,
}

func openAnchor(ctx context.Context, env plug.Env, c AnchorConfig) (*anchor, error) {
	b, err := openBucket(ctx, "open anchor", Config{
		Bucket: c.Bucket, Region: c.Region, Profile: c.Profile, Account: c.Account, Endpoint: c.Endpoint, PathStyle: c.PathStyle,
	})
	if err != nil {
		return nil, err
	}
	mode, ok := modes[c.Mode]
	switch {
	case c.Name == "":
		return nil, b.invalid("set `name`", "the anchor has no name")
	case !ok:
		return nil, b.invalid("set `mode` to compliance or governance", "there is no retention mode %q", c.Mode)
	case c.Days < 1 || c.Days > 36500:
		return nil, b.invalid("set `days` to the time for which checkpoints are retained", "checkpoints cannot be retained for %d days", c.Days)
	case strings.HasPrefix(c.Prefix, "/") || len(c.Prefix) > 500:
		return nil, b.invalid("set `prefix`, such as taffrail", "prefix is no prefix of keys")
	}
	return &anchor{bucket: b, title: c.Name, prefix: strings.TrimSuffix(c.Prefix, "/"), mode: mode, days: c.Days, now: env.Now}, nil
}

// receipt is the data of an [audit.Receipt]: this object on one line, in this order.
type receipt struct {
	Bucket  string    `json:"bucket"`
	Key     string    `json:"key"`
	Version string    `json:"version"`
	Mode    string    `json:"mode"`
	Until   time.Time `json:"until"` // before which it cannot be deleted
	ETag    string    `json:"etag"`
	SHA256  string    `json:"sha256"` // of the object, in hex
}

func parseReceipt(text []byte) (r receipt, err error) {
	if err := json.Unmarshal(text, &r); err != nil {
		return receipt{}, err
	}
	again, err := json.Marshal(r)
	if err != nil {
		return receipt{}, err
	}
	if !bytes.Equal(again, text) {
		return receipt{}, errors.New("it was not written by this program")
	}
	return r, nil
}

// key is the object's, in which the origin is one element of a path, whatever it has in it.
func (a *anchor) key(h audit.Head) string {
	origin := url.PathEscape(h.Origin)
	if strings.Trim(origin, ".") == "" {
		origin = strings.ReplaceAll(origin, ".", "%2E")
	}
	key := fmt.Sprintf("%s/%d.note", origin, h.Size)
	if a.prefix != "" {
		key = a.prefix + "/" + key
	}
	return key
}

// Anchor implements [audit.Anchor].
//
// If we stop before the write, nothing is anchored. If we stop after it, the object is there and retained, and there is no receipt; the next
// time that the checkpoint is shown gives one for the same object.
func (a *anchor) Anchor(ctx context.Context, cp audit.Checkpoint) (audit.Receipt, error) {
	key := a.key(cp.Head)
	r, err := a.anchor(ctx, key, cp)
	return r, a.failed(ctx, "anchor checkpoint", key, err)
}

func (a *anchor) anchor(ctx context.Context, key string, cp audit.Checkpoint) (audit.Receipt, error) {
	if h, err := headOf(cp.Note); err != nil || h != cp.Head {
		return audit.Receipt{}, &taffrail.Error{Kind: taffrail.KindInternal, Err: errors.Join(errors.New("note and head of the checkpoint differ"), err)}
	}
	version, err := a.put(ctx, key, cp.Note)
	if err != nil {
		return audit.Receipt{}, err
	}
	kept, err := a.fetch(ctx, key, version)
	if err != nil {
		return audit.Receipt{}, err
	}
	if err := kept.about(cp.Head); err != nil {
		return audit.Receipt{}, err
	}
	if kept.Until.Before(a.now()) || a.mode == types.ObjectLockModeCompliance && kept.Mode != string(a.mode) {
		return audit.Receipt{}, a.invalid(lockHint, "s3://%s/%s: the store retains the object in mode %q until %v, which is not what was asked for",
			a.name, key, kept.Mode, kept.Until)
	}
	data, err := json.Marshal(kept.receipt)
	return audit.Receipt{Size: cp.Size, Kind: kind, Anchor: a.title, At: kept.at, Data: data}, err
}

// put never writes over an object. It gives the version that it wrote, and nothing where there is an object already.
func (a *anchor) put(ctx context.Context, key string, note []byte) (version string, err error) {
	if err := a.steps.at("write"); err != nil {
		return "", err
	}
	until := a.now().AddDate(0, 0, a.days).UTC().Truncate(time.Second)
	out, err := a.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &a.name, Key: &key, ExpectedBucketOwner: a.account, Body: bytes.NewReader(note), ContentType: aws.String("text/plain; charset=utf-8"),
		IfNoneMatch: aws.String("*"), ObjectLockMode: a.mode, ObjectLockRetainUntilDate: &until,
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256, // Object Lock asks for one
	})
	switch {
	case status(err) == http.StatusPreconditionFailed:
		return "", nil
	case code(err) == "InvalidRequest": // "Bucket is missing Object Lock Configuration"
		return "", a.invalid(lockHint, "s3://%s: the bucket has no Object Lock: %w", a.name, err)
	case err != nil:
		return "", err
	}
	return aws.ToString(out.VersionId), a.steps.at("answer")
}

// kept is what the store has, and since when.
type kept struct {
	receipt
	note []byte
	at   time.Time
}

// fetch reads a version of an object, and how it is retained. The newest version is the one without a name.
func (a *anchor) fetch(ctx context.Context, key, version string) (k kept, err error) {
	get := &s3.GetObjectInput{Bucket: &a.name, Key: &key, ExpectedBucketOwner: a.account}
	if version != "" {
		get.VersionId = &version
	}
	out, err := a.client.GetObject(ctx, get)
	if err != nil {
		return kept{}, err
	}
	defer out.Body.Close()
	if k.note, err = io.ReadAll(io.LimitReader(out.Body, maxObject)); err != nil {
		return kept{}, err
	}
	k.receipt = receipt{Bucket: a.name, Key: key, Version: aws.ToString(out.VersionId), ETag: aws.ToString(out.ETag)}
	sum := sha256.Sum256(k.note)
	k.SHA256, k.at = hex.EncodeToString(sum[:]), aws.ToTime(out.LastModified).UTC()
	if k.Version == "" || k.Version == "null" {
		return kept{}, a.invalid(lockHint, "s3://%s: the bucket has no versions, and so no Object Lock", a.name)
	}
	if out.ObjectLockMode != "" && out.ObjectLockRetainUntilDate != nil {
		k.Mode, k.Until = string(out.ObjectLockMode), out.ObjectLockRetainUntilDate.UTC()
		return k, nil
	}
	err = a.retained(ctx, &k.receipt)
	return k, err
}

// retained asks until when a version is retained, where the object itself does not tell: who may not know that is not told there.
func (a *anchor) retained(ctx context.Context, r *receipt) error {
	out, err := a.client.GetObjectRetention(ctx, &s3.GetObjectRetentionInput{
		Bucket: &a.name, Key: &r.Key, VersionId: &r.Version, ExpectedBucketOwner: a.account,
	})
	switch code(err) {
	case "NoSuchObjectLockConfiguration", "InvalidRequest":
		return &unlocked{a.invalid(lockHint, "s3://%s/%s: version %s is not retained: %w", a.name, r.Key, r.Version, err)}
	}
	if err != nil {
		return err
	}
	if out.Retention == nil || out.Retention.RetainUntilDate == nil {
		return &unlocked{a.invalid(lockHint, "s3://%s/%s: version %s is not retained", a.name, r.Key, r.Version)}
	}
	r.Mode, r.Until = string(out.Retention.Mode), out.Retention.RetainUntilDate.UTC()
	return nil
}

// unlocked says that the store has the object, and that anyone may delete it.
type unlocked struct{ error }

func (u *unlocked) Unwrap() error { return u.error }

// headOf reads the text of a note, whoever signed it.
func headOf(note []byte) (audit.Head, error) {
	text, _, found := bytes.Cut(note, []byte("\n\n"))
	if !found {
		return audit.Head{}, errors.New("it is no signed note")
	}
	return audit.ParseCheckpoint(append(bytes.Clone(text), '\n'))
}

// about says whether the object is a note of this head.
func (k kept) about(h audit.Head) error {
	got, err := headOf(k.note)
	if err != nil {
		return contradicts(h, "s3://%s/%s holds no checkpoint: %w", k.Bucket, k.Key, err)
	}
	if got != h {
		return contradicts(h, "s3://%s/%s is a checkpoint of %q of size %d with root %v, not of %q of size %d with root %v",
			k.Bucket, k.Key, got.Origin, got.Size, got.Root, h.Origin, h.Size, h.Root)
	}
	return nil
}

func contradicts(h audit.Head, format string, args ...any) error {
	const hint = "an anchored checkpoint that differs from the log's is evidence of a second history: keep both"
	err := fmt.Errorf(format, args...)
	return &taffrail.Error{Kind: taffrail.KindCorrupt, Hint: hint, Err: &audit.CorruptError{
		Part: audit.PartCheckpoints, What: err.Error(), To: h.Size, Hint: hint, Err: errors.Unwrap(err),
	}}
}

// Check implements [audit.Anchor]. It always asks the store: a receipt says what the store had, and no more.
func (a *anchor) Check(ctx context.Context, cp audit.Checkpoint, r audit.Receipt) (time.Time, error) {
	key := a.key(cp.Head)
	at, err := a.check(ctx, cp, r)
	return at, a.failed(ctx, "check anchored checkpoint", key, err)
}

func (a *anchor) check(ctx context.Context, cp audit.Checkpoint, r audit.Receipt) (time.Time, error) {
	if r.Kind != kind || r.Anchor != a.title {
		return time.Time{}, a.invalid("ask the anchor that gave the receipt", "the receipt is of anchor %q, of kind %q", r.Anchor, r.Kind)
	}
	said, err := parseReceipt(r.Data)
	switch {
	case err != nil:
		return time.Time{}, contradicts(cp.Head, "the receipt for size %d is not one that was ever given: %w", r.Size, err)
	case said.Bucket != a.name:
		return time.Time{}, a.invalid("name the bucket of the receipt", "the receipt is of bucket %q", said.Bucket)
	case r.Size != cp.Size || !strings.HasSuffix("/"+said.Key, "/"+(&anchor{}).key(cp.Head)):
		return time.Time{}, contradicts(cp.Head, "the receipt is for size %d and object %q", r.Size, said.Key)
	}
	has, err := a.fetch(ctx, said.Key, said.Version)
	if err := a.gone(cp.Head, said, err); err != nil {
		return time.Time{}, err
	}
	if has.SHA256 != said.SHA256 {
		return time.Time{}, contradicts(cp.Head, "s3://%s/%s has the digest %s, and had %s", a.name, said.Key, has.SHA256, said.SHA256)
	}
	if a.now().Before(said.Until) && has.weaker(said) {
		return time.Time{}, contradicts(cp.Head, "s3://%s/%s is retained in mode %s until %v, and was to be in mode %s until %v",
			a.name, said.Key, has.Mode, has.Until, said.Mode, said.Until)
	}
	if err := has.about(cp.Head); err != nil {
		return time.Time{}, err
	}
	return has.at, nil
}

// gone says what it means that the store has no such version any more, or does not retain it: before its time that cannot be.
func (a *anchor) gone(h audit.Head, said receipt, err error) error {
	var free *unlocked
	over := !a.now().Before(said.Until)
	switch {
	case errors.As(err, &free) && over:
		return nil
	case errors.As(err, &free), isMissing(err) && !over:
		return contradicts(h, "s3://%s/%s: version %s was to be retained until %v: %w", a.name, said.Key, said.Version, said.Until, err)
	case isMissing(err):
		return &taffrail.Error{
			Kind: taffrail.KindNotFound, Err: fmt.Errorf("s3://%s/%s: version %s was retained until %v: %w", a.name, said.Key, said.Version, said.Until, err),
			Hint: "its time is over: other anchors may still have it",
		}
	}
	return err
}

func (r receipt) weaker(said receipt) bool {
	return r.Until.Before(said.Until) || said.Mode == string(types.ObjectLockModeCompliance) && r.Mode != said.Mode
}
