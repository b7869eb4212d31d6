package delivery

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func rec(id string) string { return `{"eventVersion":"1.09","eventID":"` + id + `"}` }

func packed(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}

// given reads a file, and gives each record, or its fault in angle brackets before it.
func given(t *testing.T, r io.Reader, read func(io.Reader, func(Record) error) error) []string {
	t.Helper()
	var all []string
	if err := read(r, func(r Record) error {
		text := string(r.Raw)
		if r.Fault != "" {
			text = "<" + r.Fault + ">" + text
		}
		all = append(all, text)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRead(t *testing.T) {
	a, b, c := rec("a"), rec("b"), rec("c")
	cut := packed(`{"Records":[` + a + `,` + b + `]}`)
	for _, tc := range []struct {
		name, file string
		want       []string
	}{
		{"of a trail", `{"Records":[` + a + `,` + b + `]}`, []string{a, b}},
		{"of a trail, spaced", " { \"Records\" : [ " + a + " ,\n " + b + " ] } \n", []string{a, b}},
		{"of a trail, with more", `{"x":{"y":[1]},"Records":[` + a + `],"z":"]","w":[{"q":1}]}`, []string{a}},
		{"no records", `{"Records":[]}`, nil},
		{"nothing", ``, nil},
		{"a byte order mark", "\xef\xbb\xbf[" + a + "]", []string{a}},
		{"gzip", string(packed(`{"Records":[` + a + `]}`)), []string{a}},
		{"gzip in two members", string(packed(`{"Records":[`+a)) + string(packed(`]}`)), []string{a}},
		{"a list", `[` + a + `,` + b + `]`, []string{a, b}},
		{"one", a, []string{a}},
		{"lines", a + "\n" + b + "\n", []string{a, b}},
		{"lines without an end", a + "\r\n" + b, []string{a, b}},
		{"files in a file", `{"Records":[` + a + `]}` + "\n" + `{"Records":[` + b + `]}`, []string{a, b}},
		{"EventBridge", `{"detail-type":"AWS API Call via CloudTrail","detail":` + a + `}`, []string{a}},
		{"EventBridge, of something else", `{"detail-type":"x","detail":{}}`, []string{`<it is an event of EventBridge that holds no record of CloudTrail>{"detail-type":"x","detail":{}}`}},
		{"LookupEvents", `{"Events":[{"EventId":"a","CloudTrailEvent":"{\"eventID\":\"a\"}"}],"NextToken":"t"}`, []string{`{"eventID":"a"}`}},
		{"no object", `{"Records":[1,"x",` + a + `]}`, []string{`<it is no object>1`, `<it is no object>"x"`, a}},
		{"a broken one between good ones", `{"Records":[` + a + `,{"eventVersion":tru},` + b + `]}`, []string{a, `{"eventVersion":tru}`, b}},
		{"one that does not end", `{"Records":[` + a + `,{"eventVersion":"1","b":{"x":1,` + b + `,` + c + `]}`, []string{a, `<a record has no end>{"eventVersion":"1","b":{"x":1`, b, c}},
		{"a text that does not end", `{"Records":[` + a + `,{"eventVersion":"1","b":"x,` + "\n" + b + `,` + c + `]}`, []string{a, `<a record has no end>{"eventVersion":"1","b":"x`, b, c}},
		{"rubbish between", `{"Records":[` + a + `}:` + b + `]}`, []string{a, `<something stands between the records>}:`, b}},
		{"rubbish alone", `hello`, []string{`<something stands where a record should begin>hello`}},
		{"rubbish on a line", a + "\nhello\n" + b, []string{a, `<something stands where a record should begin>hello`, b}},
		{"a line that does not end", `{"a":{` + "\n" + `{"a":1}` + "\n", []string{`<a record has no end>{"a":{`, `{"a":1}`}},
		{"rubbish before a line", `hello` + "\n" + `{"a":1}`, []string{`<something stands where a record should begin>hello`, `{"a":1}`}},
		{"a record on several lines", "{\n\"a\":[\n{\"b\":1\n}]}", []string{"{\n\"a\":[\n{\"b\":1\n}]}"}},
		{"cut after a record", `{"Records":[` + a, []string{a, `<it ends before its end>`}},
		{"cut in a record", `{"Records":[` + a + `,` + b[:20], []string{a, `<a record has no end>` + b[:20]}},
		{"gzip that is cut off", string(cut[:len(cut)-9]), []string{a, b, `<the gzip stream is cut off>`}},
		{"gzip with another checksum", string(cut[:len(cut)-8]) + "xxxx" + string(cut[len(cut)-4:]), []string{a, b, `<the gzip stream is damaged>`}},
		{"no gzip", "\x1f\x8bxx", []string{`<it is no gzip stream>`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{"at once": strings.NewReader(tc.file), "byte by byte": iotest.OneByteReader(strings.NewReader(tc.file))} {
				if diff := cmp.Diff(tc.want, given(t, r, Read)); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		})
	}
}

func TestFollow(t *testing.T) {
	a, b := rec("a"), rec("b")
	text := a + "\n" + b[:20]
	if diff := cmp.Diff([]string{a}, given(t, strings.NewReader(text), Follow)); diff != "" {
		t.Error(diff)
	}
	var end int64
	_ = Follow(strings.NewReader(text), func(r Record) error { end = r.End; return nil })
	if rest := text[end:] + b[20:] + "\n"; cmp.Diff([]string{b}, given(t, strings.NewReader(rest), Follow)) != "" {
		t.Errorf("it goes on at %q", rest)
	}
}

func TestErrorsComeBackAsTheyAre(t *testing.T) {
	mine := errors.New("mine")
	file := `{"Records":[` + rec("a") + `,` + rec("b") + `]}`
	if err := Read(strings.NewReader(file), func(Record) error { return mine }); err != mine { //nolint:errorlint // as it is
		t.Errorf("of emit: %v", err)
	}
	broken := io.MultiReader(strings.NewReader(file[:30]), iotest.ErrReader(mine))
	if err := Read(broken, func(Record) error { return nil }); !errors.Is(err, mine) {
		t.Errorf("of reading: %v", err)
	}
}

// The memory that is taken does not grow with the file, nor with a record that has no end.
func TestMemoryIsFlat(t *testing.T) {
	for name, tc := range map[string]struct {
		head, part string
		parts      int
	}{
		"many records":       {`{"Records":[`, rec("a") + ",", 1_500_000},
		"a text without end": {`{"Records":[{"eventVersion":"`, strings.Repeat("x", 1<<10), 40_000},
		"brackets":           {`{"Records":[`, strings.Repeat("[", 1<<10), 40_000},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			peak := uint64(0)
			n := 0
			file := io.MultiReader(strings.NewReader(tc.head), &repeated{text: tc.part, left: tc.parts})
			if err := Read(file, func(Record) error {
				if n++; n%50_000 == 1 {
					runtime.GC()
					runtime.ReadMemStats(&after)
					peak = max(peak, after.HeapAlloc)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if grown := int64(peak) - int64(before.HeapAlloc); grown > 40<<20 {
				t.Errorf("%d MiB for a file of %d MiB", grown>>20, len(tc.part)*tc.parts>>20)
			}
		})
	}
}

// Records without an end do not each cost a look at all that follows.
func TestManyWithoutAnEnd(t *testing.T) {
	for _, part := range []string{`{"eventVersion":"1","b":{`, `{"eventVersion":"`, `{"eventVersion":"1"},{"eventVersion":{"x":1},`} {
		const parts = 40_000
		for _, head := range []string{`{"Records":[`, ``} {
			n := 0
			if err := Read(strings.NewReader(head+strings.Repeat(part, parts)), func(Record) error { n++; return nil }); err != nil {
				t.Fatal(err)
			}
			if n < parts {
				t.Errorf("%d records of %q", n, part)
			}
		}
	}
}

// A repeated text, some times over.
type repeated struct {
	text string
	left int
	at   int
}

func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if r.left == 0 {
			return n, io.EOF
		}
		m := copy(p[n:], r.text[r.at:])
		n += m
		if r.at += m; r.at == len(r.text) {
			r.at, r.left = 0, r.left-1
		}
	}
	return n, nil
}

// Nothing of a file is lost: each byte of it is in a record, or is a comma, a bracket or the like between them.
func FuzzRead(f *testing.F) {
	for _, file := range []string{`{"Records":[{"eventVersion":"1"},{"a":"b"}]}`, `[1,{"a":{]},{ "eventVersion":1}`, "{\"a\":1}\n{\"b\"", `{"Events":[{"CloudTrailEvent":"{}"}]}`, "\x1f\x8b", `{"detail":{"eventID":"x"},"detail-type":"y"}`, `}`} {
		f.Add([]byte(file))
		f.Add(packed(file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		var once, again []string
		for r, all := range map[io.Reader]*[]string{bytes.NewReader(file): &once, iotest.OneByteReader(bytes.NewReader(file)): &again} {
			if err := Read(r, func(r Record) error {
				*all = append(*all, fmt.Sprintf("%s|%s", r.Raw, r.Fault))
				if len(*all) > 2*len(file)+10_000_000 {
					t.Fatal("it does not end")
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(once, again); diff != "" && !bytes.HasPrefix(file, []byte{0x1f, 0x8b}) {
			t.Errorf("it depends on how it is read:\n%s", diff)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	record := `{"eventVersion":"1.09","userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/x"},"requestParameters":{"a":"` + strings.Repeat("value ", 200) + `"}},`
	file := packed(`{"Records":[` + strings.Repeat(record, 20_000) + `{}]}`)
	b.SetBytes(int64(20_000 * len(record)))
	for b.Loop() {
		if err := Read(bytes.NewReader(file), func(Record) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
