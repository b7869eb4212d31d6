package taffrail

import "strings"

// sealedMark begins a text that stands for a secret in a record that is kept.
const sealedMark = "taffrail-sealed:"

// SealedText writes a [Secret] as text, for what is kept of a record. The sealer must be asked even for a text that looks like one of these
// already, so that nobody outside can pass off a digest as a secret of ours.
func SealedText(v Value) string { return sealedMark + v.Text() }

// ParseSealedText gives the [Secret] that [SealedText] wrote, and says whether the text is one.
func ParseSealedText(text string) (Value, bool) {
	rest, ok := strings.CutPrefix(text, sealedMark)
	if !ok {
		return Value{}, false
	}
	d, err := ParseSecretDigest(rest)
	if err != nil {
		return Value{}, false
	}
	return Secret(d), true
}

// IsSealedText says whether a text begins as [SealedText] begins.
func IsSealedText(text string) bool { return strings.HasPrefix(text, sealedMark) }
