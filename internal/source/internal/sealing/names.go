package sealing

import (
	"bytes"
	"slices"
	"strings"
)

// Names tell by what a field is called whether its values are secrets. Case does not count, nor do the characters in Ignored.
type Names struct {
	ignored string
	folds   [256]byte       // of each byte of ASCII its lower case, and dropped or foreign
	pairs   [256][256]uint8 // by the two letters with which a word begins, where in words to look; 0 is nowhere
	words   [][]string      // wherever they stand in a name
	whole   []string
	public  []string
}

// What else a byte may fold to.
const (
	dropped = 0
	foreign = 0xff
)

// NewNames makes names out of words that stand anywhere in the name of a secret, words that are the name of one as a whole, and the endings of
// names that hold such a word and no secret: where it is kept, how long it lives. All are lower-case, without the characters in ignored.
func NewNames(ignored string, words, whole, public []string) *Names {
	n := &Names{ignored: ignored, words: [][]string{nil}, whole: whole, public: public}
	for c := range n.folds {
		switch {
		case c >= 0x80:
			n.folds[c] = foreign
		case strings.IndexByte(ignored, byte(c)) >= 0:
			n.folds[c] = dropped
		case 'A' <= c && c <= 'Z':
			n.folds[c] = byte(c) + 'a' - 'A'
		default:
			n.folds[c] = byte(c)
		}
	}
	for _, word := range words {
		at := &n.pairs[word[0]][word[1]]
		if *at == 0 {
			*at = uint8(len(n.words))
			n.words = append(n.words, nil)
		}
		n.words[*at] = append(n.words[*at], word)
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
	plain := 0
	for _, c := range name {
		c = n.folds[c]
		if c == dropped {
			continue
		}
		if c == foreign || plain == longestName {
			return n.secret(n.lower(name)) // there are letters beyond ASCII that are ASCII in lower case
		}
		space[plain] = c
		plain++
	}
	return n.secret(space[:plain])
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
	return (n.holds(plain) || n.isWhole(plain)) && !n.isPublic(plain)
}

func (n *Names) holds(plain []byte) bool {
	for i := 1; i < len(plain); i++ {
		at := n.pairs[plain[i-1]][plain[i]]
		if at == 0 {
			continue
		}
		for _, word := range n.words[at] {
			if bytes.HasPrefix(plain[i-1:], []byte(word)) {
				return true
			}
		}
	}
	return false
}

func (n *Names) isWhole(plain []byte) bool {
	for _, word := range n.whole {
		if string(plain) == word {
			return true
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
