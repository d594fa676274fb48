package suite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/flow"
	"github.com/grafnode/grafnode/internal/benchmark/party"
	"github.com/grafnode/grafnode/internal/proc"
)

// Config says what to measure. Zero values mean the defaults.
type Config struct {
	Exe     string        // this program, which is started again as a party
	Against []string      // the peers; default the plan's
	Peers   string        // directory with the peers' programs that are not built on the spot
	Runs    int           // default 5
	Cases   []string      // default all
	For     time.Duration // of one measurement; default 500 ms
	Warm    time.Duration // before each; default 100 ms
	Each    func(figures.Line)
	Log     io.Writer // gets a line for each run
}

// Plan is what there is to measure.
type Plan struct {
	Cases   []Case
	Peers   []string // all
	Default []string // without Config.Against
	Ours    func(*Bench) Side
	Open    func(ctx context.Context, b *Bench, peer string) (Side, error)
}

// Names returns the names of all cases.
func (p Plan) Names() []string {
	var names []string
	for _, c := range p.Cases {
		names = append(names, c.Name)
	}
	return names
}

// ErrUsage says that the configuration cannot be used.
var ErrUsage = errors.New("cannot measure that")

func (c Config) withDefaults(p Plan) Config {
	c.Runs, c.For, c.Warm = cmp.Or(c.Runs, 5), cmp.Or(c.For, 500*time.Millisecond), cmp.Or(c.Warm, 100*time.Millisecond)
	if len(c.Cases) == 0 {
		c.Cases = p.Names()
	}
	if len(c.Against) == 0 {
		c.Against = p.Default
	}
	return c
}

func (c Config) validate(p Plan) error {
	for _, name := range c.Cases {
		if !slices.Contains(p.Names(), name) {
			return fmt.Errorf("%w: no case %q; there are %s", ErrUsage, name, strings.Join(p.Names(), ", "))
		}
	}
	for _, name := range c.Against {
		if !slices.Contains(p.Peers, name) {
			return fmt.Errorf("%w: no peer %q; there are %s", ErrUsage, name, strings.Join(p.Peers, ", "))
		}
	}
	switch {
	case c.Runs < 1:
		return fmt.Errorf("%w: %d runs", ErrUsage, c.Runs)
	case c.For < 0 || c.Warm < 0:
		return fmt.Errorf("%w: for %v", ErrUsage, c.For)
	}
	return nil
}

// Bench is one call of Run.
type Bench struct {
	Config
	Dir   string
	Rig   party.Rig
	Cores party.Cores
	sides []Side // of the peers
	ours  Side
}

// Run measures and returns a line for each case and peer, in order. It takes about a second and a half for each of them and each
// run. Everything that it started has gone when it returns.
func Run(ctx context.Context, c Config, p Plan) (lines []figures.Line, err error) {
	c = c.withDefaults(p)
	if err := c.validate(p); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "grafnode-bench-")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	launcher := proc.NewLauncher()
	defer func() {
		launcher.Close() // before what its processes write to goes
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	b := &Bench{Config: c, Dir: dir, Rig: party.Rig{Launcher: launcher, Dir: dir}}
	if b.Cores, err = party.TwoCores(); err != nil {
		return nil, err
	}
	if err := b.open(ctx, p); err != nil {
		return nil, err
	}
	each := func(l figures.Line) {
		lines = append(lines, l)
		if c.Each != nil {
			c.Each(l)
		}
	}
	for _, name := range c.Cases {
		c := p.Cases[slices.Index(p.Names(), name)]
		if err := b.measure(ctx, c, each); err != nil {
			return lines, fmt.Errorf("%s: %w", name, errors.Join(context.Cause(ctx), err))
		}
	}
	return lines, nil
}

func (b *Bench) open(ctx context.Context, p Plan) error {
	b.ours = p.Ours(b)
	for _, name := range b.Against {
		side, err := p.Open(ctx, b, name)
		if errors.Is(err, ErrAbsent) {
			if b.Log != nil {
				fmt.Fprintf(b.Log, "%s is left out: %v\n", name, err)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		b.sides = append(b.sides, side)
	}
	return nil
}

func (b *Bench) measure(ctx context.Context, c Case, each func(figures.Line)) error {
	compared := false
	for _, peer := range b.sides {
		if c.Idle {
			break
		}
		setting, err := peer.Prepare(ctx, c)
		if errors.Is(err, ErrNothing) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", peer.Name(), err)
		}
		compared = true
		if err := b.compare(ctx, c, peer, setting, each); err != nil {
			return err
		}
	}
	if compared {
		return nil
	}
	return b.compare(ctx, c, nil, "", each)
}

// compare measures ours and the peer's in turns, or ours alone.
func (b *Bench) compare(ctx context.Context, c Case, peer Side, peerSetting string, each func(figures.Line)) error {
	placement, err := b.ours.Prepare(ctx, c)
	if err != nil {
		return err
	}
	var against string
	var theirs func() (figures.Figure, error)
	if peer != nil {
		against, theirs = peer.Name(), b.turn(ctx, c, peer)
	}
	pairs, err := figures.InTurns(b.Runs, b.turn(ctx, c, b.ours), theirs)
	if err != nil {
		return err
	}
	l := figures.Sum(c.Name, against, c.Unit(), pairs)
	l.Setting = &figures.Setting{Payload: c.payload(), Placement: placement, Waiting: c.Mode.String(), Checks: c.Checks, PeerSet: peerSetting}
	each(l)
	return nil
}

func (b *Bench) turn(ctx context.Context, c Case, side Side) func() (figures.Figure, error) {
	return func() (figures.Figure, error) {
		f, err := side.Measure(ctx, c)
		if err != nil {
			return f, fmt.Errorf("%s: %w", side.Name(), err)
		}
		b.Note(c, side.Name(), f, "")
		return f, nil
	}
}

// Note writes a single run to the log.
func (b *Bench) Note(c Case, side string, f figures.Figure, more string) {
	if b.Log == nil {
		return
	}
	p99 := ""
	if f.P99 > 0 {
		p99 = "p99 " + figures.Round(f.P99)
	}
	fmt.Fprintf(b.Log, "%s\t%s\t%s %s\t%s\t%s\n", c.Name, side, figures.Round(f.Value), c.Unit(), p99, more)
}

// Program returns the path of a peer's program under Config.Peers.
func (b *Bench) Program(name string) (string, error) {
	if b.Peers == "" {
		return "", fmt.Errorf("%w: set $GRAFNODE_BENCH_PEERS, or --peers, to the directory with the peers' programs; `make bench-peers` builds them", ErrUsage)
	}
	path := filepath.Join(b.Peers, name)
	if info, err := os.Stat(path); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("%w: %s is no program; `make bench-peers` builds the peers", ErrUsage, path)
	}
	return path, nil
}

// Load returns how a case's measurement goes.
func (b *Bench) Load(c Case) flow.Load {
	return flow.Load{Bytes: c.Bytes, Batch: c.Batch, Warm: b.Warm, For: b.For}
}
