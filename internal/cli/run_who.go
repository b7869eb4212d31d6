package cli

import (
	"net/url"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/daemon"
)

// A pipeline is a system that runs pipelines, and the variables by which it says so. A word in braces stands for a variable.
type pipeline struct {
	name   string
	sign   string            // the variable that is there if it is this system
	equals string            // what it must be; empty: anything
	fields map[string]string // by the name of the field
}

// pipelines are the systems that are known. The first that fits is taken: some run inside of others, and stand before them.
var pipelines = []pipeline{
	{"atlantis", "ATLANTIS_TERRAFORM_VERSION", "", map[string]string{
		"actor": "{USER_NAME}", "author": "{PULL_AUTHOR}", "repository": "{BASE_REPO_OWNER}/{BASE_REPO_NAME}", "run": "{PULL_URL}", "job": "{PROJECT_NAME}", "ref": "{HEAD_BRANCH_NAME}", "commit": "{HEAD_COMMIT}",
	}},
	{"github_actions", "GITHUB_ACTIONS", "true", map[string]string{
		"actor": "{GITHUB_TRIGGERING_ACTOR}", "author": "{GITHUB_ACTOR}", "repository": "{GITHUB_REPOSITORY}", "run": "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}/attempts/{GITHUB_RUN_ATTEMPT}",
		"job": "{GITHUB_JOB}", "workflow": "{GITHUB_WORKFLOW}", "ref": "{GITHUB_REF}", "commit": "{GITHUB_SHA}",
	}},
	{"gitlab_ci", "GITLAB_CI", "true", map[string]string{
		"actor": "{GITLAB_USER_LOGIN}", "repository": "{CI_PROJECT_PATH}", "run": "{CI_PIPELINE_URL}", "job": "{CI_JOB_URL}", "ref": "{CI_COMMIT_REF_NAME}", "commit": "{CI_COMMIT_SHA}", "environment": "{CI_ENVIRONMENT_NAME}",
	}},
	{"jenkins", "JENKINS_URL", "", map[string]string{
		"actor": "{BUILD_USER_ID}", "run": "{BUILD_URL}", "job": "{JOB_NAME}", "ref": "{GIT_BRANCH}", "commit": "{GIT_COMMIT}",
	}},
	{"buildkite", "BUILDKITE", "true", map[string]string{
		"actor": "{BUILDKITE_BUILD_CREATOR}", "repository": "{BUILDKITE_REPO}", "run": "{BUILDKITE_BUILD_URL}", "job": "{BUILDKITE_JOB_ID}", "ref": "{BUILDKITE_BRANCH}", "commit": "{BUILDKITE_COMMIT}",
	}},
	{"circleci", "CIRCLECI", "true", map[string]string{
		"actor": "{CIRCLE_USERNAME}", "repository": "{CIRCLE_PROJECT_USERNAME}/{CIRCLE_PROJECT_REPONAME}", "run": "{CIRCLE_BUILD_URL}", "job": "{CIRCLE_JOB}", "ref": "{CIRCLE_BRANCH}", "commit": "{CIRCLE_SHA1}",
	}},
	{"azure_pipelines", "TF_BUILD", "", map[string]string{
		"actor": "{BUILD_REQUESTEDFOR}", "repository": "{BUILD_REPOSITORY_NAME}", "run": "{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}", "job": "{SYSTEM_JOBNAME}", "ref": "{BUILD_SOURCEBRANCH}", "commit": "{BUILD_SOURCEVERSION}",
	}},
	{"bitbucket_pipelines", "BITBUCKET_BUILD_NUMBER", "", map[string]string{
		"actor": "{BITBUCKET_STEP_TRIGGERER_UUID}", "repository": "{BITBUCKET_REPO_FULL_NAME}", "run": "{BITBUCKET_GIT_HTTP_ORIGIN}/pipelines/results/{BITBUCKET_BUILD_NUMBER}", "ref": "{BITBUCKET_BRANCH}", "commit": "{BITBUCKET_COMMIT}",
	}},
	{"codebuild", "CODEBUILD_BUILD_ARN", "", map[string]string{
		"actor": "{CODEBUILD_INITIATOR}", "repository": "{CODEBUILD_SOURCE_REPO_URL}", "run": "{CODEBUILD_BUILD_ARN}", "commit": "{CODEBUILD_RESOLVED_SOURCE_VERSION}",
	}},
	{"spacelift", "SPACELIFT", "true", map[string]string{"run": "{TF_VAR_spacelift_run_id}", "repository": "{TF_VAR_spacelift_repository}", "job": "{TF_VAR_spacelift_stack_id}", "commit": "{TF_VAR_spacelift_commit_sha}", "ref": "{TF_VAR_spacelift_commit_branch}"}},
	{"teamcity", "TEAMCITY_VERSION", "", map[string]string{"run": "{BUILD_URL}", "job": "{TEAMCITY_PROJECT_NAME}", "commit": "{BUILD_VCS_NUMBER}"}},
	{"unknown", "CI", "true", nil},
}

// fieldOrder is that in which the fields are written.
var fieldOrder = []string{"actor", "author", "repository", "workflow", "run", "job", "environment", "ref", "commit"}

// whoRuns says who runs a command, by the environment: a pipeline says so in variables, and where a terminal is, somebody sits at it.
func whoRuns(getenv func(string) string, terminal bool) daemon.RunRequest {
	for _, p := range pipelines {
		value := getenv(p.sign)
		if value == "" || p.equals != "" && !strings.EqualFold(value, p.equals) {
			continue
		}
		return daemon.RunRequest{Class: taffrail.ActorPipeline, CI: p.name, Features: []string{p.sign + " is set"}, Fields: p.read(getenv)}
	}
	if terminal {
		return daemon.RunRequest{Class: taffrail.ActorPerson, Features: []string{"it was started at a terminal"}}
	}
	return daemon.RunRequest{Class: taffrail.ActorUnknown, Features: []string{"there is no terminal, and no sign of a pipeline"}}
}

// maxField bounds what is taken of a variable, in bytes.
const maxField = 1 << 10

// read gives the fields whose variables are all there.
func (p pipeline) read(getenv func(string) string) (fields []taffrail.Field) {
	for _, name := range fieldOrder {
		if value := expand(p.fields[name], getenv); value != "" {
			fields = append(fields, taffrail.Field{Name: daemon.FieldCI + name, Value: withoutPassword(value)})
		}
	}
	return fields
}

// expand replaces the variables in a text; nothing is left of it if one is not there.
func expand(text string, getenv func(string) string) string {
	var b strings.Builder
	for text != "" {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			break
		}
		name, after, _ := strings.Cut(rest, "}")
		value := getenv(name)
		if value == "" {
			return ""
		}
		b.WriteString(value)
		text = after
	}
	return strings.ToValidUTF8(b.String()[:min(b.Len(), maxField)], "")
}

// withoutPassword takes name and password out of an address: some systems put a token there.
func withoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return text
	}
	u.User = nil
	return u.String()
}
