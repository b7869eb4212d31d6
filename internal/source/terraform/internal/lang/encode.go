package lang

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"net/url"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"

	"github.com/taffrail-dev/taffrail/internal/source/terraform/internal/regular"
)

var errNoText = errors.New("the result is no text in UTF-8")

// text is a value of bytes that must be text.
func text(data []byte) (cty.Value, error) {
	if !utf8.Valid(data) {
		return cty.NilVal, errNoText
	}
	return cty.StringVal(string(data)), nil
}

var base64Decode = texts(cty.String, 1, func(s []string) (cty.Value, error) {
	data, err := base64.StdEncoding.DecodeString(s[0])
	if err != nil {
		return cty.NilVal, errors.New("the text is no base64")
	}
	return text(data)
})

var base64Encode = texts(cty.String, 1, func(s []string) (cty.Value, error) {
	return cty.StringVal(base64.StdEncoding.EncodeToString([]byte(s[0]))), nil
})

// base64Gzip ends the data by a flush before it closes the stream, as the tools do: the bytes are the same.
var base64Gzip = texts(cty.String, 1, func(s []string) (cty.Value, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, s[0])
	if err := errors.Join(err, w.Flush(), w.Close()); err != nil {
		return cty.NilVal, err
	}
	return cty.StringVal(base64.StdEncoding.EncodeToString(b.Bytes())), nil
})

var base64Gunzip = texts(cty.String, 1, func(s []string) (cty.Value, error) {
	data, err := base64.StdEncoding.DecodeString(s[0])
	if err != nil {
		return cty.NilVal, errors.New("the text is no base64")
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return cty.NilVal, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, regular.MaxCode+1))
	if err != nil {
		return cty.NilVal, err
	}
	if len(plain) > regular.MaxCode {
		return cty.NilVal, errors.New("the text is too large when it is unpacked")
	}
	return text(plain)
})

// charset finds an encoding by its name at IANA.
func charset(name string) (encoding.Encoding, error) {
	e, err := ianaindex.IANA.Encoding(name)
	if err != nil || e == nil {
		return nil, errors.New("the encoding is not known")
	}
	return e, nil
}

var textEncode = texts(cty.String, 2, func(s []string) (cty.Value, error) {
	e, err := charset(s[1])
	if err != nil {
		return cty.NilVal, err
	}
	data, err := e.NewEncoder().Bytes([]byte(s[0]))
	if err != nil {
		return cty.NilVal, errors.New("the encoding does not have a character of the text")
	}
	return cty.StringVal(base64.StdEncoding.EncodeToString(data)), nil
})

var textDecode = texts(cty.String, 2, func(s []string) (cty.Value, error) {
	e, err := charset(s[1])
	if err != nil {
		return cty.NilVal, err
	}
	data, err := base64.StdEncoding.DecodeString(s[0])
	if err != nil {
		return cty.NilVal, errors.New("the text is no base64")
	}
	plain, err := e.NewDecoder().Bytes(data)
	if err != nil || bytes.ContainsRune(plain, utf8.RuneError) {
		return cty.NilVal, errors.New("the text holds what the encoding does not have")
	}
	return text(plain)
})

var urlEncode = texts(cty.String, 1, func(s []string) (cty.Value, error) { return cty.StringVal(url.QueryEscape(s[0])), nil })

var urlDecode = texts(cty.String, 1, func(s []string) (cty.Value, error) {
	plain, err := url.QueryUnescape(s[0])
	if err != nil {
		return cty.NilVal, errors.New("the text is not in the form of URLs")
	}
	return text([]byte(plain))
})
