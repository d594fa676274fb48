package raftguard_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// BenchmarkStore measures a commit to the disk: one of each kind in turns, so that both see the same disk, and how long one takes
// at the median and at worst in a hundred.
func BenchmarkStore(b *testing.B) {
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprint(batch, "-entries"), func(b *testing.B) {
			data := make([]byte, 300)
			next := uint64(1)
			took := make([][]time.Duration, len(kinds))
			var stores []raft.LogStore
			for _, kind := range kinds {
				s, _ := open(b, b.TempDir(), kind)
				stores = append(stores, s)
			}
			for b.Loop() {
				var logs []*raft.Log
				for range batch {
					logs = append(logs, &raft.Log{Index: next, Term: 1, Data: data})
					next++
				}
				for i, s := range stores {
					began := time.Now()
					require.NoError(b, s.StoreLogs(logs))
					took[i] = append(took[i], time.Since(began))
				}
			}
			for i, all := range took {
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)/2].Microseconds()), string(kinds[i])+"-p50-µs")
				b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), string(kinds[i])+"-p99-µs")
			}
			b.ReportMetric(0, "ns/op") // both together: says nothing
		})
	}
}
