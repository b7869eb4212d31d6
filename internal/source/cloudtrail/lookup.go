package cloudtrail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cloudtrailapi "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"golang.org/x/time/rate"

	"github.com/taffrail-dev/taffrail"
)

// What LookupEvents has, and how often it may be asked.
const (
	lookupAge    = 90 * 24 * time.Hour
	lookupWindow = 24 * time.Hour
	lookupPage   = 50
	lookupRate   = 2 // requests per second, for an account and region as a whole
	// lookupAgain is how far the next window reaches back into the last one: events are late here as everywhere.
	lookupAgain = 30 * time.Minute
	lookupPause = 5 * time.Minute // between two windows at the present
)

func newLimit() *rate.Limiter { return rate.NewLimiter(lookupRate, 1) }

// A lookup is an EventReader that asks LookupEvents. It is for filling up what was before a trail was: it is slow, knows one region and not
// the events of data, and its copies of events lack fields.
type lookup struct {
	clients
	now   func() time.Time
	from  time.Time
	late  time.Duration // how late an event may come
	limit *rate.Limiter
}

// A window is the time that is being asked for: the cursor.
type window struct {
	Start   int64  `json:"from"` // Unix time in s
	End     int64  `json:"to,omitempty"`
	Token   string `json:"token,omitempty"` // of the next page
	Settled int64  `json:"s,omitempty"`
}

// ReadEvents implements [taffrail.EventReader]. Each page is a batch. If we stop after it, we go on at the next page.
func (l *lookup) ReadEvents(ctx context.Context, after taffrail.Cursor, emit func(taffrail.Batch) error) error {
	var w window
	if after != "" && json.Unmarshal([]byte(after), &w) != nil {
		return &taffrail.Error{Op: "read events of CloudTrail", Kind: taffrail.KindCorrupt, Err: errors.New("the cursor is none of ours"),
			Hint: "the source was of another kind under this name: give it another name"}
	}
	now := l.now()
	if oldest := now.Add(-lookupAge); w.Start == 0 {
		w.Start = oldest.Unix()
		if l.from.After(oldest) {
			w.Start = l.from.Unix()
		}
	}
	out := newBatcher(ctx, after, emit)
	out.settled = time.Unix(w.Settled, 0)
	for {
		if w.End == 0 {
			if now.Unix()-w.Start < int64((lookupAgain + lookupPause).Seconds()) {
				return nil
			}
			w.End = min(w.Start+int64(lookupWindow.Seconds()), now.Unix())
		}
		if err := l.page(ctx, &w, out, now); err != nil {
			return err
		}
	}
}

// page emits one page, and moves the window on after the last.
func (l *lookup) page(ctx context.Context, w *window, out *batcher, now time.Time) error {
	if err := l.limit.Wait(ctx); err != nil {
		return err
	}
	in := &cloudtrailapi.LookupEventsInput{StartTime: aws.Time(time.Unix(w.Start, 0)), EndTime: aws.Time(time.Unix(w.End, 0)), MaxResults: aws.Int32(lookupPage)}
	if w.Token != "" {
		in.NextToken = &w.Token
	}
	page, err := l.trail.LookupEvents(ctx, in)
	var expired *types.InvalidNextTokenException
	if errors.As(err, &expired) && w.Token != "" {
		w.Token = "" // the window is read again from its start
		return nil
	}
	if err != nil {
		return failed(ctx, "ask LookupEvents", err, "allow cloudtrail:LookupEvents")
	}
	if err := out.from("LookupEvents " + time.Unix(w.Start, 0).UTC().Format(time.RFC3339)); err != nil {
		return err
	}
	for i, e := range page.Events {
		fault := ""
		if aws.ToString(e.CloudTrailEvent) == "" {
			fault = "the event holds no record"
		}
		if err := out.add([]byte(aws.ToString(e.CloudTrailEvent)), fmt.Sprintf("event %d", i+1), fault); err != nil {
			return err
		}
	}
	if w.Token = aws.ToString(page.NextToken); w.Token == "" {
		l.advance(w, out, now)
	}
	text, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return out.flush(taffrail.Cursor(text))
}

// advance goes to the next window. The last one is left a little before the present.
func (l *lookup) advance(w *window, out *batcher, now time.Time) {
	if w.End < now.Unix() {
		*w = window{Start: w.End, Settled: w.Settled}
		return
	}
	out.settle(time.Unix(w.End, 0).Add(-l.late).UTC())
	if !out.batch.Settled.IsZero() {
		w.Settled = out.batch.Settled.Unix()
	}
	*w = window{Start: w.End - int64(lookupAgain.Seconds()), Settled: w.Settled}
}
