package taffrail

import (
	"fmt"
	"strconv"
	"strings"
)

// maxExponent bounds what [Number] takes: larger exponents are of no system that we know, and an attack on whoever
// expands them.
const maxExponent = 1_000_000

// plainDigits is up to how many digits an integer is written without an exponent.
const plainDigits = 40

// Int is a whole number.
func Int(n int64) Value { return Value{shape: ShapeNumber, text: decimal(n).String()} }

func decimal(n int64) decimalNumber {
	text := strconv.FormatInt(n, 10)
	negative := strings.HasPrefix(text, "-")
	return decimalNumber{negative: negative, digits: strings.TrimPrefix(text, "-")}.trimmed()
}

// Number is an exact number from its JSON text (RFC 8259, section 6): 9007199254740993 stays itself, and 1, 1.0 and 10e-1
// are equal. Exponents beyond a million are refused.
func Number(text string) (Value, error) {
	d, err := parseDecimal(text)
	if err != nil {
		return Value{}, fmt.Errorf("number %q: %w", clip(text), err)
	}
	return Value{shape: ShapeNumber, text: d.String()}, nil
}

// A decimalNumber is (-1)^negative * digits * 10^exponent.
type decimalNumber struct {
	negative bool
	digits   string
	exponent int
}

func parseDecimal(text string) (decimalNumber, error) {
	var d decimalNumber
	rest := text
	rest, d.negative = strings.CutPrefix(rest, "-")
	whole, rest := leadingDigits(rest)
	if whole == "" || len(whole) > 1 && whole[0] == '0' {
		return d, fmt.Errorf("not a JSON number")
	}
	var fraction string
	if after, ok := strings.CutPrefix(rest, "."); ok {
		if fraction, rest = leadingDigits(after); fraction == "" {
			return d, fmt.Errorf("no digit after the point")
		}
	}
	if rest != "" {
		if rest[0] != 'e' && rest[0] != 'E' {
			return d, fmt.Errorf("not a JSON number")
		}
		e, err := strconv.Atoi(rest[1:])
		if err != nil || e > maxExponent || e < -maxExponent {
			return d, fmt.Errorf("exponent is not within %d", maxExponent)
		}
		d.exponent = e
	}
	d.digits = whole + fraction
	d.exponent -= len(fraction)
	d = d.trimmed()
	if leading := d.point() - 1; leading > maxExponent || leading < -maxExponent {
		return d, fmt.Errorf("exponent is not within %d", maxExponent)
	}
	return d, nil
}

func leadingDigits(s string) (digits, rest string) {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n], s[n:]
}

// trimmed gives the one form that equal numbers share: no zero at either end of the digits, and no negative zero.
func (d decimalNumber) trimmed() decimalNumber {
	d.digits = strings.TrimLeft(d.digits, "0")
	short := strings.TrimRight(d.digits, "0")
	d.exponent += len(d.digits) - len(short)
	d.digits = short
	if d.digits == "" {
		return decimalNumber{digits: "0"}
	}
	return d
}

// point is how many digits stand before the decimal point.
func (d decimalNumber) point() int { return len(d.digits) + d.exponent }

// String writes the canonical form: plain for what people write plainly, else with one digit before the point and an
// exponent. The form depends on the value alone.
func (d decimalNumber) String() string {
	sign := ""
	if d.negative {
		sign = "-"
	}
	point := d.point()
	switch {
	case d.digits == "0":
		return "0"
	case d.exponent >= 0 && point <= plainDigits:
		return sign + d.digits + strings.Repeat("0", d.exponent)
	case d.exponent < 0 && point > 0:
		return sign + d.digits[:point] + "." + d.digits[point:]
	case d.exponent < 0 && point > -6:
		return sign + "0." + strings.Repeat("0", -point) + d.digits
	}
	mantissa := d.digits[:1]
	if len(d.digits) > 1 {
		mantissa += "." + d.digits[1:]
	}
	return sign + mantissa + "e" + strconv.Itoa(point-1)
}

// clip shortens foreign text for an error message.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
