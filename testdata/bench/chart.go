package main

import (
	"fmt"
	"html"
	"strings"
)

// The chart's measures, in SVG units.
const (
	chartWidth = 760
	barLeft    = 230 // where bars begin; names stand to the left of it
	barMost    = 420 // the longest bar
	barHeight  = 13
	lineHeight = 18
	rowGap     = 34
)

// chart draws one group of bars for each row that was measured against others, to the scale of the group's longest bar.
func (r report) chart() string {
	var s strings.Builder
	y := 28
	for _, row := range r.Rows {
		if len(row.Values) > 1 && row.Unit == "ms" {
			y = row.draw(&s, y)
		}
	}
	fmt.Fprintf(&s, "<text x=\"12\" y=\"%d\" class=\"n\">Medians; shorter is faster. %s</text>\n", y, html.EscapeString(r.Machine))
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img">
<title>Medians of make bench</title>
<style>
text { font: 12px system-ui, sans-serif; fill: #24292f }
.t { font-weight: 600 } .n { fill: #57606a } .h { fill: #0a7d5a } .p { fill: #b4bcc6 }
</style>
<rect width="100%%" height="100%%" rx="6" fill="#ffffff"/>
%s</svg>
`, chartWidth, y+14, s.String())
}

// draw draws one group below y and gives the place of the next.
func (r result) draw(s *strings.Builder, y int) int {
	most := 0.0
	for _, v := range r.Values {
		most = max(most, v.Median)
	}
	fmt.Fprintf(s, "<text x=\"12\" y=\"%d\" class=\"t\">%s</text>\n", y, html.EscapeString(strings.ReplaceAll(r.Title, "`", "")))
	y += lineHeight
	for i, v := range r.Values {
		if v.Why != "" || most == 0 {
			continue
		}
		class := "p"
		if i == 0 {
			class = "h"
		}
		width := max(1, v.Median/most*barMost)
		fmt.Fprintf(s, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" class=\"n\">%s</text>", barLeft-8, y, html.EscapeString(short(v.Name)))
		fmt.Fprintf(s, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\" class=\"%s\"/>", barLeft, y-barHeight+3, width, barHeight, class)
		fmt.Fprintf(s, "<text x=\"%.1f\" y=\"%d\">%s</text>\n", barLeft+width+6, y, v.text(r.Unit))
		y += lineHeight
	}
	return y + rowGap - lineHeight
}

// short keeps a name within the space to the left of the bars.
func short(name string) string {
	if len(name) <= 32 {
		return name
	}
	return name[:29] + "…"
}
