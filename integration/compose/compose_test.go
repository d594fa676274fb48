package compose

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	log "github.com/grafnode/grafnode/examples/accesslog"
)

const (
	lines = 9000
	rate  = 600 // a second
)

// Three nodes of the compose file carry a pipeline whose stages are containers beside them. One node is killed, with the stage beside it, and comes
// back: every line is stored once.
func TestTheComposeFile(t *testing.T) {
	p := newProject(t)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := p.try(append(p.compose[:len(p.compose):len(p.compose)], "logs", "--no-color", "--tail", "30")...)
			t.Log(out)
		}
		p.clean()
	})
	p.build()
	t.Log("three nodes")
	p.up()
	require.Contains(t, p.docker("run", "--rm", name, "version"), "grafnode ")

	t.Log("a pipeline")
	p.buildStages()
	p.stage("parse", 3, log.StageParse)
	p.stage("store", 3, log.StageStore)
	p.stage("enrich", 2, log.StageEnrich)
	p.stage("standby", 1, log.StageEnrich)
	p.stage("ingest", 1, log.StageIngest)
	p.flows(1000)
	t.Log("node-2 is killed, and the stage beside it")
	p.do("kill", "node-2")
	p.docker("kill", name+"-enrich")
	p.flows(1500)
	t.Log("node-2 is back")
	p.up()
	p.flows(1000)

	require.Equal(t, "0\n", p.docker("wait", name+"-ingest"))
	require.Equal(t, "0\n", p.docker("wait", name+"-store"))
	said, err := p.check()
	require.NoError(t, err, said)
	require.Contains(t, said, fmt.Sprintf("%d lines: ", lines))
	t.Log(said)
}

var containers = []string{"parse", "store", "enrich", "standby", "ingest"}

// buildStages makes the image of the stages, with a log for them to read.
func (p *project) buildStages() {
	p.t.Helper()
	dir := p.t.TempDir()
	compile(p.t, filepath.Join(dir, "accesslog"), "./examples/accesslog/cmd/accesslog")
	require.NoError(p.t, os.Mkdir(filepath.Join(dir, "store"), 0o755))
	out, err := exec.Command("cp", "testdata/accesslog/Dockerfile", dir).CombinedOutput()
	require.NoError(p.t, err, "%s", out)
	f, err := os.OpenFile(filepath.Join(dir, "access.log"), os.O_CREATE|os.O_WRONLY, 0o644)
	require.NoError(p.t, err)
	require.NoError(p.t, log.Generate(f, 7, lines))
	require.NoError(p.t, f.Close())
	p.docker("build", "--quiet", "--tag", name+"-stage", dir)
}

// stage runs a stage beside a node, as the compose file says.
func (p *project) stage(container string, node int, stage string) {
	p.t.Helper()
	p.docker("run", "--detach", "--name", name+"-"+container, "--restart", "on-failure", "--user", "65532:65532",
		"--volume", fmt.Sprintf("%s_run-%d:/run/grafnode", name, node), "--network", name+"_default",
		"--env", "GRAFNODE_SOCKET=/run/grafnode/grafnode.sock", "--volume", name+"-store:/store",
		name+"-stage", "-rate", fmt.Sprint(rate), "-stage", stage, "/access.log")
}

// check compares the store with the log, in a container of its own.
func (p *project) check() (string, error) {
	return p.try("docker", "run", "--rm", "--network", "none", "--volume", name+"-store:/store", name+"-stage", "-check", "/access.log")
}

// stored says how many lines have been, rows of both tables.
func (p *project) stored() int {
	out, _ := p.check() // fails until all are
	var read, stored, dead int
	if _, err := fmt.Sscanf(out, "%d lines: %d stored, %d dead letters", &read, &stored, &dead); err != nil {
		return 0 // there is no store yet
	}
	return stored + dead
}

// flows waits until n more lines have been stored.
func (p *project) flows(n int) {
	p.t.Helper()
	until := min(lines, p.stored()+n)
	for began := time.Now(); p.stored() < until; time.Sleep(100 * time.Millisecond) {
		require.Less(p.t, time.Since(began), patience, "in vain: %d lines are stored", until)
	}
}

// clean leaves nothing in an engine that is not ours.
func (p *project) clean() {
	for _, c := range containers {
		_, _ = p.try("docker", "rm", "--force", name+"-"+c) // it may never have been there
	}
	_, _ = p.try(append(p.compose[:len(p.compose):len(p.compose)], "down", "--volumes")...)
	_, _ = p.try("docker", "volume", "rm", name+"-store")
	_, _ = p.try("docker", "image", "rm", name, name+"-stage", name+"-go")
}
