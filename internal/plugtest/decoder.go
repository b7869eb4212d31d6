package plugtest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

// A DecoderCase is a decoder and records of its source.
type DecoderCase struct {
	// Open gives the decoder, which seals with sealer.
	Open func(t *testing.T, sealer taffrail.Sealer) taffrail.Decoder
	// Records are good ones.
	Records [][]byte
	// WithSecret is a good record that holds the text in Secret, which must not come out.
	WithSecret []byte
	Secret     string
}

// Decoder tests what [taffrail.Decoder] promises.
func Decoder(t *testing.T, c DecoderCase) {
	t.Helper()
	keeps(t, c, decoderPromises)
}

var decoderPromises = []promise[DecoderCase]{
	{"an event has an identity, a time, an action and an actor", checkEvent},
	{"decoding twice gives the same", checkDecodeTwice},
	{"what is no record is refused", checkNoRecord},
	{"a record that is cut off is refused", checkCutOff},
	{"a record that is too deep does no harm", checkDeep},
	{"a huge record does no harm", checkHuge},
	{"no secret comes out", checkDecodedSecret},
	{"no secret stands in an error", checkSecretInError},
}

// A marking sealer gives a digest that depends on the value alone.
type markingSealer struct{}

func (markingSealer) Seal(v taffrail.Value) taffrail.Value {
	if v.IsNull() || v.IsUnknown() || v.Shape() == taffrail.ShapeSecret {
		return v
	}
	sum := uint64(14695981039346656037)
	for _, b := range taffrail.SealInput(v) {
		sum = (sum ^ uint64(b)) * 1099511628211
	}
	return taffrail.Secret(taffrail.SecretDigest(fmt.Sprintf("hmac:00000000:%064x", sum)))
}

// MarkingSealer is a sealer for tests: equal values have equal digests, and the digest does not show the value.
func MarkingSealer() taffrail.Sealer { return markingSealer{} }

func checkEvent(t *testing.T, c DecoderCase) error {
	for i, raw := range c.Records {
		e, err := c.Open(t, markingSealer{}).Decode(raw)
		switch {
		case err != nil:
			return fmt.Errorf("record %d: %w", i, err)
		case e.ID == "" || e.Source == "" || e.Time.IsZero() || e.Action == "" || e.Actor.ID == "" || e.Actor.Class == "":
			return fmt.Errorf("record %d: something is missing: %+v", i, e)
		case e.Time.Location() != time.UTC:
			return fmt.Errorf("record %d: the time is not UTC", i)
		case len(e.Actor.Features) == 0:
			return fmt.Errorf("record %d: it is not said by what the actor is classed", i)
		case e.Digest == [32]byte{}:
			return fmt.Errorf("record %d: no digest of the bytes", i)
		}
	}
	return nil
}

func checkDecodeTwice(t *testing.T, c DecoderCase) error {
	d := c.Open(t, markingSealer{})
	for i, raw := range c.Records {
		kept := bytes.Clone(raw)
		once, _ := d.Decode(raw)
		again, _ := d.Decode(raw)
		if diff := cmp.Diff(once, again); diff != "" {
			return fmt.Errorf("record %d: the second time differs (-first +second):\n%s", i, diff)
		}
		if !bytes.Equal(kept, raw) {
			return fmt.Errorf("record %d was changed", i)
		}
	}
	return nil
}

func checkNoRecord(t *testing.T, c DecoderCase) error {
	for _, raw := range []string{"", " ", "null", "1", `"text"`, "[]", "{}", `{"a":1}`, "\xff\xfe", "{\"a\":\x00}", `<xml/>`} {
		if err := refuses(t, c, []byte(raw)); err != nil {
			return fmt.Errorf("%q: %w", raw, err)
		}
	}
	return nil
}

func refuses(t *testing.T, c DecoderCase, raw []byte) error {
	e, err := c.Open(t, markingSealer{}).Decode(raw)
	switch {
	case err == nil:
		return fmt.Errorf("no error, but %+v", e)
	case taffrail.KindOf(err) != taffrail.KindInvalid:
		return fmt.Errorf("want an error of the kind invalid, got: %w", err)
	case taffrail.HintOf(err) == "":
		return fmt.Errorf("no hint beside: %w", err)
	case e.ID != "":
		return fmt.Errorf("an event beside the error: %w", err)
	}
	return nil
}

func checkCutOff(t *testing.T, c DecoderCase) error {
	for i, raw := range c.Records {
		raw = bytes.TrimSpace(raw)
		for n := range len(raw) {
			if n > 400 && n%37 != 0 { // each byte of the head, and a sample of the rest
				continue
			}
			if err := refuses(t, c, raw[:n]); err != nil {
				return fmt.Errorf("record %d cut at byte %d: %w", i, n, err)
			}
		}
	}
	return nil
}

// checkDeep puts nesting that no system writes into each record, at the front and at the end.
func checkDeep(t *testing.T, c DecoderCase) error {
	for _, depth := range []int{400, 9000, 200_000} {
		deep := strings.Repeat(`{"a":[`, depth) + strings.Repeat(`]}`, depth)
		for i, raw := range c.Records {
			for _, name := range []string{"requestParameters", "requestObject", "x"} {
				planted := append([]byte(`{"`+name+`":`+deep+`,`), bytes.TrimSpace(raw)[1:]...)
				if _, err := c.Open(t, markingSealer{}).Decode(planted); err != nil && taffrail.KindOf(err) != taffrail.KindInvalid {
					return fmt.Errorf("record %d, depth %d: %w", i, depth, err)
				}
			}
		}
	}
	return nil
}

func checkHuge(t *testing.T, c DecoderCase) error {
	huge := `{"x":"` + strings.Repeat("a", 8<<20) + `",`
	for i, raw := range c.Records {
		if _, err := c.Open(t, markingSealer{}).Decode(append([]byte(huge), bytes.TrimSpace(raw)[1:]...)); err != nil {
			return fmt.Errorf("record %d with a field of 8 MiB: %w", i, err)
		}
	}
	return nil
}

func checkDecodedSecret(t *testing.T, c DecoderCase) error {
	if !bytes.Contains(c.WithSecret, []byte(c.Secret)) || c.Secret == "" {
		return fmt.Errorf("the case has no secret to look for")
	}
	e, err := c.Open(t, markingSealer{}).Decode(c.WithSecret)
	if err != nil {
		return err
	}
	if text := fmt.Sprintf("%+v", e); strings.Contains(text, c.Secret) {
		return fmt.Errorf("the secret stands in the event")
	}
	for _, v := range bodiesOf(e) {
		if bytes.Contains(v.AppendCanonical(nil), []byte(c.Secret)) {
			return fmt.Errorf("the secret stands in a body")
		}
	}
	return nil
}

func bodiesOf(e taffrail.Event) []taffrail.Value {
	all := []taffrail.Value{e.Request, e.Response}
	if e.State != nil {
		all = append(all, e.State.Object, e.State.Asserts)
	}
	return all
}

// checkSecretInError breaks the record with the secret at each place, and reads what is said of it.
func checkSecretInError(t *testing.T, c DecoderCase) error {
	d := c.Open(t, markingSealer{})
	for n := range len(c.WithSecret) {
		broken := bytes.Clone(c.WithSecret)
		broken[n] = '!'
		for _, raw := range [][]byte{c.WithSecret[:n], broken} {
			if _, err := d.Decode(raw); err != nil && strings.Contains(err.Error()+taffrail.HintOf(err), c.Secret) {
				return fmt.Errorf("broken at byte %d, the error tells the secret", n)
			}
		}
	}
	return nil
}
