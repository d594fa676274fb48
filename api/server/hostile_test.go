package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
)

// sample is a well-formed request for a route: what the hostile ones are made from.
type sample struct {
	path string // with values in place of the wildcards, each "V"
	body string // JSON; empty: none is read
	raw  bool   // the body is bytes
	live bool   // answers go on for ever
}

// samples has a row for every route that there is, and none else.
var samples = map[string]sample{
	"GET /v1/edges":                   {path: "/v1/edges"},
	"GET /v1/edges/{name}":            {path: "/v1/edges/V"},
	"GET /v1/edges/{name}/history":    {path: "/v1/edges/V/history"},
	"DELETE /v1/edges/{name}":         {path: "/v1/edges/V"},
	"POST /v1/edges/{name}/relocate":  {path: "/v1/edges/V/relocate", body: `{"avoid":["n1"]}`},
	"POST /v1/changes":                {path: "/v1/changes", body: createParse},
	"POST /v1/spares":                 {path: "/v1/spares", body: `{"op_id":"o1","session":"s1","name":"p.parse","expect":6,"confirm":2,"arm":true,"reason":"ring-lost"}`},
	"GET /v1/watch":                   {path: "/v1/watch", live: true},
	"GET /v1/reports":                 {path: "/v1/reports?prefix=V"},
	"GET /v1/leases":                  {path: "/v1/leases"},
	"GET /v1/leases/{id}":             {path: "/v1/leases/V"},
	"POST /v1/leases":                 {path: "/v1/leases", body: `{"id":"abcdefghijklmnopqrstuvwxyz","kind":"block","bytes":4096,"ttl_ns":2000000000,"zone":"z1","name":"r"}`},
	"DELETE /v1/leases/{id}":          {path: "/v1/leases/V"},
	"POST /v1/leases/{id}/revoke":     {path: "/v1/leases/V/revoke"},
	"POST /v1/leases/{id}/adopt":      {path: "/v1/leases/V/adopt", body: `{"node":"n1","incarnation":1,"generation":1}`},
	"GET /v1/sessions":                {path: "/v1/sessions"},
	"GET /v1/sessions/{id}":           {path: "/v1/sessions/V"},
	"POST /v1/renew":                  {path: "/v1/renew", body: `{"node":"n1","incarnation":1,"leases":["l"],"sessions":["s1"]}`},
	"GET /v1/nodes":                   {path: "/v1/nodes"},
	"DELETE /v1/nodes/{id}":           {path: "/v1/nodes/V"},
	"POST /v1/nodes":                  {path: "/v1/nodes", body: `{"node":{"id":"n4","name":"n4","zone":"z","address":"127.0.0.4:7400","memory":1,"version":"0"}}`},
	"GET /v1/nodes/{id}/drain":        {path: "/v1/nodes/V/drain"},
	"POST /v1/nodes/{id}/drain":       {path: "/v1/nodes/V/drain", body: `{"drain":"until-enabled","force":true}`},
	"POST /v1/nodes/{id}/eligibility": {path: "/v1/nodes/V/eligibility", body: `{"ineligible":true}`},
	"POST /v1/internal/memory":        {path: "/v1/internal/memory", body: `{"node":"n1","incarnation":1,"memory":65536}`},
	"POST /v1/internal/sessions":      {path: "/v1/internal/sessions", body: `{"end":{"session":"s0","node":"n1","incarnation":1}}`},
	"POST /v1/internal/found":         {path: "/v1/internal/found", body: `{"founder":"n1","nodes":["n1","n2"]}`},
	"GET /v1/tokens":                  {path: "/v1/tokens"},
	"POST /v1/tokens":                 {path: "/v1/tokens", body: `{"name":"ci","rules":[{"prefix":"p.","rights":["read"]}],"expires":"2999-01-01T00:00:00Z"}`},
	"DELETE /v1/tokens/{id}":          {path: "/v1/tokens/V"},
	"GET /v1/checkpoints/{key...}":    {path: "/v1/checkpoints/V"},
	"POST /v1/checkpoints/{key...}":   {path: "/v1/checkpoints/V", body: `{"epoch":1,"write":true,"expect":0,"value":"YWJj","sum":910901175}`},
	"GET /v1/blocks/{lease}":          {path: "/v1/blocks/V"},
	"PUT /v1/blocks/{lease}":          {path: "/v1/blocks/V", body: "bytes", raw: true},
	"POST /v1/blocks/{lease}/fence":   {path: "/v1/blocks/V/fence"},
	"GET /v1/operator/raft":           {path: "/v1/operator/raft"},
	"DELETE /v1/operator/raft/{id}":   {path: "/v1/operator/raft/V"},
	"POST /v1/operator/raft/transfer": {path: "/v1/operator/raft/transfer", body: `{"to":"n1"}`},
	"GET /v1/operator/snapshot":       {path: "/v1/operator/snapshot"},
	"PUT /v1/operator/snapshot":       {path: "/v1/operator/snapshot", body: "snapshot", raw: true},
	"GET /v1/operator/debug/{what}":   {path: "/v1/operator/debug/V"},
	"GET /v1/operator/health":         {path: "/v1/operator/health"},
	"GET /v1/authorities":             {path: "/v1/authorities"},
	"GET /v1/status":                  {path: "/v1/status"},
	"GET /livez":                      {path: "/livez"},
	"GET /readyz":                     {path: "/readyz"},
	"GET /metrics":                    {path: "/metrics"},
	"GET /{$}":                        {path: "/"},
	"GET /ui/{file...}":               {path: "/ui/V"},
}

