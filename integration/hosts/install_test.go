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
User=%[4]s
ExecStart=%[1]s/accesslog -store %[1]s/store.db -rate %[2]d -stage %%i %[1]s/access.log
Restart=%[3]s
RestartSec=200ms
[Install]
WantedBy=multi-user.target
`

// site is a cluster that was installed as docs/install.md says.
type site struct {
	t           *testing.T
	says        *book
	dir         string // shared by all
	network     *hosts.Network
	machines    []*machine
	makePackage string
	checkHealth string
}

func install(t *testing.T) *site {
	root := tree(t)
	s := &site{t: t, says: openBook(t), dir: t.TempDir()}
	each := s.says.section(installing, "Each host")
	require.Len(t, each, 2)
	s.makePackage, s.checkHealth = s.says.script(installing, "The package"), each[1]
	s.build()
	onThisHost(t, repositoryRoot, "CGO_ENABLED=0 go build -trimpath -o "+s.dir+"/accesslog ./examples/accesslog/cmd/accesslog")
	bin, err := filepath.Abs("../../bin")
	require.NoError(t, err)
	onThisHost(t, s.dir, s.says.script(installing, "Certificates"), "PATH="+bin+":"+os.Getenv("PATH"))
	require.NoError(t, os.Rename(filepath.Join(s.dir, "pki/grafnode-ca-key.pem"), filepath.Join(t.TempDir(), "kept")))

	l := proc.NewLauncher()
	t.Cleanup(l.Close)
	s.network, err = hosts.Join(l, 3)
	require.NoError(t, err)
	for i := range 3 {
		m := newMachine(t, l, s.network, i, root, s.dir)
		m.run(each[0])
		m.admitsUsers(s.says)
		s.machines = append(s.machines, m)
	}
	for _, m := range s.machines {
		m.run(s.checkHealth)
	}
	return s
}

// build makes the package, where the machines find it.
func (s *site) build(env ...string) {
	s.t.Helper()
	onThisHost(s.t, repositoryRoot, s.makePackage, env...)
	onThisHost(s.t, repositoryRoot, "install dist/grafnode.deb "+s.dir)
}

// exposure is what systemd makes of the unit's confinement at most, in tenths; 100 is none. What is left is the network, and what the node needs there.
const exposure = "15"

const installing = "docs/install.md"

func TestInstalledClusterOutlivesItsMachines(t *testing.T) {
	s := install(t)
	p := startPipeline(t, s.dir, s.machines)
	p.flows(1000)
	s.machines[1].keepsUsersApart()
	s.machines[1].run("systemd-analyze verify grafnode.service")
	s.machines[1].run("systemd-analyze security --no-pager --threshold=" + exposure + " grafnode.service")

	t.Log("the second machine's plug is pulled")
	s.machines[1].off()
	p.flows(4000)
	s.machines[1].on()
	s.machines[0].run(s.checkHealth)
	p.flows(2000)

	t.Log("the third machine's cable is pulled")
	require.NoError(t, s.network.Cut(2))
	p.flows(4000)
	require.NoError(t, s.network.Heal(2))
	s.machines[2].run(s.checkHealth)
	p.flows(2000)

	t.Log("another version")
	s.build("VERSION=9.9.9")
	upgrade := s.says.script(installing, "Another version")
	for _, m := range s.machines {
		m.run(upgrade)
		require.Contains(t, m.run("dpkg-query --show grafnode"), "9.9.9")
		p.flows(1000)
	}
	p.finish()
	p.stop()
	s.followRunbook()

	s.machines[2].run(s.says.script(installing, "Away with it"))
	require.Empty(t, s.machines[2].run("ls -d /var/lib/grafnode /etc/grafnode /usr/bin/grafnode 2>/dev/null || true"))
	s.says.closed()
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
			restart, user := "always", "root"
			switch stage {
			case log.StageIngest:
				restart = "on-failure" // when it is done, all is
			case log.StageEnrich:
				user = "etl" // needs no file, and gets its rights from the node's settings
			}
			unit := fmt.Sprintf(stageUnit, shared, rate, restart, user)
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

// stop ends the stages that are left.
func (p *pipeline) stop() {
	p.t.Helper()
	for i, m := range p.machines {
		m.run("systemctl disable --now accesslog@" + strings.Join(stageUnits[i], " accesslog@"))
	}
}
