package lease_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/lease"
)

type recorder struct{ got []lease.Request }

func (r *recorder) AcquireLease(_ context.Context, q lease.Request) (lease.Grant, error) {
	r.got = append(r.got, q)
	return lease.Grant{Kind: q.Kind, Bytes: q.Bytes, TTL: q.TTL}, nil
}

func TestBuilders(t *testing.T) {
	var r recorder
	_, err := lease.Memory().MinBytes(1<<20).TTL(30*time.Second).Zone("a").Acquire(t.Context(), &r)
	require.NoError(t, err)
	_, err = lease.Block().MinBlocks(2).Name("p.enrich").Acquire(t.Context(), &r)
	require.NoError(t, err)
	require.Equal(t, []lease.Request{
		{Kind: lease.KindMemory, Bytes: 1 << 20, TTL: 30 * time.Second, Zone: "a"},
		{Kind: lease.KindBlock, Bytes: 8192, TTL: lease.TTLDefault, Name: "p.enrich"},
	}, r.got)
}

func TestBadRequestsAreNotSent(t *testing.T) {
	var r recorder
	_, err := lease.Memory().Acquire(t.Context(), &r)
	require.ErrorContains(t, err, "no size")
	_, err = lease.Memory().MinBytes(1).TTL(time.Second).Acquire(t.Context(), &r)
	require.ErrorIs(t, err, lease.ErrTTL)
	_, err = lease.Block().MinBlocks(1<<52+1).Acquire(t.Context(), &r) // of 4 KiB: one block beyond what a number holds
	require.ErrorContains(t, err, "more than there can be")
	require.Empty(t, r.got)
}

func TestUnknownStatusFailsClosed(t *testing.T) {
	require.NoError(t, lease.Active.Err())
	require.ErrorIs(t, lease.Expired.Err(), lease.ErrExpired)
	require.ErrorIs(t, lease.Status("strange").Err(), lease.ErrRevoked)
}

// A renewal asked within a quarter term of an allowance's proposal may be acknowledged in full: its deadline never
// passes what a later leader, counting from its own apply, grants.
func TestAllowanceCoversFullRenewals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ttl := time.Duration(rapid.Int64Range(int64(lease.TTLMin), int64(lease.TTLMax)).Draw(t, "ttl"))
		asked := time.Duration(rapid.Int64Range(0, int64(lease.AllowanceEvery(ttl))).Draw(t, "asked"))
		require.LessOrEqual(t, asked+ttl, lease.Allowance(ttl)+1)
	})
}

func TestIDsDiffer(t *testing.T) {
	require.NotEqual(t, lease.NewID(), lease.NewID())
	require.GreaterOrEqual(t, len(lease.NewID()), 26)
}
