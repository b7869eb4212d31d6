// Package lang has the functions that expressions of Terraform and OpenTofu may call.
//
// They give what the tools give for the same arguments; where the two differ, what either allows is allowed. A function whose result
// is another each time (timestamp, uuid, ...) gives an unknown value that carries an [Unknown] as its mark. Functions that read
// files take regular files of at most 16 MiB.
package lang

import (
	"maps"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

type mark string

// Sensitive marks a value that must not be shown.
const Sensitive = mark("sensitive")

// An Unknown marks an unknown value with why it is not known: the reference or the call, where that stands ("main.tf:3", or empty),
// and what to do about it.
type Unknown struct{ What, Place, Hint string }

// A Folder is where a stack's paths begin.
type Folder struct {
	Dir  string // of the root module, absolute: relative paths start here
	Home string // what a leading "~" stands for; empty if it is not known
}

// Functions are the functions by name, under their namespace "core", too.
func Functions(f Folder) map[string]function.Function {
	table := maps.Clone(standard)
	maps.Copy(table, ours)
	maps.Copy(table, f.functions())
	for _, name := range []string{"bcrypt", "ephemeralasnull", "plantimestamp", "timestamp", "uuid"} {
		table[name] = unpredictable(name)
	}
	m := newMeter()
	table = m.metered(table)
	for name, fn := range m.metered(map[string]function.Function{"templatefile": f.templateFile(table, 0), "templatestring": templateString(table)}) {
		table[name] = fn
	}
	for name, fn := range maps.Clone(table) {
		table["core::"+name] = fn
	}
	return table
}

// standard are the functions that cty has.
var standard = map[string]function.Function{
	"abs": stdlib.AbsoluteFunc, "can": tryfunc.CanFunc, "ceil": stdlib.CeilFunc, "chomp": stdlib.ChompFunc, "chunklist": stdlib.ChunklistFunc,
	"coalescelist": stdlib.CoalesceListFunc, "compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc,
	"csvdecode": stdlib.CSVDecodeFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc,
	"floor": stdlib.FloorFunc, "format": stdlib.FormatFunc, "formatdate": stdlib.FormatDateFunc, "formatlist": stdlib.FormatListFunc,
	"indent": stdlib.IndentFunc, "join": stdlib.JoinFunc, "jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc,
	"keys": stdlib.KeysFunc, "log": stdlib.LogFunc, "lower": stdlib.LowerFunc, "max": stdlib.MaxFunc, "merge": stdlib.MergeFunc,
	"min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc, "range": stdlib.RangeFunc, "regex": stdlib.RegexFunc,
	"regexall": stdlib.RegexAllFunc, "reverse": stdlib.ReverseListFunc, "setintersection": stdlib.SetIntersectionFunc,
	"setproduct": stdlib.SetProductFunc, "setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc, "signum": stdlib.SignumFunc,
	"slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "split": stdlib.SplitFunc, "strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc,
	"timeadd": stdlib.TimeAddFunc, "title": stdlib.TitleFunc, "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc,
	"trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "try": tryfunc.TryFunc, "upper": stdlib.UpperFunc,
	"values": stdlib.ValuesFunc, "yamldecode": yaml.YAMLDecodeFunc, "yamlencode": yaml.YAMLEncodeFunc, "zipmap": stdlib.ZipmapFunc,
}

// ours are the functions that cty does not have, or has otherwise.
var ours = map[string]function.Function{
	"alltrue": allTrue, "anytrue": anyTrue, "coalesce": coalesce, "index": index, "length": length, "lookup": lookup, "matchkeys": matchKeys,
	"one": one, "sum": sum, "transpose": transpose,
	"endswith": endsWith, "replace": replace, "startswith": startsWith, "strcontains": strContains, "timecmp": timeCmp,
	"base64decode": base64Decode, "base64encode": base64Encode, "base64gunzip": base64Gunzip, "base64gzip": base64Gzip,
	"textdecodebase64": textDecode, "textencodebase64": textEncode, "urldecode": urlDecode, "urlencode": urlEncode,
	"cidrcontains": cidrContains, "cidrhost": cidrHost, "cidrnetmask": cidrNetmask, "cidrsubnet": cidrSubnet, "cidrsubnets": cidrSubnets,
	"base64sha256": hashText(base64SHA256), "base64sha512": hashText(base64SHA512), "md5": hashText(hexMD5), "sha1": hashText(hexSHA1),
	"sha256": hashText(hexSHA256), "sha512": hashText(hexSHA512), "rsadecrypt": rsaDecrypt, "uuidv5": uuidV5,
	"issensitive": isSensitive, "nonsensitive": nonsensitive, "sensitive": sensitive,
	"tobool": to(cty.Bool), "tonumber": to(cty.Number), "tostring": to(cty.String),
	"tolist": to(cty.List(cty.DynamicPseudoType)), "tomap": to(cty.Map(cty.DynamicPseudoType)), "toset": to(cty.Set(cty.DynamicPseudoType)),
}

// define makes a function of arguments that are wholly known, not null and without marks.
func define(returns cty.Type, work func(args []cty.Value) (cty.Value, error), params ...cty.Type) function.Function {
	return function.New(&function.Spec{
		Params: parameters(params),
		Type:   function.StaticReturnType(returns),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			for _, arg := range args {
				if !arg.IsWhollyKnown() {
					return cty.UnknownVal(returns), nil
				}
			}
			return work(args)
		},
	})
}

func parameters(types []cty.Type) []function.Parameter {
	params := make([]function.Parameter, len(types))
	for i, t := range types {
		params[i] = function.Parameter{Name: "argument", Type: t}
	}
	return params
}

// texts makes a function of texts.
func texts(returns cty.Type, n int, work func(args []string) (cty.Value, error)) function.Function {
	params := make([]cty.Type, n)
	for i := range params {
		params[i] = cty.String
	}
	return define(returns, func(args []cty.Value) (cty.Value, error) {
		words := make([]string, len(args))
		for i, arg := range args {
			words[i] = arg.AsString()
		}
		return work(words)
	}, params...)
}

// whatever is a parameter that takes anything as it is.
func whatever(name string) function.Parameter {
	return function.Parameter{
		Name: name, Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
	}
}

// unpredictable makes a function that takes anything and gives what nobody knows yet.
func unpredictable(name string) function.Function {
	rest := whatever("arguments")
	return function.New(&function.Spec{
		VarParam: &rest,
		Type:     function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
			return cty.DynamicVal.Mark(Unknown{
				What: name + "()", Hint: "its result is another each time, or known to the tool alone: write a value in its place",
			}), nil
		},
	})
}
