package s3

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"golang.org/x/net/http/httpproxy"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// access is how AWS is reached, and as whom.
type access struct {
	region, profile               string
	key, secret, token            string
	roles                         []role
	web                           *webRole
	credentialsFiles, configFiles []string
	s3URL, dynamoURL, stsURL      string
	stsRegion                     string
	pathStyle, fips, dualStack    bool
	insecure, noChecksum, noImds  bool
	imdsURL                       string
	bundle                        []byte
	proxy                         *httpproxy.Config
	attempts                      int
	allowed, forbidden            []string
}

func readAccess(s *remote.Settings) access {
	a := access{
		region: s.String("region", "AWS_REGION", "AWS_DEFAULT_REGION"), profile: s.String("profile"),
		key: s.String("access_key"), secret: s.String("secret_key"), token: s.String("token"),
		pathStyle: s.Bool("use_path_style", s.Bool("force_path_style", false)),
		fips:      s.Bool("use_fips_endpoint", false, "AWS_USE_FIPS_ENDPOINT"), dualStack: s.Bool("use_dualstack_endpoint", false, "AWS_USE_DUALSTACK_ENDPOINT"),
		insecure: s.Bool("insecure", false), noChecksum: s.Bool("skip_s3_checksum", false), noImds: s.Bool("skip_metadata_api_check", false),
		s3URL:     endpoint(s, "endpoints.s3", "endpoint", "AWS_ENDPOINT_URL_S3", "AWS_S3_ENDPOINT"),
		dynamoURL: endpoint(s, "endpoints.dynamodb", "dynamodb_endpoint", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_DYNAMODB_ENDPOINT"),
		stsURL:    endpoint(s, "endpoints.sts", "sts_endpoint", "AWS_ENDPOINT_URL_STS", "AWS_STS_ENDPOINT"), stsRegion: s.String("sts_region"),
		imdsURL: s.String("ec2_metadata_service_endpoint", "AWS_EC2_METADATA_SERVICE_ENDPOINT"),
		bundle:  s.File("custom_ca_bundle", "AWS_CA_BUNDLE"), proxy: proxies(s), attempts: 1 + s.Int("max_retries", 5),
		allowed: s.List("allowed_account_ids"), forbidden: s.List("forbidden_account_ids"),
		roles: readRoles(s), web: readWebRole(s),
	}
	a.readFiles(s)
	if a.key == "" && a.profile == "" { // a profile in the block comes before the environment, as with the tool
		a.key, a.secret, a.token = s.String("-", "AWS_ACCESS_KEY_ID"), s.String("-", "AWS_SECRET_ACCESS_KEY"), s.String("-", "AWS_SESSION_TOKEN")
	}
	if a.profile == "" {
		a.profile = s.String("-", "AWS_PROFILE")
	}
	if a.key != "" && a.secret == "" {
		s.Fail("set both or neither", "access_key is set and secret_key is not")
	}
	return a
}

func endpoint(s *remote.Settings, name, old string, env ...string) string {
	text := s.String(name)
	if text == "" {
		text = s.String(old, env...)
	}
	if text != "" && !strings.Contains(text, "://") {
		text = "https://" + text
	}
	if u, err := url.Parse(text); err != nil || text != "" && u.Host == "" {
		s.Fail("", "%s is no URL", name)
	}
	return text
}

func proxies(s *remote.Settings) *httpproxy.Config {
	p := &httpproxy.Config{HTTPProxy: s.String("http_proxy"), HTTPSProxy: s.String("https_proxy"), NoProxy: s.String("no_proxy", "NO_PROXY", "no_proxy")}
	if p.HTTPProxy == "" && p.HTTPSProxy == "" {
		return nil
	}
	return p
}

// readFiles takes the files of profiles. One that lies beside the code must not name a program: reading a stack runs none.
func (a *access) readFiles(s *remote.Settings) {
	a.credentialsFiles = s.List("shared_credentials_files")
	if one := s.String("shared_credentials_file"); one != "" {
		a.credentialsFiles = append(a.credentialsFiles, one)
	}
	if one := s.String("-", "AWS_SHARED_CREDENTIALS_FILE"); one != "" && len(a.credentialsFiles) == 0 {
		a.credentialsFiles = []string{one}
	}
	a.configFiles = s.List("shared_config_files")
	if one := s.String("-", "AWS_CONFIG_FILE", "AWS_SHARED_CONFIG_FILE"); one != "" && len(a.configFiles) == 0 {
		a.configFiles = []string{one}
	}
	for _, files := range [][]string{a.credentialsFiles, a.configFiles} {
		for i := range files {
			files[i] = s.Path(files[i])
			if data, err := os.ReadFile(files[i]); err == nil && s.Guarded(files[i]) && bytes.Contains(data, []byte("credential_process")) {
				s.Fail("allow it, or keep the profile outside the stack's folder", "a file of the stack's own folder would run a credential_process")
			}
		}
	}
}

// connect makes the clients. Credentials are asked for here, so that what is wrong with them is said plainly.
func (r *Reader) connect(ctx context.Context, a access) error {
	config, err := awsconfig.LoadDefaultConfig(ctx, a.options(a.client(r.config))...)
	if err != nil {
		return remote.Invalid("check the profile and its files", "read the settings of AWS: %w", err)
	}
	if built, ok := config.HTTPClient.(*awshttp.BuildableClient); ok {
		config.HTTPClient = built.Freeze() // one pool of connections, which can be closed
	}
	r.idle, _ = config.HTTPClient.(*http.Client)
	if config.Region == "" {
		return remote.Invalid("set region in the backend block, or AWS_REGION", `backend "s3": region is missing`)
	}
	config.Credentials = a.assume(config)
	if config.Credentials == nil {
		return remote.Denied("set AWS_PROFILE or keys", "there are no credentials for AWS")
	}
	if _, err := config.Credentials.Retrieve(ctx); err != nil {
		if ctx.Err() != nil {
			return remote.Unreached(r.Name(), err)
		}
		return remote.Denied("log in, set AWS_PROFILE or keys, or check the role", "%s: there are no valid credentials for AWS: %w", r.Name(), err)
	}
	if err := a.checkAccount(ctx, config, r.Name()); err != nil {
		return err
	}
	r.objects = s3.NewFromConfig(config, func(o *s3.Options) {
		o.UsePathStyle, o.DisableLogOutputChecksumValidationSkipped = a.pathStyle, true
		o.BaseEndpoint = orNil(a.s3URL)
		if a.noChecksum {
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	})
	r.items = dynamodb.NewFromConfig(config, func(o *dynamodb.Options) { o.BaseEndpoint = orNil(a.dynamoURL) })
	return nil
}

func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (a access) client(c remote.Config) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.ResponseHeaderTimeout = time.Minute
		if c.HTTP != nil {
			if given, ok := c.HTTP.Transport.(*http.Transport); ok {
				t.Proxy, t.DialContext, t.TLSClientConfig = given.Proxy, given.DialContext, given.TLSClientConfig.Clone()
			}
		}
		if a.proxy != nil {
			t.Proxy = func(req *http.Request) (*url.URL, error) { return a.proxy.ProxyFunc()(req.URL) }
		}
		if a.insecure && t.TLSClientConfig != nil {
			t.TLSClientConfig.InsecureSkipVerify = true
		}
	})
}

