package lease

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/locator"
)

var (
	// ErrExpired says that a lease's time ran out. What it granted is gone; acquire anew.
	ErrExpired = errors.New("lease expired")
	// ErrRevoked says that the cluster took a lease back. What it granted is gone; acquire anew.
	ErrRevoked = errors.New("lease revoked")
	// ErrTTL says that a requested term lies outside TTLMin..TTLMax.
	ErrTTL = errors.New("lease term out of range")
)

// ID names a lease, and the arena or block region that it grants. IDs are random and never used again.
type ID string

// NewID returns a fresh random ID of 128 bits or more.
func NewID() ID { return ID(strings.ToLower(rand.Text())) }

// Arena returns the name of the arena that the lease grants.
func (id ID) Arena() locator.ArenaID { return locator.ArenaID(id) }

// SessionID names a session: one run of one stage process.
type SessionID string

// Kind says what a lease grants.
type Kind string

// What a lease may grant.
const (
	KindMemory Kind = "mem"
	KindBlock  Kind = "block"
)

// Status is where a lease stands. An unknown status counts as Revoked: fail closed.
type Status string

// The statuses. All but Active are final.
const (
	Active   Status = "active"
	Expired  Status = "expired"
	Revoked  Status = "revoked"
	Released Status = "released"
)

// Err returns nil for an active lease, else the error that its holder gets.
func (s Status) Err() error {
	switch s {
	case Active:
		return nil
	case Expired:
		return ErrExpired
	default:
		return ErrRevoked
	}
}

// Terms of a lease: the limits and the fractions that both sides reckon with (protocol rules 18 and 19).
const (
	TTLMin     = 2 * time.Second
	TTLMax     = time.Hour
	TTLDefault = 10 * time.Second
)

// RingOverhead is what a ring takes of its node's memory beside its capacity, in bytes: pages of 4 KiB with cursors and notes. Where
// pages are larger it takes more, which only the node itself counts.
const RingOverhead = 20 << 10

// CheckTTL returns ErrTTL if ttl is out of range.
func CheckTTL(ttl time.Duration) error {
	if ttl < TTLMin || ttl > TTLMax {
		return fmt.Errorf("%v, must be %v to %v: %w", ttl, TTLMin, TTLMax, ErrTTL)
	}
	return nil
}

// RenewEvery is how often a holder asks for renewal: three tries a term.
func RenewEvery(ttl time.Duration) time.Duration { return ttl / 3 }

// AllowanceEvery is how often the log records which leases are being renewed.
func AllowanceEvery(ttl time.Duration) time.Duration { return ttl / 4 }

// Allowance is how long a recorded allowance lets a lease run: a renewal is acknowledged no further than that from when
// the allowance was proposed, and no leader expires the lease earlier than that from when it applied the record.
func Allowance(ttl time.Duration) time.Duration { return ttl + ttl/4 }

// Instant is a point on one machine's CLOCK_BOOTTIME, as time since boot. Instants of two machines, or of two boots,
// have nothing to do with each other.
type Instant time.Duration

// Add returns i moved by d.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Sub returns the time from j to i.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i - j) }

// HolderDeadline is when a holder that asked for renewal at asked, and was granted ttl, must have stopped.
func HolderDeadline(asked Instant, ttl time.Duration) Instant { return asked.Add(ttl) }

// Grant is what an acquired lease gives.
type Grant struct {
	ID      ID              `json:"id"`
	Kind    Kind            `json:"kind"`
	Bytes   uint64          `json:"bytes"`
	TTL     time.Duration   `json:"ttl_ns"`
	Epoch   fence.Epoch     `json:"epoch"`
	Locator locator.Locator `json:"locator"`
}
