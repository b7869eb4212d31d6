package s3

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// A role is one that the credentials take on before they read.
type role struct {
	arn, session, externalID, policy, identity string
	policies, transitive                       []string
	tags                                       map[string]string
	duration                                   time.Duration
}

// readRoles takes the block assume_role, else the attributes that did the same before it.
func readRoles(s *remote.Settings) []role {
	if s.Has("assume_role") {
		r := role{
			arn: s.Required("assume_role.role_arn"), session: s.String("assume_role.session_name"), externalID: s.String("assume_role.external_id"),
			policy: s.String("assume_role.policy"), policies: s.List("assume_role.policy_arns"), identity: s.String("assume_role.source_identity"),
			transitive: s.List("assume_role.transitive_tag_keys"), tags: s.Map("assume_role.tags"), duration: duration(s, "assume_role.duration"),
		}
		return []role{r}
	}
	if s.String("role_arn") == "" {
		return nil
	}
	return []role{{
		arn: s.String("role_arn"), session: s.String("session_name"), externalID: s.String("external_id"), policy: s.String("assume_role_policy"),
		policies: s.List("assume_role_policy_arns"), transitive: s.List("assume_role_transitive_tag_keys"), tags: s.Map("assume_role_tags"),
		duration: time.Duration(s.Int("assume_role_duration_seconds", 0)) * time.Second,
	}}
}

// A webRole is taken on with a token of an identity provider.
type webRole struct {
	role
	token     string
	tokenFile string
}

func readWebRole(s *remote.Settings) *webRole {
	const block = "assume_role_with_web_identity"
	if !s.Has(block) {
		return nil
	}
	w := &webRole{
		role: role{
			arn: s.Required(block+".role_arn", "AWS_ROLE_ARN"), session: s.String(block+".session_name", "AWS_ROLE_SESSION_NAME"),
			policy: s.String(block + ".policy"), policies: s.List(block + ".policy_arns"), duration: duration(s, block+".duration"),
		},
		token: s.String(block+".web_identity_token", "AWS_WEB_IDENTITY_TOKEN"),
	}
	if w.token == "" {
		w.tokenFile = s.Path(s.Required(block+".web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE"))
	}
	return w
}

func duration(s *remote.Settings, name string) time.Duration {
	text := s.String(name)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		s.Fail(`write it like "1h"`, "%s is no duration", name)
	}
	return d
}

func (a access) sts(config aws.Config) *sts.Client {
	return sts.NewFromConfig(config, func(o *sts.Options) {
		o.BaseEndpoint = orNil(a.stsURL)
		if a.stsRegion != "" {
			o.Region = a.stsRegion
		}
	})
}

// assume gives the credentials as which everything is asked: those found, or the roles that they take on, one after the other.
func (a access) assume(config aws.Config) aws.CredentialsProvider {
	if a.web != nil {
		var token stscreds.IdentityTokenRetriever = stscreds.IdentityTokenFile(a.web.tokenFile)
		if a.web.token != "" {
			token = literal(a.web.token)
		}
		config.Credentials = aws.NewCredentialsCache(stscreds.NewWebIdentityRoleProvider(a.sts(config), a.web.arn, token, a.web.setWeb))
	}
	for _, r := range a.roles {
		config.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(a.sts(config), r.arn, r.set))
	}
	return config.Credentials
}

type literal string

// GetIdentityToken implements [stscreds.IdentityTokenRetriever].
func (l literal) GetIdentityToken() ([]byte, error) { return []byte(l), nil }

func (r role) set(o *stscreds.AssumeRoleOptions) {
	o.RoleSessionName, o.ExternalID, o.Policy, o.SourceIdentity = r.session, orNil(r.externalID), orNil(r.policy), orNil(r.identity)
	o.Duration, o.TransitiveTagKeys, o.PolicyARNs = r.duration, r.transitive, arns(r.policies)
	for key, value := range r.tags {
		o.Tags = append(o.Tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
	}
}

func (w webRole) setWeb(o *stscreds.WebIdentityRoleOptions) {
	o.RoleSessionName, o.Policy, o.Duration, o.PolicyARNs = w.session, orNil(w.policy), w.duration, arns(w.policies)
}

func arns(texts []string) (list []types.PolicyDescriptorType) {
	for _, text := range texts {
		list = append(list, types.PolicyDescriptorType{Arn: aws.String(text)})
	}
	return list
}
