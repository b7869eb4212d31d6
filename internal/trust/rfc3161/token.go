package rfc3161

import (
	"bytes"
	"crypto"
	"crypto/sha1" //nolint:gosec // some authorities name their certificate by it; the signature is by another
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/digitorus/pkcs7"
	"github.com/digitorus/timestamp"
)

// errForged is wrapped where a token is not what an authority made for the note: no other settings would make it good.
var errForged = errors.New("it is no time stamp of this checkpoint")

// Object identifiers of RFC 3161, RFC 5035 and RFC 5280.
var (
	oidTSTInfo              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidSigningCertificate   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidSigningCertificateV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidExtKeyUsage          = asn1.ObjectIdentifier{2, 5, 29, 37}
)

// maxAccuracy is what a stamp may leave open.
const maxAccuracy = time.Minute

// A refusal is an answer without a time stamp (RFC 3161, section 2.4.2).
type refusal struct {
	status  int
	failure timestamp.FailureInfo
	text    []string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("it refuses, with status %d: %s, %.200q", r.status, r.failure, r.text)
}

// tokenOf takes the token out of an answer.
func tokenOf(response []byte) ([]byte, error) {
	var r struct {
		Info struct {
			Status  int
			Text    []string       `asn1:"optional,utf8"`
			Failure asn1.BitString `asn1:"optional"`
		}
		Token asn1.RawValue `asn1:"optional"`
	}
	rest, err := asn1.Unmarshal(response, &r)
	switch {
	case err != nil || len(rest) > 0:
		return nil, errors.New("it is no answer to a time stamp query")
	case r.Info.Status > int(timestamp.GrantedWithMods) || r.Info.Status < 0:
		return nil, &refusal{r.Info.Status, failureOf(r.Info.Failure), r.Info.Text}
	case len(r.Token.FullBytes) == 0:
		return nil, errors.New("there is no time stamp in the answer")
	}
	return r.Token.FullBytes, nil
}

func failureOf(bits asn1.BitString) timestamp.FailureInfo {
	for i := range bits.BitLength {
		if bits.At(i) != 0 {
			return timestamp.FailureInfo(i)
		}
	}
	return timestamp.UnknownFailureInfo
}

// maxDepth is more than any token is nested.
const maxDepth = 24

// isDER says whether bytes are values of ASN.1 with definite lengths, not nested too deeply: what reads tokens takes a time that grows
// with the square of the depth.
func isDER(b []byte, depth int) bool {
	for len(b) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(b, &v)
		if err != nil || v.IsCompound && (depth == 0 || !isDER(v.Bytes, depth-1)) {
			return false
		}
		b = rest
	}
	return true
}

// verify checks all that a token and a note say by themselves.
func (a *authority) verify(note, token []byte) (*timestamp.Timestamp, error) {
	if !isDER(token, maxDepth) {
		return nil, fmt.Errorf("%w: it is not in DER", errForged)
	}
	stamp, err := timestamp.Parse(token) // which checks the signature, if there is a certificate
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errForged, err)
	}
	signed, err := pkcs7.Parse(token)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errForged, err)
	}
	sum := sha256.Sum256(note)
	switch {
	case stamp.HashAlgorithm != crypto.SHA256:
		return nil, fmt.Errorf("it stamps a hash by %v, and only SHA-256 counts", stamp.HashAlgorithm)
	case !bytes.Equal(stamp.HashedMessage, sum[:]):
		return nil, fmt.Errorf("%w: it stamps another hash", errForged)
	case stamp.Accuracy < 0 || stamp.Accuracy > maxAccuracy:
		return nil, fmt.Errorf("it is accurate to %v only", stamp.Accuracy)
	case a.policy != nil && !stamp.Policy.Equal(a.policy):
		return nil, fmt.Errorf("it is under policy %v, not %v", stamp.Policy, a.policy)
	case slices.ContainsFunc(stamp.Extensions, func(e pkix.Extension) bool { return e.Critical }):
		return nil, errors.New("it has an extension that must be understood, and is not")
	}
	signer, err := signerOf(signed)
	if err != nil {
		return nil, err
	}
	return stamp, a.trusts(signer, signed.Certificates, stamp.Time)
}

