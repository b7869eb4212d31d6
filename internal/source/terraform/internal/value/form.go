package value

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// minEncoded is how long a secret must be to be looked for in base64, in bytes.
const minEncoded = 8

// forms are the ways in which a text is written in messages, documents and addresses, itself the first.
func forms(text string) []string {
	trimmed := strings.TrimSpace(text)
	all := []string{
		text, trimmed, oneLine(text), url.QueryEscape(text), url.PathEscape(text), unquoted(strconv.Quote(text)),
		unquoted(strconv.QuoteToASCII(text)),
	}
	for _, inner := range inJSON(text) { // and a document in a document
		all = append(append(all, inner), inJSON(inner)...)
	}
	all = append(all, inBase64(text)...)
	if trimmed != text {
		all = append(all, inBase64(trimmed)...)
	}
	return all
}

func unquoted(quoted string) string { return quoted[1 : len(quoted)-1] }

// inJSON writes a text as JSON does between its quotes, with and without the escapes that are for HTML.
func inJSON(text string) []string {
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	escaped, err := json.Marshal(text)
	if err != nil || encoder.Encode(text) != nil {
		return nil // a text has no error
	}
	all := []string{unquoted(string(escaped))}
	if p := unquoted(strings.TrimSuffix(plain.String(), "\n")); p != all[0] {
		all = append(all, p)
	}
	return all
}

// inBase64 gives a text in base64, as it is alone and, without the digits that it shares, as it is inside of something larger
// ("user:password").
func inBase64(text string) []string {
	if len(text) < minEncoded {
		return nil
	}
	var all []string
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		all = append(all, encoding.EncodeToString([]byte(text)), encoding.WithPadding(base64.NoPadding).EncodeToString([]byte(text)))
		for before := range 3 {
			whole := encoding.WithPadding(base64.NoPadding).EncodeToString(append(make([]byte, before), text...))
			from, to := (before*8+5)/6, (before+len(text))*8/6
			all = append(all, whole[from:to])
		}
	}
	return all
}

// meansNothing says whether a text is a boolean or a null: never a secret, whatever calls it one.
func meansNothing(text string) bool {
	return slices.Contains([]string{"true", "false", "null", "nil", "yes", "off"}, strings.ToLower(text))
}

var commonWords = []string{
	"administrator", "default", "development", "disabled", "docker", "enabled", "example", "github", "internal", "latest", "localhost",
	"managed", "master", "password", "postgres", "primary", "private", "production", "public", "readonly", "secret", "service",
	"staging", "standard", "system", "unknown", "username",
}

// regions are the names that AWS, and Google Cloud and Azure, give to their regions and zones.
var regions = regexp.MustCompile(`^[a-z]{2}(-gov|-iso[a-z]?)?-[a-z]+-[0-9][a-z]?$` +
	`|^((north|south|east|west|central|us|uk|europe|asia|africa|america|australia|middle|me|japan|korea|india|canada|france|germany|` +
	`brazil|uae|norway|sweden|switzerland|poland|italy|spain|china|qatar|israel|mexico|gov)-?)+[0-9]{0,2}(-[a-z])?$`)

// isCommon says whether a text stands in so many others by chance that finding it there tells nothing. A value that is such a text is
// still a secret if the text was called one.
func isCommon(text string) bool {
	return meansNothing(text) || slices.Contains(commonWords, strings.ToLower(text)) || regions.MatchString(text)
}
