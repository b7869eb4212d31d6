package lang

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

var (
	errNoPrefix = errors.New("the text is no address range")
	errNoRoom   = errors.New("the address range has no room for it")
)

// prefix reads an address range. Zeros before the digits of an IPv4 address mean nothing, as to the tools.
func prefix(s string) (netip.Prefix, error) {
	address, bits, _ := strings.Cut(s, "/")
	p, err := netip.ParsePrefix(decimal(address) + "/" + bits)
	if err != nil {
		return p, errNoPrefix
	}
	return p.Masked(), nil
}

func decimal(address string) string {
	if strings.Contains(address, ":") {
		return address
	}
	octets := strings.Split(address, ".")
	for i, octet := range octets {
		if short := strings.TrimLeft(octet, "0"); short != octet && octet != "" {
			octets[i] = "0"
			if short != "" {
				octets[i] = short
			}
		}
	}
	return strings.Join(octets, ".")
}

func number(a netip.Addr) *big.Int { return new(big.Int).SetBytes(a.AsSlice()) }

// address is the number as an address of the same family; not ok if it is none.
func address(n *big.Int, like netip.Addr) (netip.Addr, bool) {
	if n.Sign() < 0 || n.BitLen() > like.BitLen() {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(n.FillBytes(make([]byte, like.BitLen()/8)))
}

func power(bits int) *big.Int { return new(big.Int).Lsh(big.NewInt(1), uint(bits)) }

var cidrHost = define(cty.String, func(args []cty.Value) (cty.Value, error) {
	p, err := prefix(args[0].AsString())
	if err != nil {
		return cty.NilVal, err
	}
	host, err := whole(args[1], 200)
	if err != nil {
		return cty.NilVal, err
	}
	room := power(p.Addr().BitLen() - p.Bits())
	if host.Sign() < 0 { // from the end
		host.Add(host, room)
	}
	if host.Sign() < 0 || host.Cmp(room) >= 0 {
		return cty.NilVal, errNoRoom
	}
	a, _ := address(host.Add(host, number(p.Addr())), p.Addr())
	return cty.StringVal(a.String()), nil
}, cty.String, cty.Number)

var cidrNetmask = texts(cty.String, 1, func(s []string) (cty.Value, error) {
	p, err := prefix(s[0])
	if err != nil {
		return cty.NilVal, err
	}
	if !p.Addr().Is4() {
		return cty.NilVal, errors.New("an IPv6 range has no netmask")
	}
	mask := new(big.Int).Sub(power(32), power(32-p.Bits()))
	a, _ := address(mask, p.Addr())
	return cty.StringVal(a.String()), nil
})

var cidrSubnet = define(cty.String, func(args []cty.Value) (cty.Value, error) {
	p, err := prefix(args[0].AsString())
	if err != nil {
		return cty.NilVal, err
	}
	more, err := whole(args[1], 31)
	if err != nil {
		return cty.NilVal, err
	}
	net, err := whole(args[2], 200)
	if err != nil {
		return cty.NilVal, err
	}
	bits := p.Bits() + int(more.Int64())
	if more.Sign() < 0 || net.Sign() < 0 || bits > p.Addr().BitLen() || net.BitLen() > int(more.Int64()) {
		return cty.NilVal, errNoRoom
	}
	net.Lsh(net, uint(p.Addr().BitLen()-bits))
	a, _ := address(net.Add(net, number(p.Addr())), p.Addr())
	return cty.StringVal(netip.PrefixFrom(a, bits).String()), nil
}, cty.String, cty.Number, cty.Number)

// cidrSubnets lays out ranges one after the other, each where its size may begin.
var cidrSubnets = function.New(&function.Spec{
	Params:   parameters([]cty.Type{cty.String}),
	VarParam: &function.Parameter{Name: "newbits", Type: cty.Number},
	Type:     function.StaticReturnType(cty.List(cty.String)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := prefix(args[0].AsString())
		if err != nil {
			return cty.NilVal, err
		}
		free := number(p.Addr())
		ranges := []cty.Value{}
		for i, arg := range args[1:] {
			r, err := nextRange(p, free, arg)
			if err != nil {
				return cty.NilVal, function.NewArgError(i+1, err)
			}
			ranges = append(ranges, cty.StringVal(r.String()))
		}
		if len(ranges) == 0 {
			return cty.ListValEmpty(cty.String), nil
		}
		return cty.ListVal(ranges), nil
	},
})

// nextRange takes the next range that is longer than p by so many bits from what is free, and moves free behind it.
func nextRange(p netip.Prefix, free *big.Int, newBits cty.Value) (netip.Prefix, error) {
	more, err := whole(newBits, 31)
	if err != nil {
		return p, err
	}
	if n := more.Int64(); n < 1 || n > 32 {
		return p, fmt.Errorf("must be from 1 to 32")
	}
	bits := p.Bits() + int(more.Int64())
	if bits > p.Addr().BitLen() {
		return p, errNoRoom
	}
	size := power(p.Addr().BitLen() - bits)
	over := new(big.Int).Mod(free, size)
	if over.Sign() > 0 {
		free.Add(free, over.Sub(size, over))
	}
	a, ok := address(free, p.Addr())
	if !ok || !p.Contains(a) {
		return p, errNoRoom
	}
	free.Add(free, size)
	return netip.PrefixFrom(a, bits), nil
}

var cidrContains = texts(cty.Bool, 2, func(s []string) (cty.Value, error) {
	outer, err := prefix(s[0])
	if err != nil {
		return cty.NilVal, err
	}
	inner, err := prefix(s[1])
	if a, errAddr := netip.ParseAddr(decimal(s[1])); errAddr == nil {
		inner, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil {
		return cty.NilVal, err
	}
	if outer.Addr().Is4() != inner.Addr().Is4() {
		return cty.NilVal, errors.New("the addresses are of different families")
	}
	return cty.BoolVal(outer.Contains(inner.Addr()) && outer.Bits() <= inner.Bits()), nil
})
