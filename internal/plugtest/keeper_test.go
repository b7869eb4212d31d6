package plugtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"testing"

	"github.com/taffrail-dev/taffrail"
)

// A fakeKeeper keeps what a fakeDecoder reads, until a fault is switched on. The decoder reads digests where they stand for secrets.
type fakeKeeper struct {
	fakeDecoder
	fault string
	calls int
}

func (f *fakeKeeper) Decode(raw []byte) (taffrail.Event, error) {
	e, err := f.fakeDecoder.Decode(raw)
	if err != nil {
		return e, err
	}
	var r struct{ Secret string }
	if json.Unmarshal(raw, &r) == nil {
		if sealed, ok := taffrail.ParseSealedText(r.Secret); ok {
			e.Request = sealed
		}
	}
	e.Refs = []string{"name-of-it"}
	return e, nil
}

func (f *fakeKeeper) Keep(raw []byte) (taffrail.Kept, error) {
	f.calls++
	e, err := f.Decode(raw)
	if err != nil {
		if f.fault == "takes what is refused" {
			return taffrail.Kept{}, nil
		}
		if f.fault == "something beside the error" {
			return taffrail.Kept{Record: raw}, err
		}
		if f.fault == "quotes" {
			return taffrail.Kept{}, &taffrail.Error{Kind: taffrail.KindInvalid, Hint: string(raw), Err: err}
		}
		return taffrail.Kept{}, err
	}
	var r struct{ ID, Secret string }
	if err := json.Unmarshal(raw, &r); err != nil {
		return taffrail.Kept{}, err
	}
	sealed := taffrail.SealedText(f.sealer.Seal(taffrail.String(r.Secret)))
	if _, ours := taffrail.ParseSealedText(r.Secret); ours && f.fault == "believes digests" || f.fault == "keeps secrets" {
		sealed = r.Secret
	}
	if f.fault == "another secret" {
		sealed = taffrail.SealedText(f.sealer.Seal(taffrail.String("x")))
	}
	line, _ := json.Marshal(map[string]string{"id": r.ID, "secret": sealed})
	kept := taffrail.Kept{Record: line, Digest: sha256.Sum256(raw), EventHead: taffrail.HeadOf(e)}
	f.spoil(&kept, raw)
	return kept, nil
}

func (f *fakeKeeper) spoil(kept *taffrail.Kept, raw []byte) {
	switch f.fault {
	case "two lines":
		kept.Record = append(bytes.Clone(kept.Record), '\n')
	case "no JSON":
		kept.Record = append(bytes.Clone(kept.Record), '!')
	case "digest of what is kept":
		kept.Digest = sha256.Sum256(kept.Record)
	case "no keys":
		kept.Keys = nil
	case "keys twice":
		kept.Keys = append(kept.Keys, kept.Keys...)
	case "another head":
		kept.Actor = "somebody"
	case "flaps":
		kept.Keys = append(kept.Keys, "z"+string(rune('a'+f.calls%20)))
	case "writes":
		raw[0] = ' '
	}
}

func (f *fakeKeeper) caseOf() DecoderCase {
	c := f.fakeDecoder.caseOf()
	c.Open = func(_ *testing.T, sealer taffrail.Sealer) taffrail.Decoder { f.sealer = sealer; return f }
	return c
}

func TestKeeperContract(t *testing.T) {
	Keeper(t, (&fakeKeeper{}).caseOf())
	Decoder(t, (&fakeKeeper{}).caseOf())
}

func TestKeeperContractFindsFaults(t *testing.T) {
	for _, fault := range []string{
		"takes what is refused", "something beside the error", "quotes", "believes digests", "keeps secrets", "another secret", "two lines", "no JSON",
		"digest of what is kept", "no keys", "keys twice", "another head", "flaps", "writes",
	} {
		t.Run(fault, func(t *testing.T) {
			for _, p := range keeperPromises {
				if p.check(t, (&fakeKeeper{fault: fault}).caseOf()) != nil {
					return
				}
			}
			t.Error("no promise was found broken")
		})
	}
	t.Run("no keeper at all", func(t *testing.T) {
		if checkKeptEvent(t, (&fakeDecoder{}).caseOf()) == nil {
			t.Error("a decoder that keeps nothing passes")
		}
	})
}
