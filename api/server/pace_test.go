package server

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

// A connection is kept for many requests, and what time one answer had is not what the next has: whatever that is made of.
func TestAnAnswerHasTimeOfItsOwn(t *testing.T) {
	f := newFixture(t)
	apply(t, f.registry, state.GrantLease{Lease: "l1", Kind: lease.KindBlock, Node: "n1", Session: "s1", Name: "r", Bytes: 4096, TTL: 10 * time.Second})
	begun := make(chan net.Conn, 1)
	node := httptest.NewUnstartedServer(f.handler())
	node.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		begun <- c
		return ctx
	}
	node.Start()
	defer node.Close()
	conn, err := net.Dial("tcp", node.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	answers := bufio.NewReader(conn)
	var its net.Conn // the node's end
	for _, c := range []struct {
		request string
		status  int
	}{
		{"GET /v1/edges HTTP/1.1\r\n", http.StatusOK},
		{"POST /v1/blocks/l1/fence?epoch=1 HTTP/1.1\r\nGrafnode-Session: s1\r\nGrafnode-Token: secret\r\nContent-Length: 0\r\n", http.StatusNoContent},
		{"GET /v1/watch?mode=none HTTP/1.1\r\n", http.StatusBadRequest},
		{"GET / HTTP/1.1\r\n", http.StatusSeeOther},
	} {
		_, err = fmt.Fprintf(conn, "%sHost: node\r\n\r\n", c.request)
		require.NoError(t, err)
		answer, err := http.ReadResponse(answers, nil)
		require.NoError(t, err, c.request)
		require.Equal(t, c.status, answer.StatusCode)
		require.NoError(t, answer.Body.Close())
		if its == nil {
			its = <-begun
		}
		require.NoError(t, its.SetWriteDeadline(time.Now().Add(-time.Second))) // as if a minute had passed
	}
}
