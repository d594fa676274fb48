package settle_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/settle"
)

func TestJudgeOfAConfirmation(t *testing.T) {
	at := func(generation, spare fence.Epoch) api.Change {
		return api.Change{Revision: 10 * api.Revision(generation), Generation: generation, Spare: spare}
	}
	for name, tc := range map[string]struct {
		past    []api.Change
		pending bool
		want    settle.Verdict
	}{
		"carried out":                          {[]api.Change{at(3, 5), at(5, 6)}, false, settle.Carried},
		"carried out, and overtaken":           {[]api.Change{at(3, 5), at(5, 6), at(7, 0)}, true, settle.Carried},
		"the first that is remembered":         {[]api.Change{at(5, 6), at(7, 0)}, true, settle.Carried},
		"overtaken":                            {[]api.Change{at(3, 5), at(6, 0)}, true, settle.Refused},
		"the spare was given up":               {[]api.Change{at(3, 5), at(3, 0)}, true, settle.Refused},
		"the spare was given up for another":   {[]api.Change{at(3, 5), at(3, 6)}, true, settle.Refused},
		"the spare is there, nothing to come":  {[]api.Change{at(3, 5)}, false, settle.Refused},
		"the spare is there, copies are about": {[]api.Change{at(3, 5)}, true, settle.Open},
		"forgotten, or deleted since":          {[]api.Change{at(6, 0), at(7, 0)}, true, settle.Open},
		"no edge":                              {nil, true, settle.Open},
	} {
		got, revision := settle.Judge(tc.past, settle.Change{Confirm: 5, Session: "s", Pending: tc.pending})
		require.Equal(t, tc.want, got, name)
		if want := api.Revision(50); got == settle.Carried {
			require.Equal(t, want, revision, name)
		}
	}
}

func TestJudge(t *testing.T) {
	change := func(revision api.Revision, by string, why api.Reason) api.Change {
		c := api.Change{Revision: revision, Reason: why}
		c.Actor = "s"
		if by != "s" {
			c.Actor = "other"
		}
		return c
	}
	made := change(3, "other", api.ReasonCreated)
	ours := change(7, "s", api.ReasonTakeover)
	others := change(7, "other", api.ReasonTakeover)
	after := change(9, "other", api.ReasonTakeover)
	takes := settle.Change{Expect: 3, Session: "s", Reason: api.ReasonTakeover}
	pending := takes
	pending.Pending = true
	creates := settle.Change{Session: "s", Reason: api.ReasonTakeover}
	for name, tc := range map[string]struct {
		past []api.Change
		c    settle.Change
		want settle.Verdict
		at   api.Revision
	}{
		"ours came next":                   {[]api.Change{made, ours, after}, takes, settle.Carried, 7},
		"two entries of one command":       {[]api.Change{made, change(3, "", api.ReasonGone), ours}, takes, settle.Carried, 7},
		"another came next":                {[]api.Change{made, others, ours}, takes, settle.Refused, 0},
		"nothing came next":                {[]api.Change{made}, takes, settle.Refused, 0},
		"nothing came next, and it may":    {[]api.Change{made}, pending, settle.Open, 0},
		"another came next, so it cannot":  {[]api.Change{made, others}, pending, settle.Refused, 0},
		"forgotten":                        {[]api.Change{others, after}, takes, settle.Open, 0},
		"no edge":                          {nil, takes, settle.Open, 0},
		"ours made it":                     {[]api.Change{change(3, "s", api.ReasonCreated), after}, creates, settle.Carried, 3},
		"another made it, perhaps anew":    {[]api.Change{made, after}, creates, settle.Open, 0},
		"for another reason":               {[]api.Change{made, change(7, "s", api.ReasonRequested)}, takes, settle.Refused, 0},
		"its beginning is not known to us": {[]api.Change{others}, creates, settle.Open, 0},
	} {
		got, at := settle.Judge(tc.past, tc.c)
		require.Equal(t, tc.want, got, name)
		require.Equal(t, tc.at, at, name)
	}
}
