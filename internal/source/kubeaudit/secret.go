package kubeaudit

import (
	"encoding/base64"
	"strings"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/internal/source/internal/sealing"
)

// secretNames are the names that secrets have in objects, and environment variables among them. Public are those that hold the word and no
// secret: they name it, or say what is done with it.
var secretNames = sealing.NewNames("_-.", []string{
	"passw", "secretkey", "secretaccesskey", "sharedsecret", "clientsecret", "appsecret", "webhooksecret", "signingsecret", "authtoken", "accesstoken",
	"refreshtoken", "bearertoken", "oauthtoken", "sessiontoken", "privatekey", "passphrase", "apisecret", "apitoken", "presharedkey", "connectionstring",
}, []string{"secret", "token"}, []string{
	"name", "ref", "id", "path", "file", "policy", "type", "enabled", "length", "mode", "expirationseconds", "mountserviceaccounttoken",
})

// A treatment says what is secret in one record whatever it is called: all data of Secrets, in lists, in patches and in the annotation in which
// kubectl keeps what it applied.
type treatment struct {
	secrets bool // the request was for Secrets
}

// of is for [sealing.Rules]. The whole record comes first.
func (t *treatment) of(o *sealing.Object) func(string) sealing.Form {
	if o.Parent == nil {
		on := o.Object("objectRef")
		t.secrets = on != nil && on.Text("resource") == "secrets"
		return nil
	}
	if !t.secrets && o.Text("kind") != "Secret" {
		return nil
	}
	return func(field string) sealing.Form {
		switch field {
		case "data":
			return sealing.Same
		case "stringData":
			return encoded
		case "value":
			return operand(o)
		}
		return nil
	}
}

// operand is the form of the value of an operation in a JSON patch.
func operand(o *sealing.Object) sealing.Form {
	path := o.Text("path")
	switch {
	case path == "/data" || strings.HasPrefix(path, "/data/"):
		return sealing.Same
	case path == "/stringData" || strings.HasPrefix(path, "/stringData/"):
		return encoded
	}
	return nil
}

// encoded is text as the server keeps it, so that what was written and what is kept can be compared.
func encoded(v taffrail.Value) taffrail.Value {
	if v.Shape() != taffrail.ShapeString {
		return v
	}
	return taffrail.String(base64.StdEncoding.EncodeToString([]byte(v.Text())))
}
