package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	log "github.com/grafnode/grafnode/examples/accesslog"
)

// A cluster that moves its rings again and again keeps the memory of those in use only, and once it has been told to stop
// nothing of it is there but its data directories.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	tmp := ownTemp(t)
	c := newCluster(t, 3, tmp.env)
	p := newPipeline(t, c, someLines, someRate)
	for range 5 {
		p.flows(200)
		for _, name := range []string{log.EdgeIngest, log.EdgeParse, log.EdgeEnrich} {
			_, err := c.leader().api.Relocate(t.Context(), name, api.RelocateRequest{})
			require.NoError(t, err)
		}
	}
	p.finish()
	eventually(t, "nodes have let go of the rings that are not used any more", func(context.Context) bool {
		open := 0
		for _, nd := range c.nodes {
			open += memfds(nd.process)
		}
		return open <= 3*3 // three edges, of three parts each
	})
	for _, nd := range c.nodes {
		nd.signal(syscall.SIGTERM)
	}
	for _, nd := range c.nodes {
		require.NoError(t, nd.wait(), nd.name)
		require.NoFileExists(t, nd.socket)
	}
	tmp.empty()
}

// The same for the demo, which kills its own.
func TestDemoLeavesNothing(t *testing.T) {
	needsTime(t)
	t.Parallel()
	tmp := ownTemp(t)
	dir := t.TempDir()
	demo := &process{t: t, name: "demo", log: filepath.Join(dir, "demo.log"), bin: grafnode,
		args: []string{"demo", "--report", filepath.Join(dir, "report"), "--store", filepath.Join(dir, "store.db")},
		env:  []string{tmp.env}}
	demo.start()
	t.Cleanup(demo.tail)
	require.NoError(t, demo.wait())
	tmp.empty()
}

// temp is a directory for temporary files that a test's processes share with nobody, by which they are found, too.
type temp struct {
	t        *testing.T
	dir, env string
}

func ownTemp(t *testing.T) temp {
	dir := t.TempDir()
	return temp{t, dir, "TMPDIR=" + dir}
}

// empty requires that there are no files and that no process runs that was to put some there. With the processes their memory
// is gone: a ring has no name by which it could outlive them.
func (d temp) empty() {
	d.t.Helper()
	left, err := os.ReadDir(d.dir)
	require.NoError(d.t, err)
	require.Empty(d.t, left)
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	require.NoError(d.t, err)
	for _, path := range environments {
		b, _ := os.ReadFile(path) // it may have ended, or be somebody else's
		if bytes.Contains(b, []byte(d.env)) {
			cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			d.t.Errorf("still runs: %s", bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '}))
		}
	}
}

// memfds counts the parts of rings that a process has open.
func memfds(p *process) (n int) {
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.pid()))
	require.NoError(p.t, err)
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, "/memfd:grafnode-") {
			n++
		}
	}
	return n
}
