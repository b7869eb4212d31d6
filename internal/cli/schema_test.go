package cli

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

const (
	schemaFile = "../../docs/reference/scan.v1.schema.json"
	schemaPage = "../../docs/reference/scan-json.md"
)

// strictSchema is made of the Go types; no field may be missing from it.
func strictSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s := schemaOf[daemon.ScanReport](t)
	s.Properties["schema"] = oneOf(daemon.ScanSchema)
	return s
}

// eventsSchema is that of one line of events.
func eventsSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s := schemaOf[event](t)
	s.Properties["schema"] = oneOf(eventSchema)
	return s
}

// schemaOf is the schema of a type that holds words of ours.
func schemaOf[T any](t *testing.T) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.For[T](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[taffrail.Value]():  {Ref: "#/$defs/value"},
		reflect.TypeFor[taffrail.Path]():   {Type: "string", Description: "where in the resource's attributes"},
		reflect.TypeFor[taffrail.Status](): oneOf(taffrail.InSync, taffrail.Modified, taffrail.Deleted, taffrail.Unmanaged, taffrail.NotChecked),
		reflect.TypeFor[taffrail.Class]():  oneOf(taffrail.ClassDrift, taffrail.ClassVolatile, taffrail.ClassSuppressed, taffrail.ClassEquivalent, taffrail.ClassUnverifiable),
		reflect.TypeFor[taffrail.Effect](): oneOf(taffrail.EffectReverts, taffrail.EffectKept, taffrail.EffectIfConfigured, taffrail.EffectUnknown),
		reflect.TypeFor[taffrail.Action](): oneOf(taffrail.ActionCreate, taffrail.ActionUpdate, taffrail.ActionReplace, taffrail.ActionDelete,
			taffrail.ActionMove, taffrail.ActionImport, taffrail.ActionForget),
		reflect.TypeFor[taffrail.Outcome]():     oneOf(taffrail.OutcomeOK, taffrail.OutcomeIncomplete),
		reflect.TypeFor[taffrail.EndReason]():   oneOf(taffrail.EndInSync, taffrail.EndReleased, taffrail.EndIgnored, taffrail.EndAccepted, taffrail.EndGone),
		reflect.TypeFor[audit.Level]():          oneOf(audit.LevelQueued, audit.LevelSequenced, audit.LevelSigned, audit.LevelWitnessed, audit.LevelAnchored),
		reflect.TypeFor[taffrail.CheckResult](): oneOf(checkResults...),
		reflect.TypeFor[eventType]():            oneOf(eventTypes...),
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.Defs = map[string]*jsonschema.Schema{"value": valueSchema()}
	eachSchema(s, func(s *jsonschema.Schema) {
		if slices.Contains(s.Types, "array") { // never null, by the report's contract
			s.Type, s.Types = "array", nil
		}
	})
	return s
}

// publishedSchema lets a report have fields that this version does not know: it grows by fields.
func publishedSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s := strictSchema(t)
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.ID = "https://" + daemon.ScanSchema + ".schema.json"
	s.Title = "What a scan saw"
	defs := s.Defs
	s.Defs = nil
	eachSchema(s, func(s *jsonschema.Schema) {
		if s.Properties != nil {
			s.AdditionalProperties = nil
		}
	})
	s.Defs = defs
	return s
}

func oneOf[S ~string](all ...S) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, v := range all {
		s.Enum = append(s.Enum, string(v))
	}
	return s
}

