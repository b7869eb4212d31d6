package otlp

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/mapping"
	"github.com/taffrail-dev/taffrail/internal/source/internal/route"
)

// A taking makes records of one export.
type taking struct {
	form    form
	now     time.Time
	refused int64 // log records that cannot be read
}

// A setting is what log records share with others.
type setting struct {
	resource *resourcepb.Resource
	scope    *commonpb.InstrumentationScope
}

// records gives a record for each log record, with the number of its place.
func (t *taking) records(body []byte) iter.Seq[taffrail.Record] {
	return func(yield func(taffrail.Record) bool) {
		n := 0
		for s, record := range t.each(body) {
			n++
			for _, r := range t.of(s, record) {
				r.Where = fmt.Sprintf("log record %d", n)
				if !yield(r) {
					return
				}
			}
		}
	}
}

// each gives the log records of an export, as they are written.
func (t *taking) each(body []byte) iter.Seq2[setting, []byte] {
	return func(yield func(setting, []byte) bool) {
		for ofResource := range t.form.each(body, resourceLogs) {
			s := setting{resource: &resourcepb.Resource{}}
			for text := range t.form.each(ofResource, resourceOf) {
				_ = t.form.unmarshal(text, s.resource) // without it a log record still says something
			}
			for ofScope := range t.form.each(ofResource, scopeLogs) {
				s.scope = &commonpb.InstrumentationScope{}
				for text := range t.form.each(ofScope, scopeOf) {
					_ = t.form.unmarshal(text, s.scope)
				}
				for record := range t.form.each(ofScope, logRecords) {
					if !yield(s, record) {
						return
					}
				}
			}
		}
	}
}

// maxRecord bounds a log record: as what it is it takes many times as much memory.
const maxRecord = 4 << 20

// of gives the records of others that a log record carries, or its own. What cannot be read is a record with a fault.
func (t *taking) of(s setting, written []byte) []taffrail.Record {
	records, fault := t.read(s, written)
	if fault != "" {
		t.refused++
		return []taffrail.Record{{Format: Name, Raw: written, Fault: fault}}
	}
	return records
}

func (t *taking) read(s setting, written []byte) (records []taffrail.Record, fault string) {
	if len(written) > maxRecord {
		return nil, "it is too large"
	}
	var record logspb.LogRecord
	if err := t.form.unmarshal(written, &record); err != nil {
		return nil, "it is no log record"
	}
	o, err := t.object(s, &record)
	if err != nil {
		return nil, "it is " + tooDeep
	}
	if body, ok := o["body"]; ok {
		raw, err := json.Marshal(body)
		if known, ok := route.Records(raw); ok && err == nil {
			return known, ""
		}
	}
	raw, err := json.Marshal(o)
	if err != nil {
		return nil, "it cannot be written as JSON"
	}
	if record.GetTimeUnixNano() == 0 && record.GetObservedTimeUnixNano() == 0 {
		raw = mapping.Stamp(raw, mapping.Delivery{Received: t.now})
	}
	return []taffrail.Record{{Format: Name, Raw: raw}}, ""
}

// object is a log record as JSON, with what it shares with others.
func (t *taking) object(s setting, record *logspb.LogRecord) (map[string]any, error) {
	o := map[string]any{}
	put := func(name, text string) {
		if text != "" && text != "0" {
			o[name] = text
		}
	}
	put("time_unix_nano", strconv.FormatUint(record.GetTimeUnixNano(), 10))
	put("observed_time_unix_nano", strconv.FormatUint(record.GetObservedTimeUnixNano(), 10))
	put("severity_text", record.GetSeverityText())
	put("event_name", record.GetEventName())
	put("trace_id", t.form.id(record.GetTraceId()))
	put("span_id", t.form.id(record.GetSpanId()))
	if n := record.GetSeverityNumber(); n != 0 {
		o["severity_number"] = int32(n)
	}
	if name, version := s.scope.GetName(), s.scope.GetVersion(); name != "" {
		o["scope"] = map[string]any{"name": name, "version": version}
	}
	for name, attributes := range map[string][]*commonpb.KeyValue{"attributes": record.GetAttributes(), "resource": s.resource.GetAttributes()} {
		fields, err := object(attributes, 0)
		if err != nil {
			return nil, err
		}
		if len(fields) > 0 {
			o[name] = fields
		}
	}
	if record.GetBody() == nil {
		return o, nil
	}
	body, err := value(record.GetBody(), 0)
	o["body"] = body
	return o, err
}

// maxDepth bounds how deep a body is nested.
const (
	maxDepth = 100
	tooDeep  = "nested too deep"
)

var errDeep = errors.New(tooDeep)

func object(pairs []*commonpb.KeyValue, depth int) (map[string]any, error) {
	fields := make(map[string]any, len(pairs))
	for _, pair := range pairs {
		v, err := value(pair.GetValue(), depth+1)
		if err != nil {
			return nil, err
		}
		fields[pair.GetKey()] = v
	}
	return fields, nil
}

// value gives a value as JSON has it. Bytes become base64, and what is no number of JSON a text.
func value(v *commonpb.AnyValue, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDeep
	}
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue, nil
	case *commonpb.AnyValue_BoolValue:
		return v.BoolValue, nil
	case *commonpb.AnyValue_IntValue:
		return v.IntValue, nil
	case *commonpb.AnyValue_DoubleValue:
		if math.IsNaN(v.DoubleValue) || math.IsInf(v.DoubleValue, 0) {
			return fmt.Sprint(v.DoubleValue), nil
		}
		return v.DoubleValue, nil
	case *commonpb.AnyValue_BytesValue:
		return base64.StdEncoding.EncodeToString(v.BytesValue), nil
	case *commonpb.AnyValue_ArrayValue:
		elems := make([]any, 0, len(v.ArrayValue.GetValues()))
		for _, e := range v.ArrayValue.GetValues() {
			one, err := value(e, depth+1)
			if err != nil {
				return nil, err
			}
			elems = append(elems, one)
		}
		return elems, nil
	case *commonpb.AnyValue_KvlistValue:
		return object(v.KvlistValue.GetValues(), depth)
	}
	return nil, nil
}
