package leasebroker

import (
	"context"
	"errors"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
)

// sleepMax bounds how long the clock sleeps: Go's timers stand still while the machine is suspended, leases do not.
const sleepMax = time.Second

// performLocked does what a step asks for.
func (r *Runner) performLocked(e Effects) {
	for _, a := range e.Answers {
		r.answerLocked(a)
	}
	if e.Round != 0 {
		r.stats.Rounds++
		r.confirmLocked(e.Round)
	}
	if e.Allowance != nil {
		r.stats.Allowances++
		r.proposeLocked(*e.Allowance, r.cfg.Registry.ProposeAllowance, r.keeper.AllowanceDone)
	}
	if e.Expire != nil {
		r.stats.Expiries++
		r.cfg.Logger.Warn("terms have run out", "count", len(e.Expire.Seen), "first", e.Expire.Seen[0].Key.String())
		r.proposeLocked(*e.Expire, r.cfg.Registry.ProposeExpire, r.keeper.ExpireDone)
	}
	r.signal()
}

func (r *Runner) answerLocked(a Answer) {
	if a.Refused {
		r.stats.Refused++
	} else {
		r.stats.Renewals++
	}
	if c, ok := r.answers[a.Ticket]; ok {
		delete(r.answers, a.Ticket)
		c <- a // has room: one answer a ticket
	}
}

// confirmLocked runs a quorum round beside the caller, under the leadership that asked for it.
func (r *Runner) confirmLocked(number uint64) {
	ctx, term := r.lead, r.keeper.Leading()
	r.tasks.Go(func() {
		err := r.cfg.Registry.Confirm(ctx, term)
		if err != nil && ctx.Err() == nil {
			r.cfg.Logger.Warn("could not confirm leadership, renewals refused", "term", term, "error", err)
		}
		r.step(func(now lease.Instant) Effects { return r.keeper.QuorumRound(number, err == nil, now) })
	})
}

// proposeLocked puts p into the log beside the caller and hands the outcome to done.
func (r *Runner) proposeLocked(
	p Proposal,
	put func(context.Context, uint64, []Seen) error,
	done func(uint64, Outcome, lease.Instant) Effects,
) {
	ctx := r.lead
	r.tasks.Go(func() {
		err := put(ctx, p.Term, p.Seen)
		if err != nil && ctx.Err() == nil {
			r.cfg.Logger.Warn("lease time could not be recorded", "term", p.Term, "count", len(p.Seen), "error", err)
		}
		r.step(func(now lease.Instant) Effects { return done(p.Number, outcome(err), now) })
	})
}

func outcome(err error) Outcome {
	switch {
	case err == nil, errors.Is(err, api.ErrConflict):
		return OutcomeApplied
	case errors.Is(err, api.ErrNoQuorum):
		return OutcomeNotApplied
	default:
		return OutcomeUnknown
	}
}

func (r *Runner) step(f func(now lease.Instant) Effects) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.performLocked(f(r.cfg.Now()))
}

// signal makes the clock look again at when to wake. It does not block.
func (r *Runner) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// tick is the clock: it sleeps until the keeper has something to do, and not at all while there is nothing.
func (r *Runner) tick() {
	timer := time.NewTimer(sleepMax)
	defer timer.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-r.wake:
		case <-timer.C:
			r.step(r.keeper.Tick)
		}
		if d, ok := r.untilNext(); ok {
			timer.Reset(min(max(d, 0), sleepMax))
		} else {
			timer.Stop()
		}
	}
}

func (r *Runner) untilNext() (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, ok := r.keeper.Next()
	return next.Sub(r.cfg.Now()), ok
}
