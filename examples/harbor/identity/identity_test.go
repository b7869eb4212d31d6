package identity

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

func grant() Grant { return Grant{KeyID: "ASIA1", Now: now, Duration: time.Hour} }

// A credential is read as what it was made of, until it has expired, and by no other cloud.
func TestCredentials(t *testing.T) {
	d := Practice()
	m := NewMint("sesame", d)
	s, err := d.SignIn(grant(), "carol@corp.example", "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := m.Credential(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Read(text, now.Add(59*time.Minute))
	if diff := cmp.Diff(s, got); err != nil || diff != "" {
		t.Errorf("%v (-made +read):\n%s", err, diff)
	}
	if _, err := m.Read(text, now.Add(time.Hour)); !errors.Is(err, ErrExpired) {
		t.Errorf("after an hour: %v", err)
	}
	id, secret, _ := strings.Cut(text, "/")
	body, code, _ := strings.Cut(secret, ".")
	for name, other := range map[string]string{
		"nothing": "", "no secret": id, "another key": "ASIA2/" + secret, "no code": id + "/" + body, "half a code": id + "/" + body + "." + code[:20], "another session": id + "/" + body + "e." + code, "not a session": id + "/e30." + code,
	} {
		if _, err := m.Read(other, now); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewMint("another", d).Read(text, now); !errors.Is(err, ErrUnknown) {
		t.Errorf("another cloud: %v", err)
	}
	for _, u := range d.Users {
		got, err := m.Read(m.Key(u), now.Add(1000*time.Hour))
		if err != nil || got.UserName != u.Name || got.Person != u.Person {
			t.Errorf("%s: %+v, %v", u.Name, got, err)
		}
		if _, err := m.Read(u.KeyID()+"/x", now); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s with another secret: %v", u.Name, err)
		}
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	d := Practice()
	session := func(mail, set string) Session {
		t.Helper()
		s, err := d.SignIn(grant(), mail, set)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, tt := range []struct {
		who    Session
		action string
		may    bool
	}{
		{session("carol@corp.example", ""), "access:DeleteRole", true},
		{session("carol@corp.example", "ReadOnly"), "access:DeleteRole", false},
		{session("erin@corp.example", ""), "access:DeleteRole", false},
		{session("erin@corp.example", ""), "storage:DeleteBucket", true},
		{session("mallory@corp.example", ""), "compute:StopInstances", false},
		{session("mallory@corp.example", ""), "queue:TagQueue", true},
		{session("mallory@corp.example", ""), "sts:AssumeRole", true},
		{session("frank@corp.example", ""), "storage:GetBucket", true},
		{session("frank@corp.example", ""), "storage:PutBucketPolicy", false},
		{Service("x"), "storage:PutBucketPolicy", true},
		{Session{}, "storage:GetBucket", false},
	} {
		if got := tt.who.May(tt.action); got != tt.may {
			t.Errorf("%s may %s: %v", tt.who.ID, tt.action, got)
		}
	}
}

// A chain of roles keeps the person and the source identity, and the permissions of the last alone.
func TestChain(t *testing.T) {
	d := Practice()
	carol, err := d.SignIn(grant(), "carol@corp.example", "")
	if err != nil {
		t.Fatal(err)
	}
	first, err := d.Assume(grant(), carol, "Operations", "carol", "carol")
	if err != nil {
		t.Fatal(err)
	}
	last, err := d.Assume(grant(), first, ARN("iam", "role/Maintenance"), "carol", "somebody")
	if err != nil || !last.Person || last.SourceIdentity != "carol" || last.May("storage:DeleteBucket") || !last.May("storage:PutBucketPolicy") {
		t.Errorf("%+v, %v", last, err)
	}
	if want := "arn:aws-harbor:sts::123456789012:assumed-role/Maintenance/carol"; last.ID != want {
		t.Errorf("it is called %s", last.ID)
	}
}

func FuzzRead(f *testing.F) {
	d := Practice()
	m := NewMint("sesame", d)
	s, err := d.SignIn(grant(), "carol@corp.example", "")
	if err != nil {
		f.Fatal(err)
	}
	good, err := m.Credential(s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("AKIA/x")
	f.Add("/.")
	f.Fuzz(func(t *testing.T, credential string) {
		got, err := m.Read(credential, now)
		if err == nil && credential != good {
			for _, u := range d.Users {
				if credential == m.Key(u) {
					return
				}
			}
			t.Errorf("%q is taken for %s", credential, got.ID)
		}
	})
}
