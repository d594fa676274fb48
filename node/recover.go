package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/grafnode/grafnode/registry"
)

// RecoverReport says what a recovery keeps.
type RecoverReport = registry.RecoverReport

// Recover makes the cluster of this one node out of what lies in its data directory, for when a majority of the voters is lost for
// good. The agent must be stopped: the directory is locked meanwhile. See registry.Recover for what is kept, and what must be done
// with the other nodes. Of c only DataDir, Bind, LogStore and Logger matter.
func Recover(c Config) (RecoverReport, error) { return offline(c, registry.Recover) }

// SurveyRecovery says what Recover would keep, and changes nothing.
func SurveyRecovery(c Config) (RecoverReport, error) { return offline(c, registry.SurveyRecovery) }

// offline has do work on the registry of a stopped agent.
func offline(c Config, do func(registry.RecoverConfig) (registry.RecoverReport, error)) (report RecoverReport, err error) {
	c.Insecure = true // it speaks with nobody
	if err := c.Validate(); err != nil {
		return report, err
	}
	if c, err = c.withDefaults(); err != nil {
		return report, err
	}
	if _, err := os.Stat(filepath.Join(c.DataDir, fileNodeID)); err != nil {
		return report, &ConfigError{"data-dir", fmt.Errorf("no node's data directory: %w", err)}
	}
	dir, err := openDataDir(c.DataDir)
	if err != nil {
		return report, &ConfigError{"data-dir", err}
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	return do(registry.RecoverConfig{
		NodeID: dir.id, Address: c.Bind, DataDir: dir.file(dirRegistry), LogStore: c.LogStore, Bind: dir.rebind, Logger: c.Logger,
	})
}
