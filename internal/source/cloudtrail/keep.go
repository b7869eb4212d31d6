package cloudtrail

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/jsonscan"
	"github.com/taffrail-dev/taffrail/internal/source/internal/sealing"
)

// Keep implements [taffrail.Keeper]. It is the way that every record takes, so it passes over the bytes and builds nothing. Of what does more
// than read the bodies are looked through for names.
func (d decoder) Keep(raw []byte) (taffrail.Kept, error) {
	line, err := d.rules.Rewrite(make([]byte, 0, len(raw)+len(raw)/8), raw, sealing.Delivered)
	if err != nil {
		return taffrail.Kept{}, refused(err)
	}
	r, err := parse(line)
	if err != nil {
		return taffrail.Kept{}, refused(err)
	}
	h, err := head(r)
	if err != nil {
		return taffrail.Kept{}, refused(err)
	}
	if !h.Read {
		if h, err = searched(h, r); err != nil {
			return taffrail.Kept{}, refused(err)
		}
	}
	return taffrail.Kept{Record: line, Digest: sha256.Sum256(raw), EventHead: h}, nil
}

// searched adds to a head what the bodies say. Where that is not said plainly the event is built and asked.
func searched(h taffrail.EventHead, r record) (taffrail.EventHead, error) {
	var k keys
	for _, arn := range r.Resources {
		k.add(arn)
	}
	if !k.request(request(r)) || !k.response(r.ResponseElements) {
		e, err := event(r)
		if err != nil {
			return h, err
		}
		return taffrail.HeadOf(e), nil
	}
	slices.Sort(k.all)
	h.Changes, h.Keys = h.Error == "", slices.Compact(k.all)
	return h, nil
}

// keys collects what an event is found by: what [taffrail.Event.Keys] gives, and at times more.
type keys struct{ all []string }

// mostKeys is how many keys are collected before the event is asked for those that count.
const mostKeys = 4000

func (k *keys) add(text string) { k.all = append(k.all, taffrail.NameForms(text)...) }

// request collects the names in a request, and says false where it may be a rehearsal, or left out, or no object.
func (k *keys) request(raw []byte) bool {
	if !isPlain(raw) {
		return false
	}
	for name := range jsonscan.Fields(raw) {
		if bytes.EqualFold(name, []byte("dryRun")) {
			return false
		}
	}
	return k.search(raw, 0)
}

// response collects the names in a response, and the credential that it gave out.
func (k *keys) response(raw []byte) bool {
	if !isPlain(raw) {
		return false
	}
	for name, value := range jsonscan.Fields(raw) {
		if string(name) != "credentials" && string(name) != "accessKey" {
			continue
		}
		id, ok := jsonscan.Field(value, "accessKeyId")
		text, plain := jsonscan.Text(id)
		if value[0] != '{' && value[0] != 'n' || ok && (!plain || taffrail.IsSealedText(text) || text == "" || isRedaction([]byte(text))) {
			return false
		}
		if ok {
			k.all = append(k.all, taffrail.IssuedKey(text))
		}
	}
	return k.search(raw, 0)
}

// isPlain says whether a body is an object, or is not there. A text may be a document that has fields.
func isPlain(raw []byte) bool { return len(raw) == 0 || raw[0] == 'n' || raw[0] == '{' }

// search collects the texts and numbers in a value, those in documents among them.
func (k *keys) search(raw []byte, depth int) bool {
	if len(raw) == 0 || len(k.all) > mostKeys || depth > maxDepth {
		return len(raw) == 0
	}
	switch raw[0] {
	case '{':
		for name, value := range jsonscan.Fields(raw) {
			if !taffrail.NamesNothing(string(name)) && !k.search(value, depth+1) {
				return false
			}
		}
	case '[':
		for e := range jsonscan.Elems(raw) {
			if !k.search(e, depth+1) {
				return false
			}
		}
	case '"':
		return k.text(raw, depth)
	case 't', 'f', 'n':
	default:
		n, err := taffrail.Number(string(raw))
		k.add(n.Text())
		return err == nil
	}
	return true
}

func (k *keys) text(raw []byte, depth int) bool {
	text := raw[1 : len(raw)-1]
	if bytes.IndexByte(text, '\\') >= 0 {
		text = jsonscan.AppendText(nil, raw)
	}
	if document, ok := openDocument(text); ok && depth < maxDocument {
		return k.search(document, depth+1)
	}
	if name := string(text); !taffrail.IsSealedText(name) {
		k.add(name)
	}
	return true
}
