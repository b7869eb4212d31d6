package daemon

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/taffrail-dev/taffrail"
)

// A masker replaces what is secret in a command line, or may be, by keyed digests. What is left can still be erased: it stands beside the
// entry.
type masker struct {
	sealer taffrail.Sealer
	known  []string // values of the environment that are secret by their names, the longest first
}

var (
	secretWord = regexp.MustCompile(`(?i)(token|secret|passw|passphrase|credential|private|api_?-?key|access_?-?key|auth|bearer|cookie|session|signature)`)
	// assigned is NAME=VALUE, as programs take variables and settings.
	assigned = regexp.MustCompile(`^-{0,2}[A-Za-z_][A-Za-z0-9_.-]*=`)
	// tokens are what well-known issuers give out, wherever it stands.
	tokens = regexp.MustCompile(`(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abprs]-[A-Za-z0-9-]{10,}|(AKIA|ASIA)[A-Z0-9]{16}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]{8,}|sk-[A-Za-z0-9_-]{20,}|-----BEGIN [A-Z ]*PRIVATE KEY-----)`)
	// random is text that only a machine writes: long, with letters and digits mixed.
	random = regexp.MustCompile(`[A-Za-z0-9+/_=-]{32,}`)
	// userinfo is name and password in an address.
	userinfo = regexp.MustCompile(`://[^/@\s]+@`)
)

// always are flags whose values are never written down: the values of variables may be secrets, whatever they are called.
var always = []string{"var", "backend-config", "set", "set-string", "build-arg", "header", "H", "u", "user", "e", "env", "data", "d"}

// scripts are flags of programs that take a program as an argument.
var scripts = map[string][]string{
	"sh": {"-c"}, "bash": {"-c"}, "dash": {"-c"}, "zsh": {"-c"}, "ksh": {"-c"}, "ash": {"-c"}, "fish": {"-c"}, "busybox": {"-c"}, "python": {"-c"}, "python3": {"-c"},
	"perl": {"-e", "-E"}, "ruby": {"-e"}, "node": {"-e", "-p", "--eval"}, "pwsh": {"-c", "-Command", "-EncodedCommand"}, "powershell": {"-c", "-Command", "-EncodedCommand"},
}

// minKnown is how long a value of the environment must be to be looked for inside of arguments.
const minKnown = 6

// maskCommand gives the arguments without what is secret.
func maskCommand(c taffrail.Command, sealer taffrail.Sealer) []string {
	m := &masker{sealer: sealer}
	for _, entry := range c.Env {
		name, value, _ := strings.Cut(entry, "=")
		if secretWord.MatchString(name) && len(value) >= minKnown && !filepath.IsAbs(value) {
			m.known = append(m.known, value)
		}
	}
	slices.SortFunc(m.known, func(a, b string) int { return len(b) - len(a) })
	out := make([]string, 0, len(c.Args))
	flags := scriptFlags(c.Args)
	whole := false // the next argument is a value that is replaced as a whole
	for i, arg := range c.Args {
		switch {
		case whole:
			out = append(out, m.value(arg))
			whole = false
		case i > 0 && slices.Contains(flags, arg):
			out, whole = append(out, arg), true
		case isFlag(arg) && !strings.Contains(arg, "="):
			out, whole = append(out, m.text(arg)), hides(arg)
		default:
			out = append(out, m.argument(arg))
		}
	}
	return out
}

// scriptFlags are the flags after which a program stands among its own arguments.
func scriptFlags(args []string) []string {
	for _, arg := range args {
		if flags, ok := scripts[strings.TrimSuffix(filepath.Base(arg), ".exe")]; ok {
			return flags
		}
	}
	return nil
}

func isFlag(arg string) bool { return len(arg) > 1 && arg[0] == '-' }

// hides says whether what follows a flag, or stands behind its =, is not written down.
func hides(flag string) bool {
	name := strings.TrimLeft(flag, "-")
	return slices.Contains(always, name) || secretWord.MatchString(name)
}

// value replaces a value. Of NAME=VALUE the name stays.
func (m *masker) value(arg string) string {
	if at := strings.Index(arg, "="); at > 0 && assigned.MatchString(arg) {
		return m.text(arg[:at]) + "=" + m.seal(arg[at+1:])
	}
	return m.seal(arg)
}

// argument replaces what is secret in an argument that is no plain flag.
func (m *masker) argument(arg string) string {
	at := strings.Index(arg, "=")
	if at <= 0 || !assigned.MatchString(arg) {
		return m.text(arg)
	}
	name, rest := arg[:at], arg[at+1:]
	if !hides(name) {
		return m.text(name) + "=" + m.text(rest)
	}
	return name + "=" + m.value(rest)
}

// text replaces the parts of a text that are secrets by the look of them, or because the environment holds them.
func (m *masker) text(text string) string {
	for _, known := range m.known {
		text = strings.ReplaceAll(text, known, m.seal(known))
	}
	text = userinfo.ReplaceAllStringFunc(text, func(found string) string { return "://" + m.seal(found[3:len(found)-1]) + "@" })
	text = m.query(text)
	text = tokens.ReplaceAllStringFunc(text, m.seal)
	return m.random(text)
}

// query replaces values in an address that are secret by their names.
func (m *masker) query(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.RawQuery == "" || u.Scheme == "" {
		return text
	}
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if value != "" && secretWord.MatchString(name) {
			text = strings.Replace(text, pair, name+"="+m.seal(value), 1)
		}
	}
	return text
}

func (m *masker) random(text string) string {
	return random.ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasPrefix(found, sealedPrefix) || !looksRandom(found) {
			return found
		}
		return m.seal(found)
	})
}

// looksRandom tells text that only a machine writes from long words and paths: it changes between letters and digits, or their cases, often.
// A digest or a commit is such a text, too, and is no secret.
func looksRandom(text string) bool {
	if isHex(text) || strings.Count(text, "/") > 2 || strings.Count(text, "-") > 4 {
		return false
	}
	changes := 0
	for i := 1; i < len(text); i++ {
		if classOf(text[i]) != classOf(text[i-1]) {
			changes++
		}
	}
	return changes*4 >= len(text)
}

func isHex(text string) bool { return strings.Trim(text, "0123456789abcdef") == "" }

func classOf(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return 0
	case c >= 'a' && c <= 'z':
		return 1
	case c >= 'A' && c <= 'Z':
		return 2
	}
	return 3
}

const sealedPrefix = "taffrail-sealed"

// seal gives the keyed digest of a text. What was replaced already stays.
func (m *masker) seal(text string) string {
	if text == "" {
		return ""
	}
	if m.sealer == nil {
		return "(withheld)"
	}
	return taffrail.SealedText(m.sealer.Seal(taffrail.String(text)))
}

// shorter takes out of a long command line what stands in its middle.
func shorter(command []string) []string {
	if len(command) < 4 {
		out := make([]string, len(command))
		for i, arg := range command {
			out[i] = strings.ToValidUTF8(arg[:min(len(arg), 1<<10)], "")
		}
		return out
	}
	half := len(command) / 2
	keep := max(1, half/2)
	left := len(command) - 2*keep
	return slices.Concat(command[:keep], []string{fmt.Sprintf("(%d arguments)", left)}, command[len(command)-keep:])
}
