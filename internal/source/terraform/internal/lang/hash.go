package lang

import (
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

func hexMD5(data []byte) string    { s := md5.Sum(data); return hex.EncodeToString(s[:]) }
func hexSHA1(data []byte) string   { s := sha1.Sum(data); return hex.EncodeToString(s[:]) }
func hexSHA256(data []byte) string { s := sha256.Sum256(data); return hex.EncodeToString(s[:]) }
func hexSHA512(data []byte) string { s := sha512.Sum512(data); return hex.EncodeToString(s[:]) }

func base64SHA256(data []byte) string {
	s := sha256.Sum256(data)
	return base64.StdEncoding.EncodeToString(s[:])
}

func base64SHA512(data []byte) string {
	s := sha512.Sum512(data)
	return base64.StdEncoding.EncodeToString(s[:])
}

func hashText(sum func([]byte) string) function.Function {
	return texts(cty.String, 1, func(s []string) (cty.Value, error) { return cty.StringVal(sum([]byte(s[0]))), nil })
}

// rsaDecrypt undoes RSAES-PKCS1-v1_5 (RFC 8017, 7.2) with a key in PEM.
var rsaDecrypt = texts(cty.String, 2, func(s []string) (cty.Value, error) {
	sealed, err := base64.StdEncoding.DecodeString(s[0])
	if err != nil {
		return cty.NilVal, errors.New("the first argument is no base64")
	}
	key, err := rsaKey(s[1])
	if err != nil {
		return cty.NilVal, err
	}
	plain, err := rsa.DecryptPKCS1v15(nil, key, sealed) //nolint:staticcheck // the function is defined by it, and nobody can make us call it again and again
	if err != nil {
		return cty.NilVal, errors.New("the key does not fit")
	}
	return text(plain)
})

func rsaKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("the key is no PEM")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the key is neither of PKCS #1 nor of PKCS #8")
	}
	if key, ok := key.(*rsa.PrivateKey); ok {
		return key, nil
	}
	return nil, errors.New("the key is none of RSA")
}

// namespaces of RFC 9562, 6.6.
var namespaces = map[string]string{
	"dns": "6ba7b8109dad11d180b400c04fd430c8", "url": "6ba7b8119dad11d180b400c04fd430c8",
	"oid": "6ba7b8129dad11d180b400c04fd430c8", "x500": "6ba7b8149dad11d180b400c04fd430c8",
}

// uuidV5 makes a UUID of version 5: RFC 9562, 5.5.
var uuidV5 = texts(cty.String, 2, func(s []string) (cty.Value, error) {
	digits, ok := namespaces[s[0]]
	if !ok {
		digits = strings.ReplaceAll(strings.TrimPrefix(strings.Trim(s[0], "{}"), "urn:uuid:"), "-", "")
	}
	space, err := hex.DecodeString(digits)
	if err != nil || len(space) != 16 {
		return cty.NilVal, errors.New("the namespace is neither a name nor a UUID")
	}
	u := sha1.Sum(append(space, s[1]...))
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	return cty.StringVal(fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:16])), nil
})
