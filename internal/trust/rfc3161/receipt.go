package rfc3161

import (
	"fmt"

	"github.com/taffrail-dev/taffrail/audit"
)

const maxReceipt = 1 << 20 // bytes

// parseReceipt gives the stamp of a receipt that is not larger than any is.
func parseReceipt(data []byte) (audit.Stamp, error) {
	if len(data) > maxReceipt {
		return audit.Stamp{}, fmt.Errorf("it has %d bytes, and %d is the most", len(data), maxReceipt)
	}
	return audit.ParseStamp(data)
}
