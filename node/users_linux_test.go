package node_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/identity/identitytest"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/node"
	"github.com/grafnode/grafnode/node/local"
)

// A session with rules is held to them by every node, whatever role it is said to have, and whoever shows its secret with it.
func TestALimitedStageAsksForMore(t *testing.T) {
	house := identitytest.New(t)
	c := newClusterOf(t, 2, func(_ int, cfg *node.Config) { cfg.TLS = house.Member(cfg.Name, identity.Server) })
	c.ready()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var records []api.Edge
	member := house.Open("member", identity.Server)
	for _, name := range []string{"etl.a", "pay.a"} {
		out, err := edge.Produce[string](ctx, c.stage(0, "out-"+name), name)
		require.NoError(t, err)
		defer out.Close(ctx)
		record, err := c.asked(0, "", member.Client).Edge(ctx, name, api.Default)
		require.NoError(t, err)
		records = append(records, record)
	}
	rules := api.Rules{{Prefix: "etl.", Rights: []api.Right{api.RightRead, api.RightWatch, api.RightCAS, api.RightLease}}}
	eventually(t, func() error { return c.openWith(ctx, 0, "limited", member.Client, rules) }) // until the cluster is at the level of rules
	anonymous, err := identity.Anonymous(member.Authorities())
	require.NoError(t, err)
	ada := house.Open("ada", identity.Operator)
	nobody := func() *tls.Config { return anonymous }

	for n := range c.nodes {
		for who, with := range map[string]func() *tls.Config{"nobody": nobody, "an operator": ada.Client} {
			a := c.asked(n, "limited", with)
			eventually(t, func() error { // until this node has heard of it
				_, err := a.Edge(ctx, "etl.a", api.Stale)
				return err
			})
			for _, name := range []string{"etl.b" + who[:1], "pay.a", "pay.b"} {
				_, err := a.Change(ctx, api.ChangeRequest{OpID: "op", Session: "limited", Reason: api.ReasonCreated,
					Edges: []api.EdgeChange{{Name: name, TakeConsumer: true, ConsumerStage: "stage"}}})
				if name[:4] == "etl." {
					require.NotErrorIs(t, err, api.ErrForbidden, "%s at node %d: %s", who, n, name)
					continue
				}
				require.ErrorIs(t, err, api.ErrForbidden, "%s at node %d: %s", who, n, name)
			}
			_, err := a.AcquireLease(ctx, lease.Request{ID: lease.NewID(), Kind: lease.KindMemory, Bytes: 4096, TTL: lease.TTLDefault})
			require.ErrorIs(t, err, api.ErrForbidden, "%s: a lease without a name", who)
		}
		a := c.asked(n, "limited", nobody)
		for _, fresh := range []api.Consistency{api.Default, api.Stale} {
			edges, err := a.Edges(ctx, "", fresh)
			require.NoError(t, err)
			for _, e := range edges {
				require.Equal(t, "etl.", e.Name[:4])
			}
			_, err = a.Edge(ctx, "pay.a", fresh)
			require.ErrorIs(t, err, api.ErrForbidden)
		}
		for e, err := range a.Watch(ctx, api.WatchRequest{Kinds: []api.RecordKind{api.RecordEdge, api.RecordLease}}) {
			require.NoError(t, err)
			require.True(t, e.Edge == nil || e.Edge.Name[:4] == "etl.", "%+v", e)
			require.True(t, e.Lease == nil || e.Lease.Edge[:4] == "etl.", "%+v", e)
			if e.Type == api.EventSync {
				break
			}
		}
	}
	for _, record := range records { // it has a role of neither, but only one refusal says so
		_, err := tcp.DialConsumer(ctx, tcp.Attach{Address: record.Locator.Address, TLS: anonymous, Hello: tcp.Hello{
			Edge: record.Name, Generation: record.Generation, Arena: record.Locator.Arena, Session: "limited", Token: "secret", Revision: record.Revision}})
		if record.Name == "pay.a" {
			require.ErrorContains(t, err, "has not the right")
		} else {
			require.ErrorContains(t, err, `not "limited"`)
		}
	}
}

// openWith is open for a session with rules.
func (c *cluster) openWith(ctx context.Context, n int, id lease.SessionID, with func() *tls.Config, rules api.Rules) error {
	sum := sha256.Sum256([]byte("secret"))
	a := c.asked(n, "", with)
	nodes, err := a.Nodes(ctx, api.Default)
	if err != nil {
		return err
	}
	for _, known := range nodes {
		if known.ID == c.nodes[n].ID() {
			_, err = a.Sessions(ctx, api.SessionRequest{Open: &api.SessionOpen{
				Session: id, Node: known.ID, Incarnation: known.Incarnation, Stage: "stage", TTL: time.Minute, TokenSum: sum[:], Rules: rules,
			}})
		}
	}
	return err
}

// Another user of the host gets behind the socket what the settings say, and nothing without them.
func TestAnotherUserOfTheHost(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	const etl, stranger = 54321, 54322
	entry, err := local.Parse("user:54321 etl.=read,watch,cas")
	require.NoError(t, err)
	c := newClusterOf(t, 2, func(_ int, cfg *node.Config) { cfg.Local = []local.Entry{entry} })
	c.ready()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, n := range c.nodes {
		for dir := filepath.Dir(n.Socket()); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			require.NoError(t, os.Chmod(dir, 0o755))
		}
	}
	for _, name := range []string{"etl.a", "pay.a"} {
		out, err := edge.Produce[string](ctx, c.stage(0, "out-"+name), name)
		require.NoError(t, err)
		defer out.Close(ctx)
	}
	for n := range c.nodes {
		socket := c.nodes[n].Socket()
		edges := func(uid int) (names []string, err error) {
			as(t, uid, func() {
				var a *client.API
				if a, err = client.NewAPI("unix:"+socket, client.APIConfig{}); err != nil {
					return
				}
				defer a.Close()
				var all []api.Edge
				all, err = a.Edges(ctx, "", api.Default)
				for _, e := range all {
					names = append(names, e.Name)
				}
			})
			return names, err
		}
		eventually(t, func() error { // until the cluster is at the level of rules
			names, err := edges(etl)
			if err == nil {
				require.Equal(t, []string{"etl.a"}, names)
			}
			return err
		})
		_, err := edges(stranger)
		require.ErrorIs(t, err, api.ErrForbidden)
		require.ErrorContains(t, err, "its settings give rights to others in local")
		names, err := edges(0)
		require.NoError(t, err)
		require.Len(t, names, 2)

		require.NoError(t, c.nodes[n].Reload(node.Config{}))
		_, err = edges(etl)
		require.Error(t, err, "it cannot even connect any more")
		info, err := os.Stat(socket)
		require.NoError(t, err)
		require.Zero(t, info.Mode()&0o007)
		require.Error(t, c.nodes[n].Reload(node.Config{Local: []local.Entry{{User: "no-such-user-here", Rules: entry.Rules}}}))
	}
}

// as runs f as another user of this host, as far as the system asks the thread: it sees who connects to a socket.
func as(t *testing.T, uid int, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine, and its user with it
		_, _, e := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0))
		if e != 0 {
			done <- e
			return
		}
		f()
		done <- nil
	}()
	require.NoError(t, <-done)
}
