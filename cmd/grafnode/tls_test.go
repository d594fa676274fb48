package main

import (
	"crypto/tls"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/identity"
)

func TestCertificates(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, _ := command(t, "tls", "ca", "create")
	require.Equal(t, exitOK, code)
	require.Equal(t, "grafnode-ca.pem\ngrafnode-ca-key.pem\n", stdout)
	code, stdout, _ = command(t, "tls", "cert", "create", "--role", "server", "--name", "node-1", "--days", "9999")
	require.Equal(t, exitOK, code)
	require.Equal(t, "node-1.pem\nnode-1-key.pem\n", stdout)
	_, err := identity.Open(identity.Files{CA: "grafnode-ca.pem", Cert: "node-1.pem", Key: "node-1-key.pem"}, identity.Server)
	require.NoError(t, err)

	code, stdout, _ = command(t, "tls", "cert", "info", "node-1.pem")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "role     server\nsigned   by grafnode authority\n")
	require.Contains(t, stdout, "(3649 days left)", "its authority's end")
	_, stdout, _ = command(t, "tls", "cert", "info", "grafnode-ca.pem")
	require.Contains(t, stdout, "role     authority\n")

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"ca", "create"}, "file exists"},
		{[]string{"ca", "create", "--days", "0"}, "--days 0: must be"},
		{[]string{"cert", "create", "--role", "king"}, `--role "king": must be server, client or operator`},
		{[]string{"cert", "create", "--role", "server", "--host", "operator.grafnode"}, "must be an address or a host's name"},
		{[]string{"cert", "create", "--role", "server", "--host", "*.example.net"}, "must be an address or a host's name"},
		{[]string{"cert", "create", "--role", "client", "--host", "10.0.0.1"}, "of a server"},
		{[]string{"cert", "create", "--role", "client", "--ca", "other"}, "authority: open other.pem: no such file"},
		{[]string{"cert", "create", "--role", "client", "--ca", "node-1"}, "cannot sign others"},
		{[]string{"cert", "info", "node-1-key.pem"}, "no certificate in PEM"},
		{[]string{"cert", "info", "none.pem"}, "no such file"},
	} {
		code, stdout, stderr := command(t, append([]string{"tls"}, c.args...)...)
		require.NotEqual(t, exitOK, code, c.args)
		require.Contains(t, stderr, c.want)
		require.Empty(t, stdout)
	}
	require.NoFileExists(t, "client.pem")
	require.NoFileExists(t, "server.pem")

	code, _, _ = command(t, "tls", "cert", "create", "--role", "server", "--name", "n2", "--host", "n2.example.net,10.0.0.2,::1")
	require.Equal(t, exitOK, code)
	pair, err := tls.LoadX509KeyPair("n2.pem", "n2-key.pem")
	require.NoError(t, err)
	for _, host := range []string{"n2.example.net", "10.0.0.2", "::1", "server.grafnode"} {
		require.NoError(t, pair.Leaf.VerifyHostname(host))
	}
	role, err := identity.RoleOf(pair.Leaf)
	require.NoError(t, err)
	require.Equal(t, identity.Server, role)
	text, err := os.ReadFile("node-1-key.pem")
	require.NoError(t, err)
	_, stdout, _ = command(t, "tls", "cert", "info", "node-1.pem")
	require.NotContains(t, stdout, string(text))
}

func TestSetUpACluster(t *testing.T) {
	dir := t.TempDir()
	code, stdout, _ := command(t, "tls", "setup", "--dir", dir, "node-1", "node-2")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, dir+"/node-2-key.pem\n")
	code, stdout, _ = command(t, "tls", "setup", "--dir", dir, "node-1", "node-2", "node-3")
	require.Equal(t, exitOK, code)
	require.Equal(t, dir+"/node-3.pem\n"+dir+"/node-3-key.pem\n", stdout)
	for _, c := range [][2]string{
		{"", "name the nodes"}, {"../evil", "is not a name"}, {"operator", "another purpose"}, {"--days=0 n", "--days 0: must be"},
	} {
		code, stdout, stderr := command(t, append([]string{"tls", "setup", "--dir", dir}, strings.Fields(c[0])...)...)
		require.Equal(t, exitUsage, code, c)
		require.Contains(t, stderr, c[1])
		require.Empty(t, stdout)
	}
}
