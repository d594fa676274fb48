package ledger

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/grafnode/grafnode/lease"
)

// ErrFenced refuses a writer that was replaced.
var ErrFenced = errors.New("ledger: a later writer has claimed it")

// Batch is what a writer commits at once: the items of N numbers from From on, the newest of which was pushed at Newest.
type Batch struct {
	Epoch   uint64
	From, N uint64
	Newest  lease.Instant
}

// Ledger counts items, which are numbered from one. Its methods may be called at any time, from anywhere.
type Ledger struct {
	mu      sync.Mutex
	epoch   uint64
	next    uint64 // above every number that was committed
	missing []span // below it, never committed
	doubled uint64
	fenced  uint64
	last    lease.Instant // of the last commit
	watch   *watch
}

// span is the numbers from from to below to.
type span struct{ from, to uint64 }

// watch is what is noted about commits after a fault.
type watch struct {
	fault  lease.Instant
	gap    time.Duration
	all    []lease.Instant // of commits, the first of them the last one before the watch began
	stored lease.Instant   // of the first commit of something pushed after the fault; zero: there was none
	done   chan struct{}   // closed then
}

// New returns an empty ledger.
func New() *Ledger { return &Ledger{next: 1} }

// Claim refuses all writers of lower epochs from now on, and then returns the last number that was committed (rule 5).
func (l *Ledger) Claim(epoch uint64) (last uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch < l.epoch {
		l.fenced++
		return 0, ErrFenced
	}
	l.epoch = epoch
	return l.next - 1, nil
}

// Commit counts a batch at an instant, which must not go backwards, or nothing of it.
func (l *Ledger) Commit(b Batch, now lease.Instant) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.Epoch < l.epoch {
		l.fenced++
		return ErrFenced
	}
	l.count(span{b.From, b.From + b.N})
	if w := l.watch; w != nil {
		w.gap = max(w.gap, now.Sub(l.last))
		w.all = append(w.all, now)
		if w.stored == 0 && b.Newest > w.fault {
			w.stored = now
			close(w.done)
		}
	}
	l.last = now
	return nil
}

func (l *Ledger) count(s span) {
	if s.from > l.next {
		l.missing = append(l.missing, span{l.next, s.from})
		l.next = s.from
	}
	if s.from < l.next {
		old := span{s.from, min(s.to, l.next)}
		l.doubled += old.to - old.from - l.fill(old)
	}
	l.next = max(l.next, s.to)
}

// fill takes a span out of what is missing and returns how many numbers of it were.
func (l *Ledger) fill(s span) (found uint64) {
	var left []span
	for _, m := range l.missing {
		from, to := max(m.from, s.from), min(m.to, s.to)
		if from >= to {
			left = append(left, m)
			continue
		}
		found += to - from
		for _, rest := range []span{{m.from, from}, {to, m.to}} {
			if rest.from < rest.to {
				left = append(left, rest)
			}
		}
	}
	if found > 0 {
		l.missing = slices.Clip(left)
	}
	return found
}

// Watch notes commits from now on, as after a fault at that instant; it replaces an earlier watch. The channel is closed when
// something was committed that had been pushed after the fault.
func (l *Ledger) Watch(fault lease.Instant) (stored <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch = &watch{fault: fault, all: []lease.Instant{l.last}, done: make(chan struct{})}
	return l.watch.done
}

// Watched ends the watch. It returns the longest time between two commits, the last of which came after the fault, or between the
// last and now; and when something was committed that had been pushed after it, from the fault, or zero.
func (l *Ledger) Watched(now lease.Instant) (gap, stored time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.watch
	if w == nil {
		return 0, 0
	}
	l.watch = nil
	gap = max(w.gap, now.Sub(l.last))
	if w.stored != 0 {
		stored = w.stored.Sub(w.fault)
	}
	return gap, stored
}

// During returns the longest time between two commits of which some lay between from and to. It is of the watch that there is.
func (l *Ledger) During(from, to lease.Instant) (gap time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watch == nil {
		return 0
	}
	all := l.watch.all
	for i := 1; i < len(all); i++ {
		if all[i] >= from && all[i-1] <= to {
			gap = max(gap, all[i].Sub(all[i-1]))
		}
	}
	return gap
}

// Account is how the items stand.
type Account struct {
	Last    uint64 // highest number committed
	Lost    uint64 // numbers up to there, or up to the one that it was asked for, that were not
	Doubled uint64 // numbers that were committed again
	Fenced  uint64 // batches and claims that were refused
}

// Account returns how the items stand of which there were so many.
func (l *Ledger) Account(pushed uint64) Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := Account{Last: l.next - 1, Doubled: l.doubled, Fenced: l.fenced}
	for _, m := range l.missing {
		a.Lost += m.to - m.from
	}
	if pushed > a.Last {
		a.Lost += pushed - a.Last
	}
	return a
}