func TestEveryRouteIsAskedHostileThings(t *testing.T) {
	routes := slices.Collect(maps.Keys(newFixture(t).server.table()))
	routes = append(slices.DeleteFunc(routes, func(r string) bool { return r == "/" }), "GET /v1/watch")
	slices.Sort(routes)
	require.Equal(t, routes, slices.Sorted(maps.Keys(samples)), "a route without a row here, or a row without a route")
}

// hostileFixture is a node whose port has the node's own limits, with an edge, a lease and a checkpoint on it.
func hostileFixture(t *testing.T) *fixture {
	f := newFixture(t)
	f.registry.watchErr = api.ErrUnavailable
	f.server.patience = 200 * time.Millisecond
	front := httptest.NewUnstartedServer(f.handler())
	front.Config.MaxHeaderBytes = 16 << 10
	front.Config.ReadHeaderTimeout = 5 * time.Second
	front.Start()
	t.Cleanup(front.Close)
	f.url = front.URL
	t.Cleanup(func() { // whatever was asked, the node goes on
		resp, err := http.Get(f.url + "/livez")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
	})
	return f
}

// spoken requires an answer in the API's own words: a success, or an error of a kind that is not a bug, in one line.
func spoken(t *testing.T, what string, status int, header http.Header, body string) api.Kind {
	t.Helper()
	if status < 400 {
		return ""
	}
	var e api.Error
	require.NoError(t, json.Unmarshal([]byte(body), &e), "%s: %d %q", what, status, body)
	require.NotContains(t, []api.Kind{"", api.KindInternal, api.KindCorrupt}, e.Kind, "%s: %s", what, body)
	require.Equal(t, "application/json", header.Get("Content-Type"), what)
	require.NotContains(t, e.Message, "\n", what)
	return e.Kind
}

func TestEveryMethodOfEveryRoute(t *testing.T) {
	f := hostileFixture(t)
	for route, s := range samples {
		path := strings.ReplaceAll(s.path, "V", "p.parse")
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"} {
			what := method + " " + path
			status, header, body := f.ask(t, method, path, s.body)
			if method == "HEAD" {
				require.NotEqual(t, http.StatusInternalServerError, status, what)
				continue
			}
			spoken(t, what, status, header, body)
			own, _, _ := strings.Cut(route, " ")
			if status == http.StatusMethodNotAllowed {
				require.Contains(t, header.Get("Allow"), own, what)
			}
			if slices.Contains([]string{"PATCH", "OPTIONS", "TRACE", "BREW"}, method) {
				require.Equal(t, http.StatusMethodNotAllowed, status, what)
			}
		}
	}
}

// Bodies that no route takes.
func hostileBodies() map[string]string {
	return map[string]string{
		"nothing": "", "blanks": " \n\t ", "no JSON": "{", "cut off": `{"node":"n`, "not closed": `{"node":"n1"`, "null": "null ,", "text": `"x"`, "number": "12",
		"list": "[]", "list of lists": strings.Repeat("[", 100000), "objects": strings.Repeat(`{"a":`, 100000), "deep, whole": strings.Repeat("[", 17) + strings.Repeat("]", 17),
		"two values": "{} {}", "unknown field": `{"nope":1}`, "twice": `{"node":"n1","node":"n2"}`, "twice, in another case": `{"node":"n1","NODE":"n2"}`,
		"invalid UTF-8": "{\"node\":\"\xff\xfe\"}", "overlong": "{\"node\":\"\xc0\xaf\"}", "half a surrogate, raw": "{\"node\":\"\xed\xa0\x80\"}",
		"NUL": "\x00", "NUL in text": "{\"node\":\"a\x00b\"}", "byte order mark": "\ufeff{}", "huge number": `{"incarnation":1e999}`, "comment": "{/**/}",
		"trailing comma": `{"node":"n1",}`, "too large": `{"node":"` + strings.Repeat("x", bodyMax) + `"}`, "not a number": `{"incarnation":NaN}`,
	}
}

