package leasebroker

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/lease"
)

const (
	ttl = 8 * time.Second
	t0  = lease.Instant(time.Hour)
)

// told is what a holder is told when the keeper counts d.
func told(d time.Duration) time.Duration { return d - d/driftShare }

func leaseKey(n int) Key { return Key{Lease: lease.ID(fmt.Sprintf("l%04d", n))} }

// leader returns a keeper that has led in term 3 since t0, with n leases that were granted a second before.
func leader(t *testing.T, n int) (*Keeper, []Key) {
	t.Helper()
	k := NewKeeper()
	var s Snapshot
	var keys []Key
	for i := range n {
		keys = append(keys, leaseKey(i))
		s.Terms = append(s.Terms, Timed{Key: leaseKey(i), TTL: ttl})
	}
	k.Applied(Applied{Index: 1, Term: 2, At: t0.Add(-time.Second), Granted: s.Terms})
	s.Index = 2
	require.Equal(t, Effects{}, k.BecameLeader(3, s, t0))
	return k, keys
}

// record lets an allowance that was asked for take effect.
func record(k *Keeper, p *Proposal, applied lease.Instant) Effects {
	a := Applied{Index: 10, Term: p.Term, At: applied}
	for _, s := range p.Seen {
		a.Allowed = append(a.Allowed, Timed{Key: s.Key, TTL: ttl, Seq: s.Seq + 1})
	}
	k.Applied(a)
	return k.AllowanceDone(p.Number, OutcomeApplied, applied)
}

// ready is leader with an allowance proposed at t0 for all keys, and a renewal answered.
func ready(t *testing.T, n int) (*Keeper, []Key) {
	t.Helper()
	k, keys := leader(t, n)
	e := k.Renew(1, keys, t0)
	require.NotNil(t, e.Allowance)
	require.Empty(t, record(k, e.Allowance, t0.Add(10*time.Millisecond)).Answers)
	require.Len(t, k.QuorumRound(e.Round, true, t0.Add(20*time.Millisecond)).Answers[0].Granted, n)
	return k, keys
}

func TestFollowerRefuses(t *testing.T) {
	k := NewKeeper()
	require.Equal(t, []Answer{{Ticket: 1, Refused: true}}, k.Renew(1, []Key{leaseKey(0)}, t0).Answers)
	require.Equal(t, Effects{}, k.Tick(t0))
	_, wakes := k.Next()
	require.False(t, wakes)
}

// A new leader acknowledges nothing on an allowance that it has only inherited: it records one of its own first.
func TestFirstRenewalWaitsForAnAllowance(t *testing.T) {
	k, keys := leader(t, 1)
	e := k.Renew(1, keys, t0)
	require.Equal(t, []Seen{{Key: keys[0]}}, e.Allowance.Seen)
	require.Equal(t, uint64(3), e.Allowance.Term)
	require.NotZero(t, e.Round)
	require.Empty(t, k.QuorumRound(e.Round, true, t0.Add(time.Second)).Answers)

	require.Equal(t, []Answer{{Ticket: 1, Granted: map[Key]time.Duration{keys[0]: told(ttl)}}},
		record(k, e.Allowance, t0.Add(2*time.Second)).Answers)
}

// The allowance reaches a term and a quarter from its proposal, not from when this node applied it.
func TestAcknowledgedNoFurtherThanTheAllowance(t *testing.T) {
	k, keys := leader(t, 1)
	first := k.Renew(1, keys, t0)
	k.QuorumRound(first.Round, true, t0)
	record(k, first.Allowance, t0.Add(3*time.Second))

	late := t0.Add(5 * time.Second)
	second := k.Renew(2, keys, late)
	require.Nil(t, second.Allowance, "it can wait for others, a quarter term")
	require.Equal(t, []Answer{{Ticket: 2, Granted: map[Key]time.Duration{keys[0]: told(lease.Allowance(ttl) - 5*time.Second)}}},
		k.QuorumRound(second.Round, true, late).Answers)
}

// After an allowance of unknown outcome, what is applied next may be that one: its proposal is what counts.
func TestForgottenAllowanceCountsFromItsProposal(t *testing.T) {
	k, keys := leader(t, 1)
	first := k.Renew(1, keys, t0)
	k.QuorumRound(first.Round, true, t0)
	require.Len(t, k.AllowanceDone(first.Allowance.Number, OutcomeUnknown, t0.Add(time.Second)).Answers, 1)

	again := t0.Add(4 * time.Second)
	second := k.Renew(2, keys, again)
	k.QuorumRound(second.Round, true, again)
	require.Equal(t, told(lease.Allowance(ttl)-4*time.Second), record(k, second.Allowance, again).Answers[0].Granted[keys[0]])

	third := k.Renew(3, keys, again.Add(4*time.Second))
	record(k, third.Allowance, again.Add(4*time.Second))
	require.Equal(t, told(ttl), k.QuorumRound(third.Round, true, again.Add(4*time.Second)).Answers[0].Granted[keys[0]],
		"once a later one is known to be applied, nothing is in doubt")
}

