package taffrail_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// randomText draws from the characters that encodings get wrong.
func randomText(r *rand.Rand) string {
	alphabet := []string{"a", "B", "0", "-", "_", ".", `"`, `\`, "\n", "\x00", "\x1f", "\x7f", "[", "]", "{", "}", "*", " ", "é", "\u2028", "\uE000", "\uFFFD", "😀", "𐀀"}
	var b strings.Builder
	for range r.IntN(5) {
		b.WriteString(alphabet[r.IntN(len(alphabet))])
	}
	return b.String()
}

func randomNumber(r *rand.Rand) taffrail.Value {
	text := fmt.Sprintf("%d.%03de%d", r.IntN(2000)-1000, r.IntN(1000), r.IntN(100)-50)
	v, err := taffrail.Number(text)
	if err != nil {
		panic(err)
	}
	return v
}

// randomValue draws any value, of at most this depth.
func randomValue(r *rand.Rand, depth int) taffrail.Value {
	shapes := 10
	if depth == 0 {
		shapes = 6
	}
	switch r.IntN(shapes) {
	case 0:
		return taffrail.Unknown()
	case 1:
		return taffrail.Null()
	case 2:
		return taffrail.Bool(r.IntN(2) == 0)
	case 3:
		return randomNumber(r)
	case 4:
		return taffrail.String(randomText(r))
	case 5:
		return taffrail.Secret(taffrail.SecretDigest(fmt.Sprintf("hmac:%08x:%064x", r.Uint32(), r.Uint64())))
	case 6:
		return taffrail.List(randomElems(r, depth)...)
	case 7:
		return taffrail.Set(randomElems(r, depth)...)
	case 8:
		return taffrail.Map(randomFields(r, depth))
	default:
		return taffrail.Object(randomFields(r, depth))
	}
}

func randomElems(r *rand.Rand, depth int) []taffrail.Value {
	elems := make([]taffrail.Value, r.IntN(4))
	for i := range elems {
		elems[i] = randomValue(r, depth-1)
	}
	return elems
}

func randomFields(r *rand.Rand, depth int) map[string]taffrail.Value {
	fields := map[string]taffrail.Value{}
	for range r.IntN(4) {
		fields[randomText(r)] = randomValue(r, depth-1)
	}
	return fields
}

func randomPath(r *rand.Rand) taffrail.Path {
	var p taffrail.Path
	for range r.IntN(5) {
		switch r.IntN(5) {
		case 0:
			p = p.Append(taffrail.Attr(randomText(r)))
		case 1:
			p = p.Append(taffrail.Key(randomText(r)))
		case 2:
			p = p.Append(taffrail.Index(r.IntN(100)))
		case 3:
			p = p.Append(taffrail.Element(randomValue(r, 2)))
		default:
			p = p.Append(taffrail.Any())
		}
	}
	return p
}
