package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/identity"
)

func TestConfigDefaults(t *testing.T) {
	c, err := Config{DataDir: "/d"}.withDefaults()
	require.NoError(t, err)
	require.Equal(t, BindDefault, c.Bind)
	require.Equal(t, "/d/grafnode.sock", c.Socket)
	require.Equal(t, c.Heartbeat, c.Election)
	require.NotEmpty(t, c.Name)
	require.NoError(t, Config{DataDir: "/d", Name: "n"}.Validate())
	require.NoError(t, Config{DataDir: "/d", Name: "n", Bind: "127.3.2.1"}.Validate())
	require.NoError(t, Config{DataDir: "/d", Name: "n", Bind: "10.0.0.1", Insecure: true}.Validate())
}

func TestConfigSaysWhichSettingIsWrong(t *testing.T) {
	for _, c := range []struct {
		change  func(*Config)
		setting string
		says    string
	}{
		{func(c *Config) { c.DataDir = "" }, "data-dir", "is required"},
		{func(c *Config) { c.Bind = "localhost" }, "bind", "IP or IP:port"},
		{func(c *Config) { c.Bind = "127.0.0.1:99999" }, "bind", "IP or IP:port"},
		{func(c *Config) { c.Bind = "127.0.0.1:65535" }, "bind", "gossip takes the next one"},
		{func(c *Config) { c.Bind = "0.0.0.0" }, "bind", "every address"},
		{func(c *Config) { c.Bind = "10.0.0.1" }, "tls-cert", "others reach 10.0.0.1"},
		{func(c *Config) { c.OTLPEndpoint = "localhost:4318" }, "otlp-endpoint", "http://127.0.0.1:4318"},
		{func(c *Config) { c.Bind, c.GossipKeys = "10.0.0.1", "k" }, "tls-cert", "others reach 10.0.0.1"},
		{func(c *Config) { c.Bind, c.TLS = "10.0.0.1", identity.Files{CA: "a", Cert: "c", Key: "k"} }, "gossip-keys", "others reach 10.0.0.1"},
		{func(c *Config) { c.Join = []string{"host:port"} }, "join", "host:port"},
		{func(c *Config) { c.Join = []string{"a:1:2"} }, "join", "is no address"},
		{func(c *Config) { c.Join = []string{""} }, "join", "is no address"},
		{func(c *Config) { c.Join = []string{"127.0.0.300"} }, "join", "is no address"},
		{func(c *Config) { c.Join = []string{"a..b:7400"} }, "join", "is no address"},
		{func(c *Config) { c.BootstrapExpect = -1 }, "bootstrap-expect", "-1"},
		{func(c *Config) { c.Memory = 1 }, "memory", "smallest ring"},
		{func(c *Config) { c.Zone = "a b" }, "zone", "is not a name"},
		{func(c *Config) { c.Name = "ü" }, "name", "is not a name"},
		{func(c *Config) { c.Socket = "/" + strings.Repeat("x", 110) }, "socket", "over 103 bytes"},
		{func(c *Config) { c.Heartbeat = time.Millisecond }, "raft-heartbeat", "50ms to 1m"},
		{func(c *Config) { c.Fabric = "udp" }, "fabric", "want auto, tcp or rdma"},
		{func(c *Config) { c.FabricTrusted = []string{"10.1.0.0/24", "10.2.0.1/24"} }, "fabric-trusted", "10.2.0.1/24"},
		{func(c *Config) { c.Election = 60 * time.Millisecond }, "raft-election", "2s to 1m"},
	} {
		config := Config{DataDir: "/d", Name: "n"}
		c.change(&config)
		err := config.Validate()
		var wrong *ConfigError
		require.ErrorAs(t, err, &wrong, c.setting)
		require.Equal(t, c.setting, wrong.Setting)
		require.ErrorContains(t, err, c.says)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestGossipAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.2":      "127.0.0.2:7401",
		"127.0.0.2:9000": "127.0.0.2:9001",
		"node-a":         "node-a:7401",
		"node-a:80":      "node-a:81",
		"[::1]:9000":     "[::1]:9001",
		"::1":            "[::1]:7401",
	} {
		got, err := gossipAddress(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
	}
}

func TestSeedsOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nodes")
	_, err := seedsOf(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, []byte("# ours\n10.0.0.1\n\n 10.0.0.2:80 \n10.0.0.300\nnode-c\na:b:c"), 0o600))
	seeds, err := seedsOf(path)
	require.Equal(t, []string{"10.0.0.1:7401", "10.0.0.2:81", "node-c:7401"}, seeds)
	require.ErrorContains(t, err, path+":5: ")
	require.ErrorContains(t, err, path+":7: ")
}
