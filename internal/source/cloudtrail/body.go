package cloudtrail

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// bodies fills in request and response.
func (d decoder) bodies(e *taffrail.Event, r record) error {
	request := r.RequestParameters
	if len(request) == 0 && len(r.ServiceEvent) > 0 {
		request = r.ServiceEvent
	}
	b := body{sealer: d.sealer, event: e}
	var err error
	if e.Request, err = b.read("requestParameters", request); err != nil {
		return err
	}
	e.DryRun = e.DryRun || rehearsed(e.Request) || strings.HasSuffix(e.Error, "DryRunOperation")
	b.event = &taffrail.Event{} // what is hidden in an answer was not asked for
	if e.Response, err = b.read("responseElements", r.ResponseElements); err != nil {
		return err
	}
	e.Truncated = e.Truncated || b.event.Truncated && e.Request.IsNull()
	e.Issued = issued(e.Response)
	return nil
}

// A body reads one of the bodies of a record.
type body struct {
	sealer taffrail.Sealer
	event  *taffrail.Event // gets the marks of what is hidden or left out
}

func (b body) read(field string, raw json.RawMessage) (taffrail.Value, error) {
	if len(raw) == 0 {
		return taffrail.Unknown(), nil
	}
	v, err := taffrail.FromJSON(raw)
	if err != nil {
		return v, fmt.Errorf("field %s: it cannot be read as JSON of a sane depth and size", field)
	}
	if omitted(v) {
		b.event.Truncated = true
		return taffrail.Unknown(), nil
	}
	return b.plain("", v, 0), nil
}

// omitted says whether CloudTrail has left a body out: it is an object that holds nothing but this mark and what it says of it.
func omitted(v taffrail.Value) bool {
	if v.Shape() == taffrail.ShapeString {
		return strings.Contains(strings.ToLower(v.Text()), "omitted")
	}
	mark, ok := v.Field("omitted")
	return ok && (mark.Truth() || mark.Text() == "true") && v.Len() <= 4
}

// plain gives a value in the one form that is compared with what resources look like.
func (b body) plain(name string, v taffrail.Value, depth int) taffrail.Value {
	switch v.Shape() {
	case taffrail.ShapeList:
		return b.list(name, v, depth)
	case taffrail.ShapeObject:
		if items, ok := v.Field("items"); ok && v.Len() == 1 && items.Shape() == taffrail.ShapeList {
			return b.list(name, items, depth)
		}
		return b.object(name, v, depth)
	case taffrail.ShapeString:
		return b.text(name, v, depth)
	case taffrail.ShapeNumber, taffrail.ShapeBool:
		if isSecretName(name) && v.Shape() == taffrail.ShapeNumber {
			return b.sealer.Seal(v)
		}
	}
	return v
}

func (b body) list(name string, v taffrail.Value, depth int) taffrail.Value {
	elems := make([]taffrail.Value, 0, v.Len())
	for e := range v.Elems() {
		elems = append(elems, b.plain(name, e, depth+1))
	}
	return taffrail.List(elems...)
}

// object goes by each field's own name, and for {name, value} pairs by the name that the pair gives.
func (b body) object(name string, v taffrail.Value, depth int) taffrail.Value {
	given := pairName(v)
	fields := make(map[string]taffrail.Value, v.Len())
	for field, e := range v.Fields() {
		under := field
		switch {
		case given != "" && isSecretName(given) && strings.HasSuffix(strings.ToLower(field), "value"):
			under = given
		case isSecretName(name) && !isPublicField(field):
			under = name
		}
		fields[field] = b.plain(under, e, depth+1)
	}
	return taffrail.Object(fields)
}

// isPublicField is for what stands beside a secret in an object named after it: it names the secret, and does not hold it.
func isPublicField(field string) bool {
	lower := strings.ToLower(field)
	return strings.HasSuffix(lower, "arn") || strings.HasSuffix(lower, "id") || strings.HasSuffix(lower, "name") || lower == "key"
}

