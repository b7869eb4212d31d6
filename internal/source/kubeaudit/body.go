package kubeaudit

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// bodies fills in request, response and the object that the event left behind.
func bodies(e *taffrail.Event, r record) (err error) {
	if e.Request, err = body("requestObject", r.RequestObject); err != nil {
		return err
	}
	if e.Response, err = body("responseObject", r.ResponseObject); err != nil {
		return err
	}
	if e.State = snapshot(*e, r); e.State != nil && r.Stage == "ResponseComplete" {
		e.State.Answered, _ = time.Parse(time.RFC3339Nano, r.StageTimestamp) // zero where it is none
	}
	if uid := at(e.Response, "metadata", "uid"); e.State != nil && uid.Text() != "" {
		e.Refs = append(e.Refs, uid.Text())
	}
	if name := at(e.Response, "metadata", "name"); e.State != nil && r.ObjectRef.Name == "" && name.Text() != "" {
		named := r
		ref := *r.ObjectRef
		ref.Name, ref.UID = name.Text(), "" // the name of what is created may be in the answer alone
		named.ObjectRef = &ref
		e.Refs = append(e.Refs, refs(named)...)
	}
	return nil
}

func body(field string, raw json.RawMessage) (taffrail.Value, error) {
	if len(raw) == 0 {
		return taffrail.Unknown(), nil
	}
	v, err := taffrail.FromJSON(raw)
	if err != nil {
		return v, fmt.Errorf("field %s: it cannot be read as JSON of a sane depth and size", field)
	}
	v = withSecrets(v)
	if v.Shape() == taffrail.ShapeList {
		v = fromJSONPatch(v)
	}
	return v, nil
}

// withSecrets gives a body of a kept record with its secrets as such.
func withSecrets(v taffrail.Value) taffrail.Value {
	switch v.Shape() {
	case taffrail.ShapeString:
		if secret, ok := taffrail.ParseSealedText(v.Text()); ok {
			return secret
		}
	case taffrail.ShapeList:
		elems := make([]taffrail.Value, 0, v.Len())
		for e := range v.Elems() {
			elems = append(elems, withSecrets(e))
		}
		return taffrail.List(elems...)
	case taffrail.ShapeObject:
		fields := make(map[string]taffrail.Value, v.Len())
		for name, field := range v.Fields() {
			fields[name] = withSecrets(field)
		}
		return taffrail.Object(fields)
	}
	return v
}

// snapshot is the object that a successful write left behind. A subresource of the object answers with the object, but for scale and a few
// that answer with a document of their own.
func snapshot(e taffrail.Event, r record) *taffrail.Snapshot {
	if r.ObjectRef == nil || !e.Changes() {
		return nil
	}
	s := &taffrail.Snapshot{Object: e.Response, Asserts: e.Request, Replace: r.Verb == "update" || r.Verb == "create", Deleted: r.Verb == "delete" || r.Verb == "deletecollection"}
	if r.ObjectRef.Subresource == "scale" {
		return scaled(s)
	}
	if at(e.Response, "metadata", "resourceVersion").Text() == "" && !s.Deleted {
		return nil
	}
	s.Stamp = stampOf(e.Response)
	s.Based = number(at(e.Request, "metadata", "resourceVersion"))
	if s.Deleted {
		s.Object = taffrail.Null()
	}
	return s
}

// scaled is what is known of an object after its scale was written: the number of replicas, and nothing else.
func scaled(s *taffrail.Snapshot) *taffrail.Snapshot {
	replicas := at(s.Object, "spec", "replicas")
	if replicas.IsUnknown() && at(s.Object, "metadata", "resourceVersion").Text() != "" {
		replicas = taffrail.Int(0) // Scale leaves out a zero
	}
	if replicas.IsUnknown() {
		return nil
	}
	s.Stamp = taffrail.Stamp{Version: number(at(s.Object, "metadata", "resourceVersion"))}
	s.Object = taffrail.Object(map[string]taffrail.Value{"spec": taffrail.Object(map[string]taffrail.Value{"replicas": replicas})})
	s.Partial, s.Replace, s.Asserts = true, false, s.Object
	return s
}

// maxWriter is how much of a client's name a server notes as the manager of fields.
const maxWriter = 128

// writer is the manager of fields: the one that the request names, or else the first part of the client's name.
func writer(r record) string {
	if named := queryOf(r.RequestURI).Get("fieldManager"); named != "" {
		return named
	}
	name, _, _ := strings.Cut(r.UserAgent, "/")
	return name[:min(len(name), maxWriter)]
}

func stampOf(object taffrail.Value) taffrail.Stamp {
	return taffrail.Stamp{
		Version:    number(at(object, "metadata", "resourceVersion")),
		Generation: number(at(object, "metadata", "generation")),
	}
}

// number is a counter, or 0 where there is none.
func number(v taffrail.Value) int64 {
	n, err := strconv.ParseInt(v.Text(), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// at is the value at names one below the other, and unknown where there is none.
func at(v taffrail.Value, names ...string) taffrail.Value {
	for _, name := range names {
		field, ok := v.Field(name)
		if !ok {
			return taffrail.Unknown()
		}
		v = field
	}
	return v
}

// fromJSONPatch gives the part of an object that a JSON patch (RFC 6902) names, null where it takes away. Places in lists become names
// in it, since what stands there is not known.
func fromJSONPatch(patch taffrail.Value) taffrail.Value {
	root := map[string]any{}
	for op := range patch.Elems() {
		pointer, v := at(op, "path").Text(), at(op, "value")
		switch at(op, "op").Text() {
		case "add", "replace":
			place(root, pointer, v)
		case "remove":
			place(root, pointer, taffrail.Null())
		case "move":
			place(root, at(op, "from").Text(), taffrail.Null())
			place(root, pointer, taffrail.Unknown())
		case "copy":
			place(root, pointer, taffrail.Unknown())
		}
	}
	return nest(root)
}

// maxPointer bounds how deep a pointer of a patch leads: the text is foreign.
const maxPointer = 100

func place(root map[string]any, pointer string, v taffrail.Value) {
	names := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	if len(names) > maxPointer {
		return
	}
	for i, name := range names {
		name = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
		if i == len(names)-1 {
			root[name] = v
			return
		}
		below, ok := root[name].(map[string]any)
		if !ok {
			below = map[string]any{}
			root[name] = below
		}
		root = below
	}
}

func nest(tree map[string]any) taffrail.Value {
	fields := make(map[string]taffrail.Value, len(tree))
	for name, v := range tree {
		if below, ok := v.(map[string]any); ok {
			fields[name] = nest(below)
			continue
		}
		fields[name] = v.(taffrail.Value)
	}
	return taffrail.Object(fields)
}
