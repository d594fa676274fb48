package ring

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/party"
	"github.com/grafnode/grafnode/internal/proc"
)

// Config says what to measure. Zero values mean the defaults.
type Config struct {
	Exe     string        // this program, which is started again as a party
	Against []string      // the peers, see Peers; default DefaultPeers
	Peers   string        // directory with the peers' programs that are not built here
	Runs    int           // default 5
	Cases   []string      // default all
	For     time.Duration // of one measurement; default 500 ms
	Warm    time.Duration // before each; default 100 ms
	Each    func(figures.Line)
	Log     io.Writer // gets a line for each run
}

func (c Config) withDefaults() Config {
	c.Runs, c.For, c.Warm = cmp.Or(c.Runs, 5), cmp.Or(c.For, 500*time.Millisecond), cmp.Or(c.Warm, 100*time.Millisecond)
	if len(c.Cases) == 0 {
		c.Cases = Cases()
	}
	if len(c.Against) == 0 {
		c.Against = DefaultPeers()
	}
	return c
}

// ErrUsage says that the configuration cannot be used.
var ErrUsage = errors.New("cannot measure that")

func (c Config) validate() error {
	for _, name := range c.Cases {
		if !slices.Contains(Cases(), name) {
			return fmt.Errorf("%w: no case %q; there are %s", ErrUsage, name, strings.Join(Cases(), ", "))
		}
	}
	for _, name := range c.Against {
		if !slices.Contains(Peers(), name) {
			return fmt.Errorf("%w: no peer %q; there are %s", ErrUsage, name, strings.Join(Peers(), ", "))
		}
	}
	if c.Runs < 1 {
		return fmt.Errorf("%w: %d runs", ErrUsage, c.Runs)
	}
	return nil
}

// bench is one call of Measure.
type bench struct {
	c     Config
	dir   string
	rig   party.Rig
	cores party.Cores
	peers []peer
}

// Measure returns a line for each case and peer, in order. It takes about a second and a half for each of them and each run.
// Everything that it started has gone when it returns.
func Measure(ctx context.Context, c Config) (lines []figures.Line, err error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
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
	b := &bench{c: c, dir: dir, rig: party.Rig{Launcher: launcher, Dir: dir}}
	if b.cores, err = party.TwoCores(); err != nil {
		return nil, err
	}
	if b.peers, err = b.openPeers(ctx); err != nil {
		return nil, err
	}
	each := func(l figures.Line) {
		lines = append(lines, l)
		if c.Each != nil {
			c.Each(l)
		}
	}
	for _, name := range c.Cases {
		if err := b.measure(ctx, name, each); err != nil {
			return lines, fmt.Errorf("%s: %w", name, errors.Join(context.Cause(ctx), err))
		}
	}
	return lines, nil
}

func (b *bench) measure(ctx context.Context, name string, each func(figures.Line)) error {
	if name == caseIdle {
		l, err := b.idle(ctx)
		if err == nil {
			each(l)
		}
		return err
	}
	c := cases[slices.IndexFunc(cases, func(c testcase) bool { return c.name == name })] // validated
	compared := false
	for _, p := range b.peers {
		setting, err := p.prepare(ctx, c)
		if errors.Is(err, errNothing) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.name(), err)
		}
		compared = true
		if err := b.compare(ctx, c, p, setting, each); err != nil {
			return err
		}
	}
	if !compared {
		b.logf("%s\tnone of these peers has anything like it: our own figures alone", c.name)
		return b.compare(ctx, c, nil, "", each)
	}
	return nil
}

// errNothing says that a peer has nothing to compare with a case.
var errNothing = errors.New("nothing to compare with")

func (b *bench) compare(ctx context.Context, c testcase, p peer, peerSetting string, each func(figures.Line)) error {
	turn := func(side string, measure func(context.Context, testcase) (figures.Figure, error)) func() (figures.Figure, error) {
		return func() (figures.Figure, error) {
			f, err := measure(ctx, c)
			if err != nil {
				return f, fmt.Errorf("%s: %w", side, err)
			}
			b.log(c, side, f, "")
			return f, nil
		}
	}
	var against string
	var theirs func() (figures.Figure, error)
	if p != nil {
		against = p.name()
		theirs = turn(against, p.measure)
	}
	pairs, err := figures.InTurns(b.c.Runs, turn("grafnode", b.ours), theirs)
	if err != nil {
		return err
	}
	l := figures.Sum(c.name, against, c.unit(), pairs)
	l.Setting = b.setting(c, peerSetting)
	each(l)
	return nil
}

func (c testcase) unit() string {
	if c.latency {
		return "ns"
	}
	return "items/s"
}

func (b *bench) setting(c testcase, peer string) *figures.Setting {
	return &figures.Setting{
		Payload: fmt.Sprintf("%d B, %d a batch, ring of %d KiB", c.bytes, c.batch, c.capacity>>10), Placement: b.cores.String(),
		Waiting: c.mode.String(), Checks: c.checks, PeerSet: peer,
	}
}

// log notes a single run.
func (b *bench) log(c testcase, side string, f figures.Figure, more string) {
	p99 := ""
	if f.P99 > 0 {
		p99 = "p99 " + figures.Round(f.P99)
	}
	b.logf("%s\t%s\t%s %s\t%s\t%s", c.name, side, figures.Round(f.Value), c.unit(), p99, more)
}

func (b *bench) logf(format string, args ...any) {
	if b.c.Log != nil {
		fmt.Fprintf(b.c.Log, format+"\n", args...)
	}
}
