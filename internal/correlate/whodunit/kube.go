package whodunit

import (
	"slices"
	"strconv"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

func at(v taffrail.Value, names ...string) taffrail.Value {
	for _, name := range names {
		field, ok := v.Field(name)
		if !ok {
			return taffrail.Unknown()
		}
		v = field
	}
	return v
}

// stampOf is the version of an object of Kubernetes, and nothing for all else.
func stampOf(object taffrail.Value) taffrail.Stamp {
	return taffrail.Stamp{Version: number(at(object, "metadata", "resourceVersion")), Generation: number(at(object, "metadata", "generation"))}
}

func number(v taffrail.Value) int64 {
	n, err := strconv.ParseInt(v.Text(), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// isKubernetes says whether a value is an object of Kubernetes.
func isKubernetes(v taffrail.Value) bool {
	return at(v, "metadata").Shape() == taffrail.ShapeObject && at(v, "kind").Shape() == taffrail.ShapeString
}

// mergeKeys are the fields by which lists of Kubernetes merge, by the list's name. The first that all elements have, each another, counts.
var mergeKeys = map[string][]string{
	"containers": {"name"}, "initContainers": {"name"}, "ephemeralContainers": {"name"}, "env": {"name"}, "volumes": {"name"},
	"ports": {"containerPort", "port", "name"}, "volumeMounts": {"mountPath"}, "volumeDevices": {"devicePath"}, "hostAliases": {"ip"}, "imagePullSecrets": {"name"},
	"conditions": {"type"}, "ownerReferences": {"uid"}, "topologySpreadConstraints": {"topologyKey"}, "secrets": {"name"},
	"volumeClaimTemplates": {"metadata.name"}, "webhooks": {"name"}, "resourceClaims": {"name"}, "versions": {"name"}, "addresses": {"type"}, "podIPs": {"ip"},
}

// serverWritten is what a server writes into metadata by itself: no change of anyone's.
var serverWritten = []string{"resourceVersion", "generation", "managedFields", "selfLink"}

// sealed replaces what is said to be sensitive, and the data of Secrets.
func sealed(v taffrail.Value, sensitive []string, sealer taffrail.Sealer) taffrail.Value {
	if isKubernetes(v) && at(v, "kind").Text() == "Secret" {
		sensitive = append(slices.Clone(sensitive), "data", "stringData")
	}
	if len(sensitive) == 0 {
		return v
	}
	return sealBelow(nil, v, sensitive, sealer)
}

func sealBelow(names []string, v taffrail.Value, sensitive []string, sealer taffrail.Sealer) taffrail.Value {
	hit := slices.ContainsFunc(sensitive, func(s string) bool { return covers(s, names) })
	switch v.Shape() {
	case taffrail.ShapeObject:
		fields := make(map[string]taffrail.Value, v.Len())
		for name, e := range v.Fields() {
			fields[name] = sealBelow(append(slices.Clone(names), name), e, sensitive, sealer)
		}
		return taffrail.Object(fields)
	case taffrail.ShapeList:
		var elems []taffrail.Value
		for e := range v.Elems() {
			elems = append(elems, sealBelow(names, e, sensitive, sealer))
		}
		return taffrail.List(elems...)
	}
	if hit {
		return sealer.Seal(v)
	}
	return v
}

// covers says whether a dotted path leads to a place or to something that holds it. Indexes and elements do not count.
func covers(path string, names []string) bool {
	want := slices.DeleteFunc(strings.Split(path, "."), func(s string) bool { return s == "*" || s == "" || strings.Trim(s, "0123456789") == "" })
	return len(want) > 0 && len(want) <= len(names) && slices.Equal(want, names[:len(want)])
}
