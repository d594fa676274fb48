package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

func get(path string, c api.Consistency) request {
	r := request{method: http.MethodGet, path: path, query: url.Values{}}
	if c != "" {
		r.query.Set("consistency", string(c))
	}
	return r
}

func post(path string, body any) request {
	return request{method: http.MethodPost, path: path, json: body}
}

// Edges lists the records of the edges whose name begins with prefix, by name.
func (a *API) Edges(ctx context.Context, prefix string, c api.Consistency) (edges []api.Edge, err error) {
	r := get("/v1/edges", c)
	r.query.Set("prefix", prefix)
	return edges, a.call(ctx, r, &edges)
}

// Edge returns one edge's record.
func (a *API) Edge(ctx context.Context, name string, c api.Consistency) (e api.Edge, err error) {
	return e, a.call(ctx, get(edgePath(name), c), &e)
}

// History returns an edge's last changes, oldest first.
func (a *API) History(ctx context.Context, name string) (changes []api.Change, err error) {
	return changes, a.call(ctx, get(edgePath(name)+"/history", api.Default), &changes)
}

// Reports returns how the edges stand whose names begin with prefix, by the word of their stages, as far as their nodes were heard; with the last
// rewires if traces is set.
func (a *API) Reports(ctx context.Context, prefix string, traces bool) (r api.Reports, err error) {
	q := get("/v1/reports", "")
	q.query.Set("prefix", prefix)
	q.query.Set("traces", strconv.FormatBool(traces))
	return r, a.call(ctx, q, &r)
}

// DeleteEdge deletes an edge if its revision is still expect.
func (a *API) DeleteEdge(ctx context.Context, name string, expect api.Revision) error {
	return a.call(ctx, request{
		method: http.MethodDelete, path: edgePath(name),
		query: url.Values{"expect": {strconv.FormatUint(uint64(expect), 10)}},
	}, nil)
}

// Relocate asks for a planned move of an edge's ring and returns its new record.
func (a *API) Relocate(ctx context.Context, name string, r api.RelocateRequest) (e api.Edge, err error) {
	return e, a.call(ctx, post(edgePath(name)+"/relocate", r), &e)
}

// Change sends a change once. The same request, with the same OpID, may be sent again if the outcome is api.ErrUnknown.
func (a *API) Change(ctx context.Context, r api.ChangeRequest) (resp api.ChangeResponse, err error) {
	return resp, a.call(ctx, post("/v1/changes", r), &resp)
}

// ChangeSpare sends a producer's word about its edge's spare once. The same request, with the same OpID, may be sent again if the
// outcome is api.ErrUnknown.
func (a *API) ChangeSpare(ctx context.Context, r api.SpareRequest) (resp api.ChangeResponse, err error) {
	return resp, a.call(ctx, post("/v1/spares", r), &resp)
}

// Leases lists the leases that there are.
func (a *API) Leases(ctx context.Context, c api.Consistency) (leases []api.Lease, err error) {
	return leases, a.call(ctx, get("/v1/leases", c), &leases)
}

// Lease returns a lease in force; lease.ErrExpired or lease.ErrRevoked if it has ended, api.ErrNotFound if nothing is known of it.
func (a *API) Lease(ctx context.Context, id lease.ID, c api.Consistency) (l api.Lease, err error) {
	return l, a.call(ctx, get(leasePath(id), c), &l)
}

// AcquireLease asks once for a lease, held by the API's session. The same request, with the same ID, may be sent again if the
// outcome is api.ErrUnknown.
func (a *API) AcquireLease(ctx context.Context, r lease.Request) (g lease.Grant, err error) {
	return g, a.call(ctx, post("/v1/leases", r), &g)
}

// ReleaseLease gives a lease back.
func (a *API) ReleaseLease(ctx context.Context, id lease.ID) error {
	return a.call(ctx, request{method: http.MethodDelete, path: leasePath(id)}, nil)
}

// RevokeLease takes a lease back in the cluster's name: an operator's verb. detail goes into the history of the edge whose
// ring it was.
func (a *API) RevokeLease(ctx context.Context, id lease.ID, detail string) error {
	r := post(leasePath(id)+"/revoke", struct{}{})
	if detail != "" {
		r.query = url.Values{"detail": {detail}}
	}
	return a.call(ctx, r, nil)
}

