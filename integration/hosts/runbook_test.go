package hosts

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"
)

// admitsUsers has users made, and the node told of them as docs/security.md shows.
func (m *machine) admitsUsers(says *book) {
	m.t.Helper()
	m.run("useradd --system etl; groupadd ops; useradd --system --gid ops ada")
	path := filepath.Join(m.root, "etc/grafnode/grafnode.toml")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(m.t, err)
	_, err = f.WriteString(says.settings("docs/security.md", "Users of a host"))
	require.NoError(m.t, err)
	require.NoError(m.t, f.Close())
	m.run("systemctl reload grafnode")
}

// keepsUsersApart checks that users get from the node what the settings give them.
func (m *machine) keepsUsersApart() {
	m.t.Helper()
	require.Contains(m.t, m.run("runuser -u etl -- grafnode edge list"), "access-log.parse")
	require.Contains(m.t, m.run("grafnode session list"), "ref.=read", "the rules of etl's stage")
	for who, what := range map[string]string{"etl": "node list", "ada": "token list", "nobody": "edge list"} {
		out, err := m.try("runuser -u " + who + " -- grafnode " + what)
		require.Error(m.t, err, "%s %s\n%s", who, what, out)
		require.Contains(m.t, out, "right", "%s %s", who, what)
	}
	m.run("runuser -u ada -- grafnode node list")
}

// followRunbook does what docs/operating.md says, each time as it says, to a cluster without stages.
func (s *site) followRunbook() {
	const runbook = "docs/operating.md"
	t, says, machines, first, third := s.t, s.says, s.machines, s.machines[0], s.machines[2]
	look := says.script(runbook, "How is it?")
	first.eventually("is well", func() bool { // and says so if not
		_, err := first.try(look)
		return err == nil
	})

	t.Log("a copy, and back to it")
	first.run(says.script(runbook, "A copy, regularly"))
	first.run("cp /var/backups/registry-$(date +%F).snapshot /var/backups/registry-2026-05-17.snapshot") // the day that is gone back to
	first.run("grafnode edge delete access-log.enrich")
	first.run(says.script(runbook, "Back to a snapshot"))
	first.run("grafnode edge get access-log.enrich")
	first.run(s.checkHealth)

	t.Log("a node is emptied")
	first.run(says.script(runbook, "A node is to be emptied"))

	t.Log("a key of gossip")
	first.run("cp pki/gossip.keys old.keys; grafnode tls gossip-key > new.keys")
	for _, step := range steps(says.script("docs/security.md", "Change of certificates and keys")) {
		for _, m := range machines {
			m.run(step)
		}
	}

	t.Log("each is started again")
	again := says.script(runbook, "A new version")
	for _, m := range machines {
		m.run(again)
	}
	first.run(s.checkHealth)

	t.Log("a node is gone for good, and another takes its place")
	third.off()
	for _, step := range steps(says.script(runbook, "A node is gone for good")) {
		first.eventually(step, func() bool { // it is not known at once that the node is gone, and what it lent ends in its time
			_, err := first.try(step)
			return err == nil
		})
	}
	third.anew()
	first.run(s.checkHealth)

	t.Log("a majority is lost")
	machines[1].off()
	third.off()
	first.holdsSystemdUp()
	first.run(says.script(runbook, "A majority is lost"))
	machines[1].anew()
	third.anew()
	first.run(s.checkHealth)
	first.run("grafnode edge get access-log.enrich")
}

// holdsSystemdUp checks, while nobody can move the node's rings, that systemd gives it the time to find that out, and that it is started again if it
// stands still.
func (m *machine) holdsSystemdUp() {
	m.t.Helper()
	const dropIn = "/run/systemd/system/grafnode.service.d"
	impatient := func(setting string) {
		m.run("mkdir -p " + dropIn + "; printf '[Service]\\n" + setting + "\\n' > " + dropIn + "/impatient.conf; systemctl daemon-reload")
	}
	m.t.Log("a stop takes longer than systemd waits by itself")
	impatient("TimeoutStopSec=2s") // far less than drain-on-stop
	m.run("systemctl stop grafnode")
	require.Contains(m.t, m.run("systemctl show --property=Result grafnode"), "Result=success", "or it was killed")
	require.Contains(m.t, m.run("journalctl --unit=grafnode"), "rings were not moved")

	m.t.Log("a node stands still")
	impatient("WatchdogSec=2s")
	m.run("systemctl start grafnode; kill -STOP $(systemctl show --property=MainPID --value grafnode)")
	m.eventually("is started again", func() bool {
		out, _ := m.try("journalctl --unit=grafnode; systemctl is-active grafnode")
		return strings.Contains(out, "Watchdog timeout") && strings.HasSuffix(out, "\nactive\n")
	})
	m.run("rm -r " + dropIn + "; systemctl daemon-reload")
}

// anew switches a machine on that has forgotten what it was.
func (m *machine) anew() {
	m.t.Helper()
	data := filepath.Join(m.root, "var/lib/grafnode")
	entries, err := os.ReadDir(data)
	require.NoError(m.t, err)
	for _, e := range entries {
		require.NoError(m.t, os.RemoveAll(filepath.Join(data, e.Name())))
	}
	m.on()
}

// steps returns the lines of a script.
func steps(script string) []string { return strings.Split(strings.TrimSpace(script), "\n") }
