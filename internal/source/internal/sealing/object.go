package sealing

import (
	"slices"

	"github.com/taffrail-dev/taffrail/internal/source/internal/jsonscan"
)

// An Object is one object of a record, as it was before it is rewritten. It is asked for by Rules.Treat, and is good only as long as that runs.
type Object struct {
	Name   string  // of the field that it stands in, or that the list of it stands in; empty for the whole record
	Parent *Object // the object around it, nil for the whole record. A document in text has the object around the text.
	text   []byte  // from its brace to the end of the record
}

// Text is the text that the object has under a name, and empty where there is none.
func (o *Object) Text(name string) string {
	value, _ := jsonscan.Field(o.text, name)
	text, _ := jsonscan.Text(value)
	return text
}

// Object is the object that the object has under a name, and nil where there is none.
func (o *Object) Object(name string) *Object {
	value, ok := jsonscan.Field(o.text, name)
	if !ok || value[0] != '{' {
		return nil
	}
	return &Object{Name: name, Parent: o, text: value}
}

// pairNames are the fields that say what the value in an object is called, the first that is there counts.
var pairNames = [8]string{"name", "Name", "key", "Key", "parameterName", "attributeName", "ParameterName", "AttributeName"}

// pairName is the name in an object like {"name": "DB_PASSWORD", "value": "..."}. Of a field that stands twice the last counts.
func pairName(object []byte) []byte {
	var given [8][]byte
	for field, value := range jsonscan.Fields(object) {
		if i := slices.IndexFunc(pairNames[:], func(name string) bool { return string(field) == name }); i >= 0 {
			given[i] = value
		}
	}
	for _, value := range given {
		if text, ok := jsonscan.Text(value); ok {
			return []byte(text)
		}
	}
	return nil
}
