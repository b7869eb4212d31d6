package rfc3161

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// receiptForm is the data of a receipt: this object on one line, in this order.
type receiptForm struct {
	Version  int    `json:"version"`
	Note     string `json:"note"`
	Response []byte `json:"response"` // base64
}

const (
	receiptVersion = 1
	maxReceipt     = 1 << 20 // bytes
)

func formatReceipt(note, response []byte) ([]byte, error) {
	return json.Marshal(receiptForm{Version: receiptVersion, Note: string(note), Response: response})
}

// parseReceipt is the inverse of formatReceipt, and accepts nothing that formatReceipt would write otherwise.
func parseReceipt(data []byte) (note, response []byte, err error) {
	if len(data) > maxReceipt {
		return nil, nil, fmt.Errorf("it has %d bytes, and %d is the most", len(data), maxReceipt)
	}
	var f receiptForm
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, nil, err
	}
	if f.Version != receiptVersion {
		return nil, nil, fmt.Errorf("version is %d, want %d", f.Version, receiptVersion)
	}
	again, err := formatReceipt([]byte(f.Note), f.Response)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.Equal(again, data) {
		return nil, nil, errors.New("it was not written by this program")
	}
	return []byte(f.Note), f.Response, nil
}
