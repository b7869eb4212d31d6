package rfc3161

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitorus/pkcs7"
	"github.com/digitorus/timestamp"

	"github.com/taffrail-dev/taffrail"
	"github.com/taffrail-dev/taffrail/audit"
)

func TestAnchorAndCheck(t *testing.T) {
	c := newChain(t)
	cps := checkpoints(t, 2)
	a := open(t, time.Now, "name: stamps\nurl: "+serve(t, newStamper(t, c, nil).reply)+"\nca_file: "+c.file)
	r, err := a.Anchor(t.Context(), cps[0])
	if err != nil {
		t.Fatal(err)
	}
	if r.Size != 1 || r.Kind != "rfc3161" || r.Anchor != "stamps" || time.Since(r.At).Abs() > time.Minute {
		t.Errorf("receipt is %+v", r)
	}
	// A cosignature that came later changes nothing.
	later := audit.Checkpoint{Head: cps[0].Head, Note: append(bytes.Clone(cps[0].Note), "— w.example/w AAAAAAAA\n"...)}
	for _, cp := range []audit.Checkpoint{cps[0], later} {
		if at, err := a.Check(t.Context(), cp, r); err != nil || !at.Equal(r.At) {
			t.Errorf("%v, %v, want %v", at, err, r.At)
		}
	}
	if again, err := a.Anchor(t.Context(), cps[0]); err != nil || again.Size != 1 {
		t.Errorf("once more: %v", err)
	}
	if _, err := a.Anchor(t.Context(), audit.Checkpoint{Head: cps[0].Head, Note: cps[1].Note}); taffrail.KindOf(err) != taffrail.KindInternal {
		t.Errorf("a note of another head: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Check(ended, cps[0], r); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

// Years later the authority is gone and its certificate has expired. The stamp is as good as it was.
func TestCheckAsksNobody(t *testing.T) {
	c := newChain(t)
	cp := checkpoints(t, 1)[0]
	s := newStamper(t, c, func(x *x509.Certificate) { x.NotAfter = time.Now().Add(time.Hour) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", replyType)
		_, _ = w.Write(s.reply(query))
	}))
	settings := "name: stamps\nurl: " + server.URL + "\nca_file: " + c.file
	r, err := open(t, time.Now, settings).Anchor(t.Context(), cp)
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	if at, err := open(t, func() time.Time { return time.Now().AddDate(30, 0, 0) }, settings).Check(t.Context(), cp, r); err != nil || !at.Equal(r.At) {
		t.Errorf("%v, %v", at, err)
	}
	if _, err := open(t, func() time.Time { return time.Now().Add(-time.Hour) }, settings).Check(t.Context(), cp, r); taffrail.KindOf(err) != taffrail.KindUnavailable {
		t.Errorf("a stamp of the future: %v", err)
	}
}

// bad are stamps that must not count, and whether no settings could make them count.
var bad = map[string]struct {
	certificate func(t testing.TB, c *x509.Certificate)
	stamp       func(*timestamp.Timestamp)
	hash        crypto.Hash
	forged      bool
	kind        taffrail.Kind // when it is asked for; invalid if it is not said
	fine        bool          // for Check, which does not know what was asked
}{
	"a certificate that had expired": {
		certificate: func(_ testing.TB, c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Minute) },
		stamp:       func(s *timestamp.Timestamp) { s.Time = s.Time.Add(2 * time.Minute) },
	},
	"a certificate that was yet to be": {
		certificate: func(_ testing.TB, c *x509.Certificate) { c.NotBefore = time.Now().Add(-time.Minute) },
		stamp:       func(s *timestamp.Timestamp) { s.Time = s.Time.Add(-2 * time.Minute) },
	},
	"a signature after the end of its certificate": {
		certificate: func(_ testing.TB, c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }, forged: true,
	},
	"a certificate for anything":       {certificate: func(_ testing.TB, c *x509.Certificate) { c.ExtraExtensions = nil }},
	"a certificate for other things":   {certificate: uses(true, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1})},
	"a certificate for more":           {certificate: uses(true, oidTimeStamping, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1})},
	"a certificate for unknown things": {certificate: uses(true, oidTimeStamping, asn1.ObjectIdentifier{1, 2, 3})},
	"a certificate that may be for it": {certificate: uses(false, oidTimeStamping)},
	"a signature by SHA-1":             {hash: crypto.SHA1},
	"an imprint by SHA-512":            {stamp: func(s *timestamp.Timestamp) { s.HashAlgorithm = crypto.SHA512 }},
	"no certificate":                   {stamp: func(s *timestamp.Timestamp) { s.AddTSACertificate = false }, forged: true},
	"another imprint":                  {stamp: func(s *timestamp.Timestamp) { s.HashedMessage = bytes.Repeat([]byte{7}, 32) }, forged: true},
	"a vague time":                     {stamp: func(s *timestamp.Timestamp) { s.Accuracy = time.Hour }},
	"another policy":                   {stamp: func(s *timestamp.Timestamp) { s.Policy = asn1.ObjectIdentifier{1, 2, 3, 5} }},
	"what must be understood": {stamp: func(s *timestamp.Timestamp) {
		s.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
	}},
	"another nonce": {stamp: func(s *timestamp.Timestamp) { s.Nonce = big.NewInt(7) }, forged: true, fine: true},
	"no nonce":      {stamp: func(s *timestamp.Timestamp) { s.Nonce = nil }, forged: true, fine: true},
	"a late clock":  {stamp: func(s *timestamp.Timestamp) { s.Time = s.Time.Add(-time.Hour) }, kind: taffrail.KindUnavailable, fine: true},
	"a fast clock":  {stamp: func(s *timestamp.Timestamp) { s.Time = s.Time.Add(time.Hour) }, kind: taffrail.KindUnavailable},
}

