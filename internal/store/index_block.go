package store

import (
	"encoding/binary"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// The lists of the text index are quick where a word is rare. Where two words are frequent and never meet, both are walked from end to end.
// So the entries stand in blocks, and each block that is whole keeps, for each word that many of its entries have, a bit for each entry. A
// block of which entries were pruned has none. What a block has no bits for, few of its entries have; but the marks of types,
// outcomes and actors have bits in each block that has them at all.

const (
	blockSize   = 1 << 12
	blockCommon = blockSize / 64 // what has fewer entries in a block is left to the text index
)

// A bitset has a bit for each entry of a block.
type bitset [blockSize / 64]uint64

func (b *bitset) set(i int64) { b[i/64] |= 1 << (i % 64) }

func (b *bitset) has(i int64) bool { return b[i/64]&(1<<(i%64)) != 0 }

func (b *bitset) count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// and keeps what the other has, too.
func (b *bitset) and(other *bitset) {
	for i := range b {
		b[i] &= other[i]
	}
}

// or adds what the other has.
func (b *bitset) or(other *bitset) {
	for i := range b {
		b[i] |= other[i]
	}
}

func (b *bitset) bytes() []byte {
	raw := make([]byte, 0, blockSize/8)
	for _, w := range b {
		raw = binary.LittleEndian.AppendUint64(raw, w)
	}
	return raw
}

// bitsetOf reads what bytes gave; nil if it is anything else.
func bitsetOf(raw []byte) *bitset {
	if len(raw) != blockSize/8 {
		return nil
	}
	var b bitset
	for i := range b {
		b[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return &b
}

// recentWords are those of the newest entries, so that they need not be read again when a block is whole.
type recentWords struct {
	from  int64
	words []string // of each entry, joined; what stands in it is not changed
}

// deriveBlock keeps the words of an entry, and writes its block if that is the last of it.
func (tx *Tx) deriveBlock(index int64, words string) error {
	r := &tx.known.recent
	if r.from+int64(len(r.words)) != index || index%blockSize == 0 {
		*r = recentWords{from: index}
	}
	r.words = append(r.words, words)
	if (index+1)%blockSize != 0 {
		return nil
	}
	return tx.writeBlock(index / blockSize)
}

// writeBlock writes the bits of a block.
func (tx *Tx) writeBlock(block int64) error {
	first := block * blockSize
	pruned, err := tx.Pruned()
	if err != nil || pruned > first {
		return err
	}
	words, err := tx.wordsOfBlock(first)
	if err != nil {
		return err
	}
	common := commonWords(words)
	for _, word := range slices.Sorted(maps.Keys(common)) {
		if err := tx.insert("index_block", "word, block, bits", word, block, common[word].bytes()); err != nil {
			return err
		}
	}
	return nil
}

// wordsOfBlock gives the words of each entry of a block: those that are known, and those before them from the log.
func (tx *Tx) wordsOfBlock(first int64) (words []string, err error) {
	last, recent := first+blockSize, tx.known.recent
	if recent.from < first || recent.from+int64(len(recent.words)) != last {
		recent = recentWords{from: last}
	}
	err = tx.Entries(first, recent.from, func(index int64, leaf []byte) error {
		e, err := taffrail.ParseEntry(leaf)
		if err != nil {
			return err
		}
		of, err := tx.textOf(index, leaf, e)
		words = append(words, strings.Join(of, " "))
		return err
	})
	return append(words, recent.words...), err
}

// commonWords gives the bits of the words that many entries have, and of all marks of types, outcomes and actors.
func commonWords(words []string) map[string]*bitset {
	numbers := make(map[string]int, 4*len(words)) // of the words, from 1
	var counts []int
	var seen []int // the numbers of the words of all entries, a 0 after each entry
	for _, of := range words {
		for word := range strings.SplitSeq(of, " ") {
			n := numbers[word]
			if n == 0 {
				counts = append(counts, 0)
				n = len(counts)
				numbers[word] = n
			}
			counts[n-1]++
			seen = append(seen, n)
		}
		seen = append(seen, 0)
	}
	common, sets := map[string]*bitset{}, make([]*bitset, len(counts)+1)
	for word, n := range numbers {
		if alwaysInBlocks(word) || counts[n-1] >= blockCommon && !strings.HasPrefix(word, blockMark) {
			common[word] = &bitset{}
			sets[n] = common[word]
		}
	}
	at := int64(0)
	for _, n := range seen {
		if n == 0 {
			at++
		} else if sets[n] != nil {
			sets[n].set(at)
		}
	}
	return common
}

func alwaysInBlocks(word string) bool {
	return strings.HasPrefix(word, typeMark) || strings.HasPrefix(word, outcomeMark) || strings.HasPrefix(word, actorMark)
}

// rewriteBlock writes the bits of an entry's block anew, after a change of its words.
func (tx *Tx) rewriteBlock(index int64) error {
	tx.known.recent = recentWords{}
	block := index / blockSize
	if err := tx.exec("DELETE FROM index_block WHERE block = ?", block); err != nil {
		return err
	}
	size, err := tx.Size()
	if err != nil || size < (block+1)*blockSize {
		return err
	}
	return tx.writeBlock(block)
}

// dropBlocks drops the bits of all blocks with entries before an index.
func (tx *Tx) dropBlocks(before int64) error {
	tx.known.recent = recentWords{}
	return tx.exec("DELETE FROM index_block WHERE block < ?", (before+blockSize-1)/blockSize)
}
