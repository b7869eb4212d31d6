package receive

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
)

// minToken is the least length of a token: shorter ones are guessed.
const minToken = 16

// Tokens are those that senders may give. Of each only its SHA-256 is kept.
type Tokens []token

type token struct {
	name   string
	digest [sha256.Size]byte
}

func readTokens(path string, digests []string) (Tokens, error) {
	var all Tokens
	if path != "" {
		text, err := ReadSecret("tokens_file", path)
		if err != nil {
			return nil, err
		}
		if all, err = parseTokens(path, string(text)); err != nil {
			return nil, err
		}
	}
	for i, text := range digests {
		digest, err := hex.DecodeString(text)
		if err != nil || len(digest) != sha256.Size {
			return nil, Invalid("give what `printf %s \"$TOKEN\" | sha256sum` prints", fmt.Errorf("token_digests: number %d is no SHA-256 in hexadecimal", i+1))
		}
		all = append(all, token{digest: [sha256.Size]byte(digest)})
	}
	return all, nil
}

// parseTokens reads lines of a token, or a name and a token. What follows a # at the start of a line is for people.
func parseTokens(path, text string) (all Tokens, err error) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		name, secret := "", fields[len(fields)-1]
		if len(fields) == 2 {
			name = fields[0]
		}
		if len(fields) > 2 || len(secret) < minToken {
			return nil, Invalid(fmt.Sprintf("a line is a token of at least %d characters, or a name and a token", minToken), fmt.Errorf("%s:%d: it is no token", path, n))
		}
		all = append(all, token{name, sha256.Sum256([]byte(secret))})
	}
	if len(all) == 0 {
		return nil, Invalid("write a token into it: `openssl rand -hex 32`", fmt.Errorf("%s: it holds no token", path))
	}
	return all, nil
}

// Holder says whether a token is one of them, and the name that stands beside it. How long it takes does not depend on the token.
func (t Tokens) Holder(secret string) (name string, ok bool) {
	digest := sha256.Sum256([]byte(secret))
	for _, known := range t {
		if subtle.ConstantTimeCompare(digest[:], known.digest[:]) == 1 {
			name, ok = known.name, true
		}
	}
	return name, ok
}

// Scheme gives what follows a scheme's name in the header Authorization, whatever its case.
func Scheme(r *http.Request, scheme string) (string, bool) {
	name, rest, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(rest), ok && strings.EqualFold(name, scheme)
}

// Bearer lets a request in that has one of the tokens as its bearer token (RFC 6750), or any request where there are no tokens. It answers
// a request that it does not let in.
func (e *Endpoint) Bearer(w http.ResponseWriter, r *http.Request) (peer string, ok bool) {
	if len(e.Tokens) == 0 {
		return Peer(r, ""), true
	}
	if secret, ok := Scheme(r, "Bearer"); ok {
		if name, ok := e.Tokens.Holder(secret); ok {
			return Peer(r, name), true
		}
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	http.Error(w, "the bearer token is missing or not known", http.StatusUnauthorized)
	return "", false
}
