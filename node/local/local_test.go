//go:build linux

package local_test

import (
	"os"
	"os/user"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/node/local"
)

func resolved(t *testing.T, texts ...string) *local.Users {
	t.Helper()
	var entries []local.Entry
	for _, text := range texts {
		e, err := local.Parse(text)
		require.NoError(t, err)
		require.Equal(t, text, e.String())
		entries = append(entries, e)
	}
	u, err := local.Resolve(entries)
	require.NoError(t, err)
	return u
}

func TestWhoMayDoWhat(t *testing.T) {
	const etl, team, other = 54321, 54322, 54323
	u := resolved(t, "user:54321 etl.=read,cas", "group:54322 ref.=read =watch", "user:54321 pay.=read")
	require.True(t, u.Open())
	for _, own := range []int{0, os.Getuid()} {
		all, _, err := u.Of(own, other)
		require.NoError(t, err)
		require.True(t, all)
	}
	for _, c := range []struct {
		uid, gid int
		want     string
	}{{etl, other, "etl.=read,cas pay.=read"}, {etl, team, "etl.=read,cas pay.=read ref.=read =watch"}, {other, team, "ref.=read =watch"}} {
		all, rules, err := u.Of(c.uid, c.gid)
		require.NoError(t, err)
		require.False(t, all)
		require.Equal(t, c.want, rules.String())
	}
	for _, nobody := range []*local.Users{u, resolved(t)} {
		all, rules, err := nobody.Of(other, other)
		require.ErrorIs(t, err, api.ErrForbidden)
		require.False(t, all)
		require.Empty(t, rules)
	}
	require.False(t, resolved(t).Open())
}

// A session of more rules than the cluster takes could not be opened: who has so many is told before.
func TestNobodyHasMoreRulesThanASessionTakes(t *testing.T) {
	const many = " a=read b=read c=read d=read e=read f=read g=read h=read i=read"
	var entries []local.Entry
	for _, who := range []string{"user:54321", "group:54322", "user:54321"} {
		e, err := local.Parse(who + many)
		require.NoError(t, err)
		entries = append(entries, e)
	}
	u, err := local.Resolve(entries[:2])
	require.NoError(t, err)
	_, rules, err := u.Of(54321, 54323)
	require.NoError(t, err)
	require.NoError(t, rules.Check())
	_, _, err = u.Of(54321, 54322)
	require.ErrorIs(t, err, api.ErrForbidden)
	require.ErrorContains(t, err, "18 rules")
	_, err = local.Resolve(entries)
	require.ErrorContains(t, err, "user:54321")
	require.ErrorContains(t, err, "18 rules")
}

// The groups of a user are also those that only the host's files name him in.
func TestGroupsOfTheHost(t *testing.T) {
	who, err := user.Lookup("nobody")
	require.NoError(t, err, "every system has one")
	g, err := user.LookupGroupId(who.Gid)
	require.NoError(t, err)
	u := resolved(t, "group:"+g.Name+" =read")
	_, rules, err := u.Of(65534, 54323)
	require.NoError(t, err)
	require.Equal(t, "=read", rules.String())
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"": "is empty", "etl =read": "must begin with user: or group:", "user: =read": "must begin with", "user:etl": "0 rules",
		"user:etl read": "must be a prefix", "user:etl =king": `right "king"`, "group:x =member": "must be one of",
	} {
		_, err := local.Parse(text)
		require.ErrorContains(t, err, want, text)
	}
	e, err := local.Parse("user:no-such-user-here =read")
	require.NoError(t, err)
	_, err = local.Resolve([]local.Entry{e})
	require.ErrorContains(t, err, "no-such-user-here")
}
