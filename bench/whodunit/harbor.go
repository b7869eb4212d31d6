package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/taffrail-dev/taffrail/examples/harbor/action"
	"github.com/taffrail-dev/taffrail/examples/harbor/api"
	"github.com/taffrail-dev/taffrail/examples/harbor/chaos"
	"github.com/taffrail-dev/taffrail/examples/harbor/client"
	"github.com/taffrail-dev/taffrail/examples/harbor/cloud"
	"github.com/taffrail-dev/taffrail/examples/harbor/identity"
	"github.com/taffrail-dev/taffrail/examples/harbor/trail"
)

// The corpus of the practice cloud: real calls to a cloud of ours, with the audit trail that it keeps and the truth that it writes down beside it.
// Its events and the models of them have one author.

// judge is what whoever reads objects for the labels calls itself. What it does is in no case.
const judge = "judge"

// A notebook is trail and truth of a cloud in memory.
type notebook struct {
	records  []json.RawMessage
	sessions []json.RawMessage // how those who are there now have signed in
	truth    []trail.Truth
}

func (n *notebook) Append(r trail.Record, _ bool) error {
	text, err := json.Marshal(r)
	switch {
	case r.UserAgent == judge:
	case strings.HasPrefix(r.EventSource, "sts."):
		n.sessions = append(n.sessions, text)
	default:
		n.records = append(n.records, text)
	}
	return err
}

func (n *notebook) LastChange() string { return "" }
func (n *notebook) Count() uint64      { return uint64(len(n.records)) }
func (n *notebook) Flush() error       { return nil }

// teller is the notebook as the truth log.
type teller struct{ *notebook }

func (t teller) Append(lines []trail.Truth) error {
	t.truth = append(t.truth, lines...)
	return nil
}

func (t teller) Last() string { return "" }

// A town is a practice cloud with people in it.
type town struct {
	*notebook
	r     *rand.Rand
	clock *cloud.Clock
	cloud *cloud.Cloud
	plain *client.Client // signs people in, and works the switches
	eye   *client.Client // of the judge
	hands map[string]*client.Client
	since time.Time // when they signed in
	stop  func()
}

func foundTown(ctx context.Context, seed int) (*town, error) {
	t := &town{notebook: &notebook{}, r: rand.New(rand.NewPCG(uint64(seed), 4711)), hands: map[string]*client.Client{}}
	t.clock = cloud.NewClock(time.Date(2026, 1, 1, t.r.IntN(24), t.r.IntN(60), 0, 0, time.UTC), 0)
	d := identity.Practice()
	c, err := cloud.Open(cloud.Options{Clock: t.clock, Seed: fmt.Sprint("town ", seed), Directory: &d, Trail: t.notebook, Truth: teller{t.notebook}})
	if err != nil {
		return nil, err
	}
	server := httptest.NewServer(c)
	t.cloud, t.stop = c, func() { server.Close(); _ = c.Close() }
	t.plain, err = client.New(server.URL, client.Options{Operator: true, UserAgent: "harbor-cli/1"})
	if err != nil {
		return nil, err
	}
	return t, t.signIn(ctx)
}

// signIn gets everybody a session; they last an hour.
func (t *town) signIn(ctx context.Context) error {
	t.since, t.sessions = t.clock.Now(), nil
	for _, who := range chaos.People {
		key, err := t.plain.Login(ctx, who)
		if err != nil {
			return fmt.Errorf("sign in as %s: %w", who, err)
		}
		t.hands[who] = t.plain.As(key)
	}
	t.eye = t.hands[chaos.People[0]].CallingItself(judge)
	return nil
}

// pass lets time go by.
func (t *town) pass(ctx context.Context, d time.Duration) error {
	t.clock.Advance(d)
	if t.clock.Now().Sub(t.since) > 40*time.Minute {
		return t.signIn(ctx)
	}
	return nil
}

// A plot is a resource type of the practice provider: the kind of object behind it, and what of it the resource shows.
type plot struct {
	name string // of the type
	kind string
	sets []string
	show func(api.Object) m // nil: it is not there
	part string             // the one attribute of the object that it is about; empty: all that it shows
}