func TestHostileBodies(t *testing.T) {
	f := hostileFixture(t)
	for route, s := range samples {
		if s.body == "" || s.raw {
			continue
		}
		method, _, _ := strings.Cut(route, " ")
		path := strings.ReplaceAll(s.path, "V", "p.parse")
		for name, body := range hostileBodies() {
			status, header, answer := f.ask(t, method, path, body)
			what := fmt.Sprintf("%s with %s", route, name)
			if name == "nothing" && strings.HasSuffix(path, "/relocate") {
				continue // takes none, too
			}
			kind := spoken(t, what, status, header, answer)
			require.Contains(t, []api.Kind{api.KindInvalid, api.KindTooLarge}, kind, what)
			require.Less(t, len(answer), 2048, "%s: an answer is no echo", what)
		}
		for _, kind := range []string{"", "text/plain", "application/json; charset=utf-16", "multipart/form-data; boundary=x", ";;;", "application/json, text/html"} {
			status, header, answer := f.ask(t, method, path, s.body, "Content-Type", kind)
			require.Equal(t, api.KindInvalid, spoken(t, route+" as "+kind, status, header, answer), "%s as %q", route, kind)
		}
	}
}

// Every field of every request with values of every wrong kind. Some of them are fine; none is a bug.
func TestEveryFieldWithEveryWrongValue(t *testing.T) {
	values := []any{
		nil, true, -1, 1.5, json.Number("1e400"), json.Number("18446744073709551616"), json.Number("99999999999999999999999999"), "", "\x00", " ", "../../etc/passwd",
		strings.Repeat("x", 100000), "\u202e\u0000\ufffd", []any{}, []any{nil}, []any{strings.Repeat("y", 5000)}, slices.Repeat([]any{"n1"}, 5000),
		map[string]any{}, map[string]any{"x": map[string]any{}}, uint64(1) << 63, "2025-01-01",
	}
	for route, s := range samples {
		if s.body == "" || s.raw {
			continue
		}
		t.Run(route, func(t *testing.T) {
			f := hostileFixture(t)
			method, _, _ := strings.Cut(route, " ")
			path := strings.ReplaceAll(s.path, "V", "p.parse")
			var fields map[string]any
			require.NoError(t, json.Unmarshal([]byte(s.body), &fields))
			mutate(fields, values, func(what string) {
				body, err := json.Marshal(fields)
				require.NoError(t, err)
				status, header, answer := f.ask(t, method, path, string(body))
				spoken(t, what, status, header, answer)
			})
		})
	}
}

// mutate sets each field of an object, and of those in it, to each of values, one at a time.
func mutate(fields map[string]any, values []any, try func(what string)) {
	for name, was := range fields {
		for _, v := range values {
			fields[name] = v
			try(fmt.Sprintf("%s = %.40v", name, v))
		}
		fields[name] = was
		switch inner := was.(type) {
		case map[string]any:
			mutate(inner, values, try)
		case []any:
			for _, element := range inner {
				if o, ok := element.(map[string]any); ok {
					mutate(o, values, try)
				}
			}
		}
	}
}

func TestHostilePathsAndQueries(t *testing.T) {
	f := hostileFixture(t)
	segments := []string{"%00", "%ff%fe", "%c0%af", "..%2f..%2fetc", "%2e%2e", "%F0%9F%92%A9", "a%0Ab", "%20", "%e2%80%ae", strings.Repeat("x", 5000), "a%2Fb", "+", "%25"}
	queries := []string{"x=1", "%zz", "a=1;b=2", "consistency=", "consistency=strict&consistency=stale", "consistency=%00", "prefix=%ff", "from=99999999999999999999",
		"expect=-1", "bytes=1e9", "bytes=18446744073709551615&offset=18446744073709551615", "epoch=0x10", "force=maybe", "&&&=&", strings.Repeat("a=1&", 3000),
		"kind=%00", "mode=%ff", "node=%00", "detail=%ff"}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	ask := func(method, target, body string) {
		req, err := http.NewRequestWithContext(t.Context(), method, f.url+target, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(api.HeaderSession, "s1")
		req.Header.Set(api.HeaderToken, "secret")
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		if method != "HEAD" {
			spoken(t, method+" "+target[:min(len(target), 100)], resp.StatusCode, resp.Header, string(b))
		}
	}
	for route, s := range samples {
		method, _, _ := strings.Cut(route, " ")
		if strings.Contains(s.path, "V") {
			for _, segment := range segments {
				ask(method, strings.ReplaceAll(s.path, "V", segment), s.body)
			}
		}
		for _, query := range queries {
			ask(method, strings.ReplaceAll(s.path, "V", "p.parse")+"?"+query, s.body)
		}
	}
}

// raw sends bytes as they are and returns the answer, or nil if the connection was cut without one.
func (f *fixture) raw(t *testing.T, send func(io.Writer)) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	send(conn)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil
	}
	return resp
}