// pairName is the name in an object like {"name": "DB_PASSWORD", "value": "..."}.
func pairName(v taffrail.Value) string {
	for _, field := range []string{"name", "Name", "key", "Key", "parameterName", "attributeName", "ParameterName", "AttributeName"} {
		if text, ok := v.Field(field); ok && text.Shape() == taffrail.ShapeString {
			return text.Text()
		}
	}
	return ""
}

// maxDocument bounds how deep documents in documents are followed.
const maxDocument = 40

// text seals secrets, notes what is hidden, and opens JSON documents.
func (b body) text(name string, v taffrail.Value, depth int) taffrail.Value {
	text := v.Text()
	switch {
	case isRedaction(text):
		b.event.Redacted = true
		return taffrail.Unknown()
	case isSecretName(name) && text != "" || isSecretText(text):
		return b.sealer.Seal(v)
	}
	if document, ok := openDocument(text); ok && depth < maxDocument {
		return b.plain(name, document, depth+1)
	}
	return v
}

// openDocument reads text that is a JSON document: as it is, or URL-encoded as IAM gives policies.
func openDocument(text string) (taffrail.Value, bool) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "%7B") || strings.HasPrefix(text, "%7b") || strings.HasPrefix(text, "%5B") || strings.HasPrefix(text, "%5b") {
		if plain, err := url.QueryUnescape(text); err == nil {
			text = plain
		}
	}
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		return taffrail.Value{}, false
	}
	v, err := taffrail.FromJSON([]byte(text))
	return v, err == nil
}

// redactions are what services write in the place of what they hide.
var redactions = []string{
	"HIDDEN_DUE_TO_SECURITY_REASONS", "***OMITTED***", "****", "***", "*****", "******", "********", "[REDACTED]", "REDACTED", "<REDACTED>",
	"sensitive", "SENSITIVE_DATA_REDACTED", "<sensitiveDataRemoved>", "<Redacted>", "HIDDEN",
}

func isRedaction(text string) bool { return slices.Contains(redactions, text) }

var (
	secretName = regexp.MustCompile(`passw|secretstring|secretbinary|secretkey|secretaccesskey|sharedsecret|clientsecret|appsecret|webhooksecret|signingsecret|` +
		`authtoken|accesstoken|refreshtoken|bearertoken|sessiontoken|oauthtoken|privatekey|passphrase|apikeyvalue|apisecret|presharedkey|authparameters|apitoken|connectionstring|^secret$|^token$|^credentials?$`)
	secretText = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----|^(gh[pousr]_|github_pat_|glpat-|xox[abprs]-)[A-Za-z0-9_-]{10,}`)
	// publicName is for names that hold the word and no secret: where it is kept, how long it lives, what is done with it.
	publicName = regexp.MustCompile(`(arn|id|ids|name|policy|length|age|enabled|required|days|status|type|version|versions|stages|validity|expiration|duration|usage|configuration|lastused|reset|resetrequired|needed)$`)
)

// isSecretName says whether values of this name are secrets: "masterUserPassword", "DB_PASSWORD", "secretString".
func isSecretName(name string) bool {
	plain := strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "", "/", "").Replace(name))
	return secretName.MatchString(plain) && !publicName.MatchString(plain)
}

func isSecretText(text string) bool { return secretText.MatchString(text) }

// rehearsed says whether a request asked for a rehearsal.
func rehearsed(request taffrail.Value) bool {
	for name, v := range request.Fields() {
		if strings.EqualFold(name, "dryRun") {
			return v.Truth() || strings.EqualFold(v.Text(), "true")
		}
	}
	return false
}

// issued is the public id of the credential that an answer gave out: of a session of STS, or of a new key of a user.
func issued(response taffrail.Value) string {
	for _, holder := range []string{"credentials", "accessKey"} {
		given, _ := response.Field(holder)
		if id, ok := given.Field("accessKeyId"); ok {
			return id.Text()
		}
	}
	return ""
}
