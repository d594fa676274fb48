package session_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/session"
	"github.com/grafnode/grafnode/lease"
)

const (
	ttl   = 3 * time.Second
	every = ttl / 3
	start = lease.Instant(time.Hour)
)

func at(d time.Duration) lease.Instant { return start.Add(d) }

// open returns a session that is open from start, on line 1.
func open(t *testing.T) *session.Machine {
	m := session.New(session.Config{TTL: ttl})
	require.Equal(t, session.Effects{Hello: 1}, m.Tick(start))
	require.Zero(t, m.Welcomed(1, "s", at(ttl), start))
	return m
}

func TestSession(t *testing.T) {
	type step struct {
		name string
		do   func(m *session.Machine) session.Effects
		want session.Effects
	}
	tick := func(d time.Duration, want session.Effects) step {
		return step{"tick", func(m *session.Machine) session.Effects { return m.Tick(at(d)) }, want}
	}
	good := func(until, d time.Duration, want session.Effects) step {
		return step{"good", func(m *session.Machine) session.Effects { return m.Good(at(until), at(d)) }, want}
	}
	welcomed := func(l session.Line, until, d time.Duration, want session.Effects) step {
		return step{"welcomed", func(m *session.Machine) session.Effects { return m.Welcomed(l, "s", at(until), at(d)) }, want}
	}
	refused := func(l session.Line, why error, d time.Duration, want session.Effects) step {
		return step{"refused", func(m *session.Machine) session.Effects { return m.Refused(l, why, at(d)) }, want}
	}
	broke := func(l session.Line, d time.Duration) step {
		return step{"broke", func(m *session.Machine) session.Effects { return m.Broke(l, at(d)) }, session.Effects{}}
	}
	none := session.Effects{}
	for name, steps := range map[string][]step{
		"beats every third of a term": {
			tick(every-1, none), tick(every, session.Effects{Beat: 1}), tick(every+1, none), tick(2*every, session.Effects{Beat: 1}),
		},
		"a late timer costs beats": {tick(2*every+5, session.Effects{Beat: 1}), tick(3*every-1, none)},
		"its deadline":             {tick(ttl-1, session.Effects{Beat: 1}), tick(ttl, session.Effects{Over: session.ErrDeadline, HangUp: 1}), tick(2*ttl, none)},
		"the last word counts":     {good(ttl+5, every, none), tick(ttl+4, session.Effects{Beat: 1}), tick(ttl+5, session.Effects{Over: session.ErrDeadline, HangUp: 1})},
		"older words do not":       {good(ttl-5, 0, none), tick(ttl-1, session.Effects{Beat: 1})},
		"a word too late":          {good(2*ttl, ttl, session.Effects{Over: session.ErrDeadline, HangUp: 1}), tick(ttl, none)},
		"its node is back":         {broke(1, 5), tick(5, session.Effects{Hello: 2}), welcomed(2, 0, 6, none), tick(6+every, session.Effects{Beat: 2})},
		"its node is back too late": {
			broke(1, 5), tick(5, session.Effects{Hello: 2}), welcomed(2, 2*ttl, ttl, session.Effects{Over: session.ErrDeadline, HangUp: 2}),
		},
		"its node stays away": {
			broke(1, 0), tick(0, session.Effects{Hello: 2}), refused(2, api.ErrUnavailable, 0, none), tick(10*time.Millisecond-1, none),
			tick(10*time.Millisecond, session.Effects{Hello: 3}), refused(3, api.ErrUnknown, 10*time.Millisecond, none),
			tick(30*time.Millisecond-1, none), tick(30*time.Millisecond, session.Effects{Hello: 4}),
			tick(ttl, session.Effects{Over: session.ErrDeadline, HangUp: 4}),
		},
		"its node does not take it": {
			broke(1, 5), tick(5, session.Effects{Hello: 2}), refused(2, api.ErrSessionLost, 6, session.Effects{Over: api.ErrSessionLost}),
		},
		"an old line breaks": {broke(1, 5), tick(5, session.Effects{Hello: 2}), welcomed(2, 0, 6, none), broke(1, 7), tick(7, none)},
		"an old hello is refused": {
			broke(1, 5), tick(5, session.Effects{Hello: 2}), welcomed(2, 0, 6, none), refused(2, api.ErrSessionLost, 7, none), tick(7, none),
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := open(t)
			for i, s := range steps {
				require.Equal(t, s.want, s.do(m), "step %d: %s", i, s.name)
			}
		})
	}
}

func TestAHelloWithoutAnAnswerIsGivenUp(t *testing.T) {
	m := session.New(session.Config{TTL: ttl})
	require.Equal(t, session.Effects{Hello: 1}, m.Tick(start))
	require.Zero(t, m.Tick(at(session.HelloTimeout-1)))
	require.Equal(t, session.Effects{HangUp: 1}, m.Tick(at(session.HelloTimeout)))
	require.ErrorIs(t, m.Refusal(), api.ErrUnavailable)
	require.Equal(t, session.Effects{HangUp: 1}, m.Welcomed(1, "s", at(time.Hour), at(session.HelloTimeout)), "its answer comes too late")
	require.Empty(t, m.ID())
	require.Equal(t, session.Effects{Hello: 2}, m.Tick(at(session.HelloTimeout+time.Second)))
	require.Equal(t, session.Effects{Over: session.ErrClosed, HangUp: 2}, m.Close())
}

