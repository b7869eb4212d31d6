package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

const origin = "taffrail.local/bench"

// every is after how many entries one is the intent of something, which the next is the outcome of.
const every = 1000

// What stands in a template in the place of what differs.
const (
	someNonce   = "00112233445566778899aabbccddeeff"
	someCounter = 4503599627370001
	someIntent  = 4503599627370002
)

var someTime = time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)

// A mill makes the leaves of a log. Making an entry by way of its type takes longer than what is measured here.
type mill struct {
	drift, intent, outcome []byte
	began                  time.Time
	nonces                 *rand.ChaCha8
}

// newMill makes leaves whose times begin a day ago, a millisecond apart.
func newMill() (m mill, err error) {
	m.began, m.nonces = time.Now().UTC().Add(-24*time.Hour), rand.NewChaCha8([32]byte{1})
	exported := taffrail.Exported{From: 0, To: 256, Size: 1000}
	if m.drift, err = template(driftEntry(1)); err == nil {
		m.intent, err = template(taffrail.Entry{Outcome: taffrail.OutcomeIntended, Body: exported})
	}
	if err == nil {
		m.outcome, err = template(taffrail.Entry{Outcome: taffrail.OutcomeOK, Intent: new(int64(someIntent)), Body: exported})
	}
	return m, err
}

// driftEntry is what most entries are. Each is about a resource of its own.
func driftEntry(n uint64) taffrail.Entry {
	return taffrail.Entry{
		Scope: "terraform/0b6e5a/default", Resource: taffrail.Address(fmt.Sprintf("module.network.aws_security_group_rule.egress[\"%016x\"]", n)), Outcome: taffrail.OutcomeObserved,
		Request: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
		Body: taffrail.DriftFound{DriftSeen: taffrail.DriftSeen{
			Drift: taffrail.DriftID(fmt.Sprintf("d-%016x", n)), Type: "aws_security_group_rule", ID: "sgr-0a1b2c3d4e5f60718", Status: taffrail.Modified, Serial: 41, Changes: 2,
			Finding: taffrail.BlobRef{SHA256: strings.Repeat("5a", 32), Size: 1234},
		}},
	}
}

func template(e taffrail.Entry) ([]byte, error) {
	e.Time, e.Counter, e.Nonce, e.Actor = someTime, someCounter, someNonce, "taffrail/bench"
	text, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	return audit.Canonical(text)
}

// leaf gives the leaf of an index.
func (m mill) leaf(index int64) []byte {
	leaf, intent := m.drift, int64(0)
	switch index % every {
	case every - 2:
		leaf = m.intent
	case every - 1:
		leaf, intent = m.outcome, index-1
	}
	var nonce [16]byte
	_, _ = m.nonces.Read(nonce[:])
	at := m.began.Add(time.Duration(index) * time.Millisecond).Format(time.RFC3339Nano)
	for _, r := range []struct{ old, new string }{
		{someTime.Format(time.RFC3339Nano), at},
		{someNonce, fmt.Sprintf("%x", nonce)},
		{strconv.Itoa(someCounter), strconv.FormatInt(index, 10)},
		{strconv.Itoa(someIntent), strconv.FormatInt(intent, 10)},
	} {
		leaf = bytes.Replace(leaf, []byte(r.old), []byte(r.new), 1)
	}
	return leaf
}

// check says whether what the mill makes is what taffrail writes: each kind is read back, and is canonical.
func (m mill) check() error {
	for _, index := range []int64{0, every - 2, every - 1, 2*every - 1} {
		leaf := m.leaf(index)
		e, err := taffrail.ParseEntry(leaf)
		if err != nil {
			return err
		}
		again, err := audit.Canonical(leaf)
		if err != nil || !bytes.Equal(again, leaf) || e.Counter != index {
			return fmt.Errorf("leaf %d is not one that taffrail writes: %s", index, leaf)
		}
	}
	return nil
}
