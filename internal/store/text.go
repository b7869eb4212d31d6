package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash/maphash"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/taffrail-dev/taffrail"
)

// The words by which an entry is found are those of its clear fields and of its body, and of the fields that were disclosed and not erased.
// Both databases get the same words, split here, so that an answer does not depend on the database, and nothing that a person types is
// syntax. Beside them stand marks of the fields that a search can ask for: they begin with a character that no word has.

// maxTextWord is how long a word may be, in bytes; longer ones are cut, in entries and in questions. It holds a digest in hexadecimal.
const maxTextWord = 128

// wordsOf gives the words of a text, in lower case: runs of letters, marks and digits.
func wordsOf(text string) []string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r)
	})
	for i, w := range words {
		if len(w) > maxTextWord {
			words[i] = strings.ToValidUTF8(w[:maxTextWord], "")
		}
	}
	return words
}

// unspoken are the fields of a leaf that nobody looks for by a word.
var unspoken = map[string]bool{"time": true, "clock": true, "nonce": true, "_sd": true, "_sd_alg": true}

// textOf gives the words and the marks of an entry, each once, in order.
func (tx *Tx) textOf(index int64, leaf []byte, e taffrail.Entry) ([]string, error) {
	set := map[string]bool{}
	add := func(text string) {
		for _, w := range wordsOf(text) {
			set[w] = true
		}
	}
	var fields map[string]any
	if err := json.Unmarshal(leaf, &fields); err != nil {
		return nil, err
	}
	for name, value := range fields {
		if !unspoken[name] {
			eachString(value, add)
		}
	}
	if len(e.Digests) > 0 {
		disclosures, err := tx.Disclosures(index)
		if err != nil {
			return nil, err
		}
		for _, d := range disclosures {
			var value any
			if json.Unmarshal([]byte(d.Value), &value) == nil {
				eachString(value, add)
			}
		}
	}
	for _, m := range marksOf(index, e) {
		set[m] = true
	}
	return slices.Sorted(maps.Keys(set)), nil
}

// eachString calls f with every string in a value of JSON.
func eachString(value any, f func(string)) {
	switch v := value.(type) {
	case string:
		f(v)
	case []any:
		for _, one := range v {
			eachString(one, f)
		}
	case map[string]any:
		for _, one := range v {
			eachString(one, f)
		}
	}
}

// textBlock is how many entries share a mark of where they are: see findTextPostgres.
const textBlock = 1 << 15

// What some marks begin with.
const (
	blockMark   = "§b"
	typeMark    = "§t"
	outcomeMark = "§o"
	actorMark   = "§a"
)

// marksOf are the marks of the fields that a search can ask for, and of where the entry is.
func marksOf(index int64, e taffrail.Entry) []string {
	entryType, _ := e.Body.Kind()
	marks := []string{blockMark + strconv.FormatInt(index/textBlock, 10), mark("t", string(entryType)), mark("o", string(e.Outcome)), mark("a", e.Actor), mark("s", string(e.Scope))}
	if e.Resource != "" {
		marks = append(marks, mark("r", string(e.Resource)))
	}
	if e.Request != "" {
		marks = append(marks, mark("q", e.Request))
	}
	return marks
}

// mark is a word that stands for a value of a field.
func mark(field, value string) string {
	sum := sha256.Sum256([]byte(value))
	return "§" + field + hex.EncodeToString(sum[:8])
}

// deriveText writes the words of an entry, and gives them. The shadow has none: it is what they come to that is compared.
func (tx *Tx) deriveText(index int64, leaf []byte, e taffrail.Entry) (string, error) {
	words, err := tx.textOf(index, leaf, e)
	if err != nil {
		return "", err
	}
	joined := strings.Join(words, " ")
	if tx.shadow {
		for _, w := range words {
			tx.texts.add(w, index)
		}
		return joined, nil
	}
	return joined, tx.insert("text_entry", tx.dialect.textColumns, index, joined)
}

// dropText takes the words of an entry out. It must be called while everything is there that they are from.
func (tx *Tx) dropText(index int64, leaf []byte, e taffrail.Entry) error {
	if tx.dialect.dropText == "" {
		return tx.exec("DELETE FROM text_entry WHERE idx = ?", index)
	}
	words, err := tx.textOf(index, leaf, e)
	if err != nil {
		return err
	}
	return tx.exec(tx.dialect.dropText, index, strings.Join(words, " "))
}

// A textSum is what the words of many entries come to, in whatever order they are added.
type textSum struct {
	words int64
	sum   uint64
	seed  maphash.Seed
}

func (s *textSum) add(word string, index int64) {
	s.words++
	s.sum += maphash.String(s.seed, word+" "+strconv.FormatInt(index, 10))
}

// storedText adds up the words that are stored.
func (tx *Tx) storedText(seed maphash.Seed) (s textSum, err error) {
	s.seed = seed
	for _, statement := range tx.dialect.prepareWords {
		if err := tx.exec(statement); err != nil {
			return s, err
		}
	}
	rows, err := tx.query(tx.dialect.words)
	if err != nil {
		return s, err
	}
	err = tx.eachRow(rows, func() error {
		var word string
		var index int64
		err := tx.scan(rows, &word, &index)
		s.add(word, index)
		return err
	})
	return s, err
}

// rebuildText writes the words of all entries anew.
func (tx *Tx) rebuildText() error {
	if err := tx.exec(tx.dialect.clearText); err != nil {
		return err
	}
	return tx.eachEntry(func(index int64, leaf []byte) error {
		e, err := taffrail.ParseEntry(leaf)
		if err != nil {
			return err
		}
		_, err = tx.deriveText(index, leaf, e)
		return err
	})
}

// eachEntry calls f with every entry that was not pruned.
func (tx *Tx) eachEntry(f func(index int64, leaf []byte) error) error {
	from, err := tx.Pruned()
	if err != nil {
		return err
	}
	size, err := tx.Size()
	if err != nil {
		return err
	}
	return tx.Entries(from, size, f)
}
