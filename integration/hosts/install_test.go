package hosts

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	log "github.com/grafnode/grafnode/examples/accesslog"
	"github.com/grafnode/grafnode/examples/accesslog/check"
	"github.com/grafnode/grafnode/internal/hosts"
	"github.com/grafnode/grafnode/internal/proc"
)

// The commands of docs/install.md, in their order.
const (
	makePackage = iota
	makeCertificates
	installHost
	checkHealth
	upgradeHost
	removeHost
	commandsCount
)

// commands returns the blocks of shell commands of a document.
func commands(t *testing.T, path string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for i, part := range strings.Split(string(text), "```") {
		if shell, ok := strings.CutPrefix(part, "sh\n"); ok && i%2 == 1 {
			blocks = append(blocks, shell)
		}
	}
	return blocks
}

// onThisHost runs commands in a directory.
func onThisHost(t *testing.T, dir, script string, env ...string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-euc", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", script, out)
}

const (
	lines = 20_000
	rate  = 600 // a second
)

// stageUnits are where the stages run. Who comes second to a stage waits for its turn.
var stageUnits = [][]string{
	{log.StageIngest, log.StageParse, log.StageEnrich},
	{log.StageEnrich, log.StageStore},
	{log.StageStore, log.StageParse},
}

const stageUnit = `[Unit]
After=grafnode.service
[Service]
ExecStart=%[1]s/accesslog -store %[1]s/store.db -rate %[2]d -stage %%i %[1]s/access.log
Restart=%[3]s
RestartSec=200ms
[Install]
WantedBy=multi-user.target
`

func TestInstalledClusterOutlivesItsMachines(t *testing.T) {
	root := tree(t)
	dir, repository := t.TempDir(), "../.."
	do := commands(t, "../../docs/install.md")
	require.Len(t, do, commandsCount)

	onThisHost(t, repository, do[makePackage])
	onThisHost(t, repository, "install dist/grafnode.deb "+dir+"; CGO_ENABLED=0 go build -o "+dir+"/accesslog ./examples/accesslog/cmd/accesslog")
	bin, err := filepath.Abs("../../bin")
	require.NoError(t, err)
	onThisHost(t, dir, do[makeCertificates], "PATH="+bin+":"+os.Getenv("PATH"))
	require.NoError(t, os.Rename(filepath.Join(dir, "pki/grafnode-ca-key.pem"), filepath.Join(t.TempDir(), "kept")))

	l := proc.NewLauncher()
	t.Cleanup(l.Close)
	w, err := hosts.Join(l, 3)
	require.NoError(t, err)
	var machines []*machine
	for i := range 3 {
		m := newMachine(t, l, w, i, root, dir)
		m.run(do[installHost])
		machines = append(machines, m)
	}
	for _, m := range machines {
		m.run(do[checkHealth])
	}
	p := startPipeline(t, dir, machines)
	p.flows(1000)

	t.Log("the second machine's plug is pulled")
	machines[1].off()
	p.flows(4000)
	machines[1].on()
	machines[0].run(do[checkHealth])
	p.flows(2000)

	t.Log("the third machine's cable is pulled")
	require.NoError(t, w.Cut(2))
	p.flows(4000)
	require.NoError(t, w.Heal(2))
	machines[2].run(do[checkHealth])
	p.flows(2000)

	t.Log("another version")
	onThisHost(t, repository, do[makePackage], "VERSION=9.9.9")
	onThisHost(t, repository, "install dist/grafnode.deb "+dir)
	for _, m := range machines {
		m.run(do[upgradeHost])
		require.Contains(t, m.run("dpkg-query --show grafnode"), "9.9.9")
		p.flows(1000)
	}
	p.finish()
	machines[2].run("systemctl disable --now accesslog@store accesslog@parse; " + do[removeHost])
	require.Empty(t, machines[2].run("ls -d /var/lib/grafnode /etc/grafnode /usr/bin/grafnode 2>/dev/null || true"))
}

// pipeline is the access log's, a stage each in a unit of its own.
type pipeline struct {
	t        *testing.T
	dir      string
	machines []*machine
}

func startPipeline(t *testing.T, dir string, machines []*machine) *pipeline {
	f, err := os.Create(filepath.Join(dir, "access.log"))
	require.NoError(t, err)
	require.NoError(t, log.Generate(f, 7, lines))
	require.NoError(t, f.Close())
	for i, m := range machines {
		for _, stage := range stageUnits[i] {
			restart := "always"
			if stage == log.StageIngest {
				restart = "on-failure" // when it is done, all is
			}
			unit := fmt.Sprintf(stageUnit, shared, rate, restart)
			require.NoError(t, os.WriteFile(filepath.Join(m.root, "etc/systemd/system/accesslog@"+stage+".service"), []byte(unit), 0o644))
		}
		m.run("systemctl daemon-reload; systemctl enable --now accesslog@" + strings.Join(stageUnits[i], " accesslog@"))
	}
	return &pipeline{t, dir, machines}
}

func (p *pipeline) stored() (n int) {
	db, err := sql.Open("sqlite", "file:"+p.dir+"/store.db?mode=ro&_pragma=busy_timeout(5000)")
	require.NoError(p.t, err)
	defer db.Close()
	for _, table := range []string{"requests", "dead_letters"} {
		var rows int
		if db.QueryRowContext(p.t.Context(), "SELECT count(*) FROM "+table).Scan(&rows) == nil { // it may not be there yet
			n += rows
		}
	}
	return n
}

// flows waits until n more lines have been stored.
func (p *pipeline) flows(n int) {
	p.t.Helper()
	until := min(lines, p.stored()+n)
	eventually(p.t, fmt.Sprint(until, " lines are stored"), func() bool { return p.stored() >= until })
}

// finish waits until ingest is done and compares the store with the log.
func (p *pipeline) finish() {
	p.t.Helper()
	p.machines[0].eventually("has ingested", func() bool {
		out, _ := p.machines[0].try("systemctl show --property=ActiveState,Result accesslog@ingest")
		return strings.Contains(out, "Result=success") && strings.Contains(out, "ActiveState=inactive")
	})
	f, err := os.Open(filepath.Join(p.dir, "access.log"))
	require.NoError(p.t, err)
	defer f.Close()
	r, err := check.Compare(context.WithoutCancel(p.t.Context()), f, filepath.Join(p.dir, "store.db"))
	require.NoError(p.t, err)
	require.Zero(p.t, r.Lost+r.Doubled+r.Wrong, "%+v", r)
	require.EqualValues(p.t, lines, r.Stored+r.DeadLettered, "%+v", r)
}