func uses(critical bool, oids ...asn1.ObjectIdentifier) func(testing.TB, *x509.Certificate) {
	return func(t testing.TB, c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{usage(t, critical, oids...)}
	}
}

func TestBadStamps(t *testing.T) {
	c := newChain(t)
	cp := checkpoints(t, 1)[0]
	for name, tc := range bad {
		t.Run(name, func(t *testing.T) {
			s := newStamper(t, c, func(x *x509.Certificate) {
				if tc.certificate != nil {
					tc.certificate(t, x)
				}
			})
			s.change = tc.stamp
			if tc.hash != 0 {
				s.hash = tc.hash
			}
			var response []byte
			url := serve(t, func(query []byte) []byte {
				response = s.reply(query)
				return response
			})
			a := open(t, time.Now, "name: stamps\nurl: "+url+"\nca_file: "+c.file+"\npolicy: 1.2.3.4.1")
			kind := taffrail.KindInvalid
			if tc.kind != "" {
				kind = tc.kind
			}
			_, err := a.Anchor(t.Context(), cp)
			if taffrail.KindOf(err) != kind || taffrail.HintOf(err) == "" || errors.Is(err, errForged) != tc.forged {
				t.Errorf("asked for: %v, kind %s, hint %q", err, taffrail.KindOf(err), taffrail.HintOf(err))
			}
			_, err = a.Check(t.Context(), cp, receiptOf(t, cp, response))
			var corrupt *audit.CorruptError
			if (err == nil) != tc.fine || errors.As(err, &corrupt) != (tc.forged && !tc.fine) {
				t.Errorf("checked: %v", err)
			}
		})
	}
}

func receiptOf(t testing.TB, cp audit.Checkpoint, response []byte) audit.Receipt {
	t.Helper()
	return audit.Receipt{Size: cp.Size, Kind: kind, Anchor: "stamps", Data: stampOf(t, cp.Note, response)}
}

