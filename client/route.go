package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
)

// A node that did not answer is asked last for a while: penaltyMin at first, doubled up to penaltyMax while it goes on so. A
// stopped machine accepts connections and never answers, and would cost every request its time.
const (
	penaltyMin = time.Second
	penaltyMax = 16 * time.Second
)

// rest is a node's present penalty.
type rest struct {
	until time.Time
	span  time.Duration
}

// route is the nodes that a client may ask: its own by its socket, the others by their addresses.
type route struct {
	own    *API
	config APIConfig

	mu      sync.Mutex
	others  map[string]*API
	apart   map[string]*API // asked by address only: nodes that hold a block region
	resting map[*API]rest   // by node that did not answer when last asked
	leader  string          // address, by the word of the last node that answered; empty: not known
}

func newRoute(socket string, c APIConfig) (*route, error) {
	r := &route{others: map[string]*API{}, apart: map[string]*API{}, resting: map[*API]rest{}}
	c.Leader = r.heard
	c.Cluster = func() string { return "" } // whatever the own node is of, this process is
	var err error
	if r.own, err = NewAPI("unix:"+socket, c); err != nil {
		return nil, err
	}
	c.Cluster = r.own.heardOf
	r.config = c
	return r, nil
}

// heard notes which node leads.
func (r *route) heard(leader string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leader = leader
}

// learn replaces the others by the nodes at addresses. An empty list changes nothing: somebody did not know.
func (r *route) learn(addresses []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(addresses) == 0 {
		return
	}
	for address, node := range r.others {
		if !slices.Contains(addresses, address) {
			node.Close()
			delete(r.others, address)
			delete(r.resting, node)
		}
	}
	for _, address := range addresses {
		if r.others[address] != nil {
			continue
		}
		if node, err := NewAPI(address, r.config); err == nil { // a node with a bad address is no way to anything
			r.others[address] = node
		}
	}
}

// order returns the nodes in the order in which to ask them: the own one, the others in random order, and last those that
// did not answer lately.
func (r *route) order() []*API { return r.ordered(false) }

// leaderFirst is order for what only the leader can answer: it is asked itself, rather than by way of a node that would pass
// the question on.
func (r *route) leaderFirst() []*API { return r.ordered(true) }

func (r *route) ordered(leaderFirst bool) []*API {
	r.mu.Lock()
	defer r.mu.Unlock()
	nodes := make([]*API, 0, 1+len(r.others))
	for _, node := range r.others {
		nodes = append(nodes, node)
	}
	rand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	nodes = slices.Insert(nodes, 0, r.own)
	if leader := r.others[r.leader]; leaderFirst && leader != nil {
		nodes = slices.Insert(slices.DeleteFunc(nodes, func(a *API) bool { return a == leader }), 0, leader)
	}
	now := time.Now()
	var rested, resting []*API
	for _, node := range nodes {
		if now.Before(r.resting[node].until) {
			resting = append(resting, node)
		} else {
			rested = append(rested, node)
		}
	}
	return append(rested, resting...)
}

// report notes whether node answered.
func (r *route) report(node *API, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(err, api.ErrUnavailable) || errors.Is(err, api.ErrUnknown) || errors.Is(err, api.ErrCluster) {
		span := min(max(2*r.resting[node].span, penaltyMin), penaltyMax)
		r.resting[node] = rest{time.Now().Add(span), span}
	} else {
		delete(r.resting, node)
	}
}

// at returns the node at address, known or not.
func (r *route) at(address string) (*API, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if node := r.others[address]; node != nil {
		return node, nil
	}
	if node := r.apart[address]; node != nil {
		return node, nil
	}
	node, err := NewAPI(address, r.config)
	if err == nil {
		r.apart[address] = node
	}
	return node, err
}

func (r *route) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.own.Close()
	for _, node := range r.others {
		node.Close()
	}
	for _, node := range r.apart {
		node.Close()
	}
}

// elsewhere reports whether another node, or the same one later, may answer where this one gave err, and the request
// certainly was not carried out.
func elsewhere(err error) bool {
	return errors.Is(err, api.ErrUnavailable) || errors.Is(err, api.ErrNoQuorum) || errors.Is(err, api.ErrCluster)
}

// again reports whether the same request may be carried out later, and certainly was not yet. Where the leader has too much to do it
// is no use to ask another node at once.
func again(err error) bool { return elsewhere(err) || errors.Is(err, api.ErrOverloaded) }

// backoff spaces retries: from 10 ms, doubled up to 500 ms, each with a random half on top so that the stages of a dead node do
// not march in step.
type backoff struct{ next time.Duration }

// sleep waits for the next retry, or returns ctx's cause.
func (b *backoff) sleep(ctx context.Context) error {
	b.next = min(max(2*b.next, 10*time.Millisecond), 500*time.Millisecond)
	timer := time.NewTimer(b.next + jitter(b.next/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// jitter returns a random duration below d.
func jitter(d time.Duration) time.Duration { return rand.N(d) }
