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
	if err := read(body, out); err != nil {
		return fmt.Errorf("%s: answer to %s %s: %w: %w", a.target, r.method, r.path, api.ErrCorrupt, err)
	}
	return nil
}

// read decodes an answer. What knows its own form is not looked through twice before it is asked.
func read(body []byte, out any) error {
	if form, ok := out.(json.Unmarshaler); ok {
		return form.UnmarshalJSON(bytes.TrimSpace(body))
	}
	return json.Unmarshal(body, out)
}

// exchange sends r and returns the answer's body.
func (a *API) exchange(ctx context.Context, r request) ([]byte, error) {
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	if r.max == 0 {
		r.max = responseMax
	}
	got, err := a.ask(ctx, r, body)
	if err != nil {
		return nil, a.broken(ctx, r, err)
	}
	a.heard(got.status, got.header)
	switch {
	case got.status/100 != 2:
		return nil, a.refusal(r, got)
	case int64(len(got.body)) > r.max:
		return nil, fmt.Errorf("%s: answer to %s %s is over %d bytes: %w", a.target, r.method, r.path, r.max, api.ErrTooLarge)
	default:
		return got.body, nil
	}
}

// ask sends r, the short way if it is short.
func (a *API) ask(ctx context.Context, r request, body []byte) (said, error) {
	if r.stream == nil && len(body) <= small {
		return a.wire.exchange(ctx, r.method, r.target(), a.header(r, body), body, r.max)
	}
	resp, err := a.do(ctx, r, body)
	if err != nil {
		return said{}, err
	}
	defer resp.Body.Close()
	got := said{status: resp.StatusCode, header: resp.Header}
	got.body, err = io.ReadAll(io.LimitReader(resp.Body, r.max+1))
	return got, err
}

// errSlow is the cause when a node takes longer than a try may.
var errSlow = errors.New("no answer in time")

// send sends r and returns the answer if it is a success; its body is then the caller's to close.
func (a *API) send(ctx context.Context, r request) (*http.Response, error) {
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	resp, err := a.do(ctx, r, body)
	if err != nil {
		return nil, a.broken(ctx, r, err)
	}
	a.heard(resp.StatusCode, resp.Header)
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, errorBodyMax)) // what is missing shows as a foreign answer
	return nil, a.refusal(r, said{status: resp.StatusCode, body: text})
}

// do sends r the long way.
func (a *API) do(ctx context.Context, r request, body []byte) (*http.Response, error) {
	from := io.Reader(bytes.NewReader(body))
	if r.stream != nil {
		from = io.NopCloser(r.stream)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, a.base+r.target(), from)
	if err != nil {
		return nil, err
	}
	if r.stream != nil {
		req.ContentLength = r.size
	}
	for _, h := range a.header(r, body) {
		req.Header.Set(h[0], h[1])
	}
	return a.http.Do(req)
}

// body returns r's body, unless that is a stream.
func (r request) body() ([]byte, error) {
	if r.json == nil {
		return r.raw, nil
	}
	body, err := json.Marshal(r.json)
	if err != nil {
		return nil, fmt.Errorf("encode %s %s: %w", r.method, r.path, err)
	}
	return body, nil
}

// header returns the fields of r's head that are not about its length.
func (a *API) header(r request, body []byte) (fields [][2]string) {
	switch {
	case r.json != nil:
		fields = append(fields, [2]string{"Content-Type", "application/json"})
	case body != nil || r.stream != nil:
		fields = append(fields, [2]string{"Content-Type", "application/octet-stream"})
	}
	if cluster := a.cluster(); cluster != "" {
		fields = append(fields, [2]string{api.HeaderCluster, cluster})
	}
	if session, token := a.creds(); session != "" {
		fields = append(fields, [2]string{api.HeaderSession, string(session)}, [2]string{api.HeaderToken, token})
	}
	if token := a.token(); token != "" {
		fields = append(fields, [2]string{api.HeaderAuthorization, api.TokenScheme + " " + token})
	}
	return fields
}

// target returns the path and the query.
func (r request) target() string {
	if len(r.query) == 0 {
		return r.path
	}
	return r.path + "?" + r.query.Encode()
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
func (a *API) refusal(r request, got said) error {
	body := got.body[:min(len(got.body), errorBodyMax)]
	e := new(api.Error)
	if json.Unmarshal(body, e) == nil && e.Kind != "" {
		return fmt.Errorf("%s: %w", a.target, e)
	}
	if len(body) > 200 {
		body = body[:200]
	}
	kind := api.KindInternal
	if got.status == http.StatusServiceUnavailable || got.status == http.StatusBadGateway {
		kind = api.KindUnavailable
	}
	return fmt.Errorf("%s: %w", a.target,
		api.Errorf(kind, "%s %s: HTTP %d, not in grafnode's words: %q", r.method, r.path, got.status, body))
}
