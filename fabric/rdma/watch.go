package rdma

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// What a process knows of adapters that are of no use for a while: its own, from what that says of itself, and others', which were not reached.

// retryAfter is how long what did not work is left alone: an adapter that could not be opened, or was lost, and one that was not reached.
const retryAfter = time.Minute

var errUnreached = errors.New("rdma: the other end's adapter was not reached lately")

// unreachedError is why there is no way to the adapter at an address. If the ring then goes by TCP that adapter is left alone; if not, it was the
// ring that ended, or nobody waited.
type unreachedError struct {
	at  netip.Addr
	why error
}

func (e *unreachedError) Error() string {
	return fmt.Sprintf("rdma: the other end's adapter is not reached, and not tried again for %v: %v", retryAfter, e.why)
}

func (e *unreachedError) Unwrap() error { return e.why }

// watch hears what the adapter says of itself, until it is closed.
func (a *adapter) watch() {
	defer close(a.watched)
	for {
		e, err := a.device.Event()
		if err != nil {
			a.lose(fmt.Errorf("it says nothing any more: %w", err))
			return
		}
		a.hear(e)
	}
}

// hear takes in what the adapter says. That a port is down ends nothing: it may be up again before the retries of a way's ends have been used up.
func (a *adapter) hear(e verbs.Event) {
	level, number := slog.LevelInfo, uint32(a.port.Number)
	switch {
	case e.Kind == verbs.DeviceLost:
		a.lose(fmt.Errorf("it says: %s", e.What))
		return
	case e.Kind == verbs.PairBroken:
		a.f.mu.Lock()
		q := a.queues[e.Number]
		a.f.mu.Unlock()
		if q != nil {
			q.fail(fmt.Errorf("%w: rdma: the adapter says of queue pair %d: %s", fabric.ErrDisconnected, e.Number, e.What))
		}
		return
	case e.Number != number:
		return // another port's
	case e.Kind == verbs.PortDown:
		level = slog.LevelWarn
	}
	a.f.config.Logger.Log(context.Background(), level, "an RDMA adapter says of its port", "device", a.port.Device, "port", number, "event", e.What)
}

// lose ends all that hangs on the adapter, which is of no use any more.
func (a *adapter) lose(why error) {
	f := a.f
	f.mu.Lock()
	if a.ended || a.lost != nil {
		f.mu.Unlock()
		return
	}
	lost := fmt.Errorf("%w: rdma: adapter %s is lost: %w", fabric.ErrDisconnected, a.port.Device, why)
	a.lost, f.tried = lost, time.Now()
	queues := slices.Collect(maps.Values(a.queues))
	f.mu.Unlock()
	f.config.Logger.Error("an RDMA adapter is lost: rings go by TCP", "device", a.port.Device, "reason", why)
	for _, q := range queues {
		q.fail(lost)
	}
}

// address is where a port is reached.
func address(g verbs.GID) netip.Addr { return netip.AddrFrom16(g).Unmap() }

// avoid notes that the adapter at an address was not reached.
func (f *Fabric) avoid(a netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.unreached, func(_ netip.Addr, at time.Time) bool { return time.Since(at) >= retryAfter })
	f.unreached[a] = time.Now()
}

// avoids reports whether that was lately.
func (f *Fabric) avoids(a netip.Addr) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.unreached[a]
	return ok && time.Since(at) < retryAfter
}
