//go:build faults

package detour

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWays(t *testing.T) {
	ways = parse("127.0.0.1:1=127.0.0.9:2,127.0.0.2:1=127.0.0.9:3,nonsense")
	require.Equal(t, "127.0.0.9:2", To("127.0.0.1:1"))
	require.Equal(t, "127.0.0.9:3", To("127.0.0.2:1"))
	require.Equal(t, "127.0.0.3:1", To("127.0.0.3:1"))
}
