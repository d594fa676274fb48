package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/detour"
)

// headerForwarded marks a request that another node has passed on, with that node's ID. It is not passed on again: two
// nodes that each take the other for the leader would send it round for ever.
const headerForwarded = "Grafnode-Forwarded"

// headerLimit, on a request that a node passes on, has the rules that bind its caller, in JSON. It only ever takes rights away.
const headerLimit = "Grafnode-Limit"

// forwarder passes requests on to the leader.
type forwarder struct {
	self      string
	cluster   func() string // this node's; empty: not known yet
	transport *http.Transport
	proxy     httputil.ReverseProxy
	patient   *http.Transport // for what may take long after all of it was sent
	restores  httputil.ReverseProxy
}

type leaderKey struct{}

// restorePatience bounds the time that the leader takes for a snapshot once it has all of it.
const restorePatience = 5 * time.Minute

func newForwarder(self string, cluster func() string, log *slog.Logger, dial func(ctx context.Context, network, address string) (net.Conn, error)) *forwarder {
	f := &forwarder{self: self, cluster: cluster}
	f.transport = &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dial(ctx, network, detour.To(address))
		},
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       30 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		DisableCompression:    true,
	}
	f.patient = f.transport.Clone()
	f.patient.ResponseHeaderTimeout = restorePatience
	single := slog.NewLogLogger(log.Handler(), slog.LevelDebug) // about single connections
	f.proxy = httputil.ReverseProxy{Transport: f.transport, Rewrite: f.rewrite, ErrorHandler: forwardFailed, ErrorLog: single}
	f.restores = httputil.ReverseProxy{Transport: f.patient, Rewrite: f.rewrite, ErrorHandler: forwardFailed, ErrorLog: single}
	return f
}

func (f *forwarder) rewrite(r *httputil.ProxyRequest) {
	leader, _ := r.In.Context().Value(leaderKey{}).(string)
	r.Out.URL.Scheme, r.Out.URL.Host = "http", leader
	r.Out.Host = leader
	for _, h := range siteHeaders {
		r.Out.Header.Del(h) // this node has judged them, and to the leader, which is another site, they would be wrong
	}
	for _, h := range []string{api.HeaderAuthorization, api.HeaderSession, api.HeaderToken} {
		if shown, ok := r.In.Header[h]; ok { // by which the caller was judged; its Connection header may have had the proxy drop them
			r.Out.Header[h] = shown
		}
	}
	f.sign(r.Out)
	r.Out.Header.Del(headerLimit)
	if limit := accessOf(r.In).limit(); limit != "" {
		r.Out.Header.Set(headerLimit, limit)
	}
}

// sign says on a request who passes it on, and for which cluster.
func (f *forwarder) sign(r *http.Request) {
	r.Header.Set(headerForwarded, f.self)
	if cluster := f.cluster(); cluster != "" {
		r.Header.Set(api.HeaderCluster, cluster)
	}
}

// forward has the leader at address answer r.
func (f *forwarder) forward(w http.ResponseWriter, r *http.Request, leader string) error {
	if from := r.Header.Get(headerForwarded); from != "" {
		return api.Errorf(api.KindNoQuorum, "node %s took this node for the leader, which it is not: an election is going on", from)
	}
	for _, h := range []string{api.HeaderCluster, api.HeaderRevision, api.HeaderLeader} {
		w.Header().Del(h) // the leader's answer carries its own
	}
	proxy := &f.proxy
	if r.URL.Path == snapshotPath {
		proxy = &f.restores
	}
	proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), leaderKey{}, leader)))
	return nil
}

// forwardFailed answers for a leader that did not. A connection that was never made has carried nothing, so the request was
// not done. Past that point a read is merely unanswered, but a write may have been done.
func forwardFailed(w http.ResponseWriter, r *http.Request, err error) {
	var op *net.OpError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large): // the leader never had all of it
		err = bodyError(err)
	case errors.As(err, &op) && op.Op == "dial":
		err = api.Errorf(api.KindNoQuorum, "the leader cannot be reached: %v", err)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		err = api.Errorf(api.KindUnavailable, "the leader did not answer: %v", err)
	default:
		err = api.Errorf(api.KindUnknown, "the leader went away while it was asked: %v", err)
	}
	answerError(w, err)
}

// get asks the node at address for what is at path and decodes it into out.
func (f *forwarder) get(ctx context.Context, address, path string, out any) error {
	return f.getUpTo(ctx, address, path, out, bodyMax)
}

// getUpTo is get for an answer of at most so many bytes.
func (f *forwarder) getUpTo(ctx context.Context, address, path string, out any, most int64) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return err
	}
	f.sign(r)
	resp, err := f.transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body := json.NewDecoder(io.LimitReader(resp.Body, most))
	if resp.StatusCode == http.StatusOK {
		return body.Decode(out)
	}
	refused := new(api.Error)
	if body.Decode(refused) == nil && refused.Kind != "" {
		return refused
	}
	return fmt.Errorf("HTTP status %d", resp.StatusCode)
}

func (f *forwarder) close() {
	f.transport.CloseIdleConnections()
	f.patient.CloseIdleConnections()
}
