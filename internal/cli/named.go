package cli

import (
	"net/url"
	"strings"
)

// named is a target as it may be shown: of an address without what may hold secrets, which are a user, a query and a fragment.
func named(target string) string {
	scheme, _, isAddress := strings.Cut(target, "://")
	if !isAddress {
		return target
	}
	u, err := url.Parse(target)
	if err != nil {
		return scheme + "://..."
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return u.String()
}
