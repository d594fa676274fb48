package ibverbs

import "github.com/grafnode/grafnode/internal/adapter"

// Ask adds to a report of this host what only the adapters themselves say, if this binary can speak to them. What keeps it from that is among the
// report's problems.
func Ask(r *adapter.Report) {
	known, _ := New().Ports()
	for _, k := range known {
		for _, a := range r.Adapters {
			for i := range a.Ports {
				if p := &a.Ports[i]; a.Name == k.Device && p.Number == int(k.Number) {
					p.WriteMax = k.WriteMax
				}
			}
		}
	}
}
