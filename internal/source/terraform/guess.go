package terraform

import (
	"bytes"
	"context"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/provider"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/value"
)

// A provider is asked to upgrade what the state holds before each read, even where the state was written by the same version of the
// schema: then it gives back what it got, and that is half of all calls. So the answer is guessed first: the stored attributes
// themselves. If the live side is the same as the guess, then it is what the state holds, and nothing else is to be known. If it is
// anything else (different, gone, an error that the guess may have caused), nothing is believed before the provider was asked after
// all; and if it answers otherwise than was guessed, the resource is read again.

// guess sets what the provider's upgrade is likely to answer as the prior side, and says whether there is anything to guess.
func (j *job) guess(known *schema.Resource) bool {
	i := j.instance
	if j.careful || i.SchemaVersion != known.Version || len(i.Flat) > 0 || len(i.Attributes) == 0 {
		return false
	}
	prior, packed, err := value.Pack(i.Attributes, known.Type)
	if err != nil {
		return false
	}
	j.prior, j.request.Prior, j.guessed = prior, &tfwire.DynamicValue{Msgpack: packed}, true
	return true
}

// confirm takes the answer that a read gave, and makes sure of the guess that it rests on, if anything depends on that.
func (s *session) confirm(ctx context.Context, j *job, answer provider.Answer, f *provider.Failure) (provider.Answer, *provider.Failure) {
	switch {
	case !j.guessed:
		return answer, f
	case f != nil && f.Lost:
		j.recalled, j.guessed, j.careful = false, false, true // perhaps it cannot bear the guess
		return answer, f
	case f != nil && f.Reason != taffrail.ReasonError:
		return answer, f // of permissions, rates and time
	case f == nil && j.asGuessed(&answer):
		return answer, nil
	}
	guessed := j.request.Prior
	prior, upgrade := s.upgrade(ctx, j, j.converter.Resource)
	if upgrade == nil {
		upgrade = j.adopt(prior)
	}
	if upgrade != nil {
		if upgrade.Lost {
			j.recalled, j.guessed, j.careful = false, false, true
		}
		return provider.Answer{}, upgrade
	}
	if samePacked(guessed, j.request.Prior, j.converter.Resource) {
		return answer, f
	}
	return s.process.Read(ctx, j.request)
}

// asGuessed says whether the live side is the prior one. It need not be in the same bytes, since sets have no order; then the
// answer is made so.
func (j *job) asGuessed(answer *provider.Answer) bool {
	if !samePacked(answer.State, j.request.Prior, j.converter.Resource) {
		return false
	}
	answer.State = j.request.Prior
	return true
}

// samePacked says whether two values are one.
func samePacked(a, b *tfwire.DynamicValue, known *schema.Resource) bool {
	if len(a.GetMsgpack()) > 0 && bytes.Equal(a.GetMsgpack(), b.GetMsgpack()) {
		return true
	}
	va, err := value.Decode(a.GetMsgpack(), a.GetJson(), known.Type)
	if err != nil {
		return false
	}
	vb, err := value.Decode(b.GetMsgpack(), b.GetJson(), known.Type)
	return err == nil && va.RawEquals(vb)
}
