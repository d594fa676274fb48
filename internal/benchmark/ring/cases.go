package ring

import (
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/benchmark/flow"
)

// testcase is one thing to measure, on both sides.
type testcase struct {
	name     string
	bytes    int
	batch    int // records that are published at once
	capacity int // of our rings
	mode     fabric.Mode
	send     string // the processes' tasks
	read     string
	latency  bool
	checks   string
}

const (
	structure = "each record's mark and length; the cursors"
	entry     = "the same, and each item's epoch, position and sequence; CRC32C of all its bytes"
)

// idleEdges is how many edges rest in case idle.
const idleEdges = 1000

var cases = []testcase{
	{name: "oneway/64B/batched", bytes: 64, batch: 64, capacity: 1 << 20, mode: fabric.LowLatency, send: taskSend, read: taskRead, checks: structure},
	{name: "oneway/64B/typed", bytes: 64, batch: 1, capacity: 1 << 20, mode: fabric.Balanced, send: taskPush, read: taskPop, checks: entry},
	{name: "oneway/1KiB", bytes: 1 << 10, batch: 16, capacity: 1 << 20, mode: fabric.LowLatency, send: taskSend, read: taskRead, checks: structure},
	{name: "oneway/16KiB", bytes: 16 << 10, batch: 1, capacity: 1 << 20, mode: fabric.LowLatency, send: taskSend, read: taskRead, checks: structure},
	{name: "rtt/64B/spin", bytes: 64, batch: 1, capacity: 1 << 16, mode: fabric.LowLatency, send: taskPing, read: taskPong, latency: true, checks: structure},
	{name: "rtt/64B/parked", bytes: 64, batch: 1, capacity: 1 << 16, mode: fabric.Thrifty, send: taskPing, read: taskPong, latency: true, checks: structure},
}

// caseIdle has no peer: it is what a thousand edges cost that nothing happens on.
const caseIdle = "idle/1000"

// Cases returns the names of all cases.
func Cases() []string {
	var names []string
	for _, c := range cases {
		names = append(names, c.name)
	}
	return append(names, caseIdle)
}

func (c testcase) load(config Config) flow.Load {
	return flow.Load{Bytes: c.bytes, Batch: c.batch, Warm: config.Warm, For: config.For}
}

// parked says that both sides sleep whenever there is nothing to do.
func (c testcase) parked() bool { return c.mode == fabric.Thrifty }