func hiding(names ...string) func(api.Object) m {
	return func(o api.Object) m {
		out := m{"id": o.ID}
		for name, v := range o.Attributes {
			if !slices.Contains(names, name) && !strings.HasSuffix(name, "_set") {
				out[name] = v
			}
		}
		return out
	}
}

// piece shows one attribute of an object as a resource of its own.
func piece(attribute string, f func(v any) m) func(api.Object) m {
	return func(o api.Object) m {
		v := o.Attributes[attribute]
		if v == nil {
			return nil
		}
		out := f(v)
		if out != nil {
			out["id"] = o.ID
		}
		return out
	}
}

func plots() []plot {
	fields := func(v any) m { return maps.Clone(v.(m)) }
	return []plot{
		{name: "harbor_firewall", kind: "firewall", sets: []string{"rules"}, show: hiding()},
		{name: "harbor_bucket", kind: "bucket", sets: []string{"lifecycle_rules"}, show: hiding("object_count", "updated_at", "etag", "public_access")},
		{name: "harbor_bucket_policy", kind: "bucket", part: "policy", show: piece("policy", func(v any) m { return m{"policy": v} })},
		{name: "harbor_bucket_versioning", kind: "bucket", part: "versioning", show: piece("versioning", func(v any) m { return m{"enabled": v} })},
		{name: "harbor_bucket_encryption", kind: "bucket", part: "encryption", show: piece("encryption", fields)},
		{name: "harbor_bucket_public_access", kind: "bucket", part: "public_access", show: piece("public_access", fields)},
		{name: "harbor_role", kind: "role", show: hiding("attached_policies", "inline_policies")},
		{name: "harbor_role_policy", kind: "role", part: "inline_policies", show: piece("inline_policies", func(v any) m {
			if p := v.(m)["logs"]; p != nil {
				return m{"name": "logs", "policy": p}
			}
			return nil
		})},
		{name: "harbor_role_policy_attachment", kind: "role", part: "attached_policies", show: piece("attached_policies", func(v any) m {
			if slices.Contains(v.(l), any("policy/read-only")) {
				return m{"policy": "policy/read-only"}
			}
			return nil
		})},
		{name: "harbor_instance", kind: "instance", sets: []string{"firewall_ids"}, show: hiding()},
		{name: "harbor_database", kind: "database", sets: []string{"users"}, show: hiding("endpoint")},
		{name: "harbor_function", kind: "function", show: hiding()},
		{name: "harbor_queue", kind: "queue", show: hiding()},
		{name: "harbor_dns_record", kind: "dns_record", sets: []string{"values"}, show: hiding()},
		{name: "harbor_key", kind: "key", show: hiding()},
		{name: "harbor_template", kind: "template", show: hiding()},
		{name: "harbor_scaling_group", kind: "scaling_group", show: hiding()},
	}
}

