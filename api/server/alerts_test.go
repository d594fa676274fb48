package server

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Alerts and dashboard ask for series that there are.
func TestAlertsAndDashboardAskForWhatThereIs(t *testing.T) {
	documented, err := os.ReadFile("../../docs/metrics.md")
	require.NoError(t, err)
	for _, path := range []string{"prometheus/alerts.yml", "prometheus/alerts_test.yml", "grafana/grafnode.json"} {
		text, err := os.ReadFile(filepath.Join("../../deploy", path))
		require.NoError(t, err)
		asked := regexp.MustCompile(`grafnode_[a-z_]+`).FindAllString(string(text), -1)
		require.NotEmpty(t, asked)
		for _, name := range asked {
			name = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			require.Contains(t, string(documented), "| `"+name+"` |", path)
		}
	}
}

// Prometheus's own tool takes the alerts, and they are raised when they should be.
func TestAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool here: package prometheus of Debian has it")
	}
	for _, args := range [][]string{
		{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}, {"check", "config", "--syntax-only", "prometheus.yml.example"},
	} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = "../../deploy/prometheus"
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
}
