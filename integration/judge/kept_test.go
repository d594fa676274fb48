package judge

import (
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/integration/history"
)

var keptFlag = flag.String("history", "", "file with a history that a failed run has kept")

// Judges a history again, for whoever looks for what went wrong.
func TestKeptHistory(t *testing.T) {
	if *keptFlag == "" {
		t.Skip("no -history")
	}
	h, err := history.Load(*keptFlag)
	require.NoError(t, err)
	for _, f := range Judge(h, time.Minute) {
		t.Error(f)
	}
}
