package registry

import "time"

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
