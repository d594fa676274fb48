package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/benchmark/figures"
)

// That everything is accounted for, and that figures come out; not which.
func TestBenchFailover(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nodes and kills some")
	}
	cmd, _ := benchData(t, "failover", "--json", "--runs", "2", "--full", "-1", "--rate", "2000", "--seed", "1",
		"--faults", "ring-node-killed/spare,consumer-killed")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	require.Contains(t, stderr.String(), "seed 1;")
	var names []string
	for lines := json.NewDecoder(bytes.NewReader(out)); ; {
		var l figures.Line
		if err := lines.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		names = append(names, l.Case)
		require.Positive(t, l.P50MS, l.Case)
		require.Positive(t, l.Items)
		require.Zero(t, l.Lost+l.Doubled, l.Case)
	}
	require.Equal(t, []string{"ring-node-killed/spare", "consumer-killed"}, names)
}

func TestBenchFailoverAskedWrongly(t *testing.T) {
	for _, args := range [][]string{{"--faults", "flood"}, {"--runs", "0.5"}, {"--rate", "1"}, {"more"}} {
		var out, stderr bytes.Buffer
		require.Equal(t, exitUsage, run(t.Context(), append([]string{"bench", "failover"}, args...), &out, &stderr), args)
		require.Contains(t, stderr.String(), "grafnode bench failover: ")
	}
}
