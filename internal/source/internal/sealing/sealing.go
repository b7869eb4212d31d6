// Package sealing writes a record of an audit source anew, as one line of JSON, with each secret replaced by its keyed digest.
//
// What is secret is told by [Rules]. A value is one if its field is called like a secret ("masterUserPassword", "DB_PASSWORD"), if it stands in
// a pair that is ({"name": "API_TOKEN", "value": "..."}), or if it looks like one by itself: a private key, a token of a known form, an address
// with a password in it, an assignment like DB_PASSWORD=... . Documents that are JSON in text, at times URL-encoded, are followed. What a source
// knows beyond that (all data of a Secret of Kubernetes) it says in Rules.Treat. The whole record is looked at, not parts of it.
//
//	rules := sealing.Rules{Sealer: sealer, Names: sealing.CommonNames(), Documents: true}
//	kept, err := rules.Rewrite(nil, raw, sealing.Delivered)
//
// A digest stands in the record as [taffrail.SealedText] writes it, and a decoder reads it back with [taffrail.ParseSealedText]. Nobody outside can
// pass a digest off as ours: a text of a delivered record that looks like one is sealed like a secret. A decoder that takes both delivered and
// kept records rewrites what it gets as [Either], and decodes the outcome: then it says the same of both by construction.
//
// Rewriting validates: what is no JSON, is nested deeper than [MaxDepth] or holds a number that no [taffrail.Value] can is an error, which quotes
// nothing. What is written is valid UTF-8 without white space between tokens; all else stays as it was, byte by byte: order, doubled names,
// escapes, digits.
package sealing

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/taffrail-dev/taffrail"
)

// MaxDepth bounds how deep a record is nested, and each document in it. It is less than [taffrail.FromJSON] follows.
const MaxDepth = 490

// maxDocument bounds how deep documents in documents are followed. What lies deeper is a secret as a whole.
const maxDocument = 40

// Rules say what is secret in the records of a source. They may be used by many at once.
type Rules struct {
	Sealer taffrail.Sealer
	Names  *Names // that secrets have
	// Within says that what stands in an object of a secret name is secret, too, but for ids, names and ARNs.
	Within bool
	// Documents says that texts which are JSON documents are followed.
	Documents bool
	// Hidden, if it is not nil, says whether a text stands for something that the source itself has hidden. It is left as it is.
	Hidden func(text []byte) bool
	// Treat, if it is not nil, is asked of each object, and gives the form of each of its fields that is secret whatever it is called and looks
	// like. It may give nil, for an object without such fields.
	Treat func(o *Object) func(field string) Form
}

// A Form gives the value that is sealed in place of one: the value itself, or what it would be where it is compared. A nil Form says that nothing
// but the usual rules hold.
type Form func(taffrail.Value) taffrail.Value

// Same is the [Form] of a value that is sealed as it is.
func Same(v taffrail.Value) taffrail.Value { return v }

// An Origin says what is rewritten.
type Origin uint8

// The origins.
const (
	Delivered Origin = iota // as the source gave it
	Either                  // as the source gave it, or as Rewrite has already written it
)

// Rewrite appends the record to dst. The record is not changed, and not kept.
func (r *Rules) Rewrite(dst, record []byte, from Origin) ([]byte, error) {
	if !utf8.Valid(record) {
		record = validated(record)
	}
	w := writer{rules: r, origin: from, in: record, out: dst}
	if err := w.whole(nil); err != nil {
		return dst, err
	}
	return w.out, nil
}

// validated replaces each byte that is no UTF-8 as encoding/json does.
func validated(record []byte) []byte {
	var b bytes.Buffer
	for len(record) > 0 {
		r, n := utf8.DecodeRune(record)
		b.WriteRune(r)
		record = record[n:]
	}
	return b.Bytes()
}

var (
	errDeep   = errors.New("it is nested too deep")
	errNumber = errors.New("it holds a number beyond all bounds")

	errNoDocument = errors.New("it does not look like a document")
)
