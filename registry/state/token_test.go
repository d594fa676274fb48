package state_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

func TestTokens(t *testing.T) {
	s := newScript(t)
	rules := api.Rules{{Prefix: "etl.", Rights: []api.Right{api.RightRead}}}
	s.refused(state.PutToken{Token: "t1", Rules: rules}, api.ErrUnavailable)
	s.must(state.Upgrade{Level: 5})
	s.must(state.PutToken{Token: "t1", Name: "ci", Hash: [32]byte{7}, Rules: rules, Expires: 9})
	token, ok := s.state.Token("t1")
	require.True(t, ok)
	require.Equal(t, api.Token{ID: "t1", Name: "ci", Rules: rules, Created: token.API().Created, Expires: token.API().Expires}, token.API())
	require.EqualValues(t, 9, token.API().Expires.Unix())
	rules[0].Prefix = ""
	require.Equal(t, "etl.", token.Rules[0].Prefix, "the state's own")

	s.refused(state.PutToken{Token: "t1", Hash: [32]byte{8}, Rules: rules}, api.ErrConflict)
	for _, bad := range []state.PutToken{
		{Token: "", Rules: rules}, {Token: "t 2", Rules: rules}, {Token: "t2"}, {Token: "t2", Rules: rules, Expires: -1},
		{Token: "t2", Rules: rules, Name: fmt.Sprintf("%300s", "")}, {Token: "t2", Rules: api.Rules{{Rights: []api.Right{"member"}}}},
		{Token: "t2", Rules: api.Rules{{Prefix: "x"}}}, {Token: "t2", Rules: make(api.Rules, api.RulesMax+1)},
		{Token: "t2", Rules: api.Rules{{Rights: []api.Right{api.RightRead, api.RightRead}}}},
	} {
		s.refused(bad, api.ErrInvalid)
	}
	s.must(state.RemoveToken{Token: "t1"})
	s.refused(state.RemoveToken{Token: "t1"}, api.ErrNotFound)
}

// What a restore brings back is not who may do what: a token that was removed since stays so, one that was made since stays.
func TestARestoreLeavesTokensAlone(t *testing.T) {
	s := newScript(t)
	s.must(state.Upgrade{Level: 5})
	rules := api.Rules{{Rights: []api.Right{api.RightRead}}}
	s.must(state.PutToken{Token: "old", Rules: rules})
	snapshot := s.state
	s.must(state.RemoveToken{Token: "old"})
	s.must(state.PutToken{Token: "new", Rules: rules})
	restored := snapshot.RestoredOver(s.state)
	require.NoError(t, restored.Verify())
	_, back := restored.Token("old")
	require.False(t, back)
	_, kept := restored.Token("new")
	require.True(t, kept)
	_, kept = snapshot.Recovered().Token("old")
	require.True(t, kept, "a recovery goes on with what it has")
}

func TestSessionsHaveRules(t *testing.T) {
	s := newScript(t)
	open := state.OpenSession{Session: "s9", Stage: "stage", Node: "n1", Incarnation: 1, TTL: lease.TTLDefault, Rules: api.Rules{{Rights: api.Rights}}}
	s.refused(open, api.ErrUnavailable)
	s.must(state.Upgrade{Level: 5})
	s.must(open)
	session, _ := s.state.Session("s9")
	require.Equal(t, open.Rules, session.Rules)
	s.refused(state.OpenSession{Session: "s10", Stage: "stage", Node: "n1", Incarnation: 1, TTL: lease.TTLDefault,
		Rules: api.Rules{{Rights: []api.Right{"king"}}}}, api.ErrInvalid)
}
