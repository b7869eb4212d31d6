package otlp

import (
	"fmt"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// A done is the answer to an export that was taken: an ExportLogsServiceResponse. Its own package would link a whole gateway for one number and one
// text.
type done struct{ refused int64 }

func (d done) encode(isJSON bool) []byte {
	what := fmt.Sprintf("%d log records cannot be read: they are kept as what they are", d.refused)
	switch {
	case d.refused == 0 && isJSON:
		return []byte("{}")
	case d.refused == 0:
		return nil
	case isJSON:
		return fmt.Appendf(nil, `{"partialSuccess":{"rejectedLogRecords":"%d","errorMessage":%s}}`, d.refused, strconv.Quote(what))
	}
	part := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(d.refused))
	part = protowire.AppendString(protowire.AppendTag(part, 2, protowire.BytesType), what)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), part)
}
