package plugtest

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// A fakeDecoder reads {"id": ..., "secret": ...} as promised, until a fault is switched on.
type fakeDecoder struct {
	sealer taffrail.Sealer
	fault  string
	calls  int
}

func (f *fakeDecoder) Decode(raw []byte) (taffrail.Event, error) {
	f.calls++
	var r struct{ ID, Secret string }
	err := json.Unmarshal(raw, &r)
	if err == nil && r.ID == "" {
		err = errors.New("no id")
	}
	if err != nil {
		return f.refusal(raw, err)
	}
	e := taffrail.Event{
		ID: taffrail.EventID(r.ID), Source: "fake", Time: time.Unix(1, 0).UTC(), Action: "a:b", Digest: [32]byte{1},
		Actor: taffrail.Actor{ID: "who", Class: taffrail.ActorUnknown, Features: []string{"none"}}, Request: f.sealer.Seal(taffrail.String(r.Secret)),
	}
	switch f.fault {
	case "no time":
		e.Time = time.Time{}
	case "local time":
		e.Time = e.Time.In(time.FixedZone("x", 3600))
	case "no digest":
		e.Digest = [32]byte{}
	case "no features":
		e.Actor.Features = nil
	case "flaps":
		e.Region = time.Duration(f.calls).String()
	case "tells":
		e.Request = taffrail.String(r.Secret)
	case "writes":
		raw[len(raw)-1] = ' '
	}
	return e, nil
}

func (f *fakeDecoder) refusal(raw []byte, err error) (taffrail.Event, error) {
	kind, e := taffrail.KindInvalid, taffrail.Event{}
	switch f.fault {
	case "takes anything":
		return taffrail.Event{ID: "x"}, nil
	case "wrong kind":
		kind = taffrail.KindInternal
	case "no hint":
		return e, &taffrail.Error{Kind: kind, Err: err}
	case "quotes":
		err = errors.New(string(raw))
	case "event beside the error":
		e.ID = "x"
	}
	return e, &taffrail.Error{Op: "decode", Kind: kind, Err: err, Hint: "look"}
}

func (f *fakeDecoder) caseOf() DecoderCase {
	return DecoderCase{
		Open:    func(_ *testing.T, sealer taffrail.Sealer) taffrail.Decoder { f.sealer = sealer; return f },
		Records: [][]byte{[]byte(`{"id":"1"}`)}, WithSecret: []byte(`{"id":"1","secret":"hunter2"}`), Secret: "hunter2",
	}
}

func TestDecoderContract(t *testing.T) { Decoder(t, (&fakeDecoder{}).caseOf()) }

func TestDecoderContractFindsFaults(t *testing.T) {
	for _, fault := range []string{
		"no time", "local time", "no digest", "no features", "flaps", "tells", "writes", "takes anything", "wrong kind", "no hint", "quotes", "event beside the error",
	} {
		t.Run(fault, func(t *testing.T) {
			for _, p := range decoderPromises {
				if p.check(t, (&fakeDecoder{fault: fault}).caseOf()) != nil {
					return
				}
			}
			t.Error("no promise was found broken")
		})
	}
}
