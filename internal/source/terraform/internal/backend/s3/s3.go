// Package s3 reads states from S3 and what speaks its protocol.
//
// The state of the default workspace is the object `key`, that of another one `workspace_key_prefix/workspace/key`, with "env:" as
// the prefix if none is set. A lock is either an object beside it with the suffix ".tflock", or an item of a
// DynamoDB table whose LockID is "bucket/key"; the same table may hold an MD5 of the state under "bucket/key-md5".
package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"path"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/backend/remote"
)

// A Reader reads one state.
type Reader struct {
	config      remote.Config
	objects     *s3.Client
	items       *dynamodb.Client
	bucket, key string
	table       string // of locks; empty if there is none
	customerKey []byte // SSE-C; nil if there is none
	idle        *http.Client
	written     time.Time
}

// Open takes the settings of the backend "s3" and looks for credentials where the tool would.
func Open(ctx context.Context, c remote.Config) (*Reader, error) {
	s := c.Settings()
	r := &Reader{config: c, bucket: s.Required("bucket"), key: s.Required("key"), table: s.String("dynamodb_table")}
	if prefix := s.String("workspace_key_prefix"); c.Workspace != remote.DefaultWorkspace {
		if !s.Has("workspace_key_prefix") {
			prefix = "env:"
		}
		r.key = path.Join(prefix, c.Workspace, r.key)
	}
	r.customerKey = customerKey(s)
	access := readAccess(s)
	if err := s.Err(); err != nil {
		return nil, err
	}
	if err := r.connect(ctx, access); err != nil {
		return nil, err
	}
	return r, nil
}

