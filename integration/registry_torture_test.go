package integration

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/integration/judge"
	"github.com/grafnode/grafnode/integration/nemesis"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "of a registry run: its calls and its faults; 0: another one each time")
	phaseFlag = flag.Int("phases", 0, "of faults in a registry run; 0: as many as its test says")
	storeFlag = flag.String("store", "", "log store of the nodes in registry runs: bolt, wal, auto; empty: the nodes' default")
)

// faults that every ensemble can have.
var faults = []nemesis.Kind{
	nemesis.Kill, nemesis.Kill, nemesis.Stop, nemesis.Stop, nemesis.Cut, nemesis.Cut, nemesis.OneWay, nemesis.Flap, nemesis.SlowDisk,
	nemesis.FailDisk, nemesis.Restart, nemesis.RestartAll, nemesis.Transfer, nemesis.Transfer, nemesis.Snapshot, nemesis.Replace,
}

// torture is what a run is made of.
type torture struct {
	nodes  int
	phases int
	hub    bool // in namespaces, else through proxies
	tags   string
	env    []string
	kinds  []nemesis.Kind
	think  time.Duration                                                       // of each client, at most
	groups int                                                                 // of edges that clients change; zero: all
	plan   []nemesis.Phase                                                     // instead of the seed's
	idle   bool                                                                // without clients
	each   func(number int) []string                                           // flags of one node
	script func(ctx context.Context, e *ensemble, rec *history.Recorder) error // instead of any plan
}

func withRing(kinds []nemesis.Kind) []nemesis.Kind { return append(slices.Clone(kinds), nemesis.Ring) }

// The short one, for every run of the tests.
func TestRegistryUnderFaults(t *testing.T) {
	short := []nemesis.Kind{nemesis.Kill, nemesis.Stop, nemesis.Cut, nemesis.Transfer, nemesis.OneWay, nemesis.SlowDisk}
	torture{nodes: 3, phases: 2, tags: "faults", kinds: short, think: 60 * time.Millisecond}.run(t)
}

func TestRegistryTorture(t *testing.T) {
	needsTime(t)
	for name, c := range map[string]torture{
		"3 by proxy":      {nodes: 3, kinds: faults},
		"5 by proxy":      {nodes: 5, kinds: withRing(faults)},
		"3 in namespaces": {nodes: 3, kinds: append(slices.Clone(faults), nemesis.FullDisk), hub: true},
		"5 in namespaces": {nodes: 5, kinds: append(withRing(faults), nemesis.FullDisk), hub: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // two at a time on two processors: nodes mostly wait
			c.phases, c.tags, c.think = 5, "faults", 80*time.Millisecond
			c.run(t)
		})
	}
}

