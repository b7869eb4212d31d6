package store

import (
	"math"
	"slices"
)

// byWords finds entries that have one word of each of some sets: block after block, from the end that is asked for. Where all sets are
// frequent in a block its bits say which entries have them; where some are not, the text index is asked for those alone, of which there
// are few, and the bits of the others say which to keep. So it costs about the same however often the words occur, and wherever they meet.
func (q *question) byWords(wanted [][]string) ([]int64, error) {
	pruned, err := q.tx.Pruned()
	if err != nil {
		return nil, err
	}
	size, err := q.tx.Size()
	if err != nil {
		return nil, err
	}
	w := &wordSearch{question: q, wanted: wanted, from: max(q.from, pruned), to: min(q.to, size)}
	whole, end := (pruned+blockSize-1)/blockSize, size/blockSize
	for n := int64(firstBlocks); w.from < w.to && len(w.found) < q.limit; {
		first, last := w.next(n, whole, end)
		if first >= whole && last <= end {
			n = min(n*growBlocks, maxBlocks)
			err = w.whole(first, last)
		} else {
			err = w.partial(first)
		}
		if err != nil {
			return nil, err
		}
	}
	return w.found[:min(len(w.found), q.limit)], nil
}

// How many blocks are looked at in one step: few at first, since a page is often full then.
const (
	firstBlocks = 16
	growBlocks  = 16
	maxBlocks   = 1024
	maxRun      = 32 // that the text index is asked about at once
)

// A wordSearch is a search by words under way.
type wordSearch struct {
	*question
	wanted   [][]string
	from, to int64 // what was not looked at
	found    []int64
	seldom   []bool // the sets that no block of the step has bits for, where the text index can be asked for several at once
}

// next gives the blocks to be looked at next: some whole ones, or one that is not.
func (w *wordSearch) next(n, whole, end int64) (first, last int64) {
	if w.r.OldestFirst {
		first = w.from / blockSize
		if last = first + 1; first >= whole && first < end {
			last = min(first+n, end, (w.to-1)/blockSize+1)
		}
		return first, last
	}
	last = (w.to-1)/blockSize + 1
	if first = last - 1; first >= whole && last <= end {
		first = max(last-n, whole, w.from/blockSize)
	}
	return first, last
}

// take gives the span of some blocks that was not looked at, and says that it now is.
func (w *wordSearch) take(first, last int64) (from, to int64) {
	from, to = max(w.from, first*blockSize), min(w.to, last*blockSize)
	if w.r.OldestFirst {
		w.from = to
	} else {
		w.to = from
	}
	return from, to
}

// partial looks at a block that has no bits.
func (w *wordSearch) partial(block int64) error {
	from, to := w.take(block, block+1)
	more, err := w.tx.dialect.findText(w.question, w.wanted, from, to, w.limit-len(w.found))
	w.found = append(w.found, more...)
	return err
}

// A blockView is what the bits say of one block.
type blockView struct {
	may  bitset // has what is wanted, as far as the bits know
	rest []bool // the sets that the text index must be asked for
	rare []bool // the sets that it may be asked for
}

// whole looks at blocks that have bits.
func (w *wordSearch) whole(first, last int64) error {
	from, to := w.take(first, last)
	views, err := w.views(first, last, from, to)
	if err != nil {
		return err
	}
	w.seldom = make([]bool, len(w.wanted))
	for i := range w.seldom {
		w.seldom[i] = w.tx.dialect.together && !slices.ContainsFunc(views, func(v blockView) bool { return !v.rest[i] })
	}
	order := make([]int64, 0, len(views))
	for i := range views {
		order = append(order, first+int64(i))
	}
	if !w.r.OldestFirst {
		slices.Reverse(order)
	}
	for len(order) > 0 && len(w.found) < w.limit {
		n, asked := run(views, first, order)
		if err := w.look(views, first, order[:n], asked); err != nil {
			return err
		}
		order = order[n:]
	}
	return nil
}

// run gives how many blocks can be looked at by one question to the text index, or by none, and for which sets. A set that is neither rare
// nor frequent is in the question if that was asked for it anyway.
func run(views []blockView, first int64, order []int64) (n int, asked []bool) {
	for n, block := range order[:min(len(order), maxRun)] {
		v := &views[block-first]
		if v.may == (bitset{}) {
			continue
		}
		if asked == nil {
			asked = v.rest
		}
		for i, ask := range asked {
			if v.rest[i] && !ask || ask && !v.rest[i] && !v.rare[i] {
				return n, asked
			}
		}
	}
	return min(len(order), maxRun), asked
}

