package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/taffrail-dev/taffrail"
)

// InstallationName is the name of the file that says how the log is kept, in the folder of the keys. It is the operator's, never the
// code's: it names where evidence goes and what is trusted.
const InstallationName = "config.yaml"

// An Installation is how one log is kept.
type Installation struct {
	Path      string    // of the file; empty if there is none
	Store     *Postgres // where the log is; nil is SQLite in the data folder
	Guard     *Section  // who remembers what was signed; nil is a file in the state folder
	Signer    *Section  // who signs, in another process, with guard and key; nil is this process
	Witnesses Witnesses
	Anchors   []Section
	// AnchorEvery is how often a checkpoint is shown to the anchors.
	AnchorEvery time.Duration
	// MaxUnanchored is how old an entry may grow that neither enough witnesses nor an anchor have seen, before that is an alarm. 0 is no bound.
	MaxUnanchored time.Duration
	Heartbeat     time.Duration // how often `serve` writes that it is there
	Verify        time.Duration // how often `serve` hashes the whole log again
	Listen        string        // where `serve` shows the log to others, as host:port; empty is nowhere
	Sources       []Source      // of events, by name
	EventsEvery   time.Duration // how often those that are read are looked at
	Models        []string      // files that say what events are known to do, absolute; they win over what is built in
}

// A Source is an audit source that events come from.
type Source struct {
	Name string // in the log
	Section
}

// Postgres says which database holds the log. One of the two is set.
type Postgres struct{ URL, URLFile string }

// Address gives the URL of the database, read from its file if it stands there. A file that others can read is refused.
func (p Postgres) Address() (string, error) {
	if p.URL != "" {
		return p.URL, nil
	}
	info, err := os.Stat(p.URLFile)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		return "", &taffrail.Error{
			Op: "read " + p.URLFile, Kind: taffrail.KindDenied, Err: fmt.Errorf("its mode is %04o, so that others than its owner have access", info.Mode().Perm()), Hint: "chmod 600 " + p.URLFile,
		}
	}
	text, err := read(p.URLFile)
	if err != nil {
		return "", failed(p.URLFile, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// Witnesses says who must have seen a checkpoint.
type Witnesses struct {
	Policy  string        // a file in the form of C2SP tlog-policy, absolute; empty is no witness
	Every   time.Duration // how often they are asked
	Timeout time.Duration // of one of them
}

// A Section holds the settings of one plug-in, for the plug-in to decode. Empty lines stand for what precedes them in the file, so that
// the lines and columns of a decoder's errors are those of the file.
type Section struct {
	Plugin string
	YAML   []byte
}

var installationKeys = keys{
	{"store", "Where the log is: `postgres`, with `url` or `url_file`. Left out: SQLite in the data folder"},
	{"guard", "Who remembers what was signed: the name of a plug-in, and below it its settings. Left out: a file in the state folder"},
	{"signer", "Who signs, in another process, with guard and key of its own: the name of a plug-in, and below it its settings. Left out: this process, with the key in the folder of the keys"},
	{"witnesses", "Who cosigns: `policy`, a file in the form of C2SP tlog-policy with the witnesses' keys and addresses and the quorum; `every` (30s), how often they are asked; `timeout` (10s), how long one of them may take"},
	{"anchors", "List of outside authorities that are shown checkpoints: each the name of a plug-in, and below it its settings"},
	{"anchor_every", "How often they are shown one (1h)"},
	{"max_unanchored", "How old an entry may grow that neither enough witnesses nor an anchor have seen, before that is an alarm (24h where there are witnesses or anchors). 0: no bound"},
	{"heartbeat", "How often `taffrail serve` writes an entry that says that it was there (15m)"},
	{"verify", "How often `taffrail serve` hashes the whole log again (24h)"},
	{"listen", "Where `taffrail serve` shows checkpoint and tiles to others, such as 127.0.0.1:8844. Left out: nowhere"},
	{"sources", "Audit sources that events come from: a name of your choice for each, below it the name of a plug-in, and below that its settings"},
	{"events_every", "How often sources that are read are looked at (30s)"},
	{"models", "List of files that say what events are known to do to attributes, in the form of what is built in, over which they win"},
}

var (
	storeKeys    = keys{{"postgres", ""}}
	postgresKeys = keys{{"url", ""}, {"url_file", ""}}
	witnessKeys  = keys{{"policy", ""}, {"every", ""}, {"timeout", ""}}
)

// defaultInstallation is what holds where the file says nothing.
func defaultInstallation() Installation {
	return Installation{
		Witnesses: Witnesses{Every: 30 * time.Second, Timeout: 10 * time.Second}, AnchorEvery: time.Hour,
		Heartbeat: 15 * time.Minute, Verify: 24 * time.Hour, EventsEvery: 30 * time.Second,
	}
}

// LoadInstallation reads the file. That there is none is no error: everything is then as the defaults say.
func LoadInstallation(path string) (Installation, error) {
	text, err := read(path)
	if err != nil {
		err = failed(path, err)
		if taffrail.KindOf(err) == taffrail.KindNotFound {
			return defaultInstallation(), nil
		}
		return Installation{}, err
	}
	return ParseInstallation(path, text)
}

// ParseInstallation reads the text of a file. The path is for messages, and for what the file names relative to itself.
func ParseInstallation(path string, text []byte) (in Installation, err error) {
	d := document{name: path, text: bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))}
	defer func() { // as in [Parse]
		if p := recover(); p != nil {
			in, err = Installation{}, d.refuse(nil, "check the spelling of the YAML", "it cannot be read as YAML: %v", p)
		}
	}()
	in = defaultInstallation()
	in.Path = path
	root, err := d.root(installationKeys)
	if err != nil || root == nil {
		return in, err
	}
	members, err := d.members(root, installationKeys)
	if err != nil {
		return in, err
	}
	for _, key := range installationKeys { // in one order, so that of several mistakes the same is told each time
		if m, ok := members[key.name]; ok {
			if err := d.settle(&in, key.name, m); err != nil {
				return in, err
			}
		}
	}
	if in.Signer != nil && in.Guard != nil {
		return in, d.refuse(members["guard"].Key.GetToken(), "the signer has a guard of its own: leave `guard` out", "guard has no meaning beside signer")
	}
	if _, said := members["max_unanchored"]; !said && (in.Witnesses.Policy != "" || len(in.Anchors) > 0) {
		in.MaxUnanchored = 24 * time.Hour
	}
	return in, nil
}

