package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/grafnode/grafnode/api"
)

// request is one HTTP request to come: the body, if any, is JSON unless it is raw.
type request struct {
	method string
	path   string // escaped
	query  url.Values
	json   any
	raw    []byte
	stream io.Reader // instead of either: a body of size bytes
	size   int64
	max    int64 // of the answer's body, bytes; zero: responseMax
}

// call sends r, for no longer than a try may take, and decodes the answer's JSON into out, unless out is nil.
func (a *API) call(ctx context.Context, r request, out any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, a.timeout, errSlow)
	defer cancel()
	return a.within(ctx, r, out)
}

// within is call for as long as ctx says.
func (a *API) within(ctx context.Context, r request, out any) error {
	body, err := a.exchange(ctx, r)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s: answer to %s %s: %w: %w", a.target, r.method, r.path, api.ErrCorrupt, err)
	}
	return nil
}

// exchange sends r and returns the answer's body.
func (a *API) exchange(ctx context.Context, r request) ([]byte, error) {
	resp, err := a.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	max := r.max
	if max == 0 {
		max = responseMax
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, max+1))
	if err != nil {
		return nil, a.broken(ctx, r, err)
	}
	if int64(len(body)) > max {
		return nil, fmt.Errorf("%s: answer to %s %s is over %d bytes: %w", a.target, r.method, r.path, max, api.ErrTooLarge)
	}
	return body, nil
}

// errSlow is the cause when a node takes longer than a try may.
var errSlow = errors.New("no answer in time")

// send sends r and returns the answer if it is a success; its body is then the caller's to close.
func (a *API) send(ctx context.Context, r request) (*http.Response, error) {
	req, err := a.build(ctx, r)
	if err != nil {
		return nil, err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, a.broken(ctx, r, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, a.refusal(r, resp)
}

func (a *API) build(ctx context.Context, r request) (*http.Request, error) {
	body, kind := r.raw, "application/octet-stream"
	if r.json != nil {
		var err error
		if body, err = json.Marshal(r.json); err != nil {
			return nil, fmt.Errorf("encode %s %s: %w", r.method, r.path, err)
		}
		kind = "application/json"
	}
	target := a.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	from := io.Reader(bytes.NewReader(body))
	if r.stream != nil {
		from = io.NopCloser(r.stream)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, from)
	if err != nil {
		return nil, err
	}
	if r.stream != nil {
		req.ContentLength = r.size
	}
	if body != nil || r.stream != nil {
		req.Header.Set("Content-Type", kind)
	}
	if session, token := a.creds(); session != "" {
		req.Header.Set(api.HeaderSession, string(session))
		req.Header.Set(api.HeaderToken, token)
	}
	return req, nil
}

// broken says what it means that r got no answer. A write that may have left this process is unknown, everything else did
// not happen.
func (a *API) broken(ctx context.Context, r request, err error) error {
	outcome := api.ErrUnknown
	if dial := new(net.OpError); r.method == http.MethodGet || errors.As(err, &dial) && dial.Op == "dial" {
		outcome = api.ErrUnavailable
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	} else if wrapped := new(url.Error); errors.As(err, &wrapped) {
		err = wrapped.Err // the rest of it would say the request again
	}
	return fmt.Errorf("%s: %s %s: %w: %w", a.target, r.method, r.path, outcome, err)
}

// refusal returns the error that a node answered with.
func (a *API) refusal(r request, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, errorBodyMax)) // what is missing shows as a foreign answer
	e := new(api.Error)
	if json.Unmarshal(body, e) == nil && e.Kind != "" {
		return fmt.Errorf("%s: %w", a.target, e)
	}
	if len(body) > 200 {
		body = body[:200]
	}
	kind := api.KindInternal
	if resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusBadGateway {
		kind = api.KindUnavailable
	}
	return fmt.Errorf("%s: %w", a.target,
		api.Errorf(kind, "%s %s: HTTP %d, not in grafnode's words: %q", r.method, r.path, resp.StatusCode, body))
}
