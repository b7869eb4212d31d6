package git

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
)

// receiptForm is the data of a receipt: this object on one line, in this order.
type receiptForm struct {
	Version int    `json:"version"`
	URL     string `json:"url"`
	Branch  string `json:"branch"`
	Path    string `json:"path"`
	Commit  string `json:"commit"`
	Note    string `json:"note"`
}

const (
	receiptVersion = 1
	maxReceipt     = 1 << 18 // bytes
)

func formatReceipt(f receiptForm) ([]byte, error) { return json.Marshal(f) }

// parseReceipt is the inverse of formatReceipt, and accepts nothing that formatReceipt would write otherwise.
func parseReceipt(data []byte) (receiptForm, error) {
	var f receiptForm
	if len(data) > maxReceipt {
		return f, fmt.Errorf("it has %d bytes, and %d is the most", len(data), maxReceipt)
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return f, err
	}
	if f.Version != receiptVersion {
		return f, fmt.Errorf("version is %d, want %d", f.Version, receiptVersion)
	}
	if !plumbing.IsHash(f.Commit) {
		return f, fmt.Errorf("%.80q is no commit", f.Commit)
	}
	again, err := formatReceipt(f)
	if err != nil {
		return f, err
	}
	if !bytes.Equal(again, data) {
		return f, errors.New("it was not written by this program")
	}
	return f, nil
}
