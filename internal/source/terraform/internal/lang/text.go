package lang

import (
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

var startsWith = texts(cty.Bool, 2, func(s []string) (cty.Value, error) { return cty.BoolVal(strings.HasPrefix(s[0], s[1])), nil })

var endsWith = texts(cty.Bool, 2, func(s []string) (cty.Value, error) { return cty.BoolVal(strings.HasSuffix(s[0], s[1])), nil })

var strContains = texts(cty.Bool, 2, func(s []string) (cty.Value, error) { return cty.BoolVal(strings.Contains(s[0], s[1])), nil })

// replace takes what stands between slashes for a regular expression.
var replace = texts(cty.String, 3, func(s []string) (cty.Value, error) {
	if pattern, ok := strings.CutPrefix(s[1], "/"); ok && strings.HasSuffix(pattern, "/") {
		re, err := regexp.Compile(strings.TrimSuffix(pattern, "/"))
		if err != nil {
			return cty.NilVal, err
		}
		return cty.StringVal(re.ReplaceAllString(s[0], s[2])), nil
	}
	return cty.StringVal(strings.ReplaceAll(s[0], s[1], s[2])), nil
})

var timeCmp = texts(cty.Number, 2, func(s []string) (cty.Value, error) {
	a, err := time.Parse(time.RFC3339, s[0])
	if err != nil {
		return cty.NilVal, errors.New("the first argument is no time of RFC 3339")
	}
	b, err := time.Parse(time.RFC3339, s[1])
	if err != nil {
		return cty.NilVal, errors.New("the second argument is no time of RFC 3339")
	}
	return cty.NumberIntVal(int64(a.Compare(b))), nil
})
