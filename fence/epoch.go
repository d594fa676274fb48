package fence

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// ErrFenced says that a write came from a process that has been replaced. It is terminal for that process: retrying
// with the same epoch can never succeed.
var ErrFenced = errors.New("fenced: a newer epoch has taken over")

// Epoch is a fence epoch. Zero means "none yet" and is older than every granted epoch.
type Epoch uint64

// IsZero reports whether no epoch has been granted.
func (e Epoch) IsZero() bool { return e == 0 }

// StaleAgainst reports whether e is older than current, that is, whether a write made under e must be refused by a
// store that has seen current.
func (e Epoch) StaleAgainst(current Epoch) bool { return e < current }

// Next returns the epoch after e. It panics when the counter is exhausted, which takes 2^64 takeovers.
func (e Epoch) Next() Epoch {
	if e == math.MaxUint64 {
		panic("fence: epoch counter exhausted")
	}
	return e + 1
}

// String returns e in decimal.
func (e Epoch) String() string { return strconv.FormatUint(uint64(e), 10) }

// Guard is the store's side of a fence: the highest epoch that the store has accepted. The zero Guard accepts any epoch.
// A Guard is a plain value: its owner makes it as durable as the data that it protects, and serialises access.
type Guard struct {
	Current Epoch `json:"current"`
}

// Admit accepts a write made under e and raises the guard to e, or returns ErrFenced if e is stale.
func (g *Guard) Admit(e Epoch) error {
	if err := g.Check(e); err != nil {
		return err
	}
	g.Current = e
	return nil
}

// Check returns ErrFenced if a write made under e would be refused. It does not raise the guard.
func (g *Guard) Check(e Epoch) error {
	if e.StaleAgainst(g.Current) {
		return fmt.Errorf("epoch %d against %d: %w", e, g.Current, ErrFenced)
	}
	return nil
}
