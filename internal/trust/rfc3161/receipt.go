package rfc3161

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/taffrail-dev/taffrail/audit"
)

const maxReceipt = 1 << 20 // bytes

// parseReceipt gives the stamp of a receipt. It accepts nothing that [audit.Stamp.Data] would write otherwise.
func parseReceipt(data []byte) (audit.Stamp, error) {
	if len(data) > maxReceipt {
		return audit.Stamp{}, fmt.Errorf("it has %d bytes, and %d is the most", len(data), maxReceipt)
	}
	s, err := audit.ParseStamp(data)
	if err != nil {
		return audit.Stamp{}, err
	}
	again, err := s.Data()
	if err != nil {
		return audit.Stamp{}, err
	}
	if !bytes.Equal(again, data) {
		return audit.Stamp{}, errors.New("it was not written by this program")
	}
	return s, nil
}
