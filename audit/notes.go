package audit

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// splitNote takes a signed note apart, into the text that is signed and the lines of signatures, each with its newline.
func splitNote(msg []byte) (text []byte, lines []string) {
	text, rest, ok := bytes.Cut(msg, []byte("\n\n"))
	if !ok {
		return nil, nil
	}
	for line := range strings.Lines(string(rest)) {
		lines = append(lines, line)
	}
	return msg[:len(text)+1], lines
}

// joinNote is the inverse of splitNote.
func joinNote(text []byte, lines []string) []byte {
	return append(append(bytes.Clone(text), '\n'), strings.Join(lines, "")...)
}

// MergeNotes gives a note with the signatures of another one that signs the same text, behind its own. Of one that signs another text
// nothing is taken over: whoever signed that signed something else.
func MergeNotes(msg, other []byte) []byte {
	text, lines := splitNote(msg)
	same, more := splitNote(other)
	if text == nil || !bytes.Equal(text, same) {
		return msg
	}
	has := map[string]bool{}
	for _, line := range lines {
		has[line] = true
	}
	for _, line := range more {
		if !has[line] {
			lines = append(lines, line)
		}
	}
	return joinNote(text, lines)
}

// AddCosignatures joins what a witness answered to the note of a checkpoint, if it holds a cosignature of that witness. Lines of other
// keys are not taken over. A cosignature of the witness that stands there already stays as it is: the earlier one says more. Lines
// that only pretend to be one go.
func AddCosignatures(msg, answer []byte, witness note.Verifier) ([]byte, error) {
	text, lines := splitNote(msg)
	if text == nil {
		return nil, fmt.Errorf("add cosignature: the checkpoint is no signed note")
	}
	line, err := signatureLine(text, answer, witness)
	if err != nil {
		return nil, fmt.Errorf("add cosignature: %s did not cosign this checkpoint: %w", witness.Name(), err)
	}
	if _, err := signatureLine(text, []byte(strings.Join(lines, "")), witness); err == nil {
		return msg, nil
	}
	kept := lines[:0]
	for _, old := range lines {
		if _, forged := signatureLine(text, []byte(old), witness); !isInvalid(forged) {
			kept = append(kept, old)
		}
	}
	return joinNote(text, append(kept, line)), nil
}

// signatureLine gives the line of a witness, if it is among these and verifies.
func signatureLine(text, lines []byte, witness note.Verifier) (string, error) {
	n, err := note.Open(append(append(bytes.Clone(text), '\n'), lines...), note.VerifierList(witness))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("— %s %s\n", n.Sigs[0].Name, n.Sigs[0].Base64), nil
}

// isInvalid says whether a signature claims to be by the key that was asked for, and is not.
func isInvalid(err error) bool {
	_, ok := err.(*note.InvalidSignatureError) //nolint:errorlint // note.Open gives it as it is
	return ok
}
