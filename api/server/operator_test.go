package server

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// operator returns the client's verbs against f.
func (f *fixture) operator(t *testing.T) *client.API {
	t.Helper()
	a, err := client.NewAPI(strings.TrimPrefix(f.url, "http://"), client.APIConfig{
		Credentials: func() (lease.SessionID, string) { return "s1", "secret" },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

func TestTheRaftGroupIsShownAndChanged(t *testing.T) {
	f := newFixture(t)
	a := f.operator(t)
	f.group.members[1].Matched, f.group.members[1].LastContact = 90, 20*time.Millisecond
	group, err := a.Raft(t.Context(), api.Default)
	require.NoError(t, err)
	require.Len(t, group.Servers, 3)
	require.True(t, group.Servers[0].Leader)
	require.Equal(t, uint64(10), group.Servers[1].Lag)
	require.Equal(t, "n2", group.Servers[1].Name)
	require.Equal(t, "alive", group.Servers[1].Gossip)

	for _, force := range []bool{false, true} {
		require.ErrorContains(t, a.RemoveServer(t.Context(), "n1", force), "transfer leadership first")
	}

	done, err := a.TransferLeadership(t.Context(), api.TransferRequest{To: "n1"})
	require.NoError(t, err)
	require.Equal(t, api.TransferResponse{From: "n1", To: "n1"}, done, "it leads already")
	_, err = a.TransferLeadership(t.Context(), api.TransferRequest{To: "n9"})
	require.ErrorIs(t, err, api.ErrNotFound)
	done, err = a.TransferLeadership(t.Context(), api.TransferRequest{})
	require.NoError(t, err)
	require.EqualValues(t, "n2", done.To)
}

// A member that runs is more likely a slip than gone: it is removed only if that is insisted on.
func TestAMemberThatRunsIsNotRemoved(t *testing.T) {
	f := newFixture(t)
	a := f.operator(t)
	second, third := &f.group.members[1], &f.group.members[2]
	second.LastContact, third.LastContact = 20*time.Millisecond, contactMax
	err := a.RemoveServer(t.Context(), "n2", false)
	require.ErrorIs(t, err, api.ErrConflict)
	require.ErrorContains(t, err, "answered its leader 20ms ago): stop it first")
	err = a.RemoveServer(t.Context(), "n3", false)
	require.ErrorIs(t, err, api.ErrConflict)
	require.ErrorContains(t, err, "gossip says alive")
	require.Empty(t, f.group.removed)
	f.gossip[2].Health = membership.Dead
	require.NoError(t, a.RemoveServer(t.Context(), "n3", false))
	require.NoError(t, a.RemoveServer(t.Context(), "n2", true))
	require.Equal(t, []locator.NodeID{"n3", "n2"}, f.group.removed)
}

// A snapshot goes through a follower both ways, as it is.
func TestSnapshotsTravel(t *testing.T) {
	leader, follower := newFixture(t), newFixture(t)
	follower.follow(leader.url)
	leader.group.saved = "snapshot " + strings.Repeat("0123456789abcdef", 1<<18) // 4 MiB: more than any buffer on the way
	a := follower.operator(t)
	var got strings.Builder
	n, err := a.SaveSnapshot(t.Context(), &got)
	require.NoError(t, err)
	require.EqualValues(t, len(leader.group.saved), n)
	require.Equal(t, leader.group.saved, got.String())

	restored, err := a.RestoreSnapshot(t.Context(), strings.NewReader(got.String()), n, false)
	require.NoError(t, err)
	require.Equal(t, "c1", restored.Cluster)
	require.Equal(t, []string{got.String()}, leader.group.restored)

	_, err = a.RestoreSnapshot(t.Context(), strings.NewReader("no such thing"), 13, false)
	require.ErrorIs(t, err, api.ErrInvalid)
	_, err = a.RestoreSnapshot(t.Context(), strings.NewReader("no such thing"), 13, true)
	require.NoError(t, err)
	require.Len(t, leader.group.restored, 2)
	require.Empty(t, follower.group.restored)
}

func TestASnapshotThatBreaksOffIsNoSnapshot(t *testing.T) {
	leader, follower := newFixture(t), newFixture(t)
	follower.follow(leader.url)
	leader.group.saved, leader.group.saveErr = strings.Repeat("x", 1<<20), errors.New("disk")
	for _, f := range []*fixture{leader, follower} {
		var got strings.Builder
		_, err := f.operator(t).SaveSnapshot(t.Context(), &got)
		require.ErrorIs(t, err, api.ErrUnavailable, "the stream has no end")
	}
	leader.group.saved = ""
	status, _, body := leader.ask(t, "GET", "/v1/operator/snapshot", "")
	require.Equal(t, http.StatusInternalServerError, status, body)
}

// failing reads so much and then fails, as a disk may.
type failing struct{ left int }

func (f *failing) Read(b []byte) (int, error) {
	if f.left == 0 {
		return 0, errors.New("input/output error")
	}
	n := min(len(b), f.left)
	f.left -= n
	return n, nil
}

func TestARestoreThatIsCutOffChangesNothing(t *testing.T) {
	leader, follower := newFixture(t), newFixture(t)
	follower.follow(leader.url)
	for _, f := range []*fixture{leader, follower} {
		var err error
		for again := true; again; again = errors.Is(err, api.ErrOverloaded) { // until the leader has noticed the end of the one before
			_, err = f.operator(t).RestoreSnapshot(t.Context(), &failing{1 << 20}, 2<<20, false)
		}
		require.ErrorIs(t, err, api.ErrUnavailable)
		require.NotErrorIs(t, err, api.ErrUnknown)
		require.Empty(t, leader.group.restored)
	}
}

func TestHealthNamesWhatIsWrong(t *testing.T) {
	f := newFixture(t)
	for i := range f.group.members { // one port answers for all of them here
		f.group.members[i].Address = strings.TrimPrefix(f.url, "http://")
	}
	a := f.operator(t)
	h, err := a.Health(t.Context())
	require.NoError(t, err)
	require.False(t, h.Healthy)
	require.Equal(t, []int{3, 2, -1}, []int{h.Voters, h.Quorum, h.Margin})
	require.Contains(t, strings.Join(h.Problems, "\n"), "another node, n1, answers at its address")

	f.group.members = f.group.members[:1]
	h, err = a.Health(t.Context())
	require.NoError(t, err)
	require.Contains(t, strings.Join(h.Problems, "\n"), "n2 (n2) at 127.0.0.2:7400 is no member of the Raft group yet")
	f.server.c.Gossip = f.server.c.Gossip.(fakeGossip)[:1]
	f.group.members[0].Voter = false
	h, err = a.Health(t.Context())
	require.NoError(t, err)
	require.Contains(t, strings.Join(h.Problems, "\n"), "does not vote yet")
	f.group.members[0].Voter = true
	h, err = a.Health(t.Context())
	require.NoError(t, err)
	require.True(t, h.Healthy, h.Problems)
	require.Equal(t, []int{1, 1, 0}, []int{h.Voters, h.Quorum, h.Margin})
	require.NotNil(t, h.Servers[0].Disk)

	f.registry.readErr = api.ErrNoQuorum
	h, err = a.Health(t.Context())
	require.NoError(t, err)
	require.False(t, h.Healthy)
	require.Contains(t, h.Problems[0], "no majority")

	f.registry.leads, f.registry.leader = false, registry.Peer{}
	h, err = a.Health(t.Context())
	require.NoError(t, err, "asking is answered also without a leader")
	require.False(t, h.Healthy)
	require.Contains(t, h.Problems[0], "no leader")
}

func TestProblemsOfAMember(t *testing.T) {
	well := api.ServerHealth{RaftServer: api.RaftServer{ID: "n2", Gossip: string(membership.Alive)}}
	fine := asked{status: &api.Status{Node: "n2"}}
	require.Empty(t, problemsOf(well, fine, true))
	for says, change := range map[string]func(*api.ServerHealth, *asked){
		"has not answered its leader yet":    func(s *api.ServerHealth, _ *asked) { s.LastContact = -1 },
		"has not answered its leader for 9s": func(s *api.ServerHealth, _ *asked) { s.LastContact = 9 * time.Second },
		"is 5000 log entries behind":         func(s *api.ServerHealth, _ *asked) { s.Lag = 5000 },
		"gossip says suspect":                func(s *api.ServerHealth, _ *asked) { s.Gossip = "suspect" },
		"its API does not answer: refused":   func(_ *api.ServerHealth, a *asked) { *a = asked{err: errors.New("refused")} },
		"another node, n7, answers":          func(_ *api.ServerHealth, a *asked) { a.status.Node = "n7" },
		"not registered":                     func(_ *api.ServerHealth, a *asked) { a.status.Problems = []string{"not registered"} },
		"its disk has 10 MiB left":           func(_ *api.ServerHealth, a *asked) { a.status.Disk = &api.Disk{Free: 10 << 20, Size: 1 << 40} },
	} {
		server, answer := well, asked{status: &api.Status{Node: "n2"}}
		change(&server, &answer)
		require.Contains(t, strings.Join(problemsOf(server, answer, true), "; "), says)
	}
}

func TestSessionsAndLeasesOneByOne(t *testing.T) {
	f := newFixture(t)
	a := f.operator(t)
	_, _, body := f.ask(t, "POST", "/v1/changes", createParse)
	require.Contains(t, body, "p.parse")
	g, err := a.AcquireLease(t.Context(), lease.Request{Kind: lease.KindMemory, Bytes: 4096, TTL: lease.TTLMin})
	require.NoError(t, err)

	sessions, err := a.LiveSessions(t.Context(), api.Default)
	require.NoError(t, err)
	require.Len(t, sessions, 1)
	s, err := a.Session(t.Context(), "s1", api.Strict)
	require.NoError(t, err)
	require.Equal(t, []string{"p.parse"}, s.Edges)
	require.Equal(t, []lease.ID{g.ID}, s.Leases)
	_, err = a.Session(t.Context(), "s0", api.Default)
	require.ErrorIs(t, err, api.ErrNotFound)

	l, err := a.Lease(t.Context(), g.ID, api.Default)
	require.NoError(t, err)
	require.EqualValues(t, "s1", l.Session)
	require.NoError(t, a.RevokeLease(t.Context(), g.ID, "repair"))
	_, err = a.Lease(t.Context(), g.ID, api.Default)
	require.ErrorIs(t, err, lease.ErrRevoked)
	apply(t, f.registry, state.EndSession{Session: "s1"})
	_, err = a.Session(t.Context(), "s1", api.Default)
	require.ErrorIs(t, err, api.ErrSessionLost)
}

// The same lease asked for again is the same lease, also when there is no room for another; and once over, it stays over.
func TestALeaseIsGrantedOnceUnderItsID(t *testing.T) {
	f := newFixture(t)
	a := f.operator(t)
	want := lease.Request{ID: lease.NewID(), Kind: lease.KindMemory, Bytes: 48 << 20, TTL: lease.TTLMin, Zone: "z2"}
	first, err := a.AcquireLease(t.Context(), want)
	require.NoError(t, err)
	again, err := a.AcquireLease(t.Context(), want)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.NoError(t, a.ReleaseLease(t.Context(), first.ID))
	_, err = a.AcquireLease(t.Context(), want)
	require.ErrorIs(t, err, api.ErrNotFound)
	want.ID = "../../../etc/passwd"
	_, err = a.AcquireLease(t.Context(), want)
	require.ErrorIs(t, err, api.ErrInvalid)
}

// A change that was applied is answered again even if now there is no room, or nobody healthy, for another ring.
func TestARepeatedChangeNeedsNoPlace(t *testing.T) {
	f := newFixture(t)
	status, _, first := f.ask(t, "POST", "/v1/changes", createParse)
	require.Equal(t, http.StatusOK, status, first)
	full := func() {
		for _, n := range []string{"n1", "n2", "n3"} {
			apply(t, f.registry, state.RegisterNode{Node: locator.NodeID(n), Name: n, Zone: n, Address: "127.0.0.1:7400", Memory: 1})
		}
	}
	full()
	status, _, again := f.ask(t, "POST", "/v1/changes", createParse)
	require.Equal(t, http.StatusOK, status, again)
	status, _, other := f.ask(t, "POST", "/v1/changes", strings.ReplaceAll(createParse, "p.parse", "p.other"))
	require.Equal(t, http.StatusInsufficientStorage, status, other)

	// And one that is applied while its copy looks for a place is found behind the barrier.
	late := newFixture(t)
	for _, n := range []string{"n1", "n2", "n3"} {
		apply(t, late.registry, state.RegisterNode{Node: locator.NodeID(n), Name: n, Zone: n, Address: "127.0.0.1:7400", Memory: 1})
	}
	late.registry.onRead = func() {
		late.registry.onRead = nil
		apply(t, late.registry, state.RegisterNode{Node: "n1", Name: "n1", Zone: "z", Address: "127.0.0.1:7400", Memory: 64 << 20})
		apply(t, late.registry, state.ChangeEdges{Op: "o1", Session: "s1", Reason: api.ReasonCreated, TTL: lease.TTLDefault,
			Edges: []state.EdgeChange{{Name: "p.parse", TakeProducer: true, ProducerStage: "parse", Capacity: 1 << 20, Lease: lease.NewID(), Node: "n1"}}})
	}
	status, _, body := late.ask(t, "POST", "/v1/changes", createParse)
	require.Equal(t, http.StatusOK, status, body)
}

func TestAStaleAnswerSaysHowStale(t *testing.T) {
	f := newFixture(t)
	f.registry.silent = 1234 * time.Millisecond
	_, header, _ := f.ask(t, "GET", "/v1/edges?consistency=stale", "")
	require.Equal(t, "1234", header.Get(api.HeaderStaleFor))
	require.Equal(t, "5", header.Get(api.HeaderRevision))
	_, header, _ = f.ask(t, "GET", "/v1/edges", "")
	require.Empty(t, header.Get(api.HeaderStaleFor))
}

func TestOverloadIsSaidWithWhenToComeBack(t *testing.T) {
	f := newFixture(t)
	f.registry.applyErr = api.ErrOverloaded
	status, header, body := f.ask(t, "POST", "/v1/changes", createParse)
	require.Equal(t, http.StatusTooManyRequests, status, body)
	require.Equal(t, "1", header.Get("Retry-After"))
	require.Contains(t, body, string(api.KindOverloaded))
}
