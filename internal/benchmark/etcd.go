package benchmark

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/grafnode/grafnode/internal/proc"
)

// PeersEnv names the environment variable that says in which directory the peers are.
const PeersEnv = "GRAFNODE_BENCH_PEERS"

// Etcd is the name of the one peer of the registry.
const Etcd = "etcd"

// findPeer returns the peer's server and load programs.
func findPeer(dir, name string) (server, load string, err error) {
	server, load = filepath.Join(dir, name), filepath.Join(dir, name+"-load")
	for _, path := range []string{server, load} {
		if info, err := os.Stat(path); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return "", "", fmt.Errorf("%w: %s is no program; `make bench-peers` builds the peers", ErrUsage, path)
		}
	}
	return server, load, nil
}

// etcd returns three etcd servers with all their settings at the defaults, but for the addresses and the log.
func etcd(l *proc.Launcher, peers, dir string) (*cluster, error) {
	server, load, err := findPeer(peers, Etcd)
	if err != nil {
		return nil, err
	}
	c := &cluster{side: Etcd, launcher: l, client: proc.Spec{Name: "etcd-load", Path: load, Log: logFile(dir, "etcd-load")}}
	var initial []string
	ports := make([]int, nodes)
	for i := range ports {
		if ports[i], err = freePair(); err != nil {
			return nil, err
		}
		initial = append(initial, fmt.Sprintf("etcd-%d=http://%s", i+1, local(ports[i]+1)))
	}
	for i, port := range ports {
		name, url, peer := fmt.Sprintf("etcd-%d", i+1), "http://"+local(port), "http://"+local(port+1)
		c.members = append(c.members, &member{
			target: local(port),
			status: func(ctx context.Context) (status, error) { return etcdStatus(ctx, url) },
			spec: proc.Spec{Name: name, Path: server, Log: logFile(dir, name), Args: []string{
				"--name", name, "--data-dir", filepath.Join(dir, name), "--log-level", "warn",
				"--listen-client-urls", url, "--advertise-client-urls", url,
				"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
				"--initial-cluster", strings.Join(initial, ","), "--initial-cluster-token", filepath.Base(dir),
			}},
		})
	}
	return c, nil
}

// etcdStatus asks a server through etcd's JSON gateway, where numbers are strings.
func etcdStatus(ctx context.Context, url string) (status, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v3/maintenance/status", strings.NewReader("{}"))
	if err != nil {
		return status{}, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return status{}, err
	}
	defer resp.Body.Close()
	var s struct {
		Header struct {
			Member string `json:"member_id"`
		} `json:"header"`
		Leader string `json:"leader"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&s); err != nil {
		return status{}, fmt.Errorf("%s: %w", url, err)
	}
	known := s.Leader != "" && s.Leader != "0"
	return status{ready: known, leads: known && s.Leader == s.Header.Member}, nil
}
