package cloudtrail

import (
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

func BenchmarkDecode(b *testing.B) {
	d := newDecoder(plugtest.MarkingSealer())
	b.SetBytes(int64(len(authorize)))
	for b.Loop() {
		if _, err := d.Decode([]byte(authorize)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKeep(b *testing.B) {
	d := newDecoder(plugtest.MarkingSealer())
	for name, raw := range map[string]string{"change": authorize, "read": strings.Replace(authorize, `"readOnly":false`, `"readOnly":true`, 1)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, err := d.Keep([]byte(raw)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
