package page

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// grafnode is the binary, built once for all tests.
var grafnode string

// chromium is the browser; empty: there is none.
var chromium string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if testing.Short() {
		fmt.Println("page: nothing is short here, and the race detector does not see into other processes: skipped")
		return 0
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			chromium = path
			break
		}
	}
	if chromium == "" {
		return m.Run() // which skips all
	}
	dir, err := os.MkdirTemp("", "grafnode-page-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	grafnode = filepath.Join(dir, "grafnode")
	if out, err := exec.Command("go", "build", "-o", grafnode, "../../cmd/grafnode").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