// look finds the entries in a run of blocks.
func (w *wordSearch) look(views []blockView, first int64, run []int64, asked []bool) error {
	low := min(run[0], run[len(run)-1])
	part := views[low-first:][:len(run)]
	for _, sets := range w.questions(asked) {
		if err := w.ask(part, low, sets); err != nil {
			return err
		}
	}
	for _, block := range run {
		w.keep(&part[block-low].may, block)
	}
	return nil
}

// questions gives the sets that the text index is asked for at once. By default that is one after the other: for two it could walk on beyond the
// run, to where they meet. Where it does not, those that no block of the step has bits for come first, and together: so few entries have
// all of them that hardly any is read. A set that is frequent somewhere makes a question about others longer.
func (w *wordSearch) questions(asked []bool) (questions [][][]string) {
	var seldom [][]string
	for i, ask := range asked {
		switch {
		case ask && w.seldom[i]:
			seldom = append(seldom, w.wanted[i])
		case ask:
			questions = append(questions, [][]string{w.wanted[i]})
		}
	}
	if len(seldom) > 0 {
		questions = slices.Insert(questions, 0, seldom)
	}
	return questions
}

// ask narrows blocks that follow each other to the entries that have one word of each of some sets.
func (w *wordSearch) ask(views []blockView, low int64, sets [][]string) error {
	hopeful := func(v blockView) bool { return v.may != (bitset{}) }
	from := slices.IndexFunc(views, hopeful)
	if from < 0 {
		return nil
	}
	to := len(views)
	for !hopeful(views[to-1]) {
		to--
	}
	have := make([]bitset, len(views))
	some, err := w.tx.dialect.findText(w.question, sets, (low+int64(from))*blockSize, (low+int64(to))*blockSize, math.MaxInt32)
	for _, index := range some {
		have[index/blockSize-low].set(index % blockSize)
	}
	for i := range views {
		views[i].may.and(&have[i])
	}
	return err
}

// keep takes all entries that are in the bits of a block.
func (w *wordSearch) keep(b *bitset, block int64) {
	if *b == (bitset{}) {
		return
	}
	for i := range int64(blockSize) {
		if !w.r.OldestFirst {
			i = blockSize - 1 - i
		}
		if b.has(i) {
			w.found = append(w.found, block*blockSize+i)
		}
	}
}

// views reads what the bits of some blocks say of a span.
func (w *wordSearch) views(first, last, from, to int64) ([]blockView, error) {
	views := make([]blockView, last-first)
	for i := range views {
		v := &views[i]
		v.rest, v.rare = make([]bool, len(w.wanted)), make([]bool, len(w.wanted))
		start := (first + int64(i)) * blockSize
		for e := max(from-start, 0); e < min(to-start, blockSize); e++ {
			v.may.set(e)
		}
	}
	for i, words := range w.wanted {
		have, err := w.bits(words, first, last)
		if err != nil {
			return nil, err
		}
		for b := range views {
			views[b].narrow(i, have[b], alwaysInBlocks(words[0]))
		}
	}
	return views, nil
}

// narrow takes into account which entries of a block have one of a set of words; nil: the bits do not say.
func (v *blockView) narrow(set int, have *bitset, always bool) {
	switch {
	case have != nil:
		v.may.and(have)
		v.rare[set] = !always && have.count() < 2*blockCommon
	case always:
		v.may = bitset{}
	default:
		v.rest[set] = true
	}
}

// bits gives which entries of some blocks have one of a set of words. A set has more than one only if each block has bits for them all.
func (w *wordSearch) bits(words []string, first, last int64) ([]*bitset, error) {
	have := make([]*bitset, last-first)
	for _, word := range words {
		err := w.tx.each("SELECT block, bits FROM index_block WHERE word = ? AND block >= ? AND block < ?", []any{word, first, last}, func(block int64, raw []byte) {
			one := bitsetOf(raw)
			switch at := block - first; {
			case one == nil:
			case have[at] == nil:
				have[at] = one
			default:
				have[at].or(one)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return have, nil
}
