package kubernetes

import (
	"net/http"

	"github.com/taffrail-dev/taffrail/examples/score"
)

// A deed is something that a person did by hand, with the spots that it changed. Where the code leaves it to others there are none.
type deed struct {
	name   string
	object string // one deed to an object in each round
	do     func(*cluster)
	truth  []score.Spot
}

// Where the objects of the stack are.
const (
	deployments = "/apis/apps/v1/namespaces/shop/deployments/"
	configMaps  = "/api/v1/namespaces/shop/configmaps/"
	secrets     = "/api/v1/namespaces/shop/secrets/"
	services    = "/api/v1/namespaces/shop/services/"
	roles       = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles/"
	bindings    = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings/"
	definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
	berths      = "/apis/practice.example/v1/namespaces/shop/berths/"
)

// merge makes a deed that patches an object. The provider has one attribute for all that the code says of an object as it is live, a
// digest: that is the spot.
func merge(name, resource, path string, change object) deed {
	return deed{name, resource, func(c *cluster) { c.patch(path, change) }, live(resource)}
}

// replace makes a deed that replaces one value, as `kubectl patch --type json` does.
func replace(name, resource, path, at string, value any) deed {
	return deed{name, resource, func(c *cluster) {
		c.want(http.MethodPatch, path, "application/json-patch+json", []any{object{"op": "replace", "path": at, "value": value}})
	}, live(resource)}
}

func live(resource string) []score.Spot {
	return []score.Spot{{Address: resource, Attribute: "live_manifest_incluster"}}
}

// deeds are changes to what the code says of an object.
func deeds() []deed {
	const manifest = "kubectl_manifest."
	const web, settings, service = manifest + "web", manifest + "settings", manifest + "web_service"
	return []deed{
		merge("number", web, deployments+"web", object{"spec": object{"replicas": 5}}),
		replace("text deep in a list", web, deployments+"web", "/spec/template/spec/containers/0/image", "registry.example/shop/web:1.4.3"),
		replace("element of a list in a list", web, deployments+"web", "/spec/template/spec/containers/0/env/0/value", "debug"),
		replace("quantity", web, deployments+"web", "/spec/template/spec/containers/0/resources/limits/cpu", "2"),
		merge("label", web, deployments+"web", object{"metadata": object{"labels": object{"app": "other"}}}),
		merge("key with a dot", settings, configMaps+"settings", object{"data": object{"log.level": "debug"}}),
		merge("key removed", settings, configMaps+"settings", object{"data": object{"log.level": nil}}),
		merge("text from nothing", settings, configMaps+"settings", object{"data": object{"banner": "Closed"}}),
		merge("line of a text", settings, configMaps+"settings", object{"data": object{"limits.ini": "[requests]\nper_minute = 1000\n"}}),
		merge("all labels removed", settings, configMaps+"settings", object{"metadata": object{"labels": nil}}),
		merge("secret", manifest+"credentials", secrets+"credentials", object{"data": object{"password": "c3RvbGVu"}}),
		merge("label of a service", service, services+"web", object{"metadata": object{"labels": object{"team": "eve"}}}),
		merge("annotation removed", service, services+"web", object{"metadata": object{"annotations": nil}}),
		replace("port", service, services+"web", "/spec/ports/0/targetPort", 9090),
		replace("verb added", manifest+"reader", roles+"reader", "/rules/0/verbs", []any{"get", "list", "delete"}),
		replace("rule added", manifest+"reader", roles+"reader", "/rules", append([]any{
			object{"apiGroups": []any{""}, "resources": []any{"configmaps"}, "verbs": []any{"get", "list"}},
		}, everything...)),
		replace("subject replaced", manifest+"readers", bindings+"readers", "/subjects/0/name", "everybody"),
		replace("subject added", manifest+"readers", bindings+"readers", "/subjects", []any{
			object{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "support"},
			object{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eve"},
		}),
		merge("fraction in a custom resource", manifest+"berth", berths+"north", object{"spec": object{"depth": 3}}),
		merge("element added in a custom resource", manifest+"berth", berths+"north", object{"spec": object{"ships": []any{"hope", "patience", "raven"}}}),
		replace("schema of a definition", manifest+"berths", definitions+"berths.practice.example",
			"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/lights/default", false),
		{"deleted", manifest + `notes["plain"]`, func(c *cluster) { c.delete(configMaps + "note-plain") },
			[]score.Spot{{Address: manifest + `notes["plain"]`, Attribute: score.Gone}}},
		{"deleted and made again", manifest + `notes["a.b"]`, func(c *cluster) { c.again(configMaps, "note-a.b") },
			[]score.Spot{{Address: manifest + `notes["a.b"]`, Attribute: "live_uid"}}},
		{"what the code ignores", manifest + "worker", func(c *cluster) { c.patch(deployments+"worker", object{"spec": object{"replicas": 4}}) }, nil},
		{"what controllers write", manifest + "worker", func(c *cluster) {
			c.want(http.MethodPatch, deployments+"worker/status", "application/merge-patch+json", object{"status": object{"observedGeneration": 1, "replicas": 4}})
		}, nil},
	}
}

// again deletes an object and makes it anew with the same content.
func (c *cluster) again(folder, name string) {
	c.t.Helper()
	o := c.get(folder + name)
	metadata := o["metadata"].(object)
	for _, own := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields"} {
		delete(metadata, own)
	}
	c.delete(folder + name)
	c.want(http.MethodPost, folder[:len(folder)-1], "application/json", o)
}

// hidden are changes beside what the code says of an object. The provider compares nothing else, so that neither we nor a plan can know.
func hidden() []deed {
	return []deed{
		merge("key added", "kubectl_manifest.settings", configMaps+"settings", object{"data": object{"extra": "x"}}),
		merge("label added", "kubectl_manifest.web_service", services+"web", object{"metadata": object{"labels": object{"extra": "x"}}}),
		merge("default changed", "kubectl_manifest.web", deployments+"web", object{"spec": object{"revisionHistoryLimit": 1, "paused": true}}),
		merge("space at the end of a text", "kubectl_manifest.notes[\"plain\"]", configMaps+"note-plain", object{"data": object{"text": "plain\n"}}),
	}
}
