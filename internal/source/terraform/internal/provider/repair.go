package provider

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/tfwire"
)

// In version 5 of the protocol an attribute's field 10 says whether it is write-only, where version 6 has its nested type; a bool
// does not look like a message, so that it ends among the fields that the message does not know.
const writeOnlyV5 = protowire.Number(10)

// repairSchemas puts right what version 5 numbers otherwise than version 6.
func repairSchemas(s Schemas) {
	repairBlock(s.Provider.GetBlock())
	repairBlock(s.Meta.GetBlock())
	for _, schema := range s.Resources {
		repairBlock(schema.GetBlock())
	}
}

func repairBlock(b *tfwire.Schema_Block) {
	for _, a := range b.GetAttributes() {
		a.WriteOnly = unknownBool(a.ProtoReflect().GetUnknown(), writeOnlyV5)
	}
	for _, nested := range b.GetBlockTypes() {
		repairBlock(nested.GetBlock())
	}
}

// unknownBool finds a bool among fields that were not known. The last one counts, as everywhere in protobuf.
func unknownBool(fields []byte, want protowire.Number) bool {
	var found bool
	for len(fields) > 0 {
		number, kind, n := protowire.ConsumeTag(fields)
		if n < 0 {
			return found
		}
		value := fields[n:]
		m := protowire.ConsumeFieldValue(number, kind, value)
		if m < 0 {
			return found
		}
		if number == want && kind == protowire.VarintType {
			v, _ := protowire.ConsumeVarint(value)
			found = v != 0
		}
		fields = value[m:]
	}
	return found
}

// RepairSchema puts right what version 5 numbers otherwise than version 6, in one schema.
func RepairSchema(s *tfwire.Schema) { repairBlock(s.GetBlock()) }