// first are the attributes of new objects.
func first(kind, name string) m {
	n := func(v int) json.Number { return json.Number(fmt.Sprint(v)) }
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"nobody","Action":"read","Resource":"*"}]}`
	own := map[string]m{
		"firewall": {"description": "new", "rules": l{m{"direction": "in", "protocol": "tcp", "from_port": n(443), "to_port": n(443), "cidrs": l{"10.0.0.0/8"}}}},
		"bucket":   {"policy": policy, "versioning": false, "encryption": m{"algorithm": "aes256", "key_id": "key-1"}, "public_access": m{"block_acls": true, "block_policy": true}},
		"role":     {"description": "new", "trust_policy": policy, "attached_policies": l{"policy/read-only"}, "inline_policies": m{"logs": policy}},
		"instance": {"instance_type": "m.tiny"}, "database": {"engine": "postgres", "size": "tiny", "users": l{m{"name": "app", "role": "reader"}}}, "function": {"runtime": "go0", "environment": m{"LOG_LEVEL": "warn"}},
		"dns_record": {"zone": "practice.example", "type": "A", "values": l{"192.0.2.1"}}, "key": {"policy": policy, "rotation": true}, "template": {"image": "img-00000000", "instance_type": "m.tiny"},
		"scaling_group": {"min_size": n(1), "max_size": n(6), "desired_capacity": n(1)},
	}[kind]
	out := m{"name": name, "tags": m{"Owner": "nobody"}}
	maps.Copy(out, own)
	if kind == "database" || kind == "dns_record" {
		delete(out, "tags")
	}
	return out
}

// tale is what happens to one resource of a town in one window.
type tale struct {
	*town
	p       plot
	d       dial
	it      api.Object
	others  []api.Object
	state   map[string]string
	now     m // the resource; nil: it is not there
	writers map[string]writer
}

// gone is the key under which a resource that is not there differs from one that is.
const gone = ""

func tellHarbor(ctx context.Context, t *town, p plot, seed int, d dial) (item, error) {
	w := &tale{town: t, p: p, d: d, writers: map[string]writer{}}
	if err := w.build(ctx, seed); err != nil {
		return item{}, err
	}
	if err := w.pass(ctx, time.Minute); err != nil {
		return item{}, err
	}
	before, start, from := w.now, t.clock.Now(), len(t.records)
	begun := maps.Clone(w.state)
	for range 1 + w.r.IntN(12) {
		if err := w.something(ctx); err != nil {
			return item{}, err
		}
	}
	end := t.clock.Now().Add(time.Second)
	c := whodunitCase{Format: "taffrail.whodunit/1", ID: fmt.Sprintf("harbor-%s-%d-%02.0f%s", p.name, seed, d.missing*100, d.suffix()), Window: window{start, end}, Now: end.Add(time.Hour)}
	c.Resources = []resource{{Address: p.name + ".it", Type: p.name, IDs: w.ids(), Before: exact(before), Sets: slices.Concat([]string{}, p.sets)}}
	if w.now != nil {
		c.Resources[0].After = exact(w.now)
	}
	kept, present := w.deliver(slices.Concat(t.sessions, t.records[from:]), &c)
	c.Events = []events{{"cloudtrail", kept}}
	it := item{c: c, corpus: "harbor" + d.name(), seed: seed, missing: d.missing}
	for _, key := range w.changed(begun) {
		s := story{writers: w.writers}
		it.labels = append(it.labels, s.label(c.ID, p.name+".it", key, p.name, present))
	}
	return it, w.pass(ctx, time.Hour)
}

// changed lists what is to be explained at the end.
func (w *tale) changed(begun map[string]string) []string {
	if w.now == nil {
		return []string{gone}
	}
	return changed(begun, w.state)
}

func (d dial) suffix() string {
	switch {
	case d.redacted > 0:
		return "-dim"
	case d.late:
		return "-late"
	case d.skewed:
		return "-skew"
	}
	return ""
}

func (d dial) name() string {
	switch {
	case d.late:
		return " late"
	case d.skewed:
		return " skewed"
	}
	return ""
}

// build makes the object that the tale is about, and others of its kind.
func (w *tale) build(ctx context.Context, seed int) error {
	builder := w.hands[chaos.People[0]]
	var template api.Object
	for i := range 3 {
		attributes := first(w.p.kind, fmt.Sprintf("%s-%d-%d", strings.ReplaceAll(strings.TrimPrefix(w.p.name, "harbor_"), "_", "-"), seed, i))
		if w.p.kind == "scaling_group" {
			var err error
			if template, err = builder.Make(ctx, "template", first("template", fmt.Sprintf("template-%d-%d", seed, i))); err != nil {
				return err
			}
			attributes["template_id"] = template.ID
		}
		o, err := builder.Make(ctx, w.p.kind, attributes)
		if err != nil {
			return err
		}
		w.others = append(w.others, o)
		if i == 0 {
			w.it = o
		}
		if template.ID != "" {
			w.others = append(w.others, template)
		}
	}
	now, err := w.look(ctx)
	w.now, w.state, w.truth = now, w.flat(now), nil
	return err
}

func (w *tale) look(ctx context.Context) (m, error) {
	o, _, err := w.eye.Get(ctx, w.it.Type, w.it.ID)
	if client.NotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w.it = o
	return w.p.show(o), nil
}

func (w *tale) flat(now m) map[string]string {
	if now == nil {
		return map[string]string{}
	}
	return flat(exact(now), w.p.sets)
}

// ids are what a provider of the type knows the resource by.
func (w *tale) ids() []string {
	out := []string{w.it.ID}
	if arn, ok := w.it.Attributes["arn"].(string); ok {
		out = append(out, arn)
	}
	name := w.it.Name()
	switch w.p.kind {
	case "bucket":
		out = append(out, "arn:"+identity.Partition+":storage:::"+name)
	case "dns_record":
		out = append(out, name+"."+str(w.it.Attributes["zone"]))
	case "queue":
		out = append(out, str(w.it.Attributes["url"]))
	case "firewall", "database":
		out = append(out, "arn:"+identity.Partition+":"+w.p.kind+":"+identity.Region+":"+identity.Account+":"+w.p.kind+"/"+w.it.ID)
	}
	return append(out, name)
}

// something is one of what people, programs and services do.
func (w *tale) something(ctx context.Context) error {
	if w.r.Float64() >= w.d.tied {
		if err := w.pass(ctx, time.Duration(1+w.r.IntN(120))*time.Second); err != nil {
			return err
		}
	}
	switch n := w.r.IntN(100); {
	case n < 8:
		_, err := w.cloud.Step()
		return errors.Join(err, w.observe(ctx))
	case n < 18:
		return w.change(ctx, pick(w.r, w.others...))
	case n < 26:
		return w.bulk(ctx)
	case n < 34:
		return w.toAndFro(ctx)
	case n < 42:
		a, given := chaos.Change(w.r, w.it)
		return errors.Join(w.do(ctx, []string{w.it.ID}, w.it.Type, a, given), w.do(ctx, []string{w.it.ID}, w.it.Type, a, given))
	}
	return w.change(ctx, w.it)
}

// change picks what is about the resource's own part of the object as often as not.
func (w *tale) change(ctx context.Context, on api.Object) error {
	a, given := chaos.Change(w.r, on)
	for i := 0; w.p.part != "" && i < 20 && !slices.Contains(a.Attributes, w.p.part) && w.r.IntN(5) > 0; i++ {
		a, given = chaos.Change(w.r, on)
	}
	return w.do(ctx, []string{on.ID}, on.Type, a, given)
}

// bulk is one call about the object and others.
func (w *tale) bulk(ctx context.Context) error {
	all := chaos.Bulk(w.it.Type)
	if len(all) == 0 {
		return w.change(ctx, w.it)
	}
	a := pick(w.r, all...)
	var ids []string
	for _, o := range w.others {
		if o.Type == w.it.Type {
			ids = append(ids, o.ID)
		}
	}
	given, ok := chaos.Give(w.r, w.it, a)
	if !ok {
		return nil
	}
	return w.do(ctx, ids, w.it.Type, a, given)
}

// toAndFro is a change that is taken back.
func (w *tale) toAndFro(ctx context.Context) error {
	was := w.it
	a, given := chaos.Change(w.r, was)
	if err := w.do(ctx, []string{was.ID}, was.Type, a, given); err != nil {
		return err
	}
	patch := m{}
	for _, name := range a.Attributes {
		patch[name] = was.Attributes[name]
	}
	calls, _ := action.Split(was.Type, w.it.Attributes, patch)
	for _, c := range calls {
		back, _ := action.Find(was.Type, c.Action)
		if err := w.do(ctx, []string{was.ID}, was.Type, back, c.Attributes); err != nil {
			return err
		}
	}
	return nil
}

// do makes one call by somebody, which may be refused, and looks what came of it.
func (w *tale) do(ctx context.Context, ids []string, kind string, a action.Action, given m) error {
	by := w.hands[pick(w.r, chaos.People...)]
	if w.r.Float64() < w.d.failed {
		target := api.Target(kind + "/" + ids[0])
		fault := api.Fault{Effect: pick(w.r, api.Deny, api.Throttle, api.Error, api.Outage)}
		if err := w.plain.SetFault(ctx, api.TargetedFault{Target: target, Fault: fault}); err != nil {
			return err
		}
		by = by.AsProgram()
		defer func() { _ = w.plain.ClearFaults(ctx, target) }() // in memory, and here
	}
	_, err := by.Act(ctx, kind, ids, a.Name, given, "")
	var refused *client.Error
	if err != nil && !errors.As(err, &refused) {
		return err
	}
	return w.observe(ctx)
}

// observe reads the resource, and notes for each change that it sees the event that the truth log names. One that the truth log does not know,
// or of which it names several events, is a fault of the practice cloud.
func (w *tale) observe(ctx context.Context) error {
	lines := w.truth
	w.truth = nil
	now, err := w.look(ctx)
	if err != nil {
		return err
	}
	state := w.flat(now)
	keys := changed(w.state, state)
	if (now == nil) != (w.now == nil) {
		keys = append(keys, gone)
	}
	for _, key := range keys {
		found, err := w.writerOf(key, lines)
		if err != nil {
			return err
		}
		w.writers[key] = found
	}
	w.now, w.state = now, state
	return nil
}

func (w *tale) writerOf(key string, lines []trail.Truth) (writer, error) {
	top, _, _ := strings.Cut(strings.SplitN(key, between, 2)[0], ".")
	if w.p.part != "" {
		top = w.p.part
	}
	var found []writer
	for _, line := range lines {
		if under, _, _ := strings.Cut(line.Path, "."); line.ID == w.it.ID && under == top {
			found = append(found, writer{line.Event, line.Principal, line.Person})
		}
	}
	found = slices.Compact(found)
	if len(found) != 1 {
		return writer{}, fmt.Errorf("%s: %d events changed %q: %v", w.p.name, len(found), key, lines)
	}
	return found[0], nil
}

// deliver loses, hides, shifts and swaps records as the dial says.
func (w *tale) deliver(told []json.RawMessage, c *whodunitCase) (kept []m, present map[string]bool) {
	var records []m
	shift := time.Duration(0)
	if w.d.skewed {
		shift = time.Duration(w.r.IntN(181)-90) * time.Second
	}
	const lateness = 20 * time.Minute
	if w.d.late {
		c.Now = c.Window.End.Add(16 * time.Minute)
		until := c.Now.Add(-lateness)
		c.LogHealth = []health{{Source: "cloudtrail", CompleteUntil: until}}
	}
	for _, text := range told {
		r := m{}
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.UseNumber()
		if err := d.Decode(&r); err != nil {
			panic(err) // it was encoded here
		}
		at, err := time.Parse(time.RFC3339, str(r["eventTime"]))
		if err != nil {
			panic(err)
		}
		if w.d.late && at.Add(time.Duration(w.r.Int64N(int64(lateness)))).After(c.Now) {
			continue
		}
		r["eventTime"] = at.Add(shift).UTC().Format(time.RFC3339)
		if w.r.Float64() < w.d.redacted {
			w.hide(r)
		}
		records = append(records, r)
	}
	s := &story{r: w.r, records: records}
	return s.lose(w.d)
}

// hide takes the request from a record, as it is with those that are too long or secret. What the event touched may be named all the same.
func (w *tale) hide(r m) {
	if r["requestParameters"] == nil {
		return
	}
	touches := strings.Contains(text(r["requestParameters"]), w.it.ID) || strings.Contains(text(r["requestParameters"]), w.it.Name())
	r["requestParameters"] = pick[any](w.r, nil, m{"omitted": true, "originalSize": 131072, "reason": "the parameters are over 100 KB"})
	if touches {
		for _, id := range w.ids() {
			if strings.HasPrefix(id, "arn:") {
				r["resources"] = l{m{"ARN": id, "accountId": account}}
			}
		}
	}
}

// harborDials are those of the other suites, and two more.
var harborDials = append(slices.Clone(dials), dial{failed: 0.08, late: true}, dial{failed: 0.08, skewed: true})

func recordHarbor(ctx context.Context, o options) (items []item, err error) {
	for seed := o.first; seed < o.first+o.seeds; seed++ {
		for i, d := range harborDials {
			some, err := recordTown(ctx, seed*10+i, d)
			if err != nil {
				return nil, fmt.Errorf("harbor, seed %d: %w", seed, err)
			}
			items = append(items, some...)
		}
	}
	return items, nil
}

func recordTown(ctx context.Context, seed int, d dial) (items []item, err error) {
	t, err := foundTown(ctx, seed)
	if err != nil {
		return nil, err
	}
	defer t.stop()
	for _, p := range plots() {
		it, err := tellHarbor(ctx, t, p, seed, d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		items = append(items, it)
	}
	return items, nil
}
