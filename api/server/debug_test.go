package server

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheInsideOfANode(t *testing.T) {
	f := newFixture(t)
	f.server.c.Logs = func() []byte { return []byte("said") }
	for path, want := range map[string]string{"logs": "said", "settings": "", "goroutines": "goroutine ", "cpu": "\x1f\x8b", "heap": "\x1f\x8b"} {
		status, _, body := f.ask(t, "GET", "/v1/operator/debug/"+path, "")
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, body, want, path)
	}
	for path, want := range map[string]int{"none": 404, "heap?seconds=1": 400, "cpu?seconds=31": 400, "cpu?seconds=x": 400, "logs?lines=1": 400} {
		status, _, body := f.ask(t, "GET", "/v1/operator/debug/"+path, "")
		require.Equal(t, want, status, body)
	}
}
