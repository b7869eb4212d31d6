package audit_test

import (
	"strings"
	"testing"

	"github.com/taffrail-dev/taffrail/audit"
)

// The example of RFC 9901, section 4.2.1 and 4.2.3: a disclosure without white space, and its digest.
func TestDisclosureIsThatOfTheRFC(t *testing.T) {
	const text = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
	const digest = "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"
	if got := audit.DisclosureDigest(text); got != digest {
		t.Errorf("digest %s", got)
	}
	d, err := audit.ParseDisclosure(text)
	if err != nil || d != (audit.Disclosure{Salt: "_26bc4LT-ac6q2KI6cBW5es", Name: "family_name", Value: `"Möbius"`}) {
		t.Errorf("%+v %v", d, err)
	}
}

func TestDisclosureTextAndParseAreInverses(t *testing.T) {
	d := audit.Disclosure{Salt: strings.Repeat("s", 22), Name: "by", Value: `{"user":"<a&b>é"}`}
	text, err := d.Text()
	if err != nil {
		t.Fatal(err)
	}
	again, err := audit.ParseDisclosure(text)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := again.Text(); err != nil || second != text {
		t.Errorf("%s became %s, %v", text, second, err)
	}
}

func TestDisclosureRefuses(t *testing.T) {
	for _, text := range []string{"", "!", "e30", "W10", "WyJhIiwiYiIsMV0", strings.Repeat("A", 1<<17)} {
		if d, err := audit.ParseDisclosure(text); err == nil {
			t.Errorf("%.20q gives %+v", text, d)
		}
	}
	for _, d := range []audit.Disclosure{{}, {Salt: "short", Name: "n", Value: "1"}, {Salt: strings.Repeat("s", 22), Value: "1"}, {Salt: strings.Repeat("s", 22), Name: "n", Value: "{"}} {
		if text, err := d.Text(); err == nil {
			t.Errorf("%+v gives %s", d, text)
		}
	}
}

func FuzzParseDisclosure(f *testing.F) {
	f.Add("WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := audit.ParseDisclosure(text)
		if err != nil {
			return
		}
		again, err := d.Text()
		if err != nil {
			t.Fatalf("%+v: %v", d, err)
		}
		if e, err := audit.ParseDisclosure(again); err != nil || e.Salt != d.Salt || e.Name != d.Name {
			t.Fatalf("%+v became %+v, %v", d, e, err)
		}
	})
}
