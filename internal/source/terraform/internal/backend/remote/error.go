package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

const op = "read state"

// Invalid says that the settings, or what the backend holds, cannot be used.
func Invalid(hint, format string, args ...any) error {
	return &taffrail.Error{Op: op, Kind: taffrail.KindInvalid, Hint: hint, Err: fmt.Errorf(format, args...)}
}

// Denied says that the credentials are missing, wrong or not enough.
func Denied(hint, format string, args ...any) error {
	return &taffrail.Error{Op: op, Kind: taffrail.KindDenied, Hint: hint, Err: fmt.Errorf(format, args...)}
}

// Unavailable says that it may work later.
func Unavailable(hint, format string, args ...any) error {
	return &taffrail.Error{Op: op, Kind: taffrail.KindUnavailable, Hint: hint, Err: fmt.Errorf(format, args...)}
}

// NotFound says that there is no state under a name. That is never taken for an empty state: it may also be the wrong name.
func NotFound(name string) error {
	return &taffrail.Error{
		Op: op, Kind: taffrail.KindNotFound, Err: fmt.Errorf("%s: there is no state", name),
		Hint: "apply the stack first, or check the workspace and the backend's settings",
	}
}

// TooLarge says that a state exceeds the limit.
func TooLarge(name string, limit int64) error {
	return Invalid("split the stack, or remove what bloats its state", "%s: the state is larger than %d MB, which is the most that is read", name, max(limit>>20, 1))
}

// StatusError tells what an HTTP status that is no success means for a state.
func StatusError(name string, status int) error {
	told := fmt.Errorf("%s: the server answers %d %s", name, status, http.StatusText(status))
	switch {
	case status == http.StatusUnauthorized:
		return Denied("give credentials, or check whether they have expired", "%w", told)
	case status == http.StatusForbidden:
		return Denied("the credentials may not read this state: allow them to", "%w", told)
	case status == http.StatusNotFound:
		return NotFound(name)
	case status == http.StatusTooManyRequests:
		return Unavailable("wait, and ask less often", "%w", told)
	case status == http.StatusRequestTimeout, status >= 500:
		return Unavailable("try again later", "%w", told)
	}
	return Invalid("check the backend's settings", "%w", told)
}

// Unreached tells why there is no answer. The address, which may hold secrets, is left out.
func Unreached(name string, err error) error {
	var outer *url.Error
	for errors.As(err, &outer) {
		err = outer.Err
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", name, context.Canceled)
	}
	var already *taffrail.Error
	if errors.As(err, &already) {
		return already
	}
	return Unavailable("check the network and the backend's address", "%s: %w", name, err)
}

var (
	inURL = regexp.MustCompile(`://[^/@\s:]*:([^@\s]+)@`)
	inDSN = regexp.MustCompile(`(?i)(?:password|sig|accountkey|sslpassword)\s*=\s*('[^']*'|[^\s;&']+)`)
)

// passwords finds what looks like a password in a URL or a connection string.
func passwords(text string) (found []string) {
	for _, pattern := range []*regexp.Regexp{inURL, inDSN} {
		for _, match := range pattern.FindAllStringSubmatch(text, -1) {
			password := strings.Trim(match[1], "'")
			found = append(found, password)
			if plain, err := url.QueryUnescape(password); err == nil && plain != password {
				found = append(found, plain)
			}
		}
	}
	return found
}

func isUnavailable(err error) bool { return taffrail.KindOf(err) == taffrail.KindUnavailable }