const head = "%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nGrafnode-Session: s1\r\nGrafnode-Token: secret\r\n"

func TestBodiesThatDoNotEnd(t *testing.T) {
	f := hostileFixture(t)
	for route, s := range samples {
		if s.body == "" {
			continue
		}
		method, _, _ := strings.Cut(route, " ")
		line := fmt.Sprintf(head, method+" "+strings.ReplaceAll(s.path, "V", "p.parse")+"?bytes=5&epoch=1&number=1&offset=0")
		if !strings.HasSuffix(s.path, "V") || !s.raw {
			line = fmt.Sprintf(head, method+" "+strings.ReplaceAll(s.path, "V", "p.parse"))
		}
		half := s.body[:len(s.body)/2]
		t.Run(route+" slow", func(t *testing.T) {
			t.Parallel()
			resp := f.raw(t, func(w io.Writer) { fmt.Fprintf(w, "%sContent-Length: %d\r\n\r\n%s", line, len(s.body), half) })
			require.NotNil(t, resp)
			require.GreaterOrEqual(t, resp.StatusCode, 400)
			require.Less(t, resp.StatusCode, 500)
		})
		t.Run(route+" cut off", func(t *testing.T) {
			t.Parallel()
			f.raw(t, func(w io.Writer) {
				fmt.Fprintf(w, "%sContent-Length: %d\r\n\r\n%s", line, len(s.body), half)
				require.NoError(t, w.(*net.TCPConn).CloseWrite())
			})
			require.Empty(t, f.group.restored, "a snapshot that is cut off changes nothing")
		})
		t.Run(route+" endless", func(t *testing.T) {
			t.Parallel()
			if strings.HasSuffix(s.path, "/snapshot") {
				t.Skip("a snapshot may be as long as this machine can wait; its own end is checked by the registry")
			}
			resp := f.raw(t, func(w io.Writer) {
				fmt.Fprintf(w, "%sTransfer-Encoding: chunked\r\n\r\n", line)
				chunk := fmt.Sprintf("10000\r\n%s\r\n", strings.Repeat("x", 0x10000))
				for range 8 * blockBodyMax / 0x10000 { // until it is cut off, which a write notices sooner or later
					if _, err := io.WriteString(w, chunk); err != nil {
						return
					}
				}
			})
			if resp != nil { // else it was cut off while it still wrote
				require.Contains(t, []int{400, 404, 413}, resp.StatusCode)
			}
		})
	}
}

func TestSnapshotsHaveACap(t *testing.T) {
	f := hostileFixture(t)
	resp := f.raw(t, func(w io.Writer) {
		fmt.Fprintf(w, head+"Content-Length: 99999999999\r\n\r\nsnapshot", "PUT /v1/operator/snapshot")
	})
	require.NotNil(t, resp)
	require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
}

func TestHostileHeaders(t *testing.T) {
	f := hostileFixture(t)
	for name, send := range map[string]string{
		"huge":             "GET /v1/edges HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		"many":             "GET /v1/edges HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", 10000) + "\r\n",
		"no host":          "GET /v1/edges HTTP/1.1\r\n\r\n",
		"no version":       "GET /v1/edges\r\n\r\n",
		"a space":          "GET /v1/edges HTTP/1.1\r\nHost : x\r\n\r\n",
		"two lengths":      "POST /v1/renew HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
		"negative length":  "POST /v1/renew HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"length and chunk": "POST /v1/renew HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: gzip\r\n\r\n{}",
		"a long token":     "GET /v1/blocks/l?bytes=1 HTTP/1.1\r\nHost: x\r\nGrafnode-Session: s1\r\nGrafnode-Token: " + strings.Repeat("t", 10000) + "\r\n\r\n",
		"a forged session": "POST /v1/leases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nGrafnode-Session: \x7f\xff\r\nGrafnode-Token: y\r\nContent-Length: 2\r\n\r\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			resp := f.raw(t, func(w io.Writer) { _, _ = io.WriteString(w, send) })
			require.NotNil(t, resp)
			require.GreaterOrEqual(t, resp.StatusCode, 400)
			require.Less(t, resp.StatusCode, 502)
		})
	}
}