func stampOf(t testing.TB, note, response []byte) []byte {
	t.Helper()
	data, err := audit.Stamp{Note: note, Response: response}.Data()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// stamped gives a good receipt, and what checks it.
func stamped(t testing.TB, c *chain, s *stamper, cp audit.Checkpoint) (audit.Anchor, audit.Receipt, []byte) {
	t.Helper()
	a := open(t, time.Now, "name: stamps\nurl: "+serve(t, s.reply)+"\nca_file: "+c.file)
	r, err := a.Anchor(t.Context(), cp)
	if err != nil {
		t.Fatal(err)
	}
	held, err := parseReceipt(r.Data)
	if err != nil {
		t.Fatal(err)
	}
	return a, r, held.Response
}

func wantCorrupt(t *testing.T, err error) {
	t.Helper()
	var corrupt *audit.CorruptError
	if !errors.As(err, &corrupt) || taffrail.KindOf(err) != taffrail.KindCorrupt || taffrail.HintOf(err) == "" || corrupt.To == 0 {
		t.Errorf("error is %v, want one of kind corrupt", err)
	}
}

func TestCheckRefusesWhatContradicts(t *testing.T) {
	c := newChain(t)
	cps := checkpoints(t, 2)
	a, r, response := stamped(t, c, newStamper(t, c, nil), cps[0])
	_, other, otherResponse := stamped(t, c, newStamper(t, c, nil), cps[1])
	for name, tc := range map[string]struct {
		cp   audit.Checkpoint
		data []byte
		size int64
	}{
		"another checkpoint's":      {cps[0], other.Data, 1},
		"another stamp":             {cps[0], receiptOf(t, cps[0], otherResponse).Data, 1},
		"another size":              {cps[0], r.Data, 2},
		"a note that was changed":   {cps[0], stampOf(t, append(bytes.Clone(cps[0].Note), '\n'), response), 1},
		"no receipt":                {cps[0], nil, 1},
		"more than was written":     {cps[0], bytes.Replace(r.Data, []byte(`{`), []byte(`{"more":1,`), 1), 1},
		"spaces":                    {cps[0], bytes.Replace(r.Data, []byte(`,"`), []byte(`, "`), 1), 1},
		"no stamp":                  {cps[0], receiptOf(t, cps[0], nil).Data, 1},
		"a stamp cut short":         {cps[0], receiptOf(t, cps[0], response[:len(response)-1]).Data, 1},
		"something after the stamp": {cps[0], receiptOf(t, cps[0], append(bytes.Clone(response), 0)).Data, 1},
		"a refusal":                 {cps[0], receiptOf(t, cps[0], refusing(t, timestamp.Rejection, timestamp.BadRequest)).Data, 1},
		"another tree":              {audit.Checkpoint{Head: audit.Head{Origin: cps[0].Origin, Size: 1, Root: cps[1].Root}, Note: cps[0].Note}, r.Data, 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := a.Check(t.Context(), tc.cp, audit.Receipt{Size: tc.size, Kind: kind, Anchor: "stamps", Data: tc.data})
			wantCorrupt(t, err)
		})
	}
	for _, wrong := range []audit.Receipt{{Size: 1, Kind: "git", Anchor: "stamps", Data: r.Data}, {Size: 1, Kind: kind, Anchor: "x", Data: r.Data}} {
		if _, err := a.Check(t.Context(), cps[0], wrong); taffrail.KindOf(err) != taffrail.KindInvalid {
			t.Errorf("a receipt of another anchor: %v", err)
		}
	}
}

// Whatever byte of an answer is changed, the stamp is refused, or it says what it said.
func TestCheckUnderEveryChangedByte(t *testing.T) {
	c := newChain(t)
	cp := checkpoints(t, 1)[0]
	a, r, response := stamped(t, c, newStamper(t, c, nil), cp)
	refused := 0
	for i := range response {
		changed := bytes.Clone(response)
		changed[i] ^= 1 << (i % 8)
		at, err := a.Check(t.Context(), cp, receiptOf(t, cp, changed))
		switch {
		case err != nil:
			refused++
		case !at.Equal(r.At):
			t.Errorf("byte %d: the time is now %v", i, at)
		}
	}
	if refused < len(response)*9/10 {
		t.Errorf("only %d of %d changes are refused", refused, len(response))
	}
}

func TestOtherRootsAreNotTrusted(t *testing.T) {
	c, other := newChain(t), newChain(t)
	cp := checkpoints(t, 1)[0]
	url := serve(t, newStamper(t, c, nil).reply)
	_, err := open(t, time.Now, "name: stamps\nurl: "+url+"\nca_file: "+other.file).Anchor(t.Context(), cp)
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) || taffrail.KindOf(err) != taffrail.KindInvalid || !strings.Contains(taffrail.HintOf(err), "ca_file") {
		t.Errorf("error is %v", err)
	}
	_, r, _ := stamped(t, c, newStamper(t, c, nil), cp)
	_, err = open(t, time.Now, "name: stamps\nurl: "+url+"\nca_file: "+other.file).Check(t.Context(), cp, r)
	var corrupt *audit.CorruptError
	if !errors.As(err, &unknown) || errors.As(err, &corrupt) {
		t.Errorf("error is %v", err)
	}
}

