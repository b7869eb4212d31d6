// Package mapping makes events of records that are JSON of a form which a person describes: where in it are the id, the time, who, what, and on
// what.
//
// A record is read as a document. A place in it is a dotted path: `sender.login`, `resources.0.arn`, `labels."app.kubernetes.io/name"`;
// `resources.*.arn` are many places. Texts that are JSON documents are opened on the way. A setting is a path, or `=` and a constant text, in which
// `${path}` stands for what is at a place: `=github:${action}`. Several, separated by ` | `, are tried one after the other, until one of them
// gives something.
//
// What a receiver knows of a delivery and the record does not say (when it came, headers) [Stamp] puts into it, below the name "taffrail".
package mapping

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/sealing"
)

// Config says where in a record is what. Each setting is a path, or = and a constant; several are separated by " | ".
type Config struct {
	// ID is what copies of one event share. Without one it is the digest of the record: records that are equal are then one event.
	ID string `yaml:"id"`
	// Time is when it happened: RFC 3339, or a number of seconds, milliseconds, microseconds or nanoseconds since 1970.
	Time string `yaml:"time"`
	// Action is service and operation.
	Action string `yaml:"action"`
	// Actor is who did it.
	Actor Actor `yaml:"actor"`
	// Refs are the identities of what was acted on, a list of settings.
	Refs []string `yaml:"refs"`
	// Error is why it failed. Null, false, an empty text and a status below 400 are no failure.
	Error string `yaml:"error"`
	// Succeeded lists the texts at the place of Error that say that it did not fail, such as success. Case does not count.
	Succeeded []string `yaml:"succeeded"`
	// Read is true where the event changes nothing by its nature.
	Read string `yaml:"read"`
	// ReadActions lists patterns of actions that change nothing, such as *:get*.
	ReadActions []string `yaml:"read_actions"`
	// Request is what was asked for. Without it that is the whole record.
	Request string `yaml:"request"`
	// Response is what was answered.
	Response string `yaml:"response"`
	// Before is the state before. It is left out of the request, where it would look like something that was asked for.
	Before string `yaml:"before"`
	// After is the state that the event left behind, or a part of it.
	After string `yaml:"after"`
	// Account, Region, Address and UserAgent are what they say.
	Account   string `yaml:"account"`
	Region    string `yaml:"region"`
	Address   string `yaml:"address"`
	UserAgent string `yaml:"user_agent"`
}

// Actor says where a record names who acted.
type Actor struct {
	// ID is the name by which the system knows who acted.
	ID string `yaml:"id"`
	// Name is what people call them. Without it that is the id.
	Name string `yaml:"name"`
	// Class is person, pipeline, controller, service or credential.
	Class string `yaml:"class"`
	// Classes maps what stands at the place of Class to a class.
	Classes map[string]taffrail.ActorClass `yaml:"classes"`
	// Key is the public id of the credential that was used.
	Key string `yaml:"key"`
}

// Or gives the mapping with what it leaves open taken from another.
func (c Config) Or(d Config) Config {
	for _, field := range []struct{ mine, theirs *string }{
		{&c.ID, &d.ID}, {&c.Time, &d.Time}, {&c.Action, &d.Action}, {&c.Actor.ID, &d.Actor.ID}, {&c.Actor.Name, &d.Actor.Name}, {&c.Actor.Class, &d.Actor.Class},
		{&c.Actor.Key, &d.Actor.Key}, {&c.Error, &d.Error}, {&c.Read, &d.Read}, {&c.Request, &d.Request}, {&c.Response, &d.Response}, {&c.Before, &d.Before},
		{&c.After, &d.After}, {&c.Account, &d.Account}, {&c.Region, &d.Region}, {&c.Address, &d.Address}, {&c.UserAgent, &d.UserAgent},
	} {
		if *field.mine == "" {
			*field.mine = *field.theirs
		}
	}
	if c.Refs == nil {
		c.Refs = d.Refs
	}
	return c
}

// A Decoder is a [taffrail.Decoder] and a [taffrail.Keeper] of records of one form.
type Decoder struct {
	source string
	rules  sealing.Rules
	config Config
	hint   string

	id, time, action, failure, read          selector
	actorID, actorName, actorClass, actorKey selector
	request, response, before, after         selector
	account, region, address, userAgent      selector
	refs                                     []selector
}

// New gives the decoder of a source. Unpack makes JSON of a record that is none; it may be nil. The hint says what a record of the source is.
func New(source string, sealer taffrail.Sealer, c Config, hint string) (*Decoder, error) {
	if sealer == nil {
		return nil, &taffrail.Error{Op: "open decoder", Kind: taffrail.KindInternal, Err: fmt.Errorf("%s: there is nothing to seal secrets with", source)}
	}
	d := &Decoder{source: source, config: c, hint: hint, rules: sealing.Rules{Sealer: sealer, Names: sealing.CommonNames(), Within: true, Documents: true, Treat: lines}}
	if err := d.compile(c); err != nil {
		return nil, &taffrail.Error{Op: "open decoder", Kind: taffrail.KindInvalid, Err: fmt.Errorf("mapping: %w", err),
			Hint: "a setting is a path such as sender.login, or = and a text such as =github:${action}; alternatives are separated by |"}
	}
	return d, nil
}

func (d *Decoder) compile(c Config) (err error) {
	for _, field := range []struct {
		name, text string
		to         *selector
	}{
		{"id", c.ID, &d.id}, {"time", c.Time, &d.time}, {"action", c.Action, &d.action}, {"error", c.Error, &d.failure}, {"read", c.Read, &d.read},
		{"actor.id", c.Actor.ID, &d.actorID}, {"actor.name", c.Actor.Name, &d.actorName}, {"actor.class", c.Actor.Class, &d.actorClass}, {"actor.key", c.Actor.Key, &d.actorKey},
		{"request", c.Request, &d.request}, {"response", c.Response, &d.response}, {"before", c.Before, &d.before}, {"after", c.After, &d.after},
		{"account", c.Account, &d.account}, {"region", c.Region, &d.region}, {"address", c.Address, &d.address}, {"user_agent", c.UserAgent, &d.userAgent},
	} {
		if *field.to, err = parseSelector(field.text); err != nil {
			return fmt.Errorf("%s: %w", field.name, err)
		}
	}
	for i, text := range c.Refs {
		ref, err := parseSelector(text)
		if err != nil || text == "" {
			return fmt.Errorf("refs, number %d: %w", i+1, cmpErr(err, errNoPath))
		}
		d.refs = append(d.refs, ref)
	}
	switch {
	case d.time == nil:
		return errors.New("time is not set")
	case d.action == nil:
		return errors.New("action is not set")
	}
	return checkWords(c)
}

func cmpErr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// checkWords checks what is no place.
func checkWords(c Config) error {
	for text, class := range c.Actor.Classes {
		if !slices.Contains(taffrail.ActorClasses(), class) {
			return fmt.Errorf("actor.classes: %s is mapped to %q, which is no class: there are %v", text, class, taffrail.ActorClasses())
		}
	}
	for _, pattern := range c.ReadActions {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("read_actions: %q is no pattern", pattern)
		}
	}
	return nil
}
