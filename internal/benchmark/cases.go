package benchmark

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/load"
)

// kind is a case that is measured by putting load on a cluster that is well.
type kind struct {
	name        string
	clients     int
	leaderFirst bool // the first client is at the leader, else at a follower; many are spread over all nodes
	rate        bool // operations a second count, else latency
}

var kinds = []kind{
	{name: "cas/1", clients: 1},
	{name: "cas/1/leader", clients: 1, leaderFirst: true},
	{name: "cas/64", clients: 64, rate: true},
	{name: "read/default", clients: 1},
	{name: "read/default/leader", clients: 1, leaderFirst: true},
	{name: "read/strict/64", clients: 64, rate: true},
	{name: "watch/follower", clients: 1, leaderFirst: true},
}

// The cases of another kind.
const (
	caseDisk   = "disk/fsync"
	caseKilled = "leader-killed"
)

// Cases returns the names of all cases.
func Cases() []string {
	names := []string{caseDisk}
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return append(names, caseKilled)
}

func (b *bench) measure(ctx context.Context, name string) (figures.Line, error) {
	switch name {
	case caseDisk:
		return b.disk(ctx)
	case caseKilled:
		return b.leaderKilled(ctx)
	}
	k := kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })] // validated
	unit := "ms"
	if k.rate {
		unit = "ops/s"
	}
	pairs, err := b.inTurns(ctx, b.c.Runs, func(ctx context.Context, side *cluster) (figures.Figure, error) {
		r, err := b.task(ctx, side, k)
		if err != nil {
			return figures.Figure{}, err
		}
		f := figures.Figure{Value: r.P50, P99: r.P99}
		if k.rate {
			f = figures.Figure{Value: float64(r.Count) / r.Seconds}
		}
		b.logf("%s\t%s\t%s ops/s\tp50 %s ms, p99 %s ms\tcpu servers %s, clients %s us/op", k.name, side.side,
			figures.Round(float64(r.Count)/r.Seconds), figures.Round(r.P50), figures.Round(r.P99), figures.Round(r.servers), figures.Round(r.clients))
		return f, nil
	})
	if err != nil {
		return figures.Line{}, err
	}
	return figures.Sum(name, b.c.Against, unit, pairs), nil
}

// outcome is what a task's clients found, and what processor time it took, in microseconds an operation. That is the one figure
// which a machine busy with other things leaves nearly alone.
type outcome struct {
	load.Result
	servers, clients float64
}

// task has a process of clients measure once.
func (b *bench) task(ctx context.Context, side *cluster, k kind) (o outcome, err error) {
	leader, err := side.settled(ctx)
	if err != nil {
		return o, err
	}
	before := side.cpu()
	read := func(r io.Reader) error { return json.NewDecoder(r).Decode(&o.Result) }
	p, err := side.load(read, b.args(k.name, side.place(leader, k.leaderFirst), k.clients)...)
	if err != nil {
		return o, err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		return o, context.Cause(ctx)
	}
	if err := p.Err(); err != nil {
		return o, fmt.Errorf("clients: %w: %s", err, tail(side.client.Log))
	}
	if o.Count == 0 {
		return o, errors.New("clients: nothing was measured")
	}
	// The clients count what they did after warming up; time was used before it, too.
	ops := float64(o.Count) * (b.c.Warm + b.c.For).Seconds() / b.c.For.Seconds()
	o.servers, o.clients = float64((side.cpu()-before).Microseconds())/ops, float64(p.CPU().Microseconds())/ops
	return o, nil
}

func (b *bench) args(name string, targets []string, clients int) []string {
	list := ""
	for i, t := range targets {
		if i > 0 {
			list += ","
		}
		list += t
	}
	return []string{"--case", name, "--nodes", list, "--clients", strconv.Itoa(clients), "--for", b.c.For.String(),
		"--warm", b.c.Warm.String(), "--prefix", "bench-" + strconv.Itoa(b.turns)}
}

// disk measures what everything rests on: appending 4 KiB to a file and flushing it, one after the other. The peer uses the same
// disk, so there is nothing to compare.
func (b *bench) disk(ctx context.Context) (figures.Line, error) {
	f, err := os.Create(filepath.Join(b.dir, "fsync"))
	if err != nil {
		return figures.Line{}, err
	}
	defer f.Close()
	var pairs []figures.Pair
	page := make([]byte, 4096)
	for range b.c.Runs {
		var took []float64
		for range 200 {
			began := time.Now()
			if _, err := f.Write(page); err != nil {
				return figures.Line{}, err
			}
			if err := f.Sync(); err != nil {
				return figures.Line{}, err
			}
			took = append(took, time.Since(began).Seconds()*1e3)
		}
		slices.Sort(took)
		pairs = append(pairs, figures.Pair{Ours: figures.Figure{Value: figures.Median(took), P99: figures.Quantile(took, .99)}})
	}
	return figures.Sum(caseDisk, "", "ms", pairs), context.Cause(ctx)
}
