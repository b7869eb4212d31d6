package cloudtrail

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/cloudtrail/internal/digest"
)

// Bounds of what is taken for a digest, and of the patience with one.
const (
	maxDigest = 64 << 20 // without compression
	// Copiers do not keep the order, so that a digest waits for its signature and the files that it names as long as anything came within calm, but
	// no longer than patience. Where nothing may come late, it does not wait.
	calm     = 2 * time.Minute
	patience = time.Hour
	// cutAfter is how long after a digest the next one is missed: they come each hour, and are late at times.
	cutAfter = 2*time.Hour + 15*time.Minute
	// saveEvery is after how many digests it is noted how far we are: each time is an entry of the log.
	saveEvery = 500
)

// A verifier holds what digests are verified with.
type verifier struct {
	load  func(context.Context) (digest.Keys, error)
	keys  digest.Keys
	stale bool                // a key was missing
	last  map[string]verified // by chain, the digest that was verified last
}

// A verified digest is what the next one has to name.
type verified struct {
	content   []byte
	signature string
	end       time.Time
}

func newVerifier(load func(context.Context) (digest.Keys, error)) *verifier {
	return &verifier{load: load, last: map[string]verified{}}
}

// ready loads the keys, once, and again where one is missing.
func (v *verifier) ready(ctx context.Context) error {
	if v.keys != nil && !v.stale {
		return nil
	}
	keys, err := v.load(ctx)
	if err == nil {
		v.keys, v.stale = keys, false
	}
	return err
}

// errPending says that a digest is to be looked at again later.
var errPending = errors.New("what belongs to the digest may still come")

// verify looks at the digests that are new, and says up to when all is here, but for what notices tell of. Where there are none it is said as without them. Its error is for the end: what it has found until
// then is emitted first.
func (r *round) verify(ctx context.Context) (settled time.Time, err error) {
	if len(r.digests) == 0 && len(r.p.Chains) == 0 {
		r.bare()
		return r.settled(), nil
	}
	whole, err := r.look(ctx)
	if err != nil {
		return time.Time{}, err
	}
	settled = r.missed()
	if !whole || settled.IsZero() {
		return time.Time{}, nil
	}
	return settled.Add(-r.late), nil
}

// look goes on with each chain, and says whether nothing is left to be waited for.
func (r *round) look(ctx context.Context) (whole bool, err error) {
	if err := r.digest.ready(ctx); err != nil {
		return false, err
	}
	whole, chains := true, r.chains()
	for _, name := range slices.Sorted(maps.Keys(chains)) {
		ok, err := r.chain(ctx, name, chains[name])
		if err != nil {
			return false, err
		}
		whole = whole && ok
	}
	return whole, nil
}

// missed says of each chain, once, that the digests after the newest have not come. It gives the time up to which all chains go, and none if one is cut off.
func (r *round) missed() (end time.Time) {
	cut := false
	for _, id := range slices.Sorted(maps.Keys(r.p.Chains)) {
		c := r.p.Chains[id]
		last := time.Unix(c.End, 0).UTC()
		if r.start.Sub(last) > cutAfter && !c.Cut {
			c.Cut = true
			r.p.Chains[id] = c
			r.gap(last, r.start, "no digest of CloudTrail has come for the time since: the newest may have been taken away")
		}
		cut = cut || c.Cut
		if end.IsZero() || last.Before(end) {
			end = last
		}
	}
	if cut {
		return time.Time{}
	}
	return end
}

// bare says once that there are files and no digests.
func (r *round) bare() {
	if !r.p.Bare && !r.newest.IsZero() && r.start.Sub(r.newest) > cutAfter {
		r.p.Bare = true
		r.gap(r.newest, r.start, "there are log files of CloudTrail and no digests: nothing can be verified")
	}
}

// chains gives the digests of each chain in their order.
func (r *round) chains() map[string][]file {
	all := map[string][]file{}
	for _, f := range r.digests {
		name, _, _ := digest.Name(f.key)
		all[name] = append(all[name], f)
	}
	for _, files := range all {
		slices.SortFunc(files, func(a, b file) int {
			return cmp.Compare(a.key[strings.LastIndexByte(a.key, '_'):], b.key[strings.LastIndexByte(b.key, '_'):])
		})
	}
	return all
}

func (r *round) gap(start, end time.Time, what string) {
	r.out.notice(taffrail.LogNotice{Kind: taffrail.NoticeGap, Start: start.UTC(), End: end.UTC(), What: what})
}

func (r *round) forged(start, end time.Time, what string) {
	r.out.notice(taffrail.LogNotice{Kind: taffrail.NoticeForged, Start: start.UTC(), End: end.UTC(), What: what})
}

