// Package s3 keeps guard state in an object of S3, and checkpoints in objects that nobody can delete for a while.
//
// The guard's object is the text of a checkpoint: origin, size and root, each on a line of its own. It is written with conditions only
// (If-None-Match for the first, If-Match after that), so that of several who write one gets it. Each write bears a mark of its own,
// in the metadata, by which a writer whose answer was lost knows its own again. A store that does not keep to the conditions is refused before a log
// begins.
//
// An anchored checkpoint is an object prefix/origin/size.note under Object Lock, which is never written over. Its receipt names the
// version, and until when it is retained.
//
// Bucket and credentials should be of another account than the log's. Credentials are looked for where the AWS SDK looks: environment,
// profiles, web identity, containers, instances.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
	"github.com/taffrail-dev/taffrail/internal/plug"
)

// Config says which object holds the guard state.
type Config struct {
	Bucket    string `yaml:"bucket"`
	Key       string `yaml:"key"`        // of the object; logs that share a bucket have different ones
	Region    string `yaml:"region"`     // that of the environment or profile if nothing is set
	Profile   string `yaml:"profile"`    // of the shared configuration files
	Account   string `yaml:"account"`    // whose the bucket must be; anyone's if nothing is set
	Endpoint  string `yaml:"endpoint"`   // of a store that is not AWS: https://host
	PathStyle bool   `yaml:"path_style"` // the bucket is part of the path, not of the host
}

// AnchorConfig says where checkpoints are anchored, and for how long.
type AnchorConfig struct {
	Name      string `yaml:"name"` // of this anchor, in its receipts
	Bucket    string `yaml:"bucket"`
	Prefix    string `yaml:"prefix"` // of the objects' keys; may be empty
	Days      int    `yaml:"days"`   // for which each is retained
	Mode      string `yaml:"mode"`   // "compliance", which nobody can end, or "governance"; compliance if nothing is set
	Region    string `yaml:"region"`
	Profile   string `yaml:"profile"`
	Account   string `yaml:"account"`
	Endpoint  string `yaml:"endpoint"`
	PathStyle bool   `yaml:"path_style"`
}

// Register registers guard and anchor.
func Register(r *plug.Registry) {
	plug.Add(r, "s3", func(ctx context.Context, _ plug.Env, c Config) (audit.Guard, error) { return openGuard(ctx, c) })
	plug.Add(r, "s3", func(ctx context.Context, env plug.Env, c AnchorConfig) (audit.Anchor, error) {
		return openAnchor(ctx, env, c)
	})
}

// A bucket is one of S3, with the way to it.
type bucket struct {
	name    string
	account *string // whose it must be; nil is anyone's
	client  *s3.Client
	idle    *http.Client
	op      string // what it is opened for, for messages
}

// openBucket reads the SDK's settings, and asks nobody yet.
func openBucket(ctx context.Context, op string, c Config) (*bucket, error) {
	b := &bucket{name: c.Bucket, op: op}
	if c.Bucket == "" {
		return nil, b.invalid("set `bucket`", "no bucket is named")
	}
	if err := b.checkEndpoint(c.Endpoint); err != nil {
		return nil, err
	}
	options := []func(*awsconfig.LoadOptions) error{awsconfig.WithLogger(logging.Nop{}), awsconfig.WithHTTPClient(newClient())}
	if c.Region != "" {
		options = append(options, awsconfig.WithRegion(c.Region))
	}
	if c.Profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(c.Profile))
	}
	config, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, b.invalid("check the profile and its files", "read the settings of AWS: %w", err)
	}
	if config.Region == "" {
		return nil, b.invalid("set `region`, or AWS_REGION", "no region is known")
	}
	if c.Account != "" {
		b.account = &c.Account
	}
	if built, ok := config.HTTPClient.(*awshttp.BuildableClient); ok {
		config.HTTPClient = built.Freeze() // one pool of connections, which can be closed
	}
	b.idle, _ = config.HTTPClient.(*http.Client)
	b.client = s3.NewFromConfig(config, func(o *s3.Options) {
		o.UsePathStyle, o.DisableLogOutputChecksumValidationSkipped = c.PathStyle, true
		if c.Endpoint != "" {
			o.BaseEndpoint = &c.Endpoint
		}
	})
	return b, nil
}

// newClient gives up on a store that does not answer, even where the caller would wait.
func newClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = 30 * time.Second })
}

// checkEndpoint asks for TLS: requests are signed and answers are not, so that whoever stands between us and the store is the store.
func (b *bucket) checkEndpoint(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return b.invalid("write `endpoint` as https://host", "endpoint is no URL")
	}
	host, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && (err != nil || !host.IsLoopback()) {
		return b.invalid("write `endpoint` as https://host", "endpoint is reached in plain text")
	}
	return nil
}

// Close ends idle connections.
func (b *bucket) Close() error {
	if b.idle != nil {
		b.idle.CloseIdleConnections()
	}
	return nil
}

func (b *bucket) invalid(hint, format string, args ...any) error {
	return &taffrail.Error{Op: b.op, Kind: taffrail.KindInvalid, Hint: hint, Err: fmt.Errorf(format, args...)}
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

func isMissing(err error) bool {
	return slices.Contains([]string{"NoSuchKey", "NoSuchVersion"}, code(err))
}

// failed gives an error its kind, and says what it is about. What has a kind keeps it.
func (b *bucket) failed(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	var known *taffrail.Error
	if errors.As(err, &known) {
		return &taffrail.Error{Op: op, Kind: known.Kind, Hint: known.Hint, Err: known.Err}
	}
	e := &taffrail.Error{Op: op, Kind: taffrail.KindUnavailable, Err: fmt.Errorf("s3://%s/%s: %w", b.name, key, err)}
	if ended := ctx.Err(); ended != nil {
		if !errors.Is(err, ended) {
			e.Err = fmt.Errorf("s3://%s/%s: %w: %w", b.name, key, ended, err)
		}
		return e
	}
	e.Kind, e.Hint = b.refusal(ctx, err)
	return e
}

// refusal says what an answer means (Amazon S3 API reference, error responses). What is no refusal may pass.
func (b *bucket) refusal(ctx context.Context, err error) (taffrail.Kind, string) {
	switch n, name := status(err), code(err); {
	case n == 0:
		if _, err := b.client.Options().Credentials.Retrieve(ctx); err != nil && ctx.Err() == nil {
			return taffrail.KindDenied, "log in, set AWS_PROFILE or keys, or check the role"
		}
		return taffrail.KindUnavailable, ""
	case n == http.StatusUnauthorized, n == http.StatusForbidden:
		return taffrail.KindDenied, "allow s3:GetObject, s3:PutObject and s3:ListBucket, for an anchor also s3:PutObjectRetention, s3:GetObjectVersion and s3:GetObjectRetention"
	case name == "NoSuchBucket":
		return taffrail.KindInvalid, "make the bucket, or check `bucket` and `account`"
	case n == http.StatusMovedPermanently, n == http.StatusTemporaryRedirect, name == "AuthorizationHeaderMalformed":
		return taffrail.KindInvalid, "set `region` to that of the bucket"
	case n == http.StatusNotImplemented:
		return taffrail.KindInvalid, "use a store that has conditional writes and Object Lock"
	case n == http.StatusTooManyRequests, n == http.StatusRequestTimeout, n == http.StatusConflict, name == "RequestTimeout":
		return taffrail.KindUnavailable, ""
	case n >= 400 && n < 500:
		return taffrail.KindInvalid, "check the settings of the bucket"
	}
	return taffrail.KindUnavailable, ""
}
