package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
)

// A token's secret is printed once, and alone, so that it can go into a file; from there it is shown.
func TestATokenIsMadeAndShown(t *testing.T) {
	id, secret, _ := api.NewTokenSecret()
	var asked api.TokenRequest
	var shown []string
	played(t, map[string]http.HandlerFunc{
		"POST /v1/tokens": func(w http.ResponseWriter, r *http.Request) {
			require.NoError(t, json.NewDecoder(r.Body).Decode(&asked))
			give(w, api.TokenCreated{Token: api.Token{ID: id, Name: asked.Name, Rules: asked.Rules}, Secret: secret})
		},
		"GET /v1/tokens": func(w http.ResponseWriter, r *http.Request) {
			shown = append(shown, r.Header.Get(api.HeaderAuthorization))
			give(w, []api.Token{{ID: id, Name: "ci", Rules: asked.Rules, Expires: asked.Expires}})
		},
		"DELETE /v1/tokens/{id}": func(w http.ResponseWriter, r *http.Request) {
			require.Equal(t, id, r.PathValue("id"))
			w.WriteHeader(http.StatusNoContent)
		},
	})
	code, stdout, stderr := ask(t, "token", "create", "--name", "ci", "--rule", "etl.=read,watch", "--rule", "=read", "--expires", "30d")
	require.Equal(t, exitOK, code, stderr)
	require.Equal(t, secret+"\n", stdout)
	require.NotContains(t, stderr, secret[22:])
	require.Equal(t, "etl.=read,watch =read", asked.Rules.String())
	require.WithinDuration(t, time.Now().Add(30*day), asked.Expires, time.Minute)

	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(stdout), 0o600))
	code, stdout, stderr = ask(t, "token", "list", "--token-file", file)
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "etl.=read,watch =read")
	t.Setenv("GRAFNODE_TOKEN_FILE", file)
	code, _, stderr = ask(t, "token", "list")
	require.Equal(t, exitOK, code, stderr)
	t.Setenv("GRAFNODE_TOKEN_FILE", "/nowhere")
	t.Setenv("GRAFNODE_TOKEN", secret)
	code, _, stderr = ask(t, "token", "list")
	require.Equal(t, exitOK, code, stderr)
	require.Equal(t, []string{"Bearer " + secret, "Bearer " + secret, "Bearer " + secret}, shown)
	code, _, stderr = ask(t, "token", "delete", id)
	require.Equal(t, exitOK, code, stderr)

	t.Run("not over the network", func(t *testing.T) {
		for _, address := range []string{"192.0.2.1:7400", "db.example:7400", "0.0.0.0:1"} {
			code, _, stderr := ask(t, "token", "list", "--address", address)
			require.Equal(t, exitUsage, code)
			require.Contains(t, stderr, "--tls-ca is missing")
			require.NotContains(t, stderr, secret[22:])
		}
	})
	t.Run("not something else", func(t *testing.T) {
		t.Setenv("GRAFNODE_TOKEN", secret+"\r\nX: y")
		code, _, stderr := ask(t, "token", "list")
		require.Equal(t, exitUsage, code)
		require.Contains(t, stderr, "$GRAFNODE_TOKEN is no token")
		require.NotContains(t, stderr, secret[22:])
	})
}

func TestWhatATokenNeeds(t *testing.T) {
	for want, args := range map[string][]string{
		"--name is missing":            {"--rule", "=read"},
		"0 rules":                      {"--name", "x"},
		"must be a prefix, = and":      {"--name", "x", "--rule", "read"},
		`right "king", must be one of`: {"--name", "x", "--rule", "etl.=read,king"},
		`"soon": must be a time`:       {"--name", "x", "--rule", "=read", "--expires", "soon"},
		`"-1d": must be a time`:        {"--name", "x", "--rule", "=read", "--expires", "-1d"},
	} {
		code, _, stderr := ask(t, append([]string{"token", "create"}, args...)...)
		require.Equal(t, exitUsage, code, stderr)
		require.Contains(t, stderr, want)
	}
}
