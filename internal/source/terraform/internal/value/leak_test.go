package value

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/schema"
)

const awkward = "Pa<ss&\x01wörd\"\n\\1"

func quotedBy(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// A secret is found in whatever form it turns up in another attribute.
func TestTrap29_SecretsAreFoundInEveryForm(t *testing.T) {
	var unescaped strings.Builder
	e := json.NewEncoder(&unescaped)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]string{"p": awkward}); err != nil {
		t.Fatal(err)
	}
	basic := func(user string) string {
		return base64.StdEncoding.EncodeToString([]byte(user + ":" + awkward + ":x"))
	}
	for name, text := range map[string]string{
		"plain":          "u:" + awkward + "@h",
		"json":           quotedBy(map[string]string{"p": awkward}),
		"json, no html":  unescaped.String(),
		"json in json":   quotedBy(quotedBy(awkward)),
		"json in json 2": quotedBy(unescaped.String()),
		"base64":         "x " + base64.StdEncoding.EncodeToString([]byte(awkward)),
		"base64 raw":     base64.RawStdEncoding.EncodeToString([]byte(awkward)) + ".",
		"base64 url":     base64.URLEncoding.EncodeToString([]byte(awkward)),
		"base64 raw url": base64.RawURLEncoding.EncodeToString([]byte(awkward)),
		"base64, at 0":   basic("us"), "base64, at 1": basic("use"), "base64, at 2": basic("user"),
		"number":       "the pin is 987654321.",
		"short number": "4711",
		"short":        "pin7",
		"short common": "admin",
		"long common":  "us-east-1",
		"key":          "AKIAKEYINMAP",
		"mixed key":    "by AKIA0KEYINMAP for you",
	} {
		t.Run(name, func(t *testing.T) {
			c := converter(&schema.Node{Fields: map[string]*schema.Node{"secret": {Sensitive: true}}})
			v := cty.ObjectVal(map[string]cty.Value{
				"secret": cty.TupleVal([]cty.Value{
					str(awkward), str("pin7"), str("admin"), str("us-east-1"), cty.NumberIntVal(987654321), cty.NumberIntVal(4711),
					cty.MapVal(map[string]cty.Value{"AKIAKEYINMAP": cty.True, "AKIA0KEYINMAP": cty.True}),
				}),
				"other": str(text),
			})
			c.Learn(v)
			if got := canonical(t, c, v); !strings.Contains(got, `"other":"SEALED`) {
				t.Errorf("left open: %s", got)
			}
		})
	}
}

func TestTrap29_NumbersAndKeysAreSealed(t *testing.T) {
	secrets := &Secrets{}
	secrets.Add("prov-token-123456")
	secrets.AddAll(cty.NumberIntVal(987654321))
	secrets.AddAll(cty.NumberIntVal(443))
	object := func(name string) cty.Value { return cty.ObjectVal(map[string]cty.Value{name: cty.True}) }
	for name, tc := range map[string]struct {
		in   cty.Value
		want string
	}{
		"number":         {cty.NumberIntVal(987654321), `"SEALED {\"num\":\"987654321\"}"`},
		"float":          {cty.NumberFloatVal(987654321), `"SEALED {\"num\":\"987654321\"}"`},
		"short number":   {cty.NumberIntVal(443), `{"num":"443"}`},
		"map's key":      {cty.MapVal(map[string]cty.Value{"x-prov-token-123456": cty.True, "b": cty.True}), `"SEALED {\"map\":{\"b\":true,\"x-prov-token-123456\":true}}"`},
		"dynamic object": {object("prov-token-123456"), `"SEALED {\"obj\":{\"prov-token-123456\":true}}"`},
		"innocent":       {object("b"), `{"obj":{"b":true}}`},
		"value":          {str("uses prov-token-123456"), `"SEALED \"uses prov-token-123456\""`},
	} {
		t.Run(name, func(t *testing.T) {
			c := converter(nil)
			c.Known = secrets
			if got := canonical(t, c, tc.in); got != tc.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

// What is common, or is a name of the schema, is no secret by its text: else half of a stack would be sealed.
func TestTrap29_WhatIsCommonStaysOpen(t *testing.T) {
	c := converter(nil)
	c.Resource.Type = cty.Object(map[string]cty.Type{"hunter_two": cty.List(cty.Object(map[string]cty.Type{"hunter_three": cty.Bool}))})
	c.Known = &Secrets{}
	for _, text := range []string{"true", "FALSE", "null", "no", "", "a", "admin", "default", "us-east-1", "europe-west1-b", "westeurope", "hunter_two", "hunter_three"} {
		c.Known.Add(text)
	}
	c.Known.AddAll(cty.MapVal(map[string]cty.Value{"username": cty.True, "tls.key": cty.False}))
	for _, text := range []string{"true", "false", "null", "no", "", "a", "administrators", "default-vpc", "arn:us-east-1:x", "in europe-west1-b", "the westeurope", "a tls.key file"} {
		if got := canonical(t, c, str(text)); got != quotedBy(text) {
			t.Errorf("got %s", got)
		}
	}
	v := cty.ObjectVal(map[string]cty.Value{"hunter_two": cty.ListVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"hunter_three": cty.True})})})
	if got := canonical(t, c, v); got != `{"obj":{"hunter_two":[{"obj":{"hunter_three":true}}]}}` {
		t.Errorf("got %s", got)
	}
}

func TestTrap29_StoredNumbersAndKeysAreLearned(t *testing.T) {
	c := converter(nil, Mark{{Name: "title"}})
	c.LearnStored(json.RawMessage(`{"title":{"n":9007199254740993,"AKIA-KEY":"x","attribute_name_1":"hidden-text"},"plain":"plain-text"}`), nil)
	for text, want := range map[string]bool{
		"9007199254740993": true, "9007199254740992": false, "AKIA-KEY": true, "attribute_name_1": false, "hidden-text": true, "plain-text": false,
	} {
		if got := c.Holds(text); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

func TestSecretsOfHugeNumbers(t *testing.T) {
	var s Secrets
	s.AddAll(cty.NumberVal(new(big.Float).SetMantExp(big.NewFloat(1), 100_000_000)))
	for _, text := range s.Texts() {
		if len(text) > 100 {
			t.Errorf("%d bytes", len(text))
		}
	}
}

// Many resources, each with some secrets of its own, beside those of the session.
func BenchmarkConvert(b *testing.B) {
	known := &Secrets{}
	for i := range 5 {
		known.Add(fmt.Sprintf("session-secret-%d", i))
	}
	fields := map[string]cty.Value{"password": str("resource-secret-1")}
	for i := range 50 {
		fields[fmt.Sprintf("field_%d", i)] = str(strings.Repeat("some text ", 5))
	}
	v := cty.ObjectVal(fields)
	root := &schema.Node{Fields: map[string]*schema.Node{"password": {Sensitive: true}}}
	start := time.Now()
	for b.Loop() {
		c := converter(root)
		c.Known = known
		c.Learn(v)
		if _, err := c.Convert(v); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(time.Since(start).Microseconds())/float64(b.N), "µs/resource")
}