// settle takes over what the file says under one key.
func (d document) settle(in *Installation, name string, m *ast.MappingValueNode) (err error) {
	switch name {
	case "store":
		in.Store, err = d.store(m.Value)
	case "guard":
		in.Guard, err = d.plugin(m.Value)
	case "signer":
		in.Signer, err = d.plugin(m.Value)
	case "witnesses":
		err = d.witnesses(&in.Witnesses, m.Value)
	case "anchors":
		in.Anchors, err = d.plugins(m.Value)
	case "anchor_every":
		in.AnchorEvery, err = d.duration(name, m.Value, time.Second)
	case "max_unanchored":
		in.MaxUnanchored, err = d.duration(name, m.Value, 0)
	case "heartbeat":
		in.Heartbeat, err = d.duration(name, m.Value, time.Second)
	case "verify":
		in.Verify, err = d.duration(name, m.Value, time.Second)
	case "listen":
		in.Listen, err = d.line(name, m.Value)
	case "sources":
		in.Sources, err = d.sources(m.Value)
	case "events_every":
		in.EventsEvery, err = d.duration(name, m.Value, time.Second)
	case "models":
		in.Models, err = d.fileList(name, m.Value)
	}
	return err
}

// mapping gives the members of a value that must be a mapping.
func (d document) mapping(n ast.Node, known keys) (map[string]*ast.MappingValueNode, error) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		return nil, d.refuse(n.GetToken(), "the keys here are "+known.list(), "it is %s, and no keys", describe(n))
	}
	return d.members(m, known)
}

func (d document) store(n ast.Node) (*Postgres, error) {
	kinds, err := d.mapping(n, storeKeys)
	if err != nil {
		return nil, err
	}
	kind, ok := kinds["postgres"]
	if !ok {
		return nil, d.refuse(n.GetToken(), "name it: postgres", "no store is named")
	}
	members, err := d.mapping(kind.Value, postgresKeys)
	if err != nil {
		return nil, err
	}
	if len(members) != 1 {
		return nil, d.refuse(kind.Key.GetToken(), "give url, or url_file if the address holds a password", "it takes one of url and url_file")
	}
	var p Postgres
	if m, ok := members["url"]; ok {
		p.URL, err = d.line("url", m.Value)
		return &p, err
	}
	p.URLFile, err = d.file("url_file", members["url_file"].Value)
	return &p, err
}

func (d document) witnesses(w *Witnesses, n ast.Node) error {
	members, err := d.mapping(n, witnessKeys)
	if err != nil {
		return err
	}
	policy, ok := members["policy"]
	if !ok {
		return d.refuse(n.GetToken(), "name a file with the witnesses' keys and addresses: policy", "no policy is named")
	}
	if w.Policy, err = d.file("policy", policy.Value); err != nil {
		return err
	}
	if m, ok := members["every"]; ok {
		if w.Every, err = d.duration("every", m.Value, time.Second); err != nil {
			return err
		}
	}
	if m, ok := members["timeout"]; ok {
		w.Timeout, err = d.duration("timeout", m.Value, time.Millisecond)
	}
	return err
}

// file gives a path that is relative to the file that names it, as an absolute one.
func (d document) file(name string, n ast.Node) (string, error) {
	path, err := d.line(name, n)
	if err != nil || filepath.IsAbs(path) {
		return path, err
	}
	return filepath.Join(filepath.Dir(d.name), path), nil
}