// chain goes on with one chain, and says whether nothing is left to be waited for.
func (r *round) chain(ctx context.Context, name string, files []file) (whole bool, err error) {
	id := token(name)
	for _, f := range files {
		_, end, _ := digest.Name(f.key)
		state, known := r.p.Chains[id]
		if known && end.Unix() <= state.End {
			continue
		}
		err := r.one(ctx, name, f, end)
		if errors.Is(err, errPending) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		r.p.Chains[id] = chain{End: end.Unix()}
		if r.looked++; r.looked%saveEvery == 0 {
			if err := r.save(); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// one verifies one digest, and notes what is wrong.
func (r *round) one(ctx context.Context, name string, f file, end time.Time) error {
	about := path.Base(f.key)
	state, known := r.p.Chains[token(name)]
	since := time.Unix(state.End, 0)
	if !known {
		since = end.Add(-time.Hour)
	}
	content, err := r.content(ctx, f.key)
	var broken *brokenError
	if errors.As(err, &broken) {
		return r.unless(f, func() { r.forged(since, end, about+" cannot be read: "+broken.what) })
	}
	if err != nil {
		return err
	}
	d, err := digest.Parse(content)
	if err != nil {
		return r.unless(f, func() { r.forged(since, end, about+": "+err.Error()) })
	}
	signature, err := r.shelf.signature(ctx, f.key)
	if err != nil {
		return err
	}
	switch err := d.Verify(content, signature, r.digest.keys); {
	case errors.Is(err, digest.ErrUnsigned):
		return r.unless(f, func() { r.gap(d.Start, d.End, about+" is not verified: "+err.Error()) })
	case errors.Is(err, digest.ErrUnknownKey):
		r.digest.stale = true
		return r.unless(f, func() { r.gap(d.Start, d.End, about+" is not verified: "+err.Error()) })
	case err != nil:
		r.forged(d.Start, d.End, about+": "+err.Error())
		return nil
	}
	return r.contents(ctx, name, f, d, verified{content, signature, d.End})
}

// unless says something of a digest, unless what it lacks may still come.
func (r *round) unless(f file, say func()) error {
	if r.start.Sub(r.last) < min(calm, r.late) && r.start.Sub(f.arrived) < patience {
		return errPending
	}
	say()
	return nil
}

// contents checks what a digest with a good signature says: the files that it names, and the digest before it. Notices are held back until all is known,
// since a digest that has to wait is looked at again.
func (r *round) contents(ctx context.Context, name string, f file, d digest.Digest, now verified) error {
	before := len(r.out.batch.Notices)
	r.joins(name, d)
	err := r.follows(ctx, name, f, d)
	for i := 0; i < len(d.Logs) && err == nil; i++ {
		err = r.log(ctx, f, d, d.Logs[i])
	}
	if err != nil {
		r.out.batch.Notices = r.out.batch.Notices[:before]
		return err
	}
	r.digest.last[name] = now
	return nil
}

// joins says whether the digest begins where the last one ended.
func (r *round) joins(name string, d digest.Digest) {
	state, known := r.p.Chains[token(name)]
	end := time.Unix(state.End, 0).UTC()
	switch {
	case !known:
	case d.Start.After(end):
		r.gap(end, d.Start, "digests of CloudTrail are missing between two that are here")
	case state.Cut:
		r.out.notice(taffrail.LogNotice{Kind: taffrail.NoticeClosed, Start: end, End: d.End, What: "the digests that were missing have come"})
	}
}

// follows checks that the digest names the one before it, where that is still here.
func (r *round) follows(ctx context.Context, name string, f file, d digest.Digest) error {
	if d.PreviousObject == "" {
		if _, known := r.p.Chains[token(name)]; known {
			r.gap(d.Start, d.Start, "CloudTrail began a new chain of digests: logging was stopped before, or the trail was made anew")
		}
		return nil
	}
	last, ok := r.digest.last[name]
	if !ok || !last.end.Equal(d.Start) {
		content, err := r.content(ctx, r.shelf.locate(f.key, d, d.Bucket, d.PreviousObject))
		var broken *brokenError
		if errors.Is(err, fs.ErrNotExist) || errors.As(err, &broken) {
			return nil // what is missing is said by the times, and what is broken was said before
		}
		if err != nil {
			return err
		}
		last = verified{content: content}
	}
	if err := d.Follows(last.content, last.signature); err != nil {
		r.forged(d.Start.Add(-time.Hour), d.Start, path.Base(f.key)+": "+err.Error())
	}
	return nil
}

// log checks a file that a digest names.
func (r *round) log(ctx context.Context, f file, d digest.Digest, l digest.Log) error {
	start, end := l.Oldest, l.Newest
	if start.IsZero() || end.IsZero() {
		start, end = d.Start, d.End
	}
	key := r.shelf.locate(f.key, d, l.Bucket, l.Object)
	hash, err := r.hash(ctx, key)
	var broken *brokenError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r.unless(f, func() { r.gap(start, end, path.Base(l.Object)+" is missing, and CloudTrail has delivered it") })
	case errors.As(err, &broken):
		return r.unless(f, func() { r.forged(start, end, path.Base(l.Object)+" is not what CloudTrail delivered: "+broken.what) })
	case err != nil:
		return err
	case !strings.EqualFold(hash, l.Hash):
		r.forged(start, end, path.Base(l.Object)+" is not what CloudTrail delivered")
	}
	return nil
}

// A brokenError says that a file is not what it should be by its form.
type brokenError struct{ what string }

func (e *brokenError) Error() string { return e.what }

// plain opens a file without its compression.
func (r *round) plain(ctx context.Context, key string, use func(io.Reader) error) error {
	in, err := r.shelf.open(ctx, key)
	if err != nil {
		return err
	}
	defer in.Close()
	z, err := gzip.NewReader(marked{in})
	if err == nil {
		err = use(z)
	}
	var failed *readError
	if errors.As(err, &failed) {
		return unreadable(r.shelf.describe(key), failed.err)
	}
	if err != nil {
		return &brokenError{"it is no whole gzip stream"}
	}
	return nil
}

// content is a digest file without compression.
func (r *round) content(ctx context.Context, key string) (content []byte, err error) {
	err = r.plain(ctx, key, func(in io.Reader) error {
		var b bytes.Buffer
		n, err := io.Copy(&b, io.LimitReader(in, maxDigest+1))
		if err == nil && n > maxDigest {
			err = fmt.Errorf("it is larger than %d MiB", maxDigest>>20)
		}
		content = b.Bytes()
		return err
	})
	return content, err
}

// hash is SHA-256 of a file without compression.
func (r *round) hash(ctx context.Context, key string) (string, error) {
	sum := sha256.New()
	err := r.plain(ctx, key, func(in io.Reader) error {
		_, err := io.Copy(sum, in)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}