// valueSchema is the canonical encoding of a [taffrail.Value].
func valueSchema() *jsonschema.Schema {
	value := func() *jsonschema.Schema { return &jsonschema.Schema{Ref: "#/$defs/value"} }
	list := func() *jsonschema.Schema { return &jsonschema.Schema{Type: "array", Items: value()} }
	fields := func() *jsonschema.Schema { return &jsonschema.Schema{Type: "object", AdditionalProperties: value()} }
	yes := any(true)
	all := []*jsonschema.Schema{{Type: "null"}, {Type: "boolean"}, {Type: "string"}, list()}
	for tag, content := range map[string]*jsonschema.Schema{
		"unknown": {Const: &yes},
		"num":     {Type: "string", Pattern: `^-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?$`},
		"set":     list(),
		"map":     fields(),
		"obj":     fields(),
		"secret":  {Type: "string", Pattern: `^hmac:[0-9a-f]{8}:[0-9a-f]{64}$`},
	} {
		all = append(all, &jsonschema.Schema{
			Type: "object", Properties: map[string]*jsonschema.Schema{tag: content}, Required: []string{tag},
			AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}},
		})
	}
	slices.SortStableFunc(all[4:], func(a, b *jsonschema.Schema) int { return strings.Compare(a.Required[0], b.Required[0]) })
	return &jsonschema.Schema{Description: "a value in its canonical encoding", AnyOf: all}
}

// eachSchema calls f for a schema and those in its properties, items and additional properties.
func eachSchema(s *jsonschema.Schema, f func(*jsonschema.Schema)) {
	if s == nil {
		return
	}
	f(s)
	for _, p := range s.Properties {
		eachSchema(p, f)
	}
	eachSchema(s.Items, f)
	eachSchema(s.AdditionalProperties, f)
}

