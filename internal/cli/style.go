package cli

// style colours text, if it is on. Text that comes from outside has to be safe before.
type style bool

func (s style) paint(code, text string) string {
	if !s || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string   { return s.paint("1", text) }
func (s style) dim(text string) string    { return s.paint("2", text) }
func (s style) red(text string) string    { return s.paint("31", text) }
func (s style) green(text string) string  { return s.paint("32", text) }
func (s style) yellow(text string) string { return s.paint("33", text) }

// alarm is for what must not be overlooked.
func (s style) alarm(text string) string { return s.paint("1;31", text) }

// mark colours a line by the sign that it starts with.
func (s style) mark(sign, text string) string {
	switch sign {
	case "-":
		return s.red(text)
	case "+":
		return s.green(text)
	case "~", "!":
		return s.yellow(text)
	}
	return text
}
