package main

import (
	"bytes"
	"fmt"
)

// diagram draws how often answers were right beside how sure they were said to be: on the line they are calibrated.
func diagram(all []judged) []byte {
	const size, edge = 400, 50
	x := func(p float64) float64 { return edge + p*size }
	y := func(p float64) float64 { return edge + (1-p)*size }
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", size+2*edge, size+2*edge)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><path d="M%g %gH%gV%gH%gZ" fill="none" stroke="#888"/>`+"\n", x(0), y(1), x(1), y(0), x(0))
	fmt.Fprintf(&b, `<path d="M%g %gL%g %g" stroke="#888" stroke-dasharray="4"/>`+"\n", x(0), y(0), x(1), y(1))
	for _, bin := range bins(all) {
		if bin.n == 0 {
			continue
		}
		said, was := bin.said/float64(bin.n), float64(bin.right)/float64(bin.n)
		fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="4" fill="#06c"/><text x="%.1f" y="%.1f">%d</text>`+"\n", x(said), y(was), x(said)+7, y(was)+14, bin.n)
	}
	for _, p := range []float64{0, 0.25, 0.5, 0.75, 1} {
		fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle">%g</text><text x="%g" y="%g" text-anchor="end">%g</text>`+"\n", x(p), y(0)+18, p, x(0)-6, y(p)+4, p)
	}
	fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle">confidence that was given</text><text x="14" y="%g" transform="rotate(-90 14 %g)" text-anchor="middle">share that was right</text></svg>`+"\n", x(0.5), y(0)+38, y(0.5), y(0.5))
	return b.Bytes()
}
