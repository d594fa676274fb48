package registry

import (
	"time"

	"github.com/hashicorp/raft"
)

// RefusedInTransfer has r see a write that Raft refuses because leadership is in transfer, so long ago.
func (r *Registry) RefusedInTransfer(ago time.Duration) {
	_ = r.outcome(raft.ErrLeadershipTransferInProgress)
	r.transfer.mu.Lock()
	defer r.transfer.mu.Unlock()
	r.transfer.since = r.transfer.since.Add(-ago)
}

// Interrupted returns c with a hook between its steps.
func Interrupted(c RecoverConfig, interrupt func(step string) error) RecoverConfig {
	c.interrupt = interrupt
	return c
}

// WithoutCommitTimeout returns c such that Raft itself tells idle followers of commits after an hour.
func WithoutCommitTimeout(c Config) Config {
	c.commitTimeout = time.Hour
	return c
}
