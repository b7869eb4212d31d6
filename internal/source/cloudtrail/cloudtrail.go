// Package cloudtrail reads the records of AWS CloudTrail: who called which API, with what, and what came of it.
//
// A record is one element of a log file's Records, or the detail of an EventBridge event. What is peculiar to CloudTrail ends here: names
// of operations that carry a version, lists of EC2 that are wrapped as {"items": [...]}, documents that are JSON in text, at times
// URL-encoded, bodies that were hidden or left out. Secrets in bodies become keyed digests before anything else sees them.
//
// Records are read from files that a trail has written, in a folder or in S3, from a queue of SQS that is told of new files or gets the events
// themselves, or from LookupEvents. Files arrive late and in any order, and some are copies of others: they are read as they arrive, and events are
// known by their ids. What the trail signs of its files is verified: see [Config].
package cloudtrail

import (
	"context"
	"errors"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// Name is the plug-in's name.
const Name = "cloudtrail"

// DecoderConfig is what the decoder can be told: nothing yet.
type DecoderConfig struct{}

// Register registers decoder and reader.
func Register(r *plug.Registry) {
	plug.Add(r, Name, func(_ context.Context, env plug.Env, _ DecoderConfig) (taffrail.Decoder, error) {
		if env.Sealer == nil {
			return nil, &taffrail.Error{Op: "open decoder", Kind: taffrail.KindInternal, Err: errors.New("cloudtrail: there is nothing to seal secrets with")}
		}
		return newDecoder(env.Sealer), nil
	})
	plug.Add(r, Name, openReader)
}
