package tap

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

// resourceSchemas is the field of the answer to GetProviderSchema, in both versions of the protocol, that holds a schema for each type.
const resourceSchemas protowire.Number = 2

// Schemas finds the schema of each resource type in the answer of a provider, without reading them.
func Schemas(answer []byte) (map[string][]byte, error) {
	all := map[string][]byte{}
	err := fields(answer, func(number protowire.Number, value []byte) error {
		if number != resourceSchemas {
			return nil
		}
		var name string
		var schema []byte
		err := fields(value, func(number protowire.Number, value []byte) error {
			switch number {
			case 1:
				name = string(value)
			case 2:
				schema = value
			}
			return nil
		})
		all[name] = schema
		return err
	})
	return all, err
}

// fields calls f for each field of a message that has a length: texts, bytes and messages.
func fields(message []byte, f func(protowire.Number, []byte) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(number, kind, message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(message)
			if err := f(number, value); err != nil {
				return err
			}
		}
		message = message[n:]
	}
	return nil
}

// ParseSchema reads the schema of one type.
func ParseSchema(raw []byte) (*tfwire.Schema, error) {
	s := &tfwire.Schema{}
	if err := proto.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	return s, nil
}

// Decode reads the messages of what was seen. The response is empty where there was none.
func (s Seen) Decode() (*tfwire.ApplyResourceChange_Request, *tfwire.ApplyResourceChange_Response, error) {
	in, out := &tfwire.ApplyResourceChange_Request{}, &tfwire.ApplyResourceChange_Response{}
	if err := proto.Unmarshal(s.Request, in); err != nil {
		return in, out, fmt.Errorf("read what was asked: %w", err)
	}
	if err := proto.Unmarshal(s.Response, out); err != nil {
		return in, out, fmt.Errorf("read what was answered: %w", err)
	}
	return in, out, nil
}
