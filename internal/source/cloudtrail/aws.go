package cloudtrail

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	cloudtrailapi "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/cloudtrail/internal/digest"
)

// The clients are the ways to AWS.
type clients struct {
	s3    *s3.Client
	sqs   *sqs.Client
	trail *cloudtrailapi.Client
}

// answerTimeout is how long an answer may take to begin, beyond the time that was asked to wait.
const answerTimeout = 60 * time.Second

// connect reads the SDK's settings, and asks nobody yet.
func (c Config) connect(ctx context.Context) (clients, error) {
	if err := checkEndpoint(c.Endpoint); err != nil {
		return clients{}, err
	}
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = answerTimeout })
	options := []func(*awsconfig.LoadOptions) error{awsconfig.WithLogger(logging.Nop{}), awsconfig.WithHTTPClient(client)}
	if region := c.region(); region != "" {
		options = append(options, awsconfig.WithRegion(region))
	}
	if c.Profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(c.Profile))
	}
	config, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return clients{}, invalid("check the profile and its files", "read the settings of AWS: %w", err)
	}
	if config.Region == "" {
		return clients{}, invalid("set `region`, or AWS_REGION", "no region is known")
	}
	if c.Endpoint != "" {
		config.BaseEndpoint = &c.Endpoint
	}
	return clients{
		s3: s3.NewFromConfig(config, func(o *s3.Options) {
			o.UsePathStyle, o.DisableLogOutputChecksumValidationSkipped = c.Endpoint != "", true
		}),
		sqs: sqs.NewFromConfig(config), trail: cloudtrailapi.NewFromConfig(config),
	}, nil
}

// region is the one that was set, or the one in the URL of the queue: https://sqs.eu-west-1.amazonaws.com/...
func (c Config) region() string {
	if c.Region != "" || c.Queue == "" {
		return c.Region
	}
	u, err := url.Parse(c.Queue)
	if err != nil {
		return ""
	}
	if parts := strings.Split(u.Hostname(), "."); len(parts) >= 4 && parts[0] == "sqs" && parts[2] == "amazonaws" {
		return parts[1]
	}
	return ""
}

// checkEndpoint asks for TLS: requests are signed and answers are not.
func checkEndpoint(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return invalid("write it as https://host", "endpoint is no URL")
	}
	host, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && (err != nil || !host.IsLoopback()) {
		return invalid("write it as https://host", "endpoint is reached in plain text")
	}
	return nil
}

// keys are from the file that was named, or from AWS.
func (c Config) keys(to clients, now func() time.Time) func(context.Context) (digest.Keys, error) {
	if c.PublicKeys != "" {
		return c.fileKeys
	}
	return func(ctx context.Context) (digest.Keys, error) {
		keys := digest.Keys{}
		in := &cloudtrailapi.ListPublicKeysInput{StartTime: aws.Time(now().AddDate(-10, 0, 0)), EndTime: aws.Time(now())}
		for {
			page, err := to.trail.ListPublicKeys(ctx, in)
			if err != nil {
				return nil, failed(ctx, "ask for the keys that sign digests", err, "allow cloudtrail:ListPublicKeys, set `public_keys`, or set `digests: off`")
			}
			for _, k := range page.PublicKeyList {
				if err := keys.Add(aws.ToString(k.Fingerprint), k.Value); err != nil {
					return nil, err
				}
			}
			if aws.ToString(page.NextToken) == "" {
				return keys, nil
			}
			in.NextToken = page.NextToken
		}
	}
}

// failed gives an error of AWS its kind, and says what it is about. The context's error stays visible.
func failed(ctx context.Context, about string, err error, allow string) error {
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	e := &taffrail.Error{Op: "read events of CloudTrail", Kind: taffrail.KindUnavailable, Err: fmt.Errorf("%s: %w", about, err)}
	switch n, name := status(err), code(err); {
	case n == 0:
		if strings.Contains(err.Error(), "get identity") || strings.Contains(err.Error(), "retrieve credentials") {
			e.Kind, e.Hint = taffrail.KindDenied, "log in, set AWS_PROFILE or keys, or check the role"
		}
	case n == http.StatusUnauthorized, n == http.StatusForbidden, strings.Contains(name, "AccessDenied"), strings.Contains(name, "UnrecognizedClient"):
		e.Kind, e.Hint = taffrail.KindDenied, allow
	case strings.Contains(name, "Throttl"), name == "RequestLimitExceeded", n == http.StatusTooManyRequests, n == http.StatusRequestTimeout, n >= 500:
	case name == "NoSuchBucket", strings.Contains(name, "NonExistentQueue"), strings.Contains(name, "QueueDoesNotExist"):
		e.Kind, e.Hint = taffrail.KindNotFound, "check its name, and the region and account that are asked"
	case n == http.StatusMovedPermanently, n == http.StatusTemporaryRedirect, name == "AuthorizationHeaderMalformed":
		e.Kind, e.Hint = taffrail.KindInvalid, "set `region` to that of the bucket"
	default:
		e.Kind, e.Hint = taffrail.KindInvalid, "check the source's settings"
	}
	return e
}

// status is that of the answer, 0 if there was none.
func status(err error) int {
	var r interface{ HTTPStatusCode() int }
	if errors.As(err, &r) {
		return r.HTTPStatusCode()
	}
	return 0
}

func code(err error) string {
	var told smithy.APIError
	if errors.As(err, &told) {
		return told.ErrorCode()
	}
	return ""
}
