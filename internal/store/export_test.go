package store

// What the tests in package store_test look at.
var (
	WordsOf       = wordsOf
	ParseSnapshot = parseSnapshot
)
