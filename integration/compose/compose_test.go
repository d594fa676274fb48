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

const rate = 400 // lines a second

// Three nodes of the compose file carry a pipeline whose stages are containers beside them. One node is killed, with the stage beside it, and comes
// back: every line is stored once.
func TestTheComposeFile(t *testing.T) {
	p := newProject(t)
	p.runs(9_000)
	p.flows(1000)
	p.docker("kill", name+"-enrich")
	p.befalls(killed)
	p.ends()
}

// Containers are hosts like others: the same when the node is killed and its stage lives, stands still, and has no network.
func TestContainersAsHosts(t *testing.T) {
	p := newProject(t)
	p.runs(60_000)
	p.flows(1000)
	for _, f := range []fault{killed, still, cutOff} {
		p.docker("restart", name+"-standby") // what it had goes to the stage beside node-2
		p.flows(1000)
		p.befalls(f)
	}
	p.ends()
}

// fault is what befalls node-2, and how it passes.
type fault struct {
	what       string
	begin, end func(p *project)
}

var (
	killed = fault{"is killed", func(p *project) { p.do("kill", "node-2") }, func(p *project) {}} // up starts it again
	still  = fault{"stands still", func(p *project) { p.do("pause", "node-2") }, func(p *project) { p.do("unpause", "node-2") }}
	cutOff = fault{"has no network", func(p *project) {
		p.docker("network", "disconnect", name+"_default", p.container("node-2"))
	}, func(p *project) {
		p.docker("network", "connect", "--ip", "172.30.74.12", name+"_default", p.container("node-2"))
	}}
)

// befalls has a fault come and go while items flow.
func (p *project) befalls(f fault) {
	p.t.Helper()
	p.t.Log("node-2 " + f.what)
	require.Less(p.t, p.stored()+1500, p.lines, "all is nearly over: more lines are needed")
	f.begin(p)
	p.flows(1500)
	f.end(p)
	p.up()
	p.t.Log("node-2 is back")
	p.flows(1000)
}

// runs brings up the nodes, and a pipeline that has lines to store.
func (p *project) runs(lines int) {
	p.t.Helper()
	p.lines = lines
	p.t.Cleanup(func() {
		if p.t.Failed() {
			out, _ := p.try(append(p.compose[:len(p.compose):len(p.compose)], "logs", "--no-color", "--tail", "30")...)
			p.t.Log(out)
		}
		p.clean()
	})
	p.build()
	p.t.Log("three nodes")
	p.up()
	p.t.Log("a pipeline")
	p.buildStages()
	p.stage("parse", 3, log.StageParse)
	p.stage("store", 3, log.StageStore)
	p.stage("enrich", 2, log.StageEnrich)
	p.stage("standby", 1, log.StageEnrich)
	p.stage("ingest", 1, log.StageIngest)
}

// ends waits until the pipeline has ended, and compares the store with the log.
func (p *project) ends() {
	p.t.Helper()
	require.Equal(p.t, "0\n", p.docker("wait", name+"-ingest"))
	require.Equal(p.t, "0\n", p.docker("wait", name+"-store"))
	said, err := p.check()
	require.NoError(p.t, err, said)
	require.Contains(p.t, said, fmt.Sprintf("%d lines: ", p.lines))
	p.t.Log(said)
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
	require.NoError(p.t, log.Generate(f, 7, p.lines))
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

// check compares the store with the log, in a container of its own. SQLite sorts in files there.
func (p *project) check() (string, error) {
	return p.try("docker", "run", "--rm", "--network", "none", "--tmpfs", "/tmp", "--volume", name+"-store:/store", name+"-stage", "-check", "/access.log")
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
	until := min(p.lines, p.stored()+n)
	for began := time.Now(); p.stored() < until; time.Sleep(500 * time.Millisecond) {
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