// AdoptLease moves a ring's lease to the asking node's present incarnation.
func (a *API) AdoptLease(ctx context.Context, id lease.ID, r api.AdoptRequest) error {
	return a.call(ctx, post(leasePath(id)+"/adopt", r), nil)
}

// Resize says how much memory the asking node lends from now on.
func (a *API) Resize(ctx context.Context, r api.ResizeRequest) error {
	return a.call(ctx, post("/v1/internal/memory", r), nil)
}

// Renew renews a node's leases and sessions in one batch.
func (a *API) Renew(ctx context.Context, r api.RenewRequest) (resp api.RenewResponse, err error) {
	return resp, a.call(ctx, post("/v1/renew", r), &resp)
}

// Authorities returns the certificates by which the nodes of the cluster can be known.
func (a *API) Authorities(ctx context.Context) (known api.Authorities, err error) {
	return known, a.call(ctx, get("/v1/authorities", ""), &known)
}

// Nodes lists the cluster's nodes.
func (a *API) Nodes(ctx context.Context, c api.Consistency) (nodes []api.Node, err error) {
	return nodes, a.call(ctx, get("/v1/nodes", c), &nodes)
}

// Register announces a node's start.
func (a *API) Register(ctx context.Context, r api.RegisterRequest) (resp api.RegisterResponse, err error) {
	return resp, a.call(ctx, post("/v1/nodes", r), &resp)
}

// Sessions opens, adopts or ends a session for its node.
func (a *API) Sessions(ctx context.Context, r api.SessionRequest) (resp api.SessionResponse, err error) {
	return resp, a.call(ctx, post("/v1/internal/sessions", r), &resp)
}

// Found asks the node to promise that it founds a cluster with nobody but r.Founder.
func (a *API) Found(ctx context.Context, r api.FoundRequest) error {
	return a.call(ctx, post("/v1/internal/found", r), nil)
}

// Status returns what the node says of itself.
func (a *API) Status(ctx context.Context) (s api.Status, err error) {
	return s, a.call(ctx, get("/v1/status", ""), &s)
}

// Checkpoint returns a checkpoint; api.ErrNotFound if it was never fenced or written.
func (a *API) Checkpoint(ctx context.Context, key string) (c api.Checkpoint, err error) {
	return c, a.call(ctx, get(checkpointPath(key), api.Default), &c)
}

// PutCheckpoint fences a checkpoint, writes it if the request says so, and returns it as it is afterwards.
func (a *API) PutCheckpoint(ctx context.Context, key string, r api.CheckpointRequest) (c api.Checkpoint, err error) {
	return c, a.call(ctx, post(checkpointPath(key), r), &c)
}

// ReadBlocks reads n bytes of a block region of this node.
func (a *API) ReadBlocks(ctx context.Context, id lease.ID, offset uint64, n int) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.timeout, errSlow)
	defer cancel()
	return a.exchange(ctx, request{
		method: http.MethodGet, path: blocksPath(id), max: int64(n),
		query: url.Values{"offset": {strconv.FormatUint(offset, 10)}, "bytes": {strconv.Itoa(n)}},
	})
}

// WriteBlocks writes b durably at offset into a block region of this node, or returns fence.ErrFenced if epoch is stale, or
// api.ErrConflict if number is not above those of all writes before it under epoch.
func (a *API) WriteBlocks(ctx context.Context, id lease.ID, epoch fence.Epoch, number uint64, b []byte, offset uint64) error {
	return a.call(ctx, request{
		method: http.MethodPut, path: blocksPath(id), raw: b,
		query: url.Values{
			"offset": {strconv.FormatUint(offset, 10)},
			"bytes":  {strconv.Itoa(len(b))},
			"epoch":  {epoch.String()},
			"number": {strconv.FormatUint(number, 10)},
		},
	}, nil)
}

// FenceBlocks raises the epoch of a block region of this node, durably.
func (a *API) FenceBlocks(ctx context.Context, id lease.ID, epoch fence.Epoch) error {
	r := post(blocksPath(id)+"/fence", struct{}{})
	r.query = url.Values{"epoch": {epoch.String()}}
	return a.call(ctx, r, nil)
}

func edgePath(name string) string      { return "/v1/edges/" + url.PathEscape(name) }
func leasePath(id lease.ID) string     { return "/v1/leases/" + url.PathEscape(string(id)) }
func blocksPath(id lease.ID) string    { return "/v1/blocks/" + url.PathEscape(string(id)) }
func checkpointPath(key string) string { return "/v1/checkpoints/" + url.PathEscape(key) }
