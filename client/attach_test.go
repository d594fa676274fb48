package client

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
)

// After a restore an edge is without a ring. Its history tells why the next one was asked for, so it is said in words.
func TestAnEdgeWithoutARing(t *testing.T) {
	_, err := new(Client).AttachProducer(t.Context(), api.Edge{Name: "e", Generation: 9})
	require.True(t, fabric.Lost(err))
	require.ErrorContains(t, err, "edge e has no ring at generation 9")
}
