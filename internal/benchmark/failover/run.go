package failover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/grafnode/grafnode/internal/benchmark/failover/plan"
)

// Config says what to measure. Zero values mean the defaults.
type Config struct {
	Exe    string   // this program, which is started again as agents and stages
	Faults []string // kinds of fault; default: all
	Runs   int      // faults of each kind at Rate; default 30
	Full   int      // at full speed; default a third of Runs, negative: none
	Rate   float64  // items a second; default 10,000
	Seed   uint64
	Agent  []string // further arguments for the agents
	// Against is the peer to measure beside ours: JetStream, or nobody. PeerRuns is how many of its leaders are killed, default 10, and
	// PeerRate its items a second, default 1,000; Peers is the directory with its programs.
	Against  string
	Peers    string
	PeerRuns int
	PeerRate float64
	Log      io.Writer
	Keep     string // directory that the logs of a run that fails are copied to; empty: none
}

// The defaults of Config.
const (
	RunsDefault = 30
	RateDefault = 10_000

	PeerRunsDefault = 10
	PeerRateDefault = 1_000

	rateMin, rateMax = 100, 1_000_000
)

var (
	// ErrUsage says that the configuration cannot be used.
	ErrUsage = errors.New("cannot measure that")
	// ErrDamage says that something was lost, doubled, or moved for no reason, or that a fault was missed.
	ErrDamage = errors.New("not every item is accounted for once, or a fault was missed")
)

func (c Config) withDefaults() Config {
	c.Runs, c.Rate = cmp.Or(c.Runs, RunsDefault), cmp.Or(c.Rate, RateDefault)
	if c.Full == 0 {
		c.Full = (c.Runs + 2) / 3
	}
	c.Full = max(c.Full, 0)
	c.PeerRuns, c.PeerRate = cmp.Or(c.PeerRuns, PeerRunsDefault), cmp.Or(c.PeerRate, PeerRateDefault)
	if c.Log == nil {
		c.Log = io.Discard
	}
	return c
}

func (c Config) validate() (kinds []plan.Trait, err error) {
	kinds, err = plan.Parse(c.Faults)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: --faults: %w", ErrUsage, err)
	case c.Runs < 1:
		return nil, fmt.Errorf("%w: --runs %d: must be at least 1", ErrUsage, c.Runs)
	case c.PeerRuns < 1:
		return nil, fmt.Errorf("%w: --peer-runs %d: must be at least 1", ErrUsage, c.PeerRuns)
	case c.Against != "" && c.Against != JetStream:
		return nil, fmt.Errorf("%w: no peer %q; there is %s", ErrUsage, c.Against, JetStream)
	}
	for flag, rate := range map[string]float64{"rate": c.Rate, "peer-rate": c.PeerRate} {
		if !(rate >= rateMin && rate <= rateMax) { // false for NaN, too
			return nil, fmt.Errorf("%w: --%s %v: must be %v to %v items a second", ErrUsage, flag, rate, rateMin, rateMax)
		}
	}
	return kinds, nil
}

// Run measures and returns what it found, as far as it came. Everything that it started has gone when it returns.
func Run(ctx context.Context, c Config) (r Report, err error) {
	c = c.withDefaults()
	kinds, err := c.validate()
	if err != nil {
		return r, err
	}
	var p *peer
	if c.Against != "" {
		if p, err = newPeer(ctx, c.Peers, c.PeerRate); err != nil {
			return r, err
		}
	}
	dir, err := os.MkdirTemp("", "grafnode-failover-")
	if err != nil {
		return r, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	s := &system{exe: c.Exe, dir: dir, agent: c.Agent}
	defer func() {
		err = errors.Join(err, s.close())
		if err != nil && c.Keep != "" && ctx.Err() == nil {
			err = errors.Join(err, keep(dir, c.Keep))
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if err := s.open(ctx); err != nil {
		return r, err
	}
	r = newReport(c, s)
	if s.net == nil {
		fits := slices.DeleteFunc(slices.Clone(kinds), func(t plan.Trait) bool { return t.Kind == plan.HostSilent })
		if len(fits) < len(kinds) {
			r.LeftOut = fmt.Sprintf("%s is left out: %s", plan.HostSilent, s.alone)
			fmt.Fprintln(c.Log, r.LeftOut)
		}
		if kinds = fits; len(kinds) == 0 {
			return r, errors.New(r.LeftOut)
		}
	}
	d, peers := newDirector(s, c.Log), 0
	if p != nil {
		peers = c.PeerRuns
		if err := p.open(d); err != nil {
			return r, err
		}
		r.Peer = p
	}
	err = r.measure(ctx, c, d, plan.Make(kinds, c.Runs, c.Full, c.Rate, peers, c.Seed))
	r.end()
	if err == nil && !r.OK() {
		err = ErrDamage
	}
	return r, err
}

func (r *Report) measure(ctx context.Context, c Config, d *director, rounds []plan.Round) error {
	for i, round := range rounds {
		fmt.Fprintf(c.Log, "%s: %d faults\n", round.Case(), len(round.Pauses))
		o, err := d.do(ctx, round, i+1)
		if err != nil {
			return err
		}
		r.Rows = append(r.Rows, Row{round, o})
		if round.Peers == 0 || d.peer.late != nil {
			continue
		}
		fmt.Fprintf(c.Log, "%s: %d leaders killed\n", c.Against, round.Peers)
		err = d.peer.do(ctx, i+1, round.PeerPauses())
		if isLate(err) {
			fmt.Fprintf(c.Log, "%s is given up: %v\n", c.Against, err)
			err = d.peer.giveUp(ctx, err)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.Against, err)
		}
	}
	return nil
}

// keep copies the logs.
func keep(dir, to string) error {
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, from := range logs {
		b, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(from)), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
