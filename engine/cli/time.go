package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// timeLayouts are the forms of a time that Docker takes, the longest first. Those without a zone are local.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02T15Z07:00", "2006-01-02T15",
	"2006-01-02Z07:00", "2006-01-02",
}

// parseTime reads the time of --since and --until: a duration before now, a date with or without a time of day, or seconds since
// 1970. "" is the zero time. Source: moby, api/types/time.GetTimestamp.
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	seconds, fraction, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || len(fraction) > 9 {
		return time.Time{}, fmt.Errorf("failed to parse value as time or duration: %q", s)
	}
	nsec := int64(0)
	if fraction != "" {
		if nsec, err = strconv.ParseInt(fraction+strings.Repeat("0", 9-len(fraction)), 10, 64); err != nil {
			return time.Time{}, fmt.Errorf("failed to parse value as time or duration: %q", s)
		}
	}
	return time.Unix(sec, nsec), nil
}
