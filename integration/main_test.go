package integration

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binaries are built once for all tests.
var grafnode, accesslog string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if socket := os.Getenv(holderEnv); socket != "" {
		return holdAlone(socket)
	}
	flag.Parse()
	if testing.Short() {
		fmt.Println("integration: nothing is short here, and the race detector does not see into other processes: skipped")
		return 0
	}
	dir, err := os.MkdirTemp("", "grafnode-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	grafnode, accesslog = filepath.Join(dir, "grafnode"), filepath.Join(dir, "accesslog")
	for bin, pkg := range map[string]string{grafnode: "../cmd/grafnode", accesslog: "../examples/accesslog/cmd/accesslog"} {
		if out, err := exec.Command("go", "build", "-o", bin, pkg).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build %s: %v\n%s", pkg, err, out)
			return 1
		}
	}
	return m.Run()
}

// needsTime skips a test that the default run has no time for: `make test` shows that each kind of fault is survived, `make ci`
// runs them all.
func needsTime(t *testing.T) {
	t.Helper()
	if os.Getenv("GRAFNODE_CI") == "" {
		t.Skip("takes long: set GRAFNODE_CI=1, as `make ci` does")
	}
}