func (a access) options(client *awshttp.BuildableClient) []func(*awsconfig.LoadOptions) error {
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithHTTPClient(client), awsconfig.WithLogger(logging.Nop{}), awsconfig.WithRetryMaxAttempts(a.attempts),
	}
	add := func(wanted bool, option awsconfig.LoadOptionsFunc) {
		if wanted {
			options = append(options, option)
		}
	}
	add(a.region != "", awsconfig.WithRegion(a.region))
	add(a.profile != "", awsconfig.WithSharedConfigProfile(a.profile))
	add(a.key != "", awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(a.key, a.secret, a.token)))
	add(len(a.credentialsFiles) > 0, awsconfig.WithSharedCredentialsFiles(a.credentialsFiles))
	add(len(a.configFiles) > 0, awsconfig.WithSharedConfigFiles(a.configFiles))
	add(a.noImds, awsconfig.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	add(a.imdsURL != "", awsconfig.WithEC2IMDSEndpoint(a.imdsURL))
	add(len(a.bundle) > 0, awsconfig.WithCustomCABundle(bytes.NewReader(a.bundle)))
	add(a.fips, awsconfig.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	add(a.dualStack, awsconfig.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
	return options
}

// checkAccount asks whose credentials they are where the settings say whose they must be.
func (a access) checkAccount(ctx context.Context, config aws.Config, name string) error {
	if len(a.allowed)+len(a.forbidden) == 0 {
		return nil
	}
	out, err := a.sts(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return remote.Denied("allow sts:GetCallerIdentity, or check the credentials", "%s: ask which account the credentials are of: %s", name, codeOf(err))
	}
	account := aws.ToString(out.Account)
	if len(a.allowed) > 0 && !slices.Contains(a.allowed, account) || slices.Contains(a.forbidden, account) {
		return remote.Denied("use credentials of another account", "%s: the backend block does not permit account %s", name, account)
	}
	return nil
}