// run breaks a cluster that clients use, and requires that nothing that they saw is wrong.
func (c torture) run(t *testing.T) {
	if c.hub && inNamespace(t, c.tags) {
		return
	}
	if c.hub { // what is mounted here stays here, and goes with this process
		require.NoError(t, syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	}
	r := c.drive(t)
	if found := judge.Judge(r.history, patience); len(found) > 0 {
		r.keep = true
		for _, f := range found {
			t.Error(f)
		}
	}
}

// result is what a run leaves behind.
type result struct {
	t       *testing.T
	dir     string
	seed    uint64
	keep    bool
	history *history.History
}

// drive does all but judge.
func (c torture) drive(t *testing.T) *result {
	r := &result{t: t, seed: *seedFlag}
	for r.seed == 0 {
		r.seed = rand.Uint64() >> 16
	}
	var err error
	r.dir, err = os.MkdirTemp(os.Getenv("GRAFNODE_TORTURE_DIR"), fmt.Sprintf("grafnode-run-%d-", r.seed))
	require.NoError(t, err)
	t.Cleanup(r.end) // before the nodes are: runs after they are dead
	w, addresses := c.wires(t)
	flags := []string{"--log-level", "debug"}
	if *storeFlag != "" {
		flags = append(flags, "--log-store", *storeFlag)
	}
	e := newEnsemble(t, r.dir, ensembleConfig{nodes: c.nodes, tags: c.tags, flags: flags, env: append(c.env, "GRAFNODE_FAULT_SNAPSHOT=256"), each: c.each, small: c.hub}, w, addresses)
	rec := history.NewRecorder(r.seed)
	phases := c.phases
	if *phaseFlag > 0 {
		phases = *phaseFlag
	}
	plan := nemesis.Plan(r.seed, nemesis.Config{Nodes: c.nodes, Phases: phases, Term: holderTerm, Kinds: c.kinds})
	if c.plan != nil {
		plan = c.plan
	}
	broke := c.load(t.Context(), e, rec, r.seed, func(ctx context.Context) error {
		if c.script != nil {
			return c.script(ctx, e, rec)
		}
		b := newBreaker(e, rec)
		defer func() { t.Log(b.done) }()
		return b.run(ctx, plan)
	})
	r.snapshots(e)
	if broke == nil {
		broke = e.finals(t.Context(), rec)
	}
	r.history = rec.History()
	require.NoError(t, r.history.Save(filepath.Join(r.dir, "history.json")))
	r.say()
	require.NoError(t, broke)
	return r
}

func (c torture) wires(t *testing.T) (wires, []string) {
	if c.hub {
		return newHub(t, c.nodes)
	}
	return newProxies(t, c.nodes)
}

// load has clients at work for as long as f runs.
func (c torture) load(ctx context.Context, e *ensemble, rec *history.Recorder, seed uint64, f func(context.Context) error) error {
	clients, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	users := e.members
	if c.idle {
		users = nil
	}
	for i := range 2 * len(users) {
		w := newWorker(i, e, rec, seed, c.think)
		if c.groups > 0 {
			w.groups = w.groups[:c.groups]
		}
		running.Go(func() { w.run(clients) })
		running.Go(func() { newWatcher(i, e, rec, seed).run(clients) })
	}
	for _, m := range users {
		h, err := newHolder(m, rec, seed)
		if err != nil {
			stop()
			return err
		}
		running.Go(func() { h.run(clients) })
	}
	running.Go(func() { e.sample(clients, rec) })
	running.Go(func() { e.roll(clients, rec) })
	err := f(ctx)
	stop()
	running.Wait()
	return err
}

// finals records each node's state, once all have the same. Leases still end while it is read: it is read again until nothing
// has happened meanwhile.
func (e *ensemble) finals(ctx context.Context, rec *history.Recorder) error {
	if err := e.working(ctx); err != nil {
		return err
	}
	var finals []history.Final
	err := await(ctx, "all nodes stand at one revision", func(ctx context.Context) error {
		at, err := e.revision(ctx)
		if err != nil {
			return err
		}
		finals = nil
		for _, m := range e.members {
			f, err := m.final(ctx)
			if err != nil {
				return err
			}
			finals = append(finals, f)
		}
		if now, err := e.revision(ctx); err != nil || now != at {
			return fmt.Errorf("revision %d is %d now: %w", at, now, err)
		}
		return nil
	})
	for _, f := range finals {
		rec.Final(f)
	}
	return err
}

// revision returns the one at which all nodes stand.
func (e *ensemble) revision(ctx context.Context) (at api.Revision, err error) {
	for i, m := range e.members {
		s, err := m.api.Status(ctx)
		if err != nil {
			return 0, err
		}
		if i > 0 && s.Revision != at {
			return 0, fmt.Errorf("%s is at revision %d, %s at %d", e.members[0].name, at, m.name, s.Revision)
		}
		at = s.Revision
	}
	return at, nil
}

// final reads a node's own state, and the histories from whoever leads.
func (m *member) final(ctx context.Context) (f history.Final, err error) {
	f = history.Final{Node: m.number, Past: map[string][]api.Change{}}
	if f.Edges, err = m.api.Edges(ctx, "", api.Stale); err != nil {
		return f, err
	}
	leases, err := m.api.Leases(ctx, api.Stale)
	if err != nil {
		return f, err
	}
	for _, l := range leases {
		f.Leases = append(f.Leases, l.ID)
	}
	slices.Sort(f.Leases)
	for _, edge := range f.Edges {
		if f.Past[edge.Name], err = m.api.History(ctx, edge.Name); err != nil {
			return f, err
		}
	}
	return f, nil
}

// snapshots tells how many the nodes made by themselves, and how many were sent to nodes that lagged.
func (r *result) snapshots(e *ensemble) {
	made, sent := 0, 0
	for _, m := range e.members {
		log, _ := os.ReadFile(m.log)
		made += bytes.Count(log, []byte("snapshot complete up to"))
		sent += bytes.Count(log, []byte("Installed remote snapshot"))
	}
	r.t.Logf("%d snapshots made, %d sent to others", made, sent)
}

// say tells how much there was to judge.
func (r *result) say() {
	outcomes := map[history.Outcome]int{}
	for _, op := range r.history.Ops {
		outcomes[op.Outcome]++
	}
	lines, told := 0, 0
	for _, s := range r.history.Streams {
		lines += len(s.Seen)
	}
	for _, h := range r.history.Holdings {
		told += len(h.Told)
	}
	r.t.Logf("seed %d: %d calls (%d applied, %d refused, %d unknown), %d lines of %d watch streams, %d deadlines of %d sessions, %d of which had to end by a bound",
		r.seed, len(r.history.Ops), outcomes[history.Applied], outcomes[history.Refused], outcomes[history.Unknown],
		lines, len(r.history.Streams), told, len(r.history.Holdings), judge.Bounded(r.history))
}

// end removes what the run left, unless it is needed to find out what went wrong.
func (r *result) end() {
	if !r.t.Failed() && !r.keep {
		os.RemoveAll(r.dir)
		return
	}
	r.t.Logf("seed %s; logs and history are kept in %s\nagain: go test ./integration -run '^%s$' -seed %d",
		fmt.Sprint(r.seed), r.dir, r.t.Name(), r.seed)
}
