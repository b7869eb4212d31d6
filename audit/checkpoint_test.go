package audit_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/audit/audittest"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const emptyBase64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

func TestEmptyRoot(t *testing.T) {
	reference, err := tlog.TreeHash(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if audit.EmptyRoot() != reference || audit.EmptyRoot().String() != emptyBase64 {
		t.Errorf("empty root is %v", audit.EmptyRoot())
	}
}

func TestCheckpointText(t *testing.T) {
	// The example of C2SP tlog-checkpoint.
	const text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
	head, err := audit.ParseCheckpoint([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if head.Origin != "example.com/behind-the-sofa" || head.Size != 20852163 {
		t.Errorf("parsed %+v", head)
	}
	again, err := audit.FormatCheckpoint(head)
	if err != nil || string(again) != text {
		t.Errorf("formatted %q, %v", again, err)
	}
}

func TestParseCheckpointRefuses(t *testing.T) {
	const root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
	for name, text := range map[string]string{
		"empty":               "",
		"two lines":           "o\n1\n",
		"no newline":          "o\n1\n" + root,
		"extension line":      "o\n1\n" + root + "\nmore\n",
		"empty extension":     "o\n1\n" + root + "\n\n",
		"no origin":           "\n1\n" + root + "\n",
		"origin with space":   "o o\n1\n" + root + "\n",
		"origin with plus":    "o+o\n1\n" + root + "\n",
		"origin with CR":      "o\r\n1\n" + root + "\n",
		"origin not UTF-8":    "\xff\n1\n" + root + "\n",
		"leading zero":        "o\n01\n" + root + "\n",
		"plus sign":           "o\n+1\n" + root + "\n",
		"negative":            "o\n-1\n" + root + "\n",
		"negative zero":       "o\n-0\n" + emptyBase64 + "\n",
		"hexadecimal":         "o\n0x1\n" + root + "\n",
		"size with CR":        "o\n1\r\n" + root + "\n",
		"beyond int64":        "o\n9223372036854775808\n" + root + "\n",
		"beyond all bounds":   "o\n9223372036854775807\n" + root + "\n",
		"root without pad":    "o\n1\n" + strings.TrimSuffix(root, "=") + "\n",
		"root too short":      "o\n1\nCsUY\n",
		"root spelled badly":  "o\n1\n" + strings.TrimSuffix(root, "I=") + "J=\n",
		"root in URL base64":  "o\n1\n" + strings.ReplaceAll(root, "/", "_") + "\n",
		"empty tree, another": "o\n0\n" + root + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			if head, err := audit.ParseCheckpoint([]byte(text)); err == nil {
				t.Errorf("accepted as %+v", head)
			}
		})
	}
}

func TestOpenCheckpoint(t *testing.T) {
	const origin = "taffrail.local/test"
	key, verifier := audittest.Key(t, origin)
	other, _ := audittest.Key(t, origin)
	witness, _ := audittest.Key(t, "witness.example")
	head := audit.Head{Origin: origin, Size: 3, Root: tlog.RecordHash(nil)}
	sign := func(h audit.Head, keys ...note.Signer) []byte {
		text, err := audit.FormatCheckpoint(h)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := note.Sign(&note.Note{Text: string(text)}, keys...)
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
	for name, msg := range map[string][]byte{"alone": sign(head, key), "with a witness": sign(head, key, witness)} {
		got, err := audit.OpenCheckpoint(msg, verifier)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(audit.Checkpoint{Head: head, Note: msg}, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	foreign := head
	foreign.Origin = "elsewhere.example"
	signed := sign(head, key)
	for name, msg := range map[string][]byte{
		"another key of the same name": sign(head, other),
		"another origin":               sign(foreign, key),
		"changed size":                 bytes.Replace(signed, []byte("\n3\n"), []byte("\n4\n"), 1),
		"no signature":                 signed[:bytes.LastIndex(signed, []byte("\n\n"))+2],
		"nothing":                      nil,
	} {
		if cp, err := audit.OpenCheckpoint(msg, verifier); err == nil {
			t.Errorf("%s: accepted as %+v", name, cp.Head)
		}
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add([]byte("example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"))
	f.Add([]byte("o\n0\n" + emptyBase64 + "\n"))
	f.Add([]byte("o\n01\n\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		head, err := audit.ParseCheckpoint(text)
		if err != nil {
			return
		}
		again, err := audit.FormatCheckpoint(head)
		if err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%q becomes %+v becomes %q, %v", text, head, again, err)
		}
	})
}
