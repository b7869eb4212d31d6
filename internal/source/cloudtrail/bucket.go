package cloudtrail

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/taffrail-dev/taffrail/internal/source/cloudtrail/internal/digest"
)

// A bucket is a shelf in S3.
type bucket struct {
	clients
	name   string
	prefix string
}

func (b *bucket) describe(key string) string { return "s3://" + b.name + "/" + key }

const allowBucket = "allow s3:GetObject and s3:ListBucket, and kms:Decrypt if the trail encrypts its files"

// list tells of each object when it was last written, by the clock of S3, in whole seconds.
func (b *bucket) list(ctx context.Context, f func(file) error) error {
	pages := s3.NewListObjectsV2Paginator(b.s3, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &b.prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return failed(ctx, "list "+b.describe(b.prefix), err, allowBucket)
		}
		for _, o := range page.Contents {
			if err := f(file{key: aws.ToString(o.Key), arrived: aws.ToTime(o.LastModified).UTC(), size: aws.ToInt64(o.Size)}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bucket) open(ctx context.Context, key string) (io.ReadCloser, error) {
	o, err := b.get(ctx, key)
	if err != nil {
		return nil, err
	}
	return o.Body, nil
}

func (b *bucket) get(ctx context.Context, key string) (*s3.GetObjectOutput, error) {
	o, err := b.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if code(err) == "NoSuchKey" || code(err) == "NotFound" {
		return nil, fmt.Errorf("%s: %w", b.describe(key), fs.ErrNotExist)
	}
	if err != nil {
		return nil, failed(ctx, "read "+b.describe(key), err, allowBucket)
	}
	return o, nil
}

// signature stands in the metadata of the object, as CloudTrail writes it.
func (b *bucket) signature(ctx context.Context, key string) (string, error) {
	o, err := b.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return "", failed(ctx, "read the metadata of "+b.describe(key), err, allowBucket)
	}
	for name, value := range o.Metadata {
		if strings.EqualFold(name, "signature") {
			return value, nil
		}
	}
	return "", nil
}

// locate goes by the object's own name: all lie in one bucket. A bucket to which the trail's is replicated has the same keys.
func (b *bucket) locate(_ string, _ digest.Digest, _, object string) string { return object }
