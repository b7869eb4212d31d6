package file

import (
	"os"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
)

// BenchmarkSwap is one swap of the guard's state, beside as many bytes written in place and synced.
func BenchmarkSwap(b *testing.B) {
	b.Run("swap", func(b *testing.B) {
		g := &guard{folder: b.TempDir()}
		var held audit.Head
		for size := int64(0); b.Loop(); size++ {
			head := audit.Head{Origin: "taffrail.local/bench", Size: size, Root: audit.EmptyRoot()}
			if err := g.Swap(b.Context(), held, head); err != nil {
				b.Fatal(err)
			}
			held = head
		}
	})
	b.Run("write", func(b *testing.B) {
		f, err := os.Create(b.TempDir() + "/file")
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		text := make([]byte, 2*slotSize)
		if _, err := f.Write(text); err != nil {
			b.Fatal(err)
		}
		for n := 0; b.Loop(); n++ {
			if _, err := f.WriteAt(text[:slotSize], int64(n%2)*slotSize); err != nil {
				b.Fatal(err)
			}
			if err := syncData(f); err != nil {
				b.Fatal(err)
			}
		}
	})
}
