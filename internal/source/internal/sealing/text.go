package sealing

import (
	"bytes"
	"net/url"
)

// IsSecretText says whether a text is a secret by its form: it holds a private key or an address with a password, or is a token.
func IsSecretText(text []byte) bool {
	return len(text) >= minToken && (isToken(text) || isWebToken(text) || holdsPrivateKey(text) || holdsPassword(text))
}

// minToken is how long the shortest text is that is a secret by its form.
const minToken = 8

// tokenHeads begin tokens of GitHub, GitLab and Slack.
var tokenHeads = []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xoxa-", "xoxb-", "xoxr-", "xoxs-", "xoxp-"}

func isToken(text []byte) bool {
	if c := text[0]; c != 'g' && c != 'x' {
		return false
	}
	for _, head := range tokenHeads {
		if rest, ok := bytes.CutPrefix(text, []byte(head)); ok {
			return tokenPart(rest) >= 10
		}
	}
	return false
}

// tokenPart is how many bytes of base64url a text begins with.
func tokenPart(text []byte) int {
	for i, c := range text {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return i
		}
	}
	return len(text)
}

// isWebToken says whether a text is a JSON Web Token with a signature (RFC 7519): three parts of base64url, of which two begin as JSON objects do.
func isWebToken(text []byte) bool {
	for part := range 2 {
		n := tokenPart(text)
		if n < 10 || !bytes.HasPrefix(text, []byte("eyJ")) || n == len(text) || text[n] != '.' {
			return false
		}
		text = text[n+1:]
		if part == 1 {
			return tokenPart(text) >= 10
		}
	}
	return false
}

var (
	keyHead = []byte("-----BEGIN ")
	keyTail = []byte("PRIVATE KEY")
	dashes  = []byte("-----")
)

// holdsPrivateKey says whether a text holds the first line of a private key in PEM (RFC 7468).
func holdsPrivateKey(text []byte) bool {
	for {
		n := bytes.Index(text, keyHead)
		if n < 0 {
			return false
		}
		text = text[n+len(keyHead):]
		label := 0
		for label < len(text) && ('A' <= text[label] && text[label] <= 'Z' || text[label] == ' ') {
			label++
		}
		if bytes.HasSuffix(text[:label], keyTail) && bytes.HasPrefix(text[label:], dashes) {
			return true
		}
	}
}

// holdsPassword says whether a text holds an address with a user and a password in it: postgres://user:password@host/.
func holdsPassword(text []byte) bool {
	for {
		n := bytes.Index(text, []byte("://"))
		if n < 0 {
			return false
		}
		text = text[n+3:]
		end := bytes.IndexAny(text, "/?# \t\r\n\"'<>")
		if end < 0 {
			end = len(text)
		}
		if at := bytes.LastIndexByte(text[:end], '@'); at > 0 {
			if colon := bytes.IndexByte(text[:at], ':'); colon >= 0 && at-colon > 1 {
				return true
			}
		}
	}
}

// longestAssigned bounds the name in an assignment.
const longestAssigned = 64

// assigns says whether a text holds an assignment to something with a secret's name: DB_PASSWORD=..., --password=..., ;Password=...
func (n *Names) assigns(text []byte) bool {
	for i := 0; ; i++ {
		next := bytes.IndexByte(text[i:], '=')
		if next < 0 {
			return false
		}
		i += next
		if i+1 == len(text) || text[i+1] <= ' ' || text[i+1] == '=' {
			continue
		}
		start := i
		for start > 0 && i-start < longestAssigned && isNameByte(text[start-1]) {
			start--
		}
		if i-start < longestAssigned && n.Secret(text[start:i]) {
			return true
		}
	}
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.'
}

// Document gives text that is likely a JSON document, without the URL encoding in which IAM gives policies, and says whether it is one.
func Document(text []byte) ([]byte, bool) {
	text = bytes.TrimSpace(text)
	if len(text) < 2 {
		return nil, false
	}
	if text[0] == '%' {
		if text = unescaped(text); len(text) < 2 {
			return nil, false
		}
	}
	last := text[len(text)-1]
	return text, text[0] == '{' && last == '}' || text[0] == '[' && last == ']'
}

func unescaped(text []byte) []byte {
	if len(text) < 3 || text[1] != '7' && text[1] != '5' || text[2]|0x20 != 'b' {
		return nil
	}
	plain, err := url.QueryUnescape(string(text))
	if err != nil {
		return nil
	}
	return bytes.TrimSpace([]byte(plain))
}
