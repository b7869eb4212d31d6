package cloudtrail

import (
	"regexp"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// A judgement is one rule by which a caller is classed. The first that fits counts.
type judgement struct {
	class   taffrail.ActorClass
	feature string
	fits    func(record) (name string, ok bool)
}

var judgements = []judgement{
	{taffrail.ActorService, "a service of AWS called by itself", byItself},
	{taffrail.ActorPerson, "the session carries a source identity of a person", bySourceIdentity},
	{taffrail.ActorPerson, "a role of IAM Identity Center, whose sessions are named after people", bySSO},
	{taffrail.ActorPerson, "on behalf of a user of IAM Identity Center", byIdentityCenter},
	{taffrail.ActorPipeline, "the web identity of a pipeline", byPipelineIdentity},
	{taffrail.ActorController, "the web identity of a service account", byServiceAccount},
	{taffrail.ActorService, "a service of AWS called on behalf of someone", byInvocation},
	{taffrail.ActorService, "a role linked to a service", byServiceRole},
	{taffrail.ActorController, "a controller's name", byControllerName},
	{taffrail.ActorPipeline, "a pipeline's name", byPipelineName},
	{taffrail.ActorController, "a role of an instance or a function", byWorkload},
	{taffrail.ActorPerson, "the root user", byRoot},
	{taffrail.ActorPerson, "a session in the console, or with a second factor", byPresence},
	{taffrail.ActorPerson, "a session named by an e-mail address", byMail},
	{taffrail.ActorCredential, "a long-lived key of a user that is no person's", bySharedUser},
	{taffrail.ActorPerson, "a user of IAM with the name of a person", byUser},
	{taffrail.ActorCredential, "a long-lived key", byKey},
}

// classify says what sort of caller it is, what people call it, and by what it was judged.
func classify(r record) (class taffrail.ActorClass, name string, features []string) {
	for _, j := range judgements {
		if name, ok := j.fits(r); ok {
			return j.class, name, []string{j.feature}
		}
	}
	return taffrail.ActorUnknown, shortName(r), []string{"nothing in the record says"}
}

// shortName is the last part of what the caller is called.
func shortName(r record) string {
	u := r.UserIdentity
	if name := sessionName(u); name != "" {
		return name
	}
	if u.UserName != "" {
		return u.UserName
	}
	id := principal(r)
	return id[strings.LastIndexAny(id, ":/")+1:]
}

func byItself(r record) (string, bool) {
	u := r.UserIdentity
	return serviceOf(r), serviceOf(r) != "" && (r.EventType == "AwsServiceEvent" || u.Type == "AWSService")
}

func bySourceIdentity(r record) (string, bool) {
	name := r.UserIdentity.Session.SourceIdentity
	return name, name != "" && !pipelineName.MatchString(name) && !controllerName.MatchString(name)
}

var ssoRole = regexp.MustCompile(`AWSReservedSSO_[^/]+_[0-9A-Za-z]+(/|$)`)

func bySSO(r record) (string, bool) {
	u := r.UserIdentity
	return shortName(r), ssoRole.MatchString(u.ARN) || ssoRole.MatchString(u.Session.IssuerARN)
}

func byIdentityCenter(r record) (string, bool) {
	u := r.UserIdentity
	name := u.OnBehalfOf
	if u.UserName != "" {
		name = u.UserName
	}
	return name, u.OnBehalfOf != "" || u.Type == "IdentityCenterUser"
}

var (
	pipelineSubject = regexp.MustCompile(`^(repo:|project_path:|organization:|pipeline:|app\.terraform\.io|p:)|:ref:|:environment:|:pull_request|ref_type:`)
	pipelineIssuer  = regexp.MustCompile(`token\.actions\.githubusercontent\.com|gitlab|circleci|bitbucket|buildkite|app\.terraform\.io|spacelift|jenkins`)
)

func byPipelineIdentity(r record) (string, bool) {
	subject, issuer := webSubject(r.UserIdentity), r.UserIdentity.Session.Provider+r.UserIdentity.IdentityProvider
	if subject == "" {
		subject = shortName(r)
	}
	return subject, pipelineSubject.MatchString(webSubject(r.UserIdentity)) || pipelineIssuer.MatchString(issuer)
}

func byServiceAccount(r record) (string, bool) {
	subject := webSubject(r.UserIdentity)
	return subject, strings.HasPrefix(subject, "system:serviceaccount:")
}

func byInvocation(r record) (string, bool) {
	u := r.UserIdentity
	return u.InvokedBy, u.InvokedBy != "" && !strings.HasPrefix(u.InvokedBy, "AWS Internal") && u.Type != "IAMUser"
}

func byServiceRole(r record) (string, bool) {
	session := r.UserIdentity.Session
	return shortName(r), strings.Contains(session.IssuerARN, "role/aws-service-role/") || strings.Contains(r.UserIdentity.ARN, "assumed-role/AWSServiceRoleFor")
}

var (
	pipelineName   = regexp.MustCompile(`(?i)(^|[^a-z])(ci|cd|cicd|github|githubactions|actions|gitlab|jenkins|circleci|buildkite|bitbucket|terraform|tofu|opentofu|atlantis|spacelift|pulumi|deploy|deployer|deployment|pipeline|codebuild|codepipeline|argocd|flux|runner|automation|tf)([^a-z]|$)|aws-go-sdk-`)
	controllerName = regexp.MustCompile(`(?i)autoscal|karpenter|controller|operator|crossplane|external-dns|cert-manager|scheduler|remediat|lambda-|cluster-|(^|[^a-z])(bot|daemon|cron|rotation|rotator|backup)([^a-z]|$)`)
)

// named gives a test of what a caller is called: session, user and role.
func named(pattern *regexp.Regexp) func(record) (string, bool) {
	return func(r record) (string, bool) {
		u := r.UserIdentity
		return shortName(r), pattern.MatchString(shortName(r)) || pattern.MatchString(u.Session.IssuerName) || pattern.MatchString(u.UserName)
	}
}

func byPipelineName(r record) (string, bool)   { return named(pipelineName)(r) }
func byControllerName(r record) (string, bool) { return named(controllerName)(r) }

var instance = regexp.MustCompile(`^i-[0-9a-f]{8,17}$`)

func byWorkload(r record) (string, bool) {
	u := r.UserIdentity
	return shortName(r), u.Session.RoleDelivery != "" || instance.MatchString(sessionName(u))
}

func byRoot(r record) (string, bool) { return "root", r.UserIdentity.Type == "Root" }

func byPresence(r record) (string, bool) {
	u := r.UserIdentity
	console := r.EventType == "AwsConsoleAction" || strings.Contains(r.UserAgent, "console.amazonaws.com") || strings.Contains(r.UserAgent, "signin.amazonaws.com")
	return shortName(r), u.Session.MFA.isTrue() || console && u.InvokedBy == ""
}

func byMail(r record) (string, bool) {
	name := shortName(r)
	at := strings.Index(name, "@")
	return name, at > 0 && strings.Contains(name[at:], ".")
}

var sharedUser = regexp.MustCompile(`(?i)(^|[^a-z])(shared|svc|service|app|team|ops|legacy|admin|common|integration|api|root-key|breakglass|break-glass|key)([^a-z]|$)`)

func bySharedUser(r record) (string, bool) {
	u := r.UserIdentity
	return u.AccessKeyID, u.Type == "IAMUser" && sharedUser.MatchString(u.UserName) && strings.HasPrefix(u.AccessKeyID, "AKIA")
}

func byUser(r record) (string, bool) {
	u := r.UserIdentity
	return shortName(r), u.Type == "IAMUser" && shortName(r) != ""
}

func byKey(r record) (string, bool) {
	key := r.UserIdentity.AccessKeyID
	return key, strings.HasPrefix(key, "AKIA")
}