func TestRenewalsShareTheNextRound(t *testing.T) {
	k, keys := ready(t, 1)
	first := k.Renew(2, keys, t0.Add(100*time.Millisecond))
	require.NotZero(t, first.Round)
	require.Zero(t, k.Renew(3, keys, t0.Add(110*time.Millisecond)).Round)
	require.Zero(t, k.Renew(4, keys, t0.Add(120*time.Millisecond)).Round)

	second := k.QuorumRound(first.Round, true, t0.Add(130*time.Millisecond))
	require.Len(t, second.Answers, 1)
	require.Equal(t, Ticket(2), second.Answers[0].Ticket)
	require.NotZero(t, second.Round)
	require.Equal(t, Effects{}, k.QuorumRound(first.Round, true, t0), "a round ends once")
	require.Len(t, k.QuorumRound(second.Round, true, t0.Add(140*time.Millisecond)).Answers, 2)
}

func TestFailedRoundRefuses(t *testing.T) {
	k, keys := ready(t, 1)
	e := k.Renew(2, keys, t0.Add(time.Second))
	require.Equal(t, []Answer{{Ticket: 2, Refused: true}}, k.QuorumRound(e.Round, false, t0.Add(time.Second)).Answers)
}

// TestARestoreForgets has an older state come back: what it does not have is not renewed any more, whatever was applied since.
func TestARestoreForgets(t *testing.T) {
	k := NewKeeper()
	k.BecameLeader(3, Snapshot{Index: 1, Terms: []Timed{{Key: leaseKey(0), TTL: ttl}}}, t0)
	k.Applied(Applied{Index: 2, Term: 3, At: t0, Granted: []Timed{{Key: leaseKey(1), TTL: ttl}}, Allowed: []Timed{{Key: leaseKey(0), TTL: ttl, Seq: 1}}})
	k.Renew(7, []Key{leaseKey(0)}, t0)
	require.Equal(t, []Answer{{Ticket: 7, Refused: true}}, k.Restored().Answers)
	require.Zero(t, k.Leading())
	require.Zero(t, k.Len())
	k.BecameLeader(3, Snapshot{Index: 1, Terms: []Timed{{Key: leaseKey(0), TTL: ttl}}}, t0.Add(time.Second))
	require.Equal(t, 1, k.Len())
	require.Zero(t, k.entries[leaseKey(0)].seq)
}

func TestLostLeadershipRefusesEverything(t *testing.T) {
	k, keys := leader(t, 1)
	parked := k.Renew(1, keys, t0)
	riding := k.QuorumRound(parked.Round, true, t0)
	require.Empty(t, riding.Answers)
	riding = k.Renew(2, keys, t0)
	k.Renew(3, keys, t0)
	require.Len(t, k.LostLeadership().Answers, 3)
	require.Equal(t, Effects{}, k.QuorumRound(riding.Round, true, t0))
	require.Equal(t, Effects{}, k.AllowanceDone(parked.Allowance.Number, OutcomeApplied, t0))
	require.Equal(t, Effects{}, k.Tick(t0.Add(time.Hour)))
}

func TestExpiry(t *testing.T) {
	k, keys := ready(t, 2)
	next, _ := k.Next()
	require.Equal(t, t0.Add(-time.Second).Add(lease.Allowance(ttl)), next, "the inherited allowance outlasts the renewal")
	require.Equal(t, Effects{}, k.Tick(next-1))
	e := k.Tick(next)
	require.Equal(t, []Seen{{keys[0], 1}, {keys[1], 1}}, e.Expire.Seen)

	r := k.Renew(2, keys, next)
	require.Empty(t, k.QuorumRound(r.Round, true, next).Answers[0].Granted, "not while the outcome is open")
	k.Applied(Applied{Index: 11, Term: 3, At: next, Ended: keys[:1]})
	require.Equal(t, Effects{}, k.ExpireDone(e.Expire.Number+100, OutcomeApplied, next))
	require.Nil(t, k.ExpireDone(e.Expire.Number, OutcomeApplied, next).Expire)
	require.Equal(t, 1, k.Len())
	require.Equal(t, []Seen{{keys[1], 1}}, k.Tick(next.Add(retryAfter)).Expire.Seen, "the log refused it, and it is still over")
}