func TestSchemaIsPublished(t *testing.T) {
	got, err := json.MarshalIndent(publishedSchema(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.MkdirAll(filepath.Dir(schemaFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(schemaFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the schema is not that of the type; run with -update (-want +got):\n%s", diff)
	}
}

// fullReport is a report in which everything occurs.
func fullReport() daemon.ScanReport {
	r := withGaps(noisy(),
		gapOf("cloud_database.main", taffrail.ReasonDenied, "read cloud_database db-0001: 403 AccessDenied", "give the provider's credentials the right to read"),
		gapOf("random_id.a", taffrail.ReasonUnsupported, "the data lives in the state alone", ""))
	gone := driftOf(taffrail.Deleted, "module.shop.cloud_bucket.assets")
	gone.ID, gone.Entry, gone.New, gone.Finding.Resource.Module = "drift-00000000000000a1", 9, false, "module.shop"
	rich := modified("cloud_firewall.web",
		drifted("port", num("443"), taffrail.Unknown()), drifted(`tags["a.b"]`, taffrail.Null(), str("x")), drifted("key", secret("1a2b3c4d"), secret("9f8e7d6c")),
		drifted("map", taffrail.Map(map[string]taffrail.Value{"k": taffrail.Bool(true)}), taffrail.List()),
		lost("rules", rule("22", taffrail.Null(), "10.0.0.0/8")), gained("rules", rule("22", str("temporary"), "0.0.0.0/0")))
	rich.ID, rich.Entry = "drift-00000000000000a2", 14
	r.Drifts = append(r.Drifts, rich, gone)
	r.Statuses[taffrail.Modified]++
	r.Statuses[taffrail.Deleted]++
	r.Ended = []daemon.EndedDrift{{ID: "drift-00000000000000a3", Address: "cloud_bucket.plain", Why: taffrail.EndInSync}}
	return r
}

func TestOutputFitsSchema(t *testing.T) {
	for name, report := range map[string]daemon.ScanReport{
		"in sync": reportOf(), "one": reportOf(driftOf(taffrail.Unmanaged, "cloud_a.a")), "everything": fullReport(), "noise": noisy(),
	} {
		got := run(t, answering(report), "scan", "-o", "json")
		for kind, schema := range map[string]*jsonschema.Schema{"strict": strictSchema(t), "published": publishedSchema(t)} {
			if err := validate(t, schema, got.stdout); err != nil {
				t.Errorf("%s does not fit the %s schema: %v", name, kind, err)
			}
		}
	}
}

// The schema refuses what no scan says, and takes what a later version may add.
func TestSchemaRefuses(t *testing.T) {
	report := run(t, answering(fullReport()), "scan", "-o", "json").stdout
	published := publishedSchema(t)
	for old, replaced := range map[string]string{
		`"schema": "taffrail.dev/scan/v1"`: `"schema": "taffrail.dev/scan/v2"`,
		`"status": "deleted"`:              `"status": "gone"`,
		`"class": "volatile"`:              `"class": "none"`,
		`"num": "443"`:                     `"num": 443`,
		`"before": true`:                   `"before": 1.5`,
		`"unknown": true`:                  `"unknown": false`,
		`"secret": "hmac:`:                 `"secret": "plain:`,
		`"total": `:                        `"sum": `,
	} {
		changed := strings.Replace(report, old, replaced, 1)
		if changed == report {
			t.Errorf("the report holds no %s", old)
		} else if validate(t, published, changed) == nil {
			t.Errorf("%s is let through", replaced)
		}
	}
	if err := validate(t, published, strings.Replace(report, `"schema"`, `"later": 1, "schema"`, 1)); err != nil {
		t.Errorf("a field that was added later is refused: %v", err)
	}
}

func validate(t *testing.T, s *jsonschema.Schema, document string) error {
	t.Helper()
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal([]byte(document), &v); err != nil {
		t.Fatalf("%v in %s", err, document)
	}
	return resolved.Validate(v)
}

// The page in the reference names every field and every word of a fixed list, and its example is what the program prints.
func TestSchemaPage(t *testing.T) {
	page, err := os.ReadFile(schemaPage)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	eachSchema(strictSchema(t), func(s *jsonschema.Schema) {
		for name := range s.Properties {
			names[name] = true
		}
		for _, value := range s.Enum {
			names[value.(string)] = true
		}
	})
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("%s says nothing of `%s`", schemaPage, name)
		}
	}
	const open, end = "```json\n", "```\n"
	before, rest, _ := strings.Cut(string(page), open)
	example, after, found := strings.Cut(rest, end)
	if !found {
		t.Fatalf("%s has no example", schemaPage)
	}
	report := withGaps(
		reportOf(modified("cloud_firewall.web", drifted("description", str("Front door"), str("opened by hand")), drifted("token", secret("1a2b3c4d"), secret("9f8e7d6c")))),
		gapOf("cloud_database.main", taffrail.ReasonDenied, "read cloud_database db-0001: 403 AccessDenied", "give the provider's credentials the right to read"))
	got := run(t, answering(report), "scan", "-o", "json").stdout
	if *update && example != got {
		if err := os.WriteFile(schemaPage, []byte(before+open+got+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(example, got); diff != "" {
		t.Errorf("the example of %s is not what is printed; run with -update (-want +got):\n%s", schemaPage, diff)
	}
}

// The page about the log names every field of both forms.
func TestLogPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/log-json.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, form := range []reflect.Type{reflect.TypeFor[verifyForm](), reflect.TypeFor[daemon.LogStatus](), reflect.TypeFor[audit.Verdict]()} {
		fieldsOf(form, names)
	}
	for _, form := range []reflect.Type{reflect.TypeFor[entryList](), reflect.TypeFor[entryForm](), reflect.TypeFor[daemon.LogEntry](), reflect.TypeFor[searchForm](), reflect.TypeFor[bundleForm](), reflect.TypeFor[audit.BundleReport]()} {
		for i := range form.NumField() {
			names[nameOf(form.Field(i))] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if name != "" && !strings.Contains(string(page), "`"+name+"`") && !strings.Contains(string(page), "."+name+"`") {
			t.Errorf("the page says nothing of %s", name)
		}
	}
}

// fieldsOf adds the names of all fields below a type.
func fieldsOf(form reflect.Type, names map[string]bool) {
	switch form.Kind() {
	case reflect.Pointer, reflect.Slice:
		fieldsOf(form.Elem(), names)
	case reflect.Struct:
		for i := range form.NumField() {
			names[nameOf(form.Field(i))] = true
			fieldsOf(form.Field(i).Type, names)
		}
	}
}

func nameOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return strings.TrimPrefix(name, "-")
}
