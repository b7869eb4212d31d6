package cloudtrail

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/taffrail-dev/taffrail"
)

// quieting are the calls by which somebody may tell CloudTrail to record less.
var quieting = []string{
	"StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors", "PutInsightSelectors", "StopEventDataStoreIngestion", "DeleteEventDataStore", "UpdateEventDataStore",
}

// quieted tells of a record whether it is such a call, and succeeded.
func quieted(raw []byte) (taffrail.LogNotice, bool) {
	if !bytes.Contains(raw, []byte("cloudtrail.amazonaws.com")) || !json.Valid(raw) {
		return taffrail.LogNotice{}, false
	}
	r, err := parse(raw)
	if err != nil || r.EventSource != "cloudtrail.amazonaws.com" || failure(r) != "" || !slices.Contains(quieting, r.EventName) {
		return taffrail.LogNotice{}, false
	}
	at, err := time.Parse(time.RFC3339, r.EventTime)
	if err != nil {
		return taffrail.LogNotice{}, false
	}
	return taffrail.LogNotice{
		Kind: taffrail.NoticeStopped, Start: at.UTC(), End: at.UTC(), Event: taffrail.EventID(r.EventID),
		What: r.EventName + " was called: CloudTrail may record less from then on",
	}, true
}