// signerOf gives the certificate of the one signature that there must be, over content and attributes that make it a time stamp.
func signerOf(signed *pkcs7.PKCS7) (*x509.Certificate, error) {
	signer := signed.GetOnlySigner()
	if signer == nil {
		return nil, fmt.Errorf("%w: it is not signed once, with the certificate beside it", errForged)
	}
	if err := signed.Verify(); err != nil {
		return nil, fmt.Errorf("%w: %w", errForged, err)
	}
	digest := signed.Signers[0].DigestAlgorithm.Algorithm
	strong := []asn1.ObjectIdentifier{pkcs7.OIDDigestAlgorithmSHA256, pkcs7.OIDDigestAlgorithmSHA384, pkcs7.OIDDigestAlgorithmSHA512}
	if !slices.ContainsFunc(strong, digest.Equal) {
		return nil, fmt.Errorf("it is signed over a hash of algorithm %v, and only SHA-256, SHA-384 and SHA-512 count", digest)
	}
	var content asn1.ObjectIdentifier
	if err := signed.UnmarshalSignedAttribute(pkcs7.OIDAttributeContentType, &content); err != nil || !content.Equal(oidTSTInfo) {
		return nil, fmt.Errorf("%w: what is signed does not call itself a time stamp", errForged)
	}
	if !namesSigner(signed, signer) {
		return nil, fmt.Errorf("%w: what is signed does not name the certificate that signs", errForged)
	}
	return signer, nil
}

// namesSigner says whether the signed attributes hold the hash of the certificate (RFC 5035, RFC 5816).
func namesSigner(signed *pkcs7.PKCS7, signer *x509.Certificate) bool {
	var v2 struct {
		Certs []struct {
			Hash   pkix.AlgorithmIdentifier `asn1:"optional"`
			Digest []byte
			Serial asn1.RawValue `asn1:"optional"`
		}
		Policies asn1.RawValue `asn1:"optional"`
	}
	if err := signed.UnmarshalSignedAttribute(oidSigningCertificateV2, &v2); err == nil {
		return len(v2.Certs) > 0 && bytes.Equal(v2.Certs[0].Digest, certificateHash(v2.Certs[0].Hash.Algorithm, signer.Raw))
	}
	var v1 struct {
		Certs []struct {
			Digest []byte
			Serial asn1.RawValue `asn1:"optional"`
		}
		Policies asn1.RawValue `asn1:"optional"`
	}
	if err := signed.UnmarshalSignedAttribute(oidSigningCertificate, &v1); err != nil || len(v1.Certs) == 0 {
		return false
	}
	sum := sha1.Sum(signer.Raw) //nolint:gosec // as above
	return bytes.Equal(v1.Certs[0].Digest, sum[:])
}

// certificateHash hashes by an algorithm that may be named, SHA-256 being the one if none is; nil for others.
func certificateHash(algorithm asn1.ObjectIdentifier, raw []byte) []byte {
	switch {
	case len(algorithm) == 0, algorithm.Equal(pkcs7.OIDDigestAlgorithmSHA256):
		sum := sha256.Sum256(raw)
		return sum[:]
	case algorithm.Equal(pkcs7.OIDDigestAlgorithmSHA384):
		sum := sha512.Sum384(raw)
		return sum[:]
	case algorithm.Equal(pkcs7.OIDDigestAlgorithmSHA512):
		sum := sha512.Sum512(raw)
		return sum[:]
	}
	return nil
}

// trusts says whether a certificate may sign time stamps, and did so at a time when it and those above it were valid.
func (a *authority) trusts(signer *x509.Certificate, beside []*x509.Certificate, at time.Time) error {
	only := len(signer.ExtKeyUsage) == 1 && signer.ExtKeyUsage[0] == x509.ExtKeyUsageTimeStamping && len(signer.UnknownExtKeyUsage) == 0
	critical := slices.ContainsFunc(signer.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidExtKeyUsage) && e.Critical })
	if !only || !critical {
		return errors.New("its certificate is not one for time stamps alone")
	}
	between := x509.NewCertPool()
	for _, c := range beside {
		between.AddCert(c)
	}
	_, err := signer.Verify(x509.VerifyOptions{
		Roots: a.roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
	})
	return err
}
