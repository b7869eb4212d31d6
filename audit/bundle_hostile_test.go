package audit_test

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/taffrail-dev/taffrail/audit"
)

// raw is a tar with one header that is written as it is, and as much content as it says.
func raw(t *testing.T, before []*file, h tar.Header, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range before {
		f.Size = int64(len(f.data))
		if err := errors.Join(w.WriteHeader(&f.Header), write(w, f.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.WriteHeader(&h), write(w, content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(w io.Writer, data []byte) error {
	_, err := w.Write(data)
	return err
}

// Whatever kind of header an archive has that no bundle has, it is refused before anything is made of it.
func TestBundleOfHostileHeaders(t *testing.T) {
	a := newArchive(t)
	a.grow(20)
	whole := a.export(audit.BundleRequest{To: 20})
	next := func() []*file { return files(t, whole)[:2] }
	for name, h := range map[string]tar.Header{
		"a symbolic link": {Typeflag: tar.TypeSymlink, Name: "tile/0/000.p/20", Linkname: "/etc/passwd"},
		"a hard link":     {Typeflag: tar.TypeLink, Name: "tile/0/000.p/20", Linkname: "manifest.json"},
		"a device":        {Typeflag: tar.TypeChar, Name: "tile/0/000.p/20", Devmajor: 1, Devminor: 5},
		"a block device":  {Typeflag: tar.TypeBlock, Name: "tile/0/000.p/20", Devmajor: 8},
		"a pipe":          {Typeflag: tar.TypeFifo, Name: "tile/0/000.p/20"},
		"a folder":        {Typeflag: tar.TypeDir, Name: "tile/"},
		"records":         {Typeflag: tar.TypeReg, Name: "tile/0/000.p/20", PAXRecords: map[string]string{"X.y": strings.Repeat("z", 1000)}, Format: tar.FormatPAX},
		"global records":  {Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"X.y": "z"}},
		"a long name":     {Typeflag: tar.TypeReg, Name: "tile/" + strings.Repeat("x", 300), Format: tar.FormatGNU},
		"another format":  {Typeflag: tar.TypeReg, Name: "tile/0/000.p/20", Format: tar.FormatGNU},
		"climbing":        {Typeflag: tar.TypeReg, Name: "tile/../../../etc/passwd"},
		"an absolute one": {Typeflag: tar.TypeReg, Name: "/etc/passwd"},
		"a dot":           {Typeflag: tar.TypeReg, Name: "./tile/0/000.p/20"},
		"nothing":         {Typeflag: tar.TypeReg, Name: ""},
	} {
		var bad *audit.BundleError
		_, err := audit.VerifyBundle(t.Context(), bytes.NewReader(raw(t, next(), h, nil)), a.policy(), nil, nil)
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A file that is all hole says that it is as large as it likes, in a header of a few bytes.
func TestBundleOfSparseFiles(t *testing.T) {
	a := newArchive(t)
	a.grow(20)
	whole := a.export(audit.BundleRequest{To: 20})
	name := ""
	var before []*file
	for _, f := range files(t, whole) {
		if strings.HasPrefix(f.Name, "blobs/") {
			name = f.Name
			break
		}
		before = append(before, f)
	}
	// GNU's format 1.0: the map of the file stands at the beginning of its content.
	records := ""
	for _, r := range []string{"GNU.sparse.major=1\n", "GNU.sparse.minor=0\n", "GNU.sparse.name=" + name + "\n", fmt.Sprintf("GNU.sparse.realsize=%d\n", int64(1)<<60)} {
		n := len(r) + 3
		records += fmt.Sprintf("%d %s", n, r)
		if len(fmt.Sprint(n)) != 2 {
			t.Fatal("the record has another length")
		}
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range before {
		if err := errors.Join(w.WriteHeader(&f.Header), write(w, f.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	head := b.Len()
	if err := errors.Join(
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "PaxHeaders.0/x", Size: int64(len(records)), Mode: 0o644, Format: tar.FormatUSTAR}), write(w, []byte(records)), w.Flush(),
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "GNUSparseFile.0/x", Size: 512, Mode: 0o644, Format: tar.FormatUSTAR}), write(w, append([]byte("0\n"), make([]byte, 510)...)), w.Close(),
	); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	data[head+156] = tar.TypeXHeader
	checksum(data[head : head+512])
	r := tar.NewReader(bytes.NewReader(data[head:]))
	if h, err := r.Next(); err != nil || h.Size != 1<<60 {
		t.Fatalf("this is no sparse file: %+v, %v", h, err)
	}
	var bad *audit.BundleError
	if _, err := audit.VerifyBundle(t.Context(), bytes.NewReader(data), a.policy(), nil, nil); !errors.As(err, &bad) || !strings.Contains(err.Error(), "no regular file") {
		t.Error(err)
	}
}

// checksum makes that of a header anew.
func checksum(h []byte) {
	copy(h[148:156], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
}

// Records without an end, and files whose size is a lie, take no memory.
func TestBundleThatWouldTakeMemory(t *testing.T) {
	a := newArchive(t)
	a.grow(20)
	whole := files(t, a.export(audit.BundleRequest{To: 20}))
	header := func(h tar.Header) []byte {
		var b bytes.Buffer
		if err := tar.NewWriter(&b).WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	const huge = 8<<30 - 1 // what ustar can say
	records := header(tar.Header{Typeflag: tar.TypeReg, Name: "x", Size: huge, Format: tar.FormatUSTAR})
	records[156] = tar.TypeXHeader
	checksum(records)
	first := bundledOpen(t, whole[:2])
	for name, head := range map[string][]byte{
		"records":     records,
		"a manifest":  header(tar.Header{Typeflag: tar.TypeReg, Name: "manifest.json", Size: huge, Format: tar.FormatUSTAR}),
		"a tile":      append(bytes.Clone(first), header(tar.Header{Typeflag: tar.TypeReg, Name: "tile/0/000.p/20", Size: huge, Format: tar.FormatUSTAR})...),
		"entries":     append(bytes.Clone(first), header(tar.Header{Typeflag: tar.TypeReg, Name: "tile/entries/000.p/20", Size: huge, Format: tar.FormatUSTAR})...),
		"a history":   append(bytes.Clone(first), header(tar.Header{Typeflag: tar.TypeReg, Name: "keys/history.jsonl", Size: huge, Format: tar.FormatUSTAR})...),
		"a receipt":   append(bytes.Clone(first), header(tar.Header{Typeflag: tar.TypeReg, Name: "anchors/1.0.x", Size: huge, Format: tar.FormatUSTAR})...),
		"a policy":    append(bytes.Clone(first), header(tar.Header{Typeflag: tar.TypeReg, Name: "policy.informational.txt", Size: huge, Format: tar.FormatUSTAR})...),
		"disclosures": append(bytes.Clone(first), header(tar.Header{Typeflag: tar.TypeReg, Name: "disclosures/3.json", Size: huge, Format: tar.FormatUSTAR})...),
		"totals":      append(bytes.Clone(first), header(tar.Header{Typeflag: tar.TypeReg, Name: "totals.json", Size: huge, Format: tar.FormatUSTAR})...),
	} {
		var was, is runtime.MemStats
		runtime.ReadMemStats(&was)
		source := &endless{head: head}
		_, err := audit.VerifyBundle(t.Context(), source, a.policy(), nil, nil)
		runtime.ReadMemStats(&is)
		if took := is.TotalAlloc - was.TotalAlloc; err == nil || source.read > 2<<20 || took > 8<<20 {
			t.Errorf("%s: %d bytes were read, %d taken: %v", name, source.read, took, err)
		}
	}
}

// bundledOpen is a bundle that goes on.
func bundledOpen(t *testing.T, all []*file) []byte {
	t.Helper()
	whole := bundled(t, all)
	return whole[:len(whole)-1024]
}

// A log that is signed all the while has more checkpoints than a bundle would hold: those that witnesses saw stay, all along.
func TestBundleOfManyCheckpoints(t *testing.T) {
	c := newCourt(t)
	p := c.panel()
	for size := int64(1); size <= 4300; size++ {
		c.grow(size)
		if size%40 == 0 {
			if _, err := c.ask(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	earlier := 0
	bundle := c.export(audit.BundleRequest{To: 4300, Since: 17})
	for _, f := range files(t, bundle) {
		if strings.HasPrefix(f.Name, "checkpoints/") {
			earlier++
		}
	}
	if want := 4300/40 + 1; earlier != want {
		t.Errorf("%d earlier checkpoints, want %d", earlier, want)
	}
	got := verify(t, bundle, c.lenient(), nil)
	if all := findings(got); all["consistency"] != audit.FindingOK || all["completeness"] != audit.FindingOK {
		t.Error(faults(got))
	}
}

// The log's owner can sign as many checkpoints as they like, each with lines of others around it: what is kept of them has a bound.
func TestBundleOfLargeCheckpoints(t *testing.T) {
	a := newArchive(t)
	a.grow(100)
	all := files(t, a.export(audit.BundleRequest{To: 100}))
	line := "— someone.else " + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 7000)) + "\n"
	var notes []*file
	for size := int64(1); size < 82; size++ {
		var root tlog.Hash
		err := a.storage.View(t.Context(), func(r audit.Reader) (err error) { root, err = tlog.TreeHash(size, r); return err })
		if err != nil {
			t.Fatal(err)
		}
		msg, err := a.ring.Sign(audit.Head{Origin: origin, Size: size, Root: root})
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("checkpoints/%d.note", size)
		notes = append(notes, &file{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, append(msg, strings.Repeat(line, 90)...)})
	}
	few := slices.Insert(slices.Clone(all), 2, notes[:3]...)
	if got := verify(t, bundled(t, few), a.policy(), nil); findings(got)["consistency"] != audit.FindingOK {
		t.Error(faults(got))
	}
	var bad *audit.BundleError
	_, err := audit.VerifyBundle(t.Context(), bytes.NewReader(bundled(t, slices.Insert(slices.Clone(all), 2, notes...))), a.policy(), nil, nil)
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "the earlier checkpoints have more than") {
		t.Error(err)
	}
}

// A manifest of megabytes lists more than anybody reads: it is refused before it takes a hundred times as much memory.
func TestBundleOfAManifestWithoutAnEnd(t *testing.T) {
	a := newArchive(t)
	a.grow(20)
	for field, one := range map[string]string{"redactions": "{}", "anchors": "{}", "notes": `""`, "single": "1"} {
		all := files(t, a.export(audit.BundleRequest{To: 20}))
		many := strings.Repeat(one+",", 15<<20/(len(one)+1))
		empty := fmt.Appendf(nil, "%q: []", field)
		if !bytes.Contains(all[0].data, empty) {
			t.Fatalf("%s: %s", field, all[0].data)
		}
		all[0].data = bytes.Replace(all[0].data, empty, fmt.Appendf(nil, "%q: [%s]", field, many[:len(many)-1]), 1)
		bundle := bundled(t, all)
		var was, is runtime.MemStats
		runtime.ReadMemStats(&was)
		_, err := audit.VerifyBundle(t.Context(), bytes.NewReader(bundle), a.policy(), nil, nil)
		runtime.ReadMemStats(&is)
		var bad *audit.BundleError
		if took := is.TotalAlloc - was.TotalAlloc; !errors.As(err, &bad) || took > 32<<20 {
			t.Errorf("%s: %d bytes were taken: %v", field, took, err)
		}
	}
}
