package kubeaudit

import (
	"regexp"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// actor is the user that the server has authenticated. Whom that user impersonated stands in the chain: rights were borrowed, not the hand.
func actor(r record) taffrail.Actor {
	u := r.User
	a := taffrail.Actor{ID: u.Username, Chain: []taffrail.Link{}}
	if a.ID == "" {
		a.ID = "unknown"
	}
	for _, extra := range extras {
		for _, id := range u.Extra[extra.key] {
			a = a.Behind(taffrail.Link{Kind: extra.kind, ID: id})
		}
	}
	if r.ImpersonatedUser != nil {
		a = a.Behind(taffrail.Link{Kind: "impersonated", ID: r.ImpersonatedUser.Username})
	}
	class, feature := classify(a.ID, u.Groups)
	a.Class, a.Name, a.Features = class, shortName(a.ID), []string{feature}
	return a
}

// extras are what a server says of how a user came in, nearest first.
var extras = []struct{ kind, key string }{
	{"credential", "authentication.kubernetes.io/credential-id"},
	{"pod", "authentication.kubernetes.io/pod-name"},
	{"session", "sessionName"},
	{"principal", "canonicalArn"},
}

const serviceAccount = "system:serviceaccount:"

func shortName(id string) string {
	if rest, ok := strings.CutPrefix(id, serviceAccount); ok {
		return strings.Replace(rest, ":", "/", 1)
	}
	return strings.TrimPrefix(id, "system:")
}

var (
	pipelineAccount   = regexp.MustCompile(`(?i)(^|[^a-z])(ci|cd|cicd|github|gitlab|jenkins|circleci|buildkite|terraform|tofu|atlantis|spacelift|pulumi|deploy|deployer|pipeline|runner|automation)([^a-z]|$)`)
	controllerAccount = regexp.MustCompile(`(?i)argocd|flux|controller|operator|autoscal|scheduler|karpenter|kyverno|gatekeeper|crossplane|cert-manager|external-dns|istio|keda`)
)

func classify(id string, groups []string) (taffrail.ActorClass, string) {
	switch {
	case strings.HasPrefix(id, serviceAccount+"kube-system:"), strings.HasPrefix(id, serviceAccount) && controllerAccount.MatchString(id):
		return taffrail.ActorController, "a service account of a controller"
	case strings.HasPrefix(id, serviceAccount) && pipelineAccount.MatchString(id):
		return taffrail.ActorPipeline, "a service account with a pipeline's name"
	case strings.HasPrefix(id, serviceAccount):
		return taffrail.ActorController, "a service account"
	case strings.HasPrefix(id, "system:node:"):
		return taffrail.ActorController, "a node"
	case id == "system:anonymous" || id == "system:unauthenticated":
		return taffrail.ActorUnknown, "nobody was authenticated"
	case strings.HasPrefix(id, "system:") || strings.HasPrefix(id, "eks:") || strings.HasPrefix(id, "aks"):
		return taffrail.ActorController, "a part of the cluster"
	case pipelineAccount.MatchString(id):
		return taffrail.ActorPipeline, "a pipeline's name"
	case controllerAccount.MatchString(id):
		return taffrail.ActorController, "a controller's name"
	case id == "kubernetes-admin" || id == "admin" || id == "cluster-admin" || id == "kubernetes-super-admin" || id == "masterclient":
		return taffrail.ActorCredential, "a certificate of administrators that many may hold"
	case id == "" || id == "unknown":
		return taffrail.ActorUnknown, "the record names no user"
	}
	return taffrail.ActorPerson, "a user that is no account of the cluster"
}