func TestExpiryOfUnknownOutcomeIsRepeatedAndBlocks(t *testing.T) {
	k, keys := ready(t, 1)
	next, _ := k.Next()
	e := k.Tick(next)
	require.Nil(t, k.ExpireDone(e.Expire.Number, OutcomeUnknown, next).Expire)
	retry, _ := k.Next()
	require.Equal(t, next.Add(retryAfter), retry)
	e = k.Tick(retry)
	require.Len(t, e.Expire.Seen, 1)
	k.ExpireDone(e.Expire.Number, OutcomeNotApplied, retry)
	r := k.Renew(2, keys, retry)
	require.Empty(t, k.QuorumRound(r.Round, true, retry).Answers[0].Granted, "the first may still be in the log")
	e = k.Tick(retry.Add(retryAfter))
	k.ExpireDone(e.Expire.Number, OutcomeApplied, retry.Add(retryAfter))
	r = k.Renew(3, keys, retry.Add(retryAfter))
	require.NotNil(t, r.Allowance, "it has survived, so it may live")
}

func TestExpiryThatWasNotAppliedMayBeOvertakenByARenewal(t *testing.T) {
	k, keys := ready(t, 1)
	next, _ := k.Next()
	e := k.Tick(next)
	k.ExpireDone(e.Expire.Number, OutcomeNotApplied, next)
	r := k.Renew(2, keys, next)
	k.QuorumRound(r.Round, true, next)
	require.Len(t, record(k, r.Allowance, next).Answers[0].Granted, 1)
	require.Nil(t, k.Tick(next.Add(retryAfter)).Expire)
}

func TestProposalsAreBounded(t *testing.T) {
	const n = proposalMax + 7
	k, _ := leader(t, n)
	next, _ := k.Next()
	e := k.Tick(next)
	require.Len(t, e.Expire.Seen, proposalMax)
	var ended []Key
	for _, s := range e.Expire.Seen {
		ended = append(ended, s.Key)
	}
	k.Applied(Applied{Index: 3, Term: 3, At: next, Ended: ended})
	require.Len(t, k.ExpireDone(e.Expire.Number, OutcomeApplied, next).Expire.Seen, 7)
}

// A follower counts from when it applied each allowance; what it has by a snapshot only, from when it begins to lead.
func TestNewLeaderCountsFromItsOwnApply(t *testing.T) {
	k := NewKeeper()
	gone, seen, jumped := leaseKey(0), leaseKey(1), Key{Session: "s1"}
	k.Applied(Applied{Index: 1, Term: 1, At: t0, Granted: []Timed{{gone, ttl, 0}, {seen, ttl, 0}}})
	k.Applied(Applied{Index: 2, Term: 1, At: t0.Add(time.Second), Allowed: []Timed{{seen, ttl, 1}}})
	k.Applied(Applied{Index: 9, Term: 3, At: t0.Add(2 * time.Second), Granted: []Timed{{leaseKey(9), ttl, 0}}})
	s := Snapshot{Index: 8, Terms: []Timed{{seen, ttl, 1}, {jumped, ttl, 4}}}
	require.Equal(t, Effects{}, k.BecameLeader(3, s, t0.Add(5*time.Second)))
	require.Equal(t, 3, k.Len(), "what is newer than the snapshot stays, what it does not have goes")

	over := t0.Add(time.Second + lease.Allowance(ttl))
	require.Nil(t, k.Tick(over-1).Expire)
	e := k.Tick(over)
	require.Equal(t, []Seen{{seen, 1}}, e.Expire.Seen)
	k.ExpireDone(e.Expire.Number, OutcomeUnknown, over)
	e = k.Tick(t0.Add(5*time.Second + lease.Allowance(ttl)))
	require.Equal(t, []Seen{{jumped, 4}, {seen, 1}, {leaseKey(9), 0}}, e.Expire.Seen)
}

// Leases of any phase share allowances, four a term however many there are.
func TestAllowancesAreGathered(t *testing.T) {
	const n, terms = 50, 10
	k, keys := ready(t, n)
	proposals := 0
	record := func(e Effects, at lease.Instant) {
		if e.Allowance != nil {
			proposals++
			record(k, e.Allowance, at)
		}
	}
	for i := range 3 * terms * n { // each once in a third of a term, each at another time
		at := t0.Add(ttl / 3 * time.Duration(i+1) / n)
		record(k.Tick(at), at)
		e := k.Renew(Ticket(i), keys[i%n:i%n+1], at)
		record(e, at)
		require.Greater(t, k.QuorumRound(e.Round, true, at).Answers[0].Granted[keys[i%n]], told(ttl*9/10))
	}
	require.LessOrEqual(t, proposals, 4*terms)
	t.Logf("%d renewals, %d allowances", 3*terms*n, proposals)
}