// The same key has two certificates of one issuer and number. What was signed with the one does not count with the other.
func TestCertificateIsTheOneThatIsNamed(t *testing.T) {
	c := newChain(t)
	cp := checkpoints(t, 1)[0]
	s := newStamper(t, c, nil)
	twin := c.issue(s.key, func(x *x509.Certificate) { x.NotAfter = x.NotAfter.AddDate(1, 0, 0) })
	a, _, response := stamped(t, c, s, cp)
	changed := bytes.Replace(response, s.cert.Raw, twin.Raw, 1)
	if len(changed) != len(response) || bytes.Equal(changed, response) {
		t.Fatal("the certificates differ in length")
	}
	_, err := a.Check(t.Context(), cp, receiptOf(t, cp, changed))
	wantCorrupt(t, err)
}

// What is signed must be a time stamp, signed once, with the attributes of one.
func TestSignedMessagesThatAreNoTimeStamps(t *testing.T) {
	c := newChain(t)
	cp := checkpoints(t, 1)[0]
	s := newStamper(t, c, nil)
	a, _, response := stamped(t, c, s, cp)
	token, err := tokenOf(response)
	if err != nil {
		t.Fatal(err)
	}
	good, err := pkcs7.Parse(token)
	if err != nil {
		t.Fatal(err)
	}
	var named asn1.RawValue
	if err := good.UnmarshalSignedAttribute(oidSigningCertificateV2, &named); err != nil {
		t.Fatal(err)
	}
	name := pkcs7.Attribute{Type: oidSigningCertificateV2, Value: named}
	for label, tc := range map[string]struct {
		content asn1.ObjectIdentifier
		signers int
		plain   bool
		extra   []pkcs7.Attribute
		fine    bool
	}{
		"one that is good":       {oidTSTInfo, 1, false, []pkcs7.Attribute{name}, true},
		"of another type":        {pkcs7.OIDData, 1, false, []pkcs7.Attribute{name}, false},
		"without a name":         {oidTSTInfo, 1, false, nil, false},
		"without any attributes": {oidTSTInfo, 1, true, nil, false},
		"signed twice":           {oidTSTInfo, 2, false, []pkcs7.Attribute{name}, false},
	} {
		t.Run(label, func(t *testing.T) {
			message, err := pkcs7.NewSignedData(good.Content)
			if err != nil {
				t.Fatal(err)
			}
			message.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
			message.SetContentType(tc.content)
			for range tc.signers {
				sign := func() error {
					return message.AddSigner(s.cert, s.key, pkcs7.SignerInfoConfig{ExtraSignedAttributes: tc.extra})
				}
				if tc.plain {
					sign = func() error { return message.SignWithoutAttr(s.cert, s.key, pkcs7.SignerInfoConfig{}) }
				}
				if err := sign(); err != nil {
					t.Fatal(err)
				}
			}
			token, err := message.Finish()
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.Check(t.Context(), cp, receiptOf(t, cp, granted(t, token)))
			if tc.fine {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCorrupt(t, err)
		})
	}
}

// granted is an answer with a token.
func granted(t testing.TB, token []byte) []byte {
	t.Helper()
	response, err := asn1.Marshal(struct {
		Info  struct{ Status int }
		Token asn1.RawValue
	}{Token: asn1.RawValue{FullBytes: token}})
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func refusing(t testing.TB, status timestamp.Status, failure timestamp.FailureInfo) []byte {
	t.Helper()
	response, err := timestamp.CreateErrorResponse(status, failure)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func TestAuthorityRefuses(t *testing.T) {
	c := newChain(t)
	cp := checkpoints(t, 1)[0]
	for failure, tc := range map[timestamp.FailureInfo]struct {
		kind taffrail.Kind
		says string
	}{
		timestamp.BadAlgorithm:     {taffrail.KindInvalid, "Algorithm"},
		timestamp.UnacceptedPolicy: {taffrail.KindInvalid, "policy"},
		timestamp.TimeNotAvailable: {taffrail.KindUnavailable, "time source"},
		timestamp.SystemFailure:    {taffrail.KindUnavailable, "system failure"},
	} {
		url := serve(t, func([]byte) []byte { return refusing(t, timestamp.Rejection, failure) })
		_, err := open(t, time.Now, "name: stamps\nurl: "+url+"\nca_file: "+c.file).Anchor(t.Context(), cp)
		var r *refusal
		if taffrail.KindOf(err) != tc.kind || !errors.As(err, &r) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%v: %v", failure, err)
		}
	}
	for _, garbage := range []string{"", "garbage", "\x30\x00", "\x30\x80\x00\x00"} {
		url := serve(t, func([]byte) []byte { return []byte(garbage) })
		if _, err := open(t, time.Now, "name: stamps\nurl: "+url+"\nca_file: "+c.file).Anchor(t.Context(), cp); taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" {
			t.Errorf("%q: %v", garbage, err)
		}
	}
}

func TestServersThatAreNoAuthority(t *testing.T) {
	c := newChain(t)
	cp := checkpoints(t, 1)[0]
	var elsewhere atomic.Int32
	other := answering(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		kind    taffrail.Kind
	}{
		"asks who we are":   {status(401), taffrail.KindDenied},
		"does not let us":   {status(403), taffrail.KindDenied},
		"is elsewhere":      {status(404), taffrail.KindInvalid},
		"is asked too much": {status(429), taffrail.KindUnavailable},
		"is broken":         {status(500), taffrail.KindUnavailable},
		"sends us away":     {http.RedirectHandler(other, http.StatusPermanentRedirect).ServeHTTP, taffrail.KindInvalid},
		"shows a page":      {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, taffrail.KindInvalid},
		"stamps, and calls it a page": {func(w http.ResponseWriter, r *http.Request) {
			query, _ := io.ReadAll(r.Body)
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write(newStamper(t, c, nil).reply(query))
		}, taffrail.KindInvalid},
		"says too much": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", replyType)
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, taffrail.KindInvalid},
		"says nothing": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, taffrail.KindUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			timeout := "5s"
			if name == "says nothing" {
				timeout = "50ms"
			}
			_, err := open(t, time.Now, "name: stamps\nurl: "+answering(t, tc.handler)+"\nca_file: "+c.file+"\ntimeout: "+timeout).Anchor(ctx, cp)
			if ctx.Err() != nil || taffrail.KindOf(err) != tc.kind || tc.kind != taffrail.KindUnavailable && taffrail.HintOf(err) == "" {
				t.Errorf("error is %v, kind %s", err, taffrail.KindOf(err))
			}
		})
	}
	if elsewhere.Load() > 0 {
		t.Error("another host was asked")
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	if _, err := open(t, time.Now, "name: stamps\nurl: "+gone.URL+"\nca_file: "+c.file).Anchor(t.Context(), cp); taffrail.KindOf(err) != taffrail.KindUnavailable {
		t.Errorf("error is %v", err)
	}
	secure := httptest.NewUnstartedServer(nil)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	if _, err := open(t, time.Now, "name: stamps\nurl: "+secure.URL+"\nca_file: "+c.file).Anchor(t.Context(), cp); taffrail.KindOf(err) != taffrail.KindDenied {
		t.Errorf("error is %v", err)
	}
}

