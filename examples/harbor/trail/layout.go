package trail

import (
	"fmt"
	"path"
	"time"
)

// A Place says whose trail it is and where it lies.
type Place struct {
	Account, Region string
	Bucket          string // the name of the folder, as if it were a bucket
	Trail           string // the trail's own name
}

func (p Place) logs() string { return path.Join("AWSLogs", p.Account, "CloudTrail", p.Region) }
func (p Place) digests() string {
	return path.Join("AWSLogs", p.Account, "CloudTrail-Digest", p.Region)
}
func (p Place) keys() string { return path.Join(p.digests(), "public-keys.json") }

func (p Place) logFile(at time.Time, random string) string {
	at = at.UTC()
	name := fmt.Sprintf("%s_CloudTrail_%s_%s_%s.json.gz", p.Account, p.Region, at.Format("20060102T1504Z"), random)
	return path.Join(p.logs(), at.Format("2006/01/02"), name)
}

func (p Place) digestFile(end time.Time) string {
	end = end.UTC()
	name := fmt.Sprintf("%s_CloudTrail-Digest_%s_%s_%s_%s.json.gz", p.Account, p.Region, p.Trail, p.Region, end.Format("20060102T150405Z"))
	return path.Join(p.digests(), end.Format("2006/01/02"), name)
}
