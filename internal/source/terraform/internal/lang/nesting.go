package lang

import "fmt"

// MaxNesting bounds how deep brackets may stand in each other, and maxOperators how many operators one expression may have: each makes
// an expression within an expression. A parser goes as deep, and when its stack ends there is no way back.
const (
	MaxNesting   = 2_000
	maxOperators = 200_000
)

// CheckNesting refuses code that nests deeper. It counts bytes and does not know texts: who writes so many brackets into a text, or so
// many dashes between two equals signs, meets it, too.
func CheckNesting(data []byte) error {
	depth, line, operators := 0, 1, 0
	for i, b := range data {
		switch b {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(depth-1, 0)
		case '\n':
			line++
		case '!', '-', '?', '+', '*', '/', '%', '&', '|', '<', '>':
			operators++
		case '=':
			if operators++; assigns(data, i) {
				operators = 0
			}
		}
		if depth > MaxNesting || operators > maxOperators {
			return fmt.Errorf("line %d: the code nests too deep", line)
		}
	}
	return nil
}

// assigns says whether an equals sign stands alone.
func assigns(data []byte, i int) bool {
	part := func(i int) bool {
		return i >= 0 && i < len(data) && (data[i] == '=' || data[i] == '!' || data[i] == '<' || data[i] == '>')
	}
	return !part(i-1) && !part(i+1)
}
