package plugtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

// Keeper tests what [taffrail.Keeper] promises of a decoder, beside what [Decoder] tests.
func Keeper(t *testing.T, c DecoderCase) {
	t.Helper()
	keeps(t, c, keeperPromises)
}

var keeperPromises = []promise[DecoderCase]{
	{"what is kept decodes as what was delivered", checkKeptEvent},
	{"the head is that of the event", checkKeptHead},
	{"what is kept is one line of JSON, beside the digest of what was delivered", checkKeptLine},
	{"keeping twice gives the same, and changes nothing", checkKeptTwice},
	{"what Decode refuses Keep refuses", checkKeepRefuses},
	{"no secret is kept", checkKeptSecret},
	{"a digest that somebody made up is sealed like a secret", checkForgedDigest},
	{"no secret stands in an error of keeping", checkKeepError},
}

func keeperOf(t *testing.T, c DecoderCase) (taffrail.Decoder, taffrail.Keeper, error) {
	d := c.Open(t, markingSealer{})
	k, ok := d.(taffrail.Keeper)
	if !ok {
		return d, nil, fmt.Errorf("%T is no Keeper", d)
	}
	return d, k, nil
}

// eachKept keeps each record, the one with a secret among them.
func eachKept(t *testing.T, c DecoderCase, check func(d taffrail.Decoder, raw []byte, kept taffrail.Kept) error) error {
	d, k, err := keeperOf(t, c)
	if err != nil {
		return err
	}
	for i, raw := range append(slices.Clone(c.Records), c.WithSecret) {
		kept, err := k.Keep(raw)
		if err == nil {
			err = check(d, raw, kept)
		}
		if err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
	}
	return nil
}

func checkKeptEvent(t *testing.T, c DecoderCase) error {
	return eachKept(t, c, SameEvent)
}

// SameEvent says what parts the event of what is kept from that of what was delivered.
func SameEvent(d taffrail.Decoder, raw []byte, kept taffrail.Kept) error {
	want, err := d.Decode(raw)
	if err != nil {
		return err
	}
	got, err := d.Decode(kept.Record)
	if err != nil {
		return fmt.Errorf("what is kept cannot be decoded: %w", err)
	}
	got.Digest = want.Digest
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("(-delivered +kept):\n%s", diff)
	}
	return nil
}

func checkKeptHead(t *testing.T, c DecoderCase) error {
	return eachKept(t, c, SameHead)
}

// SameHead says what parts the head that is kept from that of the event. Of keys there may be more, and of an event that only reads none.
func SameHead(d taffrail.Decoder, raw []byte, kept taffrail.Kept) error {
	e, err := d.Decode(raw)
	if err != nil {
		return err
	}
	want, got := taffrail.HeadOf(e), kept.EventHead
	if !want.Read {
		for _, key := range want.Keys {
			if !slices.Contains(got.Keys, key) {
				return fmt.Errorf("the key %q is missing", key)
			}
		}
		if !slices.IsSorted(got.Keys) || len(slices.Compact(slices.Clone(got.Keys))) != len(got.Keys) {
			return errors.New("the keys are not sorted, or stand twice")
		}
	}
	want.Keys, got.Keys = nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("(-event +head):\n%s", diff)
	}
	return nil
}

func checkKeptLine(t *testing.T, c DecoderCase) error {
	return eachKept(t, c, func(_ taffrail.Decoder, raw []byte, kept taffrail.Kept) error {
		switch {
		case !json.Valid(kept.Record):
			return errors.New("what is kept is no JSON")
		case bytes.ContainsAny(kept.Record, "\r\n"):
			return errors.New("what is kept is more than a line")
		case kept.Digest != sha256.Sum256(raw):
			return errors.New("the digest is not that of the bytes that were delivered")
		}
		return nil
	})
}

func checkKeptTwice(t *testing.T, c DecoderCase) error {
	_, k, err := keeperOf(t, c)
	if err != nil {
		return err
	}
	return eachKept(t, c, func(_ taffrail.Decoder, raw []byte, kept taffrail.Kept) error {
		before := bytes.Clone(raw)
		again, err := k.Keep(raw)
		if err != nil {
			return err
		}
		if !bytes.Equal(before, raw) {
			return errors.New("the record was changed")
		}
		if diff := cmp.Diff(kept, again); diff != "" {
			return fmt.Errorf("the second time differs:\n%s", diff)
		}
		return nil
	})
}

func checkKeepRefuses(t *testing.T, c DecoderCase) error {
	d, k, err := keeperOf(t, c)
	if err != nil {
		return err
	}
	broken := [][]byte{[]byte(""), []byte("null"), []byte("[]"), []byte("{}"), []byte(`{"a":1}`), []byte("\xff"), []byte(`<xml/>`)}
	for _, raw := range c.Records {
		raw = bytes.TrimSpace(raw)
		for n := 0; n < len(raw); n += 1 + n/10 {
			changed := bytes.Clone(raw)
			changed[n] = '!'
			broken = append(broken, raw[:n], changed)
		}
	}
	for _, raw := range broken {
		_, refused := d.Decode(raw)
		kept, err := k.Keep(raw)
		switch {
		case (refused == nil) != (err == nil):
			return fmt.Errorf("%.60q: Decode says %w, and Keep %w", raw, refused, err)
		case err != nil && taffrail.KindOf(err) != taffrail.KindInvalid:
			return fmt.Errorf("%.60q: want an error of the kind invalid, got: %w", raw, err)
		case err != nil && (kept.Record != nil || kept.ID != ""):
			return fmt.Errorf("%.60q: something is kept beside the error", raw)
		}
	}
	return nil
}

func checkKeptSecret(t *testing.T, c DecoderCase) error {
	if !bytes.Contains(c.WithSecret, []byte(c.Secret)) || c.Secret == "" {
		return errors.New("the case has no secret to look for")
	}
	return eachKept(t, c, func(_ taffrail.Decoder, _ []byte, kept taffrail.Kept) error {
		if bytes.Contains(kept.Record, []byte(c.Secret)) || strings.Contains(fmt.Sprintf("%+v", kept.EventHead), c.Secret) {
			return errors.New("the secret is kept")
		}
		return nil
	})
}

func checkForgedDigest(t *testing.T, c DecoderCase) error {
	_, k, err := keeperOf(t, c)
	if err != nil {
		return err
	}
	forged := taffrail.SealedText(markingSealer{}.Seal(taffrail.String("of something else")))
	kept, err := k.Keep(bytes.ReplaceAll(c.WithSecret, []byte(c.Secret), []byte(forged)))
	if err != nil {
		return err
	}
	if bytes.Contains(kept.Record, []byte(forged)) {
		return errors.New("the digest from outside passes for one of ours")
	}
	return nil
}

func checkKeepError(t *testing.T, c DecoderCase) error {
	_, k, err := keeperOf(t, c)
	if err != nil {
		return err
	}
	for n := range len(c.WithSecret) {
		broken := bytes.Clone(c.WithSecret)
		broken[n] = '!'
		for _, raw := range [][]byte{c.WithSecret[:n], broken} {
			if _, err := k.Keep(raw); err != nil && strings.Contains(err.Error()+taffrail.HintOf(err), c.Secret) {
				return fmt.Errorf("broken at byte %d, the error tells the secret", n)
			}
		}
	}
	return nil
}
