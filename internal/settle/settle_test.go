package settle_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/settle"
)

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
