package compose

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/engine"
	"github.com/grafnode/grafnode/internal/proc"
)

const (
	repositoryRoot = "../.."
	patience       = 3 * time.Minute
	name           = "grafnode-test" // of the project, its images and stages: nothing of a user's is touched
	imageOfGo      = "golang:1.26-bookworm"
)

// project is the compose file's, in an engine.
type project struct {
	t       *testing.T
	engine  *engine.Engine
	compose []string // the command, up to its verb
	env     []string
	lines   int // of the log
}

func newProject(t *testing.T) *project {
	if os.Getenv("GRAFNODE_COMPOSE") == "" {
		t.Skip("takes minutes: `make test-compose`")
	}
	dir, err := os.MkdirTemp("", "gn") // not t.TempDir: its paths are too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	l := proc.NewLauncher()
	t.Cleanup(l.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	e, err := engine.Find(ctx, l, dir)
	if errors.Is(err, engine.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	p := &project{t: t, engine: e, env: []string{"GRAFNODE_IMAGE=" + name}}
	command := []string{"docker", "compose"}
	if e.Command(ctx, "docker", "compose", "version").Run() != nil {
		if _, err := exec.LookPath("docker-compose"); err != nil {
			t.Skip("neither the plugin `docker compose` nor docker-compose is here")
		}
		command = []string{"docker-compose"}
	}
	p.compose = append(command, "--project-name", name, "--file", filepath.Join(repositoryRoot, "deploy/docker/compose.yaml"))
	return p
}

// try runs a command where the engine is.
func (p *project) try(command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), patience)
	defer cancel()
	c := p.engine.Command(ctx, command[0], command[1:]...)
	if c.Env == nil {
		c.Env = os.Environ()
	}
	c.Env = append(c.Env, p.env...)
	out, err := c.CombinedOutput()
	return string(out), err
}

// run is try for what must work.
func (p *project) run(command ...string) string {
	p.t.Helper()
	out, err := p.try(command...)
	require.NoError(p.t, err, "%s\n%s", strings.Join(command, " "), out)
	return out
}

func (p *project) docker(args ...string) string {
	p.t.Helper()
	return p.run(append([]string{"docker"}, args...)...)
}

func (p *project) do(args ...string) string {
	p.t.Helper()
	return p.run(append(p.compose[:len(p.compose):len(p.compose)], args...)...)
}

// container returns the ID of a node's container.
func (p *project) container(node string) string {
	p.t.Helper()
	return strings.TrimSpace(p.do("ps", "--quiet", node))
}

// up brings the file's nodes up, and waits until the cluster is well.
func (p *project) up() {
	p.t.Helper()
	p.do("up", "--detach")
	p.do("exec", "-T", "node-1", "/grafnode", "operator", "health", "--wait", "1m")
}

// build makes the image. The Go tool's own image is used where it can be had.
func (p *project) build() {
	p.t.Helper()
	if _, err := p.try("docker", "pull", "--quiet", imageOfGo); err != nil {
		p.standIn()
	}
	p.do("build")
}

// standIn makes an image with a shell and what stands in for the Go tool.
func (p *project) standIn() {
	p.t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		p.t.Skip("no ", imageOfGo, ", and nothing to put a stand-in together from: ", err)
	}
	dir := p.t.TempDir()
	compile(p.t, filepath.Join(dir, "grafnode"), "./cmd/grafnode")
	image, err := filepath.Abs("testdata/go")
	require.NoError(p.t, err)
	out, err := exec.Command("cp", busybox, filepath.Join(image, "Dockerfile"), filepath.Join(image, "go"), dir).CombinedOutput()
	require.NoError(p.t, err, "%s", out)
	p.docker("build", "--quiet", "--tag", name+"-go", dir)
	p.env = append(p.env, "GRAFNODE_GO_IMAGE="+name+"-go")
}

// compile builds a program as the Dockerfile does.
func compile(t *testing.T, to, pkg string) {
	t.Helper()
	build := exec.Command("go", "build", "-trimpath", "-o", to, pkg)
	build.Dir, build.Env = repositoryRoot, append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
