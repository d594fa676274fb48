package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
)

func TestRulesAllow(t *testing.T) {
	rules := api.Rules{{Prefix: "etl.", Rights: []api.Right{api.RightRead}}, {Prefix: "etl.x", Rights: []api.Right{api.RightCAS}}, {Rights: []api.Right{api.RightWatch}}}
	for name, want := range map[string]string{"etl.a": "read watch", "etl.x": "read watch cas", "etl": "watch", "pay.a": "watch", "": "watch", "ETL.a": "watch"} {
		var may []string
		for _, right := range api.Rights {
			if rules.Allow(right, name) {
				may = append(may, string(right))
			}
		}
		require.Equal(t, want, strings.Join(may, " "), name)
	}
	require.False(t, api.Rules(nil).Allow(api.RightRead, ""))
	require.False(t, rules.Allow("", "etl.a"))
	require.True(t, rules.AllowSome(api.RightCAS))
	require.False(t, rules.AllowSome(api.RightOperate))
}

// A rule that is taken is one that somebody can be given, and is written as it was read.
func FuzzParseRule(f *testing.F) {
	for _, seed := range []string{"etl.=read,watch", "=read", "a=b=cas", "=", "", "x", "=read,read", "=king", "\x00=read", "=read,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := api.ParseRule(text)
		if err != nil {
			require.ErrorIs(t, err, api.ErrInvalid)
			return
		}
		require.NoError(t, api.Rules{rule}.Check())
		require.Equal(t, text, rule.String())
	})
}

func TestTokenSecrets(t *testing.T) {
	id, secret, hash := api.NewTokenSecret()
	got, sum, ok := api.ParseTokenSecret(secret)
	require.True(t, ok)
	require.Equal(t, id, got)
	require.Equal(t, hash, sum)
	_, other, _ := api.NewTokenSecret()
	require.NotEqual(t, secret, other)
}

func FuzzParseTokenSecret(f *testing.F) {
	_, secret, _ := api.NewTokenSecret()
	for _, seed := range []string{secret, secret + "\n", " " + secret, strings.ToLower(secret), "grafnode__", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, _, ok := api.ParseTokenSecret(text)
		require.Equal(t, ok, id != "")
		if ok {
			require.Len(t, text, len(secret))
			require.True(t, strings.HasPrefix(text, "grafnode_"+id+"_"))
		}
	})
}
