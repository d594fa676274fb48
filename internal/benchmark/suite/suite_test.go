package suite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// side measures one after the other of its figures.
type side struct {
	name    string
	figures []figures.Figure
	nothing string // the case that it has nothing for
	fails   error
}

func (s *side) Name() string { return s.name }

func (s *side) Prepare(_ context.Context, c Case) (string, error) {
	if c.Name == s.nothing {
		return "", ErrNothing
	}
	return s.name + " is ready", nil
}

func (s *side) Measure(context.Context, Case) (figures.Figure, error) {
	if s.fails != nil {
		return figures.Figure{}, s.fails
	}
	f := s.figures[0]
	s.figures = s.figures[1:]
	return f, nil
}

func plan(ours *side, peers ...*side) Plan {
	p := Plan{Ours: func(*Bench) Side { return ours }, Cases: []Case{
		{Name: "one", Bytes: 64, Batch: 2, Capacity: 1 << 16, Mode: fabric.Thrifty, Checks: "some"}, {Name: "rest", Idle: true}}}
	for _, peer := range peers {
		p.Peers = append(p.Peers, peer.name)
	}
	p.Open = func(_ context.Context, _ *Bench, name string) (Side, error) {
		for _, peer := range peers {
			if peer.name == name {
				return peer, nil
			}
		}
		return nil, errors.New("none")
	}
	p.Default = p.Peers
	return p
}

func values(v ...float64) (all []figures.Figure) {
	for _, v := range v {
		all = append(all, figures.Figure{Value: v})
	}
	return all
}

func TestEachPeerIsComparedInTurns(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	ours := &side{name: "ours", figures: values(10, 20, 10, 20, .5, .7)}
	fast, slow := &side{name: "fast", figures: values(20, 20)}, &side{name: "slow", figures: values(1, 4)}
	var log, out strings.Builder
	lines, err := Run(t.Context(), Config{Runs: 2, Log: &log, Each: func(l figures.Line) { require.NoError(t, l.WriteJSON(&out)) }}, plan(ours, fast, slow))
	require.NoError(t, err)
	require.Len(t, lines, 3)
	require.Equal(t, []string{
		`{"case":"one","against":"fast","value":20,"unit":"items/s","ratio":1,"runs":2,"min":10,"max":20,"ratio_min":0.5,"ratio_max":1,"peer":20,` +
			`"payload":"64 B, 2 a batch, ring of 64 KiB","placement":"ours is ready","waiting":"thrifty","checks":"some","peer_setting":"fast is ready"}`,
		`{"case":"one","against":"slow","value":20,"unit":"items/s","ratio":10,"runs":2,"min":10,"max":20,"ratio_min":5,"ratio_max":10,"peer":4,` +
			`"payload":"64 B, 2 a batch, ring of 64 KiB","placement":"ours is ready","waiting":"thrifty","checks":"some","peer_setting":"slow is ready"}`,
		`{"case":"rest","value":0.7,"unit":"% of a core","runs":2,"min":0.5,"max":0.7,` +
			`"payload":"none","placement":"ours is ready","waiting":"balanced","checks":""}`,
	}, strings.Split(strings.TrimSpace(out.String()), "\n"))
	require.Contains(t, log.String(), "one\tslow\t4 items/s")
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestACaseThatNoPeerHasIsMeasuredAlone(t *testing.T) {
	ours, peer := &side{name: "ours", figures: values(10)}, &side{name: "peer", nothing: "one"}
	lines, err := Run(t.Context(), Config{Runs: 1, Cases: []string{"one"}}, plan(ours, peer))
	require.NoError(t, err)
	require.Len(t, lines, 1)
	require.Empty(t, lines[0].Against)
}

func TestWhatFailsIsNamed(t *testing.T) {
	broken := errors.New("broken")
	ours, peer := &side{name: "ours", figures: values(10)}, &side{name: "peer", fails: broken}
	_, err := Run(t.Context(), Config{Runs: 1}, plan(ours, peer))
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "one: peer: broken")
}

func TestRefusals(t *testing.T) {
	for _, c := range []Config{{Cases: []string{"two"}}, {Against: []string{"consul"}}, {Runs: -1}, {For: -1}} {
		_, err := Run(t.Context(), c, plan(&side{name: "ours"}))
		require.ErrorIs(t, err, ErrUsage)
	}
	t.Setenv("TMPDIR", filepath.Join(os.TempDir(), "nowhere", "at", "all"))
	_, err := Run(t.Context(), Config{}, plan(&side{name: "ours"}))
	require.ErrorIs(t, err, ErrUsage)
}
