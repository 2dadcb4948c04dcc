package format

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/docker/go-units"
)

// Size is a number of bytes as Docker prints it: three digits, powers of 1000, "1.24MB".
func Size(bytes int64) string { return units.HumanSizeWithPrecision(float64(bytes), 3) }

// Memory is a number of bytes in powers of 1024: "7.629GiB".
func Memory(bytes int64) string { return units.BytesSize(float64(bytes)) }

// Ago is how long t is ago: "About a minute ago", "3 days ago".
func Ago(t, now time.Time) string { return Duration(now.Sub(t)) + " ago" }

// Duration is d to about one digit: "Less than a second", "3 weeks".
func Duration(d time.Duration) string { return units.HumanDuration(d) }

// Time is t in the local zone as Docker's tables print it: "2006-01-02 15:04:05 -0700 MST".
func Time(t time.Time) string { return t.Truncate(time.Second).Local().String() }

// ShortID is the first 12 digits of an id, without the name of its hash.
func ShortID(id string) string {
	if _, digits, ok := strings.Cut(id, ":"); ok {
		id = digits
	}
	if len(id) > 12 {
		return id[:12]
	}
	return id
}

// Ellipsis shortens s to at most width characters, the last of which is then "…".
func Ellipsis(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	runes := []rune(s)
	return string(runes[:width-1]) + "…"
}