// Secrets are sent, may change from one request to the next, and show nowhere.
func TestSecretsAreSentAndNotShown(t *testing.T) {
	c := newChain(t)
	cp := checkpoints(t, 1)[0]
	dir := t.TempDir()
	password, headers := filepath.Join(dir, "password"), filepath.Join(dir, "headers")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got http.Header
	url := answering(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		w.WriteHeader(http.StatusUnauthorized)
	})
	a := open(t, time.Now, fmt.Sprintf("name: stamps\nurl: %s\nca_file: %s\nuser: us\npassword_file: %s\nheaders_file: %s", url, c.file, password, headers))
	ask := func(want taffrail.Kind) {
		t.Helper()
		_, err := a.Anchor(t.Context(), cp)
		if taffrail.KindOf(err) != want || strings.Contains(err.Error()+taffrail.HintOf(err), "hunter") {
			t.Errorf("error is %v", err)
		}
	}
	ask(taffrail.KindDenied) // no such file
	if got != nil {
		t.Error("it was asked without the password")
	}
	write(password, "hunter2\n")
	write(headers, "X-Token: hunter3 \r\n\nX-More:a:b\n")
	ask(taffrail.KindDenied)
	if r := (&http.Request{Header: got}); got.Get("X-Token") != "hunter3" || got.Get("X-More") != "a:b" {
		t.Errorf("headers are %v", got)
	} else if user, secret, _ := r.BasicAuth(); user != "us" || secret != "hunter2" {
		t.Errorf("user %s, password %s", user, secret)
	}
	write(password, "hunter4")
	ask(taffrail.KindDenied)
	if _, secret, _ := (&http.Request{Header: got}).BasicAuth(); secret != "hunter4" {
		t.Errorf("password %s", secret)
	}
	for _, text := range []string{"hunter5", "hunter 5: x", ": hunter5", "X: hunter\x015"} {
		write(headers, text)
		ask(taffrail.KindInvalid)
	}
}

