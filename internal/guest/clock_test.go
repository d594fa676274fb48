package guest

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// However busy the host is, two measurements agree.
func TestCounter(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("there are no machines")
	}
	require.InEpsilon(t, counterKHz(), counterKHz(), 0.01)
}
