package cli

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

//go:embed evidence.html
var evidencePage string

// maxShown is how many entries a page shows.
const maxShown = 5000

// evidence is what a page for people shows of a bundle that was verified.
type evidence struct {
	Bundle, SHA256, Program string
	At                      time.Time
	Report                  audit.BundleReport
	Entries                 []evidenceEntry
	Left                    int // entries that are not shown
}

type evidenceEntry struct {
	Index                            int64
	Time, Type, Outcome, About, Body string
	Fields                           []daemon.Field
	Withheld                         int
	digests                          []string
}

// writeEvidence renders a bundle that was verified as a page for people, which proves nothing.
func (a *app) writeEvidence(path, bundle string, report audit.BundleReport) error {
	e := evidence{Bundle: bundle, Program: "taffrail " + a.Version, At: time.Now(), Report: report}
	if err := e.read(bundle); err != nil {
		return fileError(bundle, err)
	}
	page, err := template.New("evidence").Funcs(template.FuncMap{
		"stamp": stamp, "word": func(f audit.Finding) string { return strings.ReplaceAll(string(f), "_", " ") },
	}).Parse(evidencePage)
	if err != nil {
		return err
	}
	return writeWhole(path, func(w io.Writer) error { return page.Execute(w, e) })
}

// read takes the entries out of a bundle, and the digest of all of it.
func (e *evidence) read(bundle string) error {
	f, err := os.Open(bundle)
	if err != nil {
		return err
	}
	defer f.Close()
	digest := sha256.New()
	whole := io.TeeReader(f, digest)
	files := tar.NewReader(whole)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = e.file(h, files)
		}
		if err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, whole); err != nil {
		return err
	}
	e.SHA256 = hex.EncodeToString(digest.Sum(nil))
	slices.SortFunc(e.Entries, func(a, b evidenceEntry) int { return cmp.Compare(a.Index, b.Index) })
	return nil
}

// maxFile bounds what is read of one file at once: the largest is a tile of entries.
const maxFile = audit.TileWidth * (2 + 1<<16)

// file takes one file of a bundle, which was verified and is of the right form.
func (e *evidence) file(h *tar.Header, r io.Reader) error {
	tile, isTile := strings.CutPrefix(h.Name, "tile/entries/")
	leaf, isLeaf := strings.CutPrefix(h.Name, "leaves/")
	fields, isFields := strings.CutPrefix(h.Name, "disclosures/")
	if !isTile && !isLeaf && !isFields {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(r, maxFile))
	if err != nil {
		return err
	}
	switch {
	case isTile:
		return e.tile("tile/entries/"+tile, data)
	case isLeaf:
		return e.entry(indexOf(leaf), data)
	}
	return e.fields(indexOf(fields), data)
}

func indexOf(name string) int64 {
	index, _ := strconv.ParseInt(strings.TrimSuffix(name, ".json"), 10, 64)
	return index
}

func (e *evidence) tile(path string, data []byte) error {
	t, err := audit.ParseTile(path)
	if err != nil {
		return err
	}
	leaves, err := audit.ParseEntries(data)
	for i, leaf := range leaves {
		if err == nil {
			err = e.entry(t.N*audit.TileWidth+int64(i), leaf)
		}
	}
	return err
}

func (e *evidence) entry(index int64, leaf []byte) error {
	if len(e.Entries) == maxShown {
		e.Left++
		return nil
	}
	row := evidenceEntry{Index: index}
	entry, err := taffrail.ParseEntry(leaf)
	if err != nil { // of a newer program: its bytes are shown as they are
		row.Type, row.Body = "unknown", string(leaf)
		e.Entries = append(e.Entries, row)
		return nil
	}
	var body bytes.Buffer
	if err := json.Indent(&body, leaf, "", "  "); err != nil {
		return err
	}
	kind, _ := entry.Body.Kind()
	row.Time, row.Type, row.Outcome, row.About, row.Body = stamp(entry.Time), string(kind), string(entry.Outcome), cmp.Or(about(entry), "the log"), body.String()
	row.digests, row.Withheld = entry.Digests, len(entry.Digests)
	e.Entries = append(e.Entries, row)
	return nil
}

// fields takes the fields of an entry, as far as its digests name them.
func (e *evidence) fields(index int64, data []byte) error {
	var texts []string
	if err := json.Unmarshal(data, &texts); err != nil {
		return fmt.Errorf("fields of entry %d: %w", index, err)
	}
	i := slices.IndexFunc(e.Entries, func(row evidenceEntry) bool { return row.Index == index })
	if i < 0 {
		return nil
	}
	row := &e.Entries[i]
	for _, text := range texts {
		d, err := audit.ParseDisclosure(text)
		if err != nil || !slices.Contains(row.digests, audit.DisclosureDigest(text)) {
			continue
		}
		value := d.Value
		_ = json.Unmarshal([]byte(value), &value) // text, as far as we write it
		row.Fields = append(row.Fields, daemon.Field{Name: d.Name, Value: value})
		row.Withheld--
	}
	return nil
}
