package daemon

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taffrail-dev/taffrail"
)

// fieldsOf gives the names that a type has as JSON, in order.
func fieldsOf(t reflect.Type) (names []string) {
	for f := range t.Fields() {
		if f.Anonymous {
			names = append(names, fieldsOf(f.Type)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

var quoted = regexp.MustCompile("`([^`]+)`")

// TestLogFormatListsTheFieldsOfEachEntry compares the page with the types.
func TestLogFormatListsTheFieldsOfEachEntry(t *testing.T) {
	text, err := os.ReadFile("../../docs/design/log-format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(text), "## The types of entry\n")
	for _, body := range []taffrail.EntryBody{
		taffrail.LogStarted{}, taffrail.ScanStarted{}, taffrail.ScanFinished{}, taffrail.DriftFound{}, taffrail.DriftEnded{},
		taffrail.Heartbeat{}, taffrail.Verified{}, taffrail.Exported{}, taffrail.Redacted{}, taffrail.Held{}, taffrail.Released{}, taffrail.Pruned{},
		taffrail.KeyRotated{}, taffrail.KeyRevoked{}, taffrail.RunStarted{}, taffrail.RunFinished{},
	} {
		entryType, version := body.Kind()
		_, part, found := strings.Cut(page, "`"+string(entryType)+"`")
		_, table, _ := strings.Cut(part, "| Field | |\n|---|---|\n")
		table, _, _ = strings.Cut(table, "\n\n")
		var named []string
		for _, row := range strings.Split(table, "\n") {
			for _, name := range quoted.FindAllStringSubmatch(strings.Split(row, "|")[1], -1) {
				named = append(named, name[1])
			}
		}
		want := fieldsOf(reflect.TypeOf(body))
		if diff := cmp.Diff(want, named); !found || version != 1 || diff != "" {
			t.Errorf("%s, version %d (-code +page):\n%s", entryType, version, diff)
		}
	}
}
