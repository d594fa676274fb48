//go:build rdma && linux && cgo

package ibverbs

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/adapter"
)

// What grafnode fabric probe says of a host is so: this one has an adapter that works, under the address by which it was opened.
func TestTheProbeIsRight(t *testing.T) {
	d := openDevice(t)
	host := adapter.Here("/")
	host.Built = true
	report := adapter.Probe(host)
	Ask(&report)
	require.Empty(t, report.Problems)
	require.NotEmpty(t, report.Library)
	for _, a := range report.Adapters {
		if a.Name == d.Port().Device {
			require.NotZero(t, a.Ports[0].MTU)
			require.NotZero(t, a.Ports[0].WriteMax)
			require.Equal(t, d.Port().WriteMax, a.Ports[0].WriteMax)
			require.Equal(t, [16]byte(d.Port().GID), a.Ports[0].Reach()[0].Address.As16())
			return
		}
	}
	t.Fatalf("%s is not in %+v", d.Port().Device, report.Adapters)
}