func TestConfigRefuses(t *testing.T) {
	c := newChain(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := "name: stamps\nurl: https://stamps.example/tsr\nca_file: " + c.file
	if _, err := tryOpen(t, time.Now, good); err != nil {
		t.Fatal(err)
	}
	for _, settings := range []string{
		"", strings.Replace(good, "name: stamps", "", 1), strings.Replace(good, "https://stamps.example/tsr", "", 1),
		strings.Replace(good, "https://", "ftp://", 1), strings.Replace(good, "https://", "https://u:hunter2@", 1),
		strings.Replace(good, "/tsr", "/tsr?token=hunter2", 1), strings.Replace(good, "https://stamps.example/tsr", "'https://hunter2%@[x'", 1),
		strings.Replace(good, c.file, "/nowhere", 1), strings.Replace(good, c.file, empty, 1), strings.Replace(good, "ca_file: "+c.file, "", 1),
		good + "\npolicy: x", good + "\npolicy: 1", good + "\npolicy: 9.9.9", good + "\npolicy: 1..2", good + "\ntimeout: -1s",
		good + "\nuser: us", good + "\npassword_file: x", good + "\nmore: 1",
	} {
		_, err := tryOpen(t, time.Now, settings)
		if taffrail.KindOf(err) != taffrail.KindInvalid || taffrail.HintOf(err) == "" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, hint %q", settings, err, taffrail.HintOf(err))
		}
	}
}

// An answer that is nested as deeply as it is long is refused before it costs anything.
func TestDepthIsBounded(t *testing.T) {
	c := newChain(t)
	cp := checkpoints(t, 1)[0]
	a, _, _ := stamped(t, c, newStamper(t, c, nil), cp)
	var token []byte
	for len(token) < 1<<16 { // longer ones take minutes where this is not looked at
		var err error
		if token, err = asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: token}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := a.Check(t.Context(), cp, receiptOf(t, cp, granted(t, token)))
	wantCorrupt(t, err)
	if !strings.Contains(err.Error(), "DER") {
		t.Errorf("it is refused for another reason: %v", err)
	}
}

// FuzzCheck gives any receipt. What is accepted says the time of the one good stamp.
func FuzzCheck(f *testing.F) {
	c := newChain(f)
	cp := checkpoints(f, 1)[0]
	a, r, response := stamped(f, c, newStamper(f, c, nil), cp)
	f.Add(response)
	f.Add(response[:len(response)/2])
	f.Add(refusing(f, timestamp.Rejection, timestamp.BadRequest))
	f.Fuzz(func(t *testing.T, response []byte) {
		at, err := a.Check(t.Context(), cp, receiptOf(t, cp, response))
		if err == nil && !at.Equal(r.At) {
			t.Errorf("%x is accepted, with time %v", response, at)
		}
	})
}

func TestReceiptIsBounded(t *testing.T) {
	for size, fine := range map[int]bool{maxReceipt / 2: true, maxReceipt: false} {
		data, err := audit.Stamp{Note: []byte("x"), Response: make([]byte, size)}.Data()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseReceipt(data); (err == nil) != fine {
			t.Errorf("%d bytes: %v", len(data), err)
		}
	}
}

func FuzzParseReceipt(f *testing.F) {
	good, _ := audit.Stamp{Note: []byte("log\n1\nx\n\n— log <AAAA>\n"), Response: []byte{1, 2}}.Data()
	f.Add(good)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		held, err := parseReceipt(data)
		if err != nil {
			return
		}
		if again, err := held.Data(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%q becomes %q, %v", data, again, err)
		}
	})
}

func FuzzParseHeaders(f *testing.F) {
	f.Add("Authorization: Bearer x\nA: b\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		header, err := parseHeaders(text)
		if err != nil {
			return
		}
		request := httptest.NewRequest(http.MethodPost, "http://x.example", nil)
		request.Header = header
		if err := request.Write(io.Discard); err != nil {
			t.Errorf("%q: %v", header, err)
		}
	})
}