// fileList gives paths, each as [document.file] does.
func (d document) fileList(name string, n ast.Node) (all []string, err error) {
	if n.Type() == ast.NullType {
		return nil, nil
	}
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return nil, d.refuse(n.GetToken(), "begin each with - on a line of its own", "%s is %s, and no list", name, describe(n))
	}
	for _, v := range list.Values {
		path, err := d.file(name, v)
		if err != nil {
			return nil, err
		}
		all = append(all, path)
	}
	return all, nil
}

func (d document) duration(name string, n ast.Node, least time.Duration) (time.Duration, error) {
	text, err := d.line(name, n)
	if err != nil {
		return 0, err
	}
	t, err := time.ParseDuration(text)
	if err != nil || t < least {
		return 0, d.refuse(n.GetToken(), "write a time such as 30s, 15m or 24h", "%s: %q is no time of at least %v", name, clip(text), least)
	}
	return t, nil
}

// plugins gives a list of plug-ins with their settings.
func (d document) plugins(n ast.Node) (all []Section, err error) {
	if n.Type() == ast.NullType {
		return nil, nil
	}
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return nil, d.refuse(n.GetToken(), "begin each with - on a line of its own", "it is %s, and no list", describe(n))
	}
	for _, v := range list.Values {
		s, err := d.plugin(v)
		if err != nil {
			return nil, err
		}
		all = append(all, *s)
	}
	return all, nil
}

// sourceName is what a source may be called: it stands in entries, and is typed.
var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)

// sources gives audit sources by name.
func (d document) sources(n ast.Node) (all []Source, err error) {
	if n.Type() == ast.NullType {
		return nil, nil
	}
	m, ok := n.(*ast.MappingNode)
	if !ok {
		return nil, d.refuse(n.GetToken(), "write a name of your choice, and a plug-in below it, indented", "it is %s, and no names", describe(n))
	}
	taken := map[string]bool{}
	for _, v := range m.Values {
		name := v.Key.GetToken().Value
		if !sourceName.MatchString(name) || taken[name] {
			return nil, d.refuse(v.Key.GetToken(), "use lower-case letters, digits, - _ and . and each name once", "%q is no name for a source, or is there twice", clip(name))
		}
		taken[name] = true
		s, err := d.plugin(v.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, Source{name, *s})
	}
	slices.SortFunc(all, func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// plugin gives the one plug-in that a mapping names, with its settings.
func (d document) plugin(n ast.Node) (*Section, error) {
	m, ok := n.(*ast.MappingNode)
	if !ok || len(m.Values) != 1 {
		return nil, d.refuse(n.GetToken(), "write the name of one plug-in, and its settings below it, indented", "it names no plug-in, or several")
	}
	name, ok := m.Values[0].Key.(*ast.StringNode)
	if !ok {
		return nil, d.refuse(m.Values[0].Key.GetToken(), "write the name of a plug-in", "it names no plug-in")
	}
	text, err := d.inner(m.Values[0])
	return &Section{Plugin: name.Value, YAML: text}, err
}

// inner cuts out the value of a key that stands at any depth: what is between its braces, or all up to the next line that is indented no
// further than the key.
func (d document) inner(m *ast.MappingValueNode) ([]byte, error) {
	if m.Value.Type() == ast.NullType {
		return nil, nil
	}
	value, ok := m.Value.(*ast.MappingNode)
	if !ok {
		return nil, d.refuse(m.Value.GetToken(), "write its settings below it, indented", "%s is %s, and no settings", m.Key.GetToken().Value, describe(m.Value))
	}
	lines := strings.SplitAfter(string(d.text), "\n")
	if value.IsFlowStyle {
		from, to := value.Start.Position, value.End.Position
		lines[to.Line-1] = string([]rune(lines[to.Line-1])[:to.Column])
		lines[from.Line-1] = blank(lines[from.Line-1], from.Column-1)
		return []byte(strings.Repeat("\n", from.Line-1) + strings.Join(lines[from.Line-1:to.Line], "") + "\n"), nil
	}
	at := m.Key.GetToken().Position
	rest := lines[at.Line:]
	end := slices.IndexFunc(rest, func(l string) bool {
		text := strings.TrimLeft(l, " ")
		return strings.TrimSpace(text) != "" && text[0] != '#' && len(l)-len(text) < at.Column
	})
	if end < 0 {
		end = len(rest)
	}
	first := blank(lines[at.Line-1], m.Start.Position.Column) // up to the colon, and with it
	return []byte(strings.Repeat("\n", at.Line-1) + first + strings.Join(rest[:end], "")), nil
}

// blank puts spaces in the place of the first characters of a line.
func blank(line string, n int) string {
	runes := []rune(line)
	for i := range min(n, len(runes)) {
		runes[i] = ' '
	}
	return string(runes)
}

// Name says where the settings of a plug-in come from, for messages.
func (in Installation) Name() string {
	if in.Path == "" {
		return fmt.Sprintf("the defaults (there is no %s)", InstallationName)
	}
	return in.Path
}