// customerKey takes the key with which S3 encrypts the object for the customer: 32 bytes in base64.
func customerKey(s *remote.Settings) []byte {
	text := s.String("sse_customer_key", "AWS_SSE_CUSTOMER_KEY")
	if text == "" {
		return nil
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != 32 {
		s.Fail("", "sse_customer_key is not 32 bytes in base64")
	}
	return key
}

// Name is "s3://bucket/key".
func (r *Reader) Name() string { return "s3://" + r.bucket + "/" + r.key }

// Fetch gives the object unless its ETag is the known one.
func (r *Reader) Fetch(ctx context.Context, known string) ([]byte, string, error) {
	in := &s3.GetObjectInput{Bucket: &r.bucket, Key: &r.key}
	if known != "" {
		in.IfNoneMatch = &known
	}
	r.unlockObject(in)
	out, err := r.objects.GetObject(ctx, in)
	if known != "" && statusOf(err) == 304 {
		return nil, known, nil
	}
	if err != nil {
		return nil, "", r.refused(err)
	}
	defer out.Body.Close()
	if aws.ToInt64(out.ContentLength) > r.config.Limit {
		return nil, "", remote.TooLarge(r.Name(), r.config.Limit)
	}
	body, err := r.config.ReadAll(r.Name(), out.Body)
	if err != nil {
		return nil, "", err
	}
	if len(body) == 0 {
		return nil, "", remote.NotFound(r.Name())
	}
	r.written = aws.ToTime(out.LastModified)
	version := aws.ToString(out.ETag)
	if version == "" {
		version = remote.Digest(body)
	}
	if version == known { // a server that does not know If-None-Match
		return nil, known, nil
	}
	return body, version, r.checkDigest(ctx, body)
}

// Written is when the state that was fetched last was written, by the word of the store; zero where it does not say.
func (r *Reader) Written() time.Time { return r.written }

// checkDigest compares the state with the MD5 that the tool keeps in the table of locks: they differ where the object that was
// read is older than the last write, or where it was replaced by hand.
func (r *Reader) checkDigest(ctx context.Context, body []byte) error {
	if r.table == "" {
		return nil
	}
	item, err := r.item(ctx, r.bucket+"/"+r.key+"-md5", "LockID, Digest")
	if err != nil { // it is a second opinion, and who may read the state may not be allowed to read the table
		return nil
	}
	want, ok := item["Digest"].(*types.AttributeValueMemberS)
	if sum := md5.Sum(body); ok && want.Value != "" && want.Value != hex.EncodeToString(sum[:]) {
		return remote.Unavailable(
			"wait a minute and try again; if it stays so, the state was replaced without the tool",
			"%s: the state does not have the digest that DynamoDB's table %s keeps for it", r.Name(), r.table)
	}
	return nil
}

// Locked looks for the object and the item of a lock.
func (r *Reader) Locked(ctx context.Context) (remote.Lock, error) {
	lock, err := r.lockObject(ctx)
	if err != nil || lock.Held || r.table == "" {
		return lock, err
	}
	item, err := r.item(ctx, r.bucket+"/"+r.key, "LockID, Info")
	if err != nil {
		return remote.Lock{}, r.refused(err)
	}
	if len(item) == 0 {
		return lock, nil
	}
	info, _ := item["Info"].(*types.AttributeValueMemberS)
	if info == nil {
		return remote.Lock{Held: true}, nil
	}
	return remote.HeldBy([]byte(info.Value)), nil
}

// lockObject is asked for whether or not the settings name it: somebody else's may.
func (r *Reader) lockObject(ctx context.Context) (remote.Lock, error) {
	in := &s3.GetObjectInput{Bucket: &r.bucket, Key: aws.String(r.key + ".tflock")}
	r.unlockObject(in)
	out, err := r.objects.GetObject(ctx, in)
	switch {
	case statusOf(err) == 404 && codeOf(err) != "NoSuchBucket":
		return remote.Lock{}, nil
	case statusOf(err) == 403: // S3 says this of what is absent, too, unless listing is allowed
		return remote.Lock{Unknown: true}, nil
	case err != nil:
		return remote.Lock{}, r.refused(err)
	}
	defer out.Body.Close()
	info, err := r.config.ReadAll(r.Name()+".tflock", out.Body)
	if err != nil {
		return remote.Lock{}, err
	}
	return remote.HeldBy(info), nil
}

func (r *Reader) item(ctx context.Context, id, fields string) (map[string]types.AttributeValue, error) {
	out, err := r.items.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &r.table, Key: map[string]types.AttributeValue{"LockID": &types.AttributeValueMemberS{Value: id}},
		ProjectionExpression: &fields, ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// unlockObject adds the customer's key to a request.
func (r *Reader) unlockObject(in *s3.GetObjectInput) {
	if r.customerKey == nil {
		return
	}
	sum := md5.Sum(r.customerKey)
	in.SSECustomerAlgorithm = aws.String("AES256")
	in.SSECustomerKey = aws.String(base64.StdEncoding.EncodeToString(r.customerKey))
	in.SSECustomerKeyMD5 = aws.String(base64.StdEncoding.EncodeToString(sum[:]))
}

func statusOf(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// throttled are the codes that ask to slow down, whatever their HTTP status.
var throttled = map[string]bool{
	"SlowDown": true, "Throttling": true, "ThrottlingException": true, "ProvisionedThroughputExceededException": true,
	"RequestLimitExceeded": true, "TooManyRequestsException": true,
}

// refused tells why a request failed: by the code, which says more than the status, and never with the text of the answer.
func (r *Reader) refused(err error) error {
	code, status := codeOf(err), statusOf(err)
	told := fmt.Errorf("%s: %s", r.Name(), code)
	switch {
	case code == "NoSuchBucket":
		return remote.Invalid("check bucket, region and endpoint", "%s: there is no such bucket", r.Name())
	case code == "ResourceNotFoundException":
		return remote.Invalid("check dynamodb_table and region", "DynamoDB has no table %s", r.table)
	case throttled[code]:
		return remote.Unavailable("wait, and ask less often", "%w", told)
	case code == "InvalidAccessKeyId", code == "SignatureDoesNotMatch", code == "ExpiredToken", code == "InvalidToken":
		return remote.Denied("renew the credentials, or check profile and region", "%w", told)
	case code == "AccessDenied", code == "AccessDeniedException":
		return remote.Denied("allow the credentials s3:GetObject on the state, kms:Decrypt on its key and dynamodb:GetItem on the table", "%w", told)
	case status == 301 || status == 307 || code == "PermanentRedirect":
		return remote.Invalid("set the bucket's region", "%s: the bucket is in another region", r.Name())
	case status != 0 && status != 404 && code != "" && code != "UnknownError":
		return remote.StatusError(fmt.Sprintf("%s: %s", r.Name(), code), status)
	case status != 0 && status != 200:
		return remote.StatusError(r.Name(), status)
	}
	return remote.Unreached(r.Name(), err)
}

// Close lets go of connections.
func (r *Reader) Close() error {
	if r.idle != nil {
		r.idle.CloseIdleConnections()
	}
	return nil
}
