package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// report is what a run prints, and its JSON.
type report struct {
	Machine string            `json:"machine"`
	Peers   map[string]string `json:"versions"`
	Rows    []result          `json:"rows"`
}

// result is one measured row.
type result struct {
	Name   string    `json:"name"`
	Title  string    `json:"title"`
	Unit   string    `json:"unit"`
	Values []value   `json:"values"` // hoy's first
	Goals  []verdict `json:"goals,omitempty"`
}

// value is one contender's numbers in the row's unit.
type value struct {
	Name   string  `json:"name"`
	Median float64 `json:"median,omitempty"`
	Min    float64 `json:"min,omitempty"`
	Max    float64 `json:"max,omitempty"`
	Runs   int     `json:"runs,omitempty"`
	Why    string  `json:"notMeasured,omitempty"`
}

// verdict is a goal and whether it was reached.
type verdict struct {
	Goal    string  `json:"goal"`
	Against string  `json:"against,omitempty"`
	Ratio   float64 `json:"ratio,omitempty"`
	Pass    bool    `json:"pass"`
	Why     string  `json:"notMeasured,omitempty"`
}

// judge compares the first value with the others as the goals ask.
func (r *result) judge(goals []goal) {
	own := r.Values[0]
	for _, g := range goals {
		r.Goals = append(r.Goals, g.judge(own, r.Values))
	}
}

func (g goal) judge(own value, all []value) verdict {
	v := verdict{Goal: g.String(), Against: g.against}
	if own.Why != "" {
		v.Why = own.Why
		return v
	}
	if g.limit != 0 {
		v.Ratio, v.Pass = own.Median/g.limit, own.Median <= g.limit
		return v
	}
	for _, o := range all {
		if o.Name != g.against {
			continue
		}
		switch {
		case o.Why != "":
			v.Why = o.Why
		case g.faster != 0:
			v.Ratio = o.Median / own.Median
			v.Pass = v.Ratio >= g.faster
		default:
			v.Ratio = own.Median / o.Median
			v.Pass = v.Ratio <= g.atMost
		}
	}
	return v
}

func (g goal) String() string {
	switch {
	case g.limit != 0:
		return fmt.Sprintf("at most %g", g.limit)
	case g.faster != 0:
		return fmt.Sprintf("at least %g × faster than %s", g.faster, g.against)
	default:
		return fmt.Sprintf("at most %g × %s", g.atMost, g.against)
	}
}

// write prints the table and writes the files that were asked for.
func (r report) write(o options) error {
	fmt.Print(r.markdown())
	if o.json != "" {
		data, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(data, '\n'), 0o644); err != nil {
			return err
		}
	}
	if o.svg != "" {
		return os.WriteFile(o.svg, []byte(r.chart()), 0o644)
	}
	return nil
}

// markdown is the table, as the README shows it.
func (r report) markdown() string {
	var s strings.Builder
	fmt.Fprintf(&s, "\n%s. Medians.\n\n", r.Machine)
	s.WriteString("| work | hoy | others | goal |\n|---|---:|---|---|\n")
	for _, row := range r.Rows {
		own := row.Values[0]
		var others []string
		for _, v := range row.Values[1:] {
			others = append(others, v.cell(row.Unit, own))
		}
		fmt.Fprintf(&s, "| %s | %s | %s | %s |\n", row.Title, own.text(row.Unit), strings.Join(others, ", "), row.verdicts())
	}
	return s.String()
}

func (v value) text(unit string) string {
	switch {
	case v.Why != "":
		return "not measured: " + v.Why
	case v.Median >= 1000 && unit == "ms":
		return fmt.Sprintf("%.2f s", v.Median/1000)
	case v.Median >= 100:
		return fmt.Sprintf("%.0f %s", v.Median, unit)
	default:
		return fmt.Sprintf("%.1f %s", v.Median, unit)
	}
}

// cell is a peer's number and how many times hoy's it is.
func (v value) cell(unit string, own value) string {
	s := v.Name + " " + v.text(unit)
	if v.Why == "" && own.Why == "" && own.Median > 0 {
		s += fmt.Sprintf(" (%s ×)", ratio(v.Median/own.Median))
	}
	return s
}

func ratio(f float64) string {
	if f >= 10 {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprintf("%.2g", f)
}

func (r result) verdicts() string {
	var s []string
	for _, g := range r.Goals {
		word := "miss"
		if g.Pass {
			word = "pass"
		}
		if g.Why != "" {
			word = "not measured"
		}
		s = append(s, fmt.Sprintf("%s: %s (%.2f)", g.Goal, word, g.Ratio))
	}
	return strings.Join(s, "; ")
}
