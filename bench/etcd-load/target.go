package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/grafnode/grafnode/internal/benchmark/load"
)

// valueBytes is what a record weighs: about as much as grafnode's in JSON.
const valueBytes = 512

// tryTimeout bounds one try of a write that is tried until it has happened. Of those that were tried it measured best: etcd
// itself gives a proposal that was lost with its leader seven seconds.
const tryTimeout = 100 * time.Millisecond

// target opens one connection for each client, as processes of their own would.
type target struct {
	mu   sync.Mutex
	open []*clientv3.Client
}

func open() (load.Target, error) { return &target{}, nil }

func (t *target) dial(nodes ...string) (*clientv3.Client, error) {
	for i, n := range nodes {
		nodes[i] = strings.TrimPrefix(n, "http://")
	}
	c, err := clientv3.New(clientv3.Config{Endpoints: nodes, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = append(t.open, c)
	return c, nil
}

func (t *target) Close() error {
	var errs []error
	for _, c := range t.open {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

func (t *target) Client(ctx context.Context, node, name string) (load.Client, error) {
	return t.Roaming(ctx, []string{node}, name)
}

func (t *target) Roaming(ctx context.Context, nodes []string, name string) (load.Client, error) {
	c, err := t.dial(append([]string(nil), nodes...)...)
	if err != nil {
		return nil, err
	}
	made := &client{etcd: c, key: name, value: strings.Repeat("v", valueBytes)}
	put, err := c.Put(ctx, made.key, made.value)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	made.revision = put.Header.Revision
	return made, nil
}

func (t *target) Watch(ctx context.Context, node, name string, ready func(), seen func(uint64)) error {
	c, err := t.dial(node)
	if err != nil {
		return err
	}
	for w := range c.Watch(ctx, name, clientv3.WithCreatedNotify()) {
		if err := w.Err(); err != nil {
			return err
		}
		if w.Created {
			ready()
		}
		for _, e := range w.Events {
			seen(uint64(e.Kv.ModRevision))
		}
	}
	return ctx.Err()
}

// client is one client and its key.
type client struct {
	etcd     *clientv3.Client
	key      string
	value    string
	revision int64 // of the key, after its last change
}

func (c *client) CAS(ctx context.Context) (uint64, error) {
	r, err := c.etcd.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(c.key), "=", c.revision)).
		Then(clientv3.OpPut(c.key, c.value)).
		Commit()
	if err != nil {
		return 0, err
	}
	if !r.Succeeded {
		return 0, fmt.Errorf("%s is not at revision %d any more", c.key, c.revision)
	}
	c.revision = r.Header.Revision
	return uint64(c.revision), nil
}

func (c *client) Read(ctx context.Context) error {
	r, err := c.etcd.Get(ctx, c.key)
	if err == nil && len(r.Kvs) != 1 {
		err = fmt.Errorf("%s has %d values", c.key, len(r.Kvs))
	}
	return err
}

// Strict is Read: etcd has one linearizable read.
func (c *client) Strict(ctx context.Context) error { return c.Read(ctx) }

func (c *client) Write(ctx context.Context) error {
	for {
		try, cancel := context.WithTimeout(ctx, tryTimeout)
		_, err := c.etcd.Put(try, c.key, c.value)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(time.Millisecond) // a refusal can come at once
	}
}
