package raftguard

import (
	"fmt"
	"sync"
	"time"
)

// WriteStats counts writes that reached the disk.
type WriteStats struct {
	Count   uint64
	Seconds float64 // in all
	Slowest time.Duration
}

// watchdog times every write and latches the first failure: hashicorp/raft#503, a leader whose disk hangs keeps heartbeating, and
// after a failed fsync nobody knows what is on the disk.
type watchdog struct {
	path  string // for messages
	stall time.Duration
	fatal func(error)

	mu     sync.Mutex
	failed error
	writes WriteStats
}

// Writes returns what was written so far.
func (w *watchdog) Writes() WriteStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writes
}

func (w *watchdog) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// write runs one durable operation, unless an earlier one failed. Nothing is ever tried again.
func (w *watchdog) write(what string, op func() error) error {
	if err := w.failure(); err != nil {
		return err
	}
	stop := w.watch(what)
	began := time.Now()
	err := faultyDisk()
	if err == nil {
		err = op()
	}
	stop()
	if err != nil {
		return w.fail(fmt.Errorf("%s: %s: %w: %w", w.path, what, ErrDisk, err))
	}
	took := time.Since(began)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes.Count++
	w.writes.Seconds += took.Seconds()
	w.writes.Slowest = max(w.writes.Slowest, took)
	return w.failed
}

// watch gives the store up when the operation that begins now is not over after the stall time. It takes two timers of half the
// time: a process that was stopped finds the first one due when it wakes, though the disk was never slow.
func (w *watchdog) watch(what string) (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	over := false
	hung := func() {
		mu.Lock()
		late := over
		mu.Unlock()
		if !late {
			_ = w.fail(fmt.Errorf("%s: %s takes longer than %v: %w", w.path, what, w.stall, ErrDisk))
		}
	}
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(w.stall/2, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			timer = time.AfterFunc(w.stall/2, hung)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		over = true
		timer.Stop()
	}
}

// fail latches the first error and reports it once.
func (w *watchdog) fail(err error) error {
	w.mu.Lock()
	first := w.failed == nil
	if first {
		w.failed = err
	}
	err = w.failed
	w.mu.Unlock()
	if first {
		w.fatal(err)
	}
	return err
}
