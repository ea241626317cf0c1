package settings_test

import (
	"testing"
	"time"

	"github.com/outset-settings/outset/internal/settings"
)

func TestConditionHolds(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	never := settings.State{Absent: true}
	third := settings.State{Version: 3, Modified: noon.Add(900 * time.Millisecond)}
	deleted := settings.State{Version: 4, Absent: true, Modified: noon}
	every := &settings.Versions{Any: true}
	made := func(at time.Time) *settings.Versions {
		tag := settings.Tag{Version: 3, Micros: at.UnixMicro()}
		return &settings.Versions{Listed: []settings.Tag{tag}}
	}
	listed := func(versions ...int64) *settings.Versions {
		v := new(settings.Versions)
		for _, n := range versions {
			v.Listed = append(v.Listed, settings.Tag{Version: n})
		}
		return v
	}

	for name, c := range map[string]struct {
		condition             *settings.Condition
		never, third, deleted bool
	}{
		"none":         {nil, true, true, true},
		"an empty one": {&settings.Condition{}, true, true, true},
		"If-Match: *":  {&settings.Condition{Match: every}, false, true, false},
		"If-Match: the version": {
			&settings.Condition{Match: listed(3)}, false, true,
			false,
		},
		"If-Match: the version, made then": {
			&settings.Condition{Match: made(third.Modified)}, false, true,
			false,
		},
		"If-Match: its number, made at another time": {
			&settings.Condition{Match: made(third.Modified.Add(time.Microsecond))}, false, false,
			false,
		},
		"If-None-Match: its number, made at another time": {
			&settings.Condition{NoneMatch: made(third.Modified.Add(-time.Microsecond))}, true, true,
			true,
		},
		"If-Match: the version, in a list": {
			&settings.Condition{Match: listed(9, 3)}, false, true,
			false,
		},
		"If-Match: an older version": {
			&settings.Condition{Match: listed(2)}, false, false,
			false,
		},
		"If-Match: no document": {
			&settings.Condition{Match: listed(0)}, true, false,
			true,
		},
		"If-Match: seen deleted": {
			&settings.Condition{Match: listed(4)}, false, false,
			true,
		},
		"If-Match: nothing": {
			&settings.Condition{Match: listed()}, false, false,
			false,
		},
		"If-None-Match: *": {
			&settings.Condition{NoneMatch: every}, true, false,
			true,
		},
		"If-None-Match: the version": {
			&settings.Condition{NoneMatch: listed(3)}, true, false,
			true,
		},
		"If-None-Match: a list": {
			&settings.Condition{NoneMatch: listed(1, 2)}, true,
			true, true,
		},
		"If-None-Match: no document": {
			&settings.Condition{NoneMatch: listed(0)}, false, true,
			false,
		},
		"If-None-Match: seen deleted": {
			&settings.Condition{NoneMatch: listed(4)}, true, true,
			false,
		},
		"both hold": {&settings.Condition{
			Match:     listed(3),
			NoneMatch: listed(4),
		}, false, true, false},
		"both of one version": {&settings.Condition{
			Match:     listed(3),
			NoneMatch: listed(3),
		}, false, false, false},
		"* in both": {
			&settings.Condition{Match: every, NoneMatch: every},
			false, false, false,
		},
		// An HTTP date has no fractions: what changed within the second is not after it.
		"unmodified since that second": {
			&settings.Condition{UnmodifiedSince: noon}, true, true,
			true,
		},
		"unmodified since the one after": {&settings.Condition{UnmodifiedSince: noon.Add(time.Second)}, true, true, true},
		"modified since":                 {&settings.Condition{UnmodifiedSince: noon.Add(-time.Second)}, true, false, false},
		"another zone":                   {&settings.Condition{UnmodifiedSince: noon.In(time.FixedZone("", 3600))}, true, true, true},
		// RFC 9110 section 13.1.4: a recipient must ignore it beside If-Match.
		"the date beside If-Match": {&settings.Condition{
			Match:           listed(3),
			UnmodifiedSince: noon.Add(-time.Hour),
		}, false, true, false},
		"the date beside If-None-Match": {&settings.Condition{
			NoneMatch:       listed(9),
			UnmodifiedSince: noon.Add(-time.Hour),
		}, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, of := range []struct {
				state settings.State
				want  bool
			}{{never, c.never}, {third, c.third}, {deleted, c.deleted}} {
				if got := c.condition.Holds(of.state); got != of.want {
					t.Errorf("of %+v it is %t, want %t", of.state, got, of.want)
				}
			}
		})
	}
}

// TestDateOfTwoVersions: a date that two versions have holds for neither.
func TestDateOfTwoVersions(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	condition := settings.Condition{UnmodifiedSince: noon}
	for previous, want := range map[time.Time]bool{
		{}: true, noon.Add(-time.Microsecond): true, noon: false,
		noon.Add(time.Second / 2): false, noon.Add(time.Hour): false, // the clock was set back
	} {
		state := settings.State{
			Version: 3, Modified: noon.Add(900 * time.Millisecond), Previous: previous,
		}
		if got := condition.Holds(state); got != want {
			t.Errorf("the previous version of %v: %t", previous, got)
		}
	}
}

// TestConditionOfAValue: * stands for the value, a version for the whole document.
func TestConditionOfAValue(t *testing.T) {
	t.Parallel()
	every := &settings.Versions{Any: true}
	third := &settings.Versions{Listed: []settings.Tag{{Version: 3}}}
	for name, c := range map[string]struct {
		condition      settings.Condition
		there, missing bool
	}{
		"If-Match: *":            {settings.Condition{Match: every}, true, false},
		"If-None-Match: *":       {settings.Condition{NoneMatch: every}, false, true},
		"If-Match: the version":  {settings.Condition{Match: third}, true, true},
		"If-None-Match: version": {settings.Condition{NoneMatch: third}, false, false},
	} {
		for _, missing := range []bool{false, true} {
			want := c.there
			if missing {
				want = c.missing
			}
			if got := c.condition.Holds(settings.State{Version: 3, NoValue: missing}); got != want {
				t.Errorf("%s, missing %t: %t", name, missing, got)
			}
		}
	}
}
