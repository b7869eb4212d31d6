package sealing

import (
	"bytes"
	"slices"
	"strings"
)

// Names tell by what a field is called whether its values are secrets. Case does not count, nor do the characters in Ignored.
type Names struct {
	ignored string
	words   [256][]string // by their first letter: wherever they stand in a name
	whole   []string
	public  []string
}

// NewNames makes names out of words that stand anywhere in the name of a secret, words that are the name of one as a whole, and the endings of
// names that hold such a word and no secret: where it is kept, how long it lives. All are lower-case, without the characters in ignored.
func NewNames(ignored string, words, whole, public []string) *Names {
	n := &Names{ignored: ignored, whole: whole, public: public}
	for _, word := range words {
		n.words[word[0]] = append(n.words[word[0]], word)
	}
	return n
}

// common are the names that secrets of cloud APIs have.
var common = NewNames("_-./", []string{
	"passw", "secretstring", "secretbinary", "secretkey", "secretaccesskey", "sharedsecret", "clientsecret", "appsecret", "webhooksecret", "signingsecret",
	"authtoken", "accesstoken", "refreshtoken", "bearertoken", "sessiontoken", "oauthtoken", "privatekey", "passphrase", "apikeyvalue", "apisecret",
	"presharedkey", "authparameters", "apitoken", "connectionstring",
}, []string{"secret", "token", "credential", "credentials"}, []string{
	"arn", "id", "ids", "name", "policy", "length", "age", "enabled", "required", "days", "status", "type", "version", "versions", "stages", "validity",
	"expiration", "duration", "usage", "configuration", "lastused", "reset", "resetrequired", "needed",
})

// CommonNames are the names that secrets of cloud APIs have.
func CommonNames() *Names { return common }

// longestName bounds what is taken for a name. Longer ones are looked at by their beginning and their end.
const longestName = 256

// Secret says whether values of this name are secrets: "masterUserPassword", "DB_PASSWORD", "secretString".
func (n *Names) Secret(name []byte) bool {
	var space [longestName]byte
	plain := space[:0]
	for _, c := range name {
		switch {
		case c >= 0x80 || len(plain) == longestName:
			return n.secret(n.lower(name)) // there are letters beyond ASCII that are ASCII in lower case
		case strings.IndexByte(n.ignored, c) >= 0:
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		plain = append(plain, c)
	}
	return n.secret(plain)
}

func (n *Names) lower(name []byte) []byte {
	kept := bytes.Map(func(r rune) rune {
		if r < 0x80 && strings.IndexByte(n.ignored, byte(r)) >= 0 {
			return -1
		}
		return r
	}, name)
	return bytes.ToLower(kept)
}

func (n *Names) secret(plain []byte) bool {
	return (n.holds(plain) || slices.ContainsFunc(n.whole, func(w string) bool { return string(plain) == w })) && !n.isPublic(plain)
}

func (n *Names) holds(plain []byte) bool {
	for i, c := range plain {
		for _, word := range n.words[c] {
			if len(plain)-i >= len(word) && string(plain[i:i+len(word)]) == word {
				return true
			}
		}
	}
	return false
}

func (n *Names) isPublic(plain []byte) bool {
	return slices.ContainsFunc(n.public, func(end string) bool { return bytes.HasSuffix(plain, []byte(end)) })
}

// isPublicField is for what stands beside a secret in an object named after it: it names the secret, and does not hold it.
func isPublicField(field []byte) bool {
	lower := bytes.ToLower(field)
	return bytes.HasSuffix(lower, []byte("arn")) || bytes.HasSuffix(lower, []byte("id")) || bytes.HasSuffix(lower, []byte("name")) || string(lower) == "key"
}

// isValueField is for what holds the value in an object that also says what the value is called.
func isValueField(field []byte) bool {
	return len(field) >= 5 && bytes.EqualFold(field[len(field)-5:], []byte("value"))
}
