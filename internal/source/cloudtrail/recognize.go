package cloudtrail

import "bytes"

// Recognizes implements [taffrail.Recognizer].
func (d decoder) Recognizes(start []byte) bool {
	for _, mark := range []string{`"eventSource"`, `"eventVersion"`, `"CloudTrailEvent"`, `"AWS API Call via CloudTrail"`, `"digestStartTime"`} {
		if bytes.Contains(start, []byte(mark)) {
			return true
		}
	}
	return false
}
