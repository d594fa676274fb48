//go:build faults

package registry

import (
	"os"
	"strconv"
	"time"

	"github.com/hashicorp/raft"
)

// SnapshotVariable names, in builds with -tags faults, the environment variable that says after how many entries a snapshot is
// made, so that tests of minutes see many and followers that lag get them. Such a build is for tests and must never be installed.
const SnapshotVariable = "GRAFNODE_FAULT_SNAPSHOT"

func often(rc *raft.Config) {
	n, err := strconv.ParseUint(os.Getenv(SnapshotVariable), 10, 32)
	if err != nil || n == 0 {
		return // not asked for
	}
	rc.SnapshotThreshold, rc.TrailingLogs, rc.SnapshotInterval = n, n/4, time.Second
}