func TestASessionWelcomedAfterItsDeadlineIsNone(t *testing.T) {
	m := session.New(session.Config{TTL: ttl})
	m.Tick(start)
	require.Equal(t, session.Effects{Over: session.ErrDeadline, HangUp: 1}, m.Welcomed(1, "s", at(ttl), at(ttl)))
}

var errForeign = errors.New("anything else")

// What is promised holds whatever comes in whatever order: see the package comment. The ledger is the other end.
func TestPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.Int64Range(0, int64(20*time.Millisecond))
		l := ledger{t: t, now: start, m: session.New(session.Config{TTL: ttl, Jitter: func(most time.Duration) time.Duration { return most / 2 }})}
		line := func() session.Line { return session.Line(rapid.IntRange(1, int(l.line)+1).Draw(t, "line")) }
		until := func() lease.Instant {
			return l.now.Add(time.Duration(rapid.Int64Range(-int64(ttl), int64(2*ttl)).Draw(t, "until")))
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { l.check() },
			"pass": func(t *rapid.T) {
				l.now = l.now.Add(time.Duration(d.Draw(t, "pass") * rapid.SampledFrom([]int64{1, 1, 50, 1000}).Draw(t, "times")))
			},
			"on time": func(t *rapid.T) {
				if next, ok := l.m.Next(); ok {
					l.now = max(l.now, next)
					before := l.m.Cause()
					l.done(l.m.Tick(l.now))
					after, still := l.m.Next()
					require.True(t, before == nil && (!still || after > l.now), "a tick that was due leaves it due")
				}
			},
			"tick": func(*rapid.T) { l.done(l.m.Tick(l.now)) },
			"welcomed": func(*rapid.T) {
				n, deadline, first := line(), until(), l.m.ID() == ""
				if n == l.m.Line() {
					return // it is answered
				}
				e := l.m.Welcomed(n, "s", deadline, l.now)
				if l.open[n] && first && l.m.ID() != "" {
					l.deadline = deadline
				} else if l.m.Line() == n {
					l.good(deadline)
				} else if !l.open[n] {
					require.Equal(t, n, e.HangUp)
					e.HangUp = 0
				}
				l.done(e)
			},
			"refused": func(*rapid.T) {
				n, why := line(), rapid.SampledFrom([]error{api.ErrUnavailable, api.ErrUnknown, api.ErrNoQuorum, errForeign}).Draw(t, "why")
				if n == l.m.Line() {
					return // it was welcomed
				}
				delete(l.open, n)
				e := l.m.Refused(n, why, l.now)
				l.ends = l.ends || e.Over == errForeign //nolint:errorlint // this very one
				e.HangUp = 0                            // it may be of no line any more
				l.done(e)
			},
			"broke": func(*rapid.T) {
				n := line()
				if n != l.m.Line() && l.open[n] {
					return // a hello that breaks is refused
				}
				delete(l.open, n)
				e := l.m.Broke(n, l.now)
				e.HangUp = 0
				l.done(e)
			},
			"good": func(*rapid.T) {
				deadline := until()
				l.good(deadline)
				l.done(l.m.Good(deadline, l.now))
			},
			"ended": func(*rapid.T) {
				if rapid.IntRange(0, 20).Draw(t, "ends") == 0 {
					l.ends = true
					l.done(l.m.Ended(l.now))
				}
			},
			"ask": func(t *rapid.T) {
				is, e := l.m.Over(l.now)
				l.done(e)
				require.Equal(t, l.over, is)
			},
		})
	})
}

// ledger is what a machine's owner knows.
type ledger struct {
	t        *rapid.T
	m        *session.Machine
	now      lease.Instant
	line     session.Line
	open     map[session.Line]bool // asked for, and not hung up, refused or broken
	deadline lease.Instant         // the furthest that it was told in time
	ends     bool                  // for another reason than its deadline
	over     bool
}

func (l *ledger) good(d lease.Instant) {
	if l.m.ID() != "" && l.now < l.deadline {
		l.deadline = max(l.deadline, d)
	}
}

func (l *ledger) done(e session.Effects) {
	if e.HangUp != 0 {
		require.True(l.t, l.open[e.HangUp], "line %d is none to hang up", e.HangUp)
		delete(l.open, e.HangUp)
	}
	if e.Over != nil {
		require.False(l.t, l.over, "over twice")
		require.True(l.t, l.ends || l.now >= l.deadline, "over before its deadline: %v", e.Over)
		l.over = true
		require.Empty(l.t, l.open, "a line is left")
	}
	if e.Hello != 0 {
		require.False(l.t, l.over)
		require.Empty(l.t, l.open, "a second line")
		require.Equal(l.t, l.line+1, e.Hello)
		l.line, l.open = e.Hello, map[session.Line]bool{e.Hello: true}
	}
	if e.Beat != 0 {
		require.False(l.t, l.over)
		require.Equal(l.t, l.m.Line(), e.Beat)
	}
}

func (l *ledger) check() {
	require.Equal(l.t, l.over, l.m.Cause() != nil)
	if l.over {
		require.Zero(l.t, l.m.Line())
		_, live := l.m.Next()
		require.False(l.t, live)
	}
	if line := l.m.Line(); line != 0 {
		require.True(l.t, l.open[line])
		next, _ := l.m.Next()
		require.LessOrEqual(l.t, next, l.now.Add(every), "no beat for more than a third of a term")
	}
	if l.m.ID() != "" && l.now >= l.deadline {
		is, e := l.m.Over(l.now)
		l.done(e)
		require.True(l.t, is, "used after its deadline")
	}
}
