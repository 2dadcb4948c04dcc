package restart

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Policy
		err  string
	}{
		{"on-failure:x", Policy{}, "invalid restart policy format: maximum retry count must be an integer"},
		{":3", Policy{}, "invalid restart policy format: no policy provided before colon"},
		{"on-failure:-1", Policy{}, "maximum retry count cannot be negative"},
		{"always:3", Policy{}, "maximum retry count cannot be used with restart policy 'always'"},
		{"no:1", Policy{}, "maximum retry count cannot be used with restart policy 'no'"},
		{"sometimes", Policy{}, "invalid restart policy 'sometimes'"},
		{"", Policy{}, ""},
		{"no", Policy{Name: No}, ""},
		{"on-failure:", Policy{Name: OnFailure}, ""},
		{"on-failure:3", Policy{Name: OnFailure, Max: 3}, ""},
		{"unless-stopped", Policy{Name: UnlessStopped}, ""},
	} {
		p, err := Parse(c.in)
		if err == nil {
			err = p.Check()
		}
		if err != nil && err.Error() != c.err || err == nil && (c.err != "" || p != c.want) {
			t.Errorf("%q: %+v, %v", c.in, p, err)
		}
	}
}

func TestAfter(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		policy Policy
		before History
		end    End
		again  bool
		after  History
	}{
		{Policy{}, History{}, End{Code: 1}, false, History{0, 100 * ms}},
		{Policy{Name: No}, History{}, End{Code: 1}, false, History{0, 100 * ms}},
		{Policy{Name: Always}, History{}, End{}, true, History{1, 100 * ms}},
		{Policy{Name: Always}, History{1, 100 * ms}, End{Stopped: true}, true, History{2, 200 * ms}},
		{Policy{Name: Always}, History{9, 50 * time.Second}, End{Ran: 9 * time.Second}, true, History{10, time.Minute}},
		{Policy{Name: Always}, History{9, time.Minute}, End{Ran: 10 * time.Second}, true, History{10, 100 * ms}},
		{Policy{Name: UnlessStopped}, History{}, End{Code: 1}, true, History{1, 100 * ms}},
		{Policy{Name: UnlessStopped}, History{}, End{Code: 1, Stopped: true}, false, History{0, 100 * ms}},
		{Policy{Name: OnFailure}, History{}, End{}, false, History{0, 100 * ms}},
		{Policy{Name: OnFailure}, History{7, time.Second}, End{Code: 2}, true, History{8, 2 * time.Second}},
		{Policy{OnFailure, 2}, History{1, time.Second}, End{Code: 2}, true, History{2, 2 * time.Second}},
		{Policy{OnFailure, 2}, History{2, time.Second}, End{Code: 2}, false, History{2, 2 * time.Second}},
	} {
		after, again := c.policy.After(c.before, c.end)
		if again != c.again || after != c.after {
			t.Errorf("%+v after %+v, %+v: %v %+v", c.policy, c.before, c.end, again, after)
		}
	}
}
