package clock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/outset-settings/outset/internal/clock"
)

// TestLearn: a difference counts if it is more than what can't be told, and an answer that took too
// long changes nothing.
func TestLearn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ahead, took time.Duration
		want        time.Duration
	}{
		"agree":              {0, time.Millisecond, 0},
		"nearly agree":       {4 * time.Millisecond, 0, 0},
		"a little ahead":     {20 * time.Millisecond, time.Millisecond, 20 * time.Millisecond},
		"may agree":          {20 * time.Millisecond, 40 * time.Millisecond, 0},
		"ahead":              {5 * time.Minute, 100 * time.Millisecond, 5 * time.Minute},
		"behind":             {-5 * time.Minute, 100 * time.Millisecond, -5 * time.Minute},
		"told too late":      {5 * time.Minute, time.Second, 0},
		"told before asking": {5 * time.Minute, -time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var k clock.Clock
				asked := time.Now()
				k.Learn(asked.Add(c.took/2+c.ahead), asked, asked.Add(c.took))
				if inTime := c.took >= 0 && c.took < time.Second; k.Known() != inTime {
					t.Errorf("it is known: %v", k.Known())
				}
				if k.Ahead() != c.want {
					t.Errorf("it is %v ahead, want %v", k.Ahead(), c.want)
				}
				if now := k.Now(); !now.Equal(asked.Add(c.want)) || !k.Ours(now).Equal(asked) {
					t.Errorf("now it is %v, and %v by ours, where it is %v", now, k.Ours(now), asked)
				}
			})
		})
	}
}

// TestLearnAgain: what was learnt from a quick answer stays while slow ones agree with it, and goes
// with one that can't.
func TestLearnAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k clock.Clock
		for i, c := range []struct{ ahead, took, want time.Duration }{
			{100 * time.Millisecond, time.Millisecond, 100 * time.Millisecond},
			{250 * time.Millisecond, 400 * time.Millisecond, 100 * time.Millisecond},
			{-50 * time.Millisecond, 400 * time.Millisecond, 100 * time.Millisecond},
			{350 * time.Millisecond, 400 * time.Millisecond, 350 * time.Millisecond},
			{0, time.Millisecond, 0},
		} {
			asked := time.Now()
			k.Learn(asked.Add(c.took/2+c.ahead), asked, asked.Add(c.took))
			if k.Ahead() != c.want {
				t.Errorf("answer %d: it is %v ahead, want %v", i, k.Ahead(), c.want)
			}
		}
	})
}
