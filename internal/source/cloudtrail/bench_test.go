package cloudtrail

import (
	"testing"

	"github.com/taffrail-dev/taffrail/internal/plugtest"
)

func BenchmarkDecode(b *testing.B) {
	d := decoder{plugtest.MarkingSealer()}
	b.SetBytes(int64(len(authorize)))
	for b.Loop() {
		if _, err := d.Decode([]byte(authorize)); err != nil {
			b.Fatal(err)
		}
	}
}
