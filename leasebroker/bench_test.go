package leasebroker

import (
	"fmt"
	"testing"
	"time"

	"github.com/grafnode/grafnode/lease"
)

// BenchmarkTermsOfAThousandNodes is the leader's work for leases of 10 s on a thousand nodes, each of which renews its own in
// one request every third of a term. One operation is one simulated second; renewals/s is how much of that it is.
func BenchmarkTermsOfAThousandNodes(b *testing.B) {
	for _, each := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("leases=%d", 1000*each), func(b *testing.B) {
			const ttl, nodes = 10 * time.Second, 1000
			keys := make([][]Key, nodes)
			var terms []Timed
			for n := range keys {
				for l := range each {
					key := Key{Lease: lease.ID(fmt.Sprintf("%04d-%04d", n, l))}
					keys[n] = append(keys[n], key)
					terms = append(terms, Timed{Key: key, TTL: ttl})
				}
			}
			k, now, index, acked := NewKeeper(), lease.Instant(time.Hour), uint64(1), 0
			settle := func(e Effects) {
				for effects := []Effects{e}; len(effects) > 0; effects = effects[1:] {
					e := effects[0]
					for _, a := range e.Answers {
						acked += len(a.Granted)
					}
					if e.Round != 0 {
						effects = append(effects, k.QuorumRound(e.Round, true, now))
					}
					if e.Expire != nil {
						b.Fatal("a lease that is renewed has expired")
					}
					if p := e.Allowance; p != nil {
						index++
						a := Applied{Index: index, Term: 1, At: now}
						for _, s := range p.Seen {
							a.Allowed = append(a.Allowed, Timed{s.Key, ttl, s.Seq + 1})
						}
						k.Applied(a)
						effects = append(effects, k.AllowanceDone(p.Number, OutcomeApplied, now))
					}
				}
			}
			settle(k.BecameLeader(1, Snapshot{Index: index, Terms: terms}, now))
			b.ResetTimer()
			third := 0
			for range b.N {
				for n := range nodes {
					now += lease.Instant(time.Millisecond)
					if third = (third + 1) % 3; third == 0 { // so that each node comes every third second
						settle(k.Renew(Ticket(n), keys[n], now))
					}
					if at, ok := k.Next(); ok && at <= now {
						settle(k.Tick(now))
					}
				}
			}
			b.ReportMetric(float64(acked)/float64(b.N), "renewals/op")
		})
	}
}
