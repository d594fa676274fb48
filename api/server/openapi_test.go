package server

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

var update = flag.Bool("update", false, "write docs/openapi.json anew")

const openAPIFile = "../../docs/openapi.json"

// described is what a route takes and gives, as JSON unless it is text or bytes.
type described struct {
	what    string
	query   []string
	in, out any
	raw     string // the answer's type, if it is not JSON
}

var consistency = []string{"consistency"}

// descriptions has every route; TestOpenAPI sees to it that none is left out and that answers are as they say.
var descriptions = map[string]described{
	"GET /v1/edges":                   {what: "edges by name", query: []string{"consistency", "prefix"}, out: []api.Edge{}},
	"GET /v1/edges/{name}":            {what: "an edge's record, with its ring's locator", query: consistency, out: api.Edge{}},
	"GET /v1/edges/{name}/history":    {what: "an edge's last changes", query: consistency, out: []api.Change{}},
	"GET /v1/reports":                 {what: "how edges stand, by the word of their stages", query: []string{"prefix", "traces"}, out: api.Reports{}},
	"DELETE /v1/edges/{name}":         {what: "deletes an edge", query: []string{"expect"}},
	"POST /v1/edges/{name}/relocate":  {what: "moves an edge to another ring", in: api.RelocateRequest{}, out: api.Edge{}},
	"POST /v1/changes":                {what: "changes edges together, for a session", in: api.ChangeRequest{}, out: api.ChangeResponse{}},
	"POST /v1/spares":                 {what: "arms or confirms an edge's spare, for a session", in: api.SpareRequest{}, out: api.ChangeResponse{}},
	"GET /v1/watch":                   {what: "what there is and then every change, one event a line", query: []string{"prefix", "node", "kind", "mode", "from"}, out: api.Event{}, raw: "application/x-ndjson"},
	"GET /v1/leases":                  {what: "leases in force", query: consistency, out: []api.Lease{}},
	"GET /v1/leases/{id}":             {what: "a lease", query: consistency, out: api.Lease{}},
	"POST /v1/leases":                 {what: "acquires a lease, for a session", in: lease.Request{}, out: lease.Grant{}},
	"DELETE /v1/leases/{id}":          {what: "releases a lease, for a session"},
	"POST /v1/leases/{id}/revoke":     {what: "takes a lease back", query: []string{"detail"}},
	"POST /v1/leases/{id}/adopt":      {what: "a node that was restarted has a ring's memory still", in: api.AdoptRequest{}},
	"GET /v1/sessions":                {what: "live sessions", query: consistency, out: []api.Session{}},
	"GET /v1/sessions/{id}":           {what: "a session and what it holds", query: consistency, out: api.SessionDetail{}},
	"POST /v1/renew":                  {what: "a node's renewal of leases and sessions", in: api.RenewRequest{}, out: api.RenewResponse{}},
	"GET /v1/nodes":                   {what: "nodes", query: consistency, out: []api.Node{}},
	"DELETE /v1/nodes/{id}":           {what: "forgets a node", query: []string{"force", "detail"}},
	"POST /v1/nodes":                  {what: "a node announces its start", in: api.RegisterRequest{}, out: api.RegisterResponse{}},
	"GET /v1/nodes/{id}/drain":        {what: "how far a drain has come", query: consistency, out: api.DrainStatus{}},
	"POST /v1/nodes/{id}/drain":       {what: "drains a node, or ends that", in: api.DrainRequest{}, out: api.DrainStatus{}},
	"POST /v1/nodes/{id}/eligibility": {what: "says whether anything new may be placed on a node", in: api.EligibilityRequest{}},
	"POST /v1/internal/memory":        {what: "a node lends more or less memory from now on", in: api.ResizeRequest{}},
	"POST /v1/internal/sessions":      {what: "a node opens, adopts or ends a session", in: api.SessionRequest{}, out: api.SessionResponse{}},
	"POST /v1/internal/found":         {what: "a node asks for a promise before it founds a cluster", in: api.FoundRequest{}},
	"GET /v1/tokens":                  {what: "tokens, without their secrets", query: consistency, out: []api.Token{}},
	"POST /v1/tokens":                 {what: "makes a token, and shows its secret this once", in: api.TokenRequest{}, out: api.TokenCreated{}},
	"DELETE /v1/tokens/{id}":          {what: "takes a token back"},
	"GET /v1/checkpoints/{key...}":    {what: "a fenced value", out: api.Checkpoint{}, query: consistency},
	"POST /v1/checkpoints/{key...}":   {what: "fences a value and perhaps writes it", in: api.CheckpointRequest{}, out: api.Checkpoint{}},
	"GET /v1/blocks/{lease}":          {what: "bytes of a block region", query: []string{"offset", "bytes"}, raw: "application/octet-stream"},
	"PUT /v1/blocks/{lease}":          {what: "writes bytes of a block region", query: []string{"offset", "epoch", "number"}},
	"POST /v1/blocks/{lease}/fence":   {what: "refuses lower epochs on a block region", query: []string{"epoch"}},
	"GET /v1/operator/raft":           {what: "the Raft group", query: consistency, out: api.Raft{}},
	"DELETE /v1/operator/raft/{id}":   {what: "removes a member for good", query: []string{"force"}},
	"POST /v1/operator/raft/transfer": {what: "makes another node the leader", in: api.TransferRequest{}, out: api.TransferResponse{}},
	"GET /v1/operator/snapshot":       {what: "the whole registry", raw: "application/octet-stream"},
	"PUT /v1/operator/snapshot":       {what: "replaces the registry", query: []string{"force"}, out: api.RestoreResponse{}},
	"GET /v1/operator/debug/{what}":   {what: "the inside of the asked node", query: []string{"seconds"}, raw: "application/octet-stream"},
	"GET /v1/operator/health":         {what: "how the cluster stands", out: api.Health{}},
	"GET /v1/authorities":             {what: "the certificates by which nodes can be known", out: api.Authorities{}},
	"GET /v1/status":                  {what: "the asked node", out: api.Status{}},
	"GET /livez":                      {what: "whether the process answers", raw: "text/plain"},
	"GET /readyz":                     {what: "whether the node can serve", raw: "text/plain"},
	"GET /metrics":                    {what: "metrics, as Prometheus reads them", raw: "text/plain"},
	"GET /{$}":                        {what: "leads to the page for people", raw: "text/html"},
	"GET /ui/{file...}":               {what: "the page for people, and its files", raw: "text/html"},
}

// openAPI makes the description of all routes.
func openAPI() map[string]any {
	reflector := &jsonschema.Reflector{Anonymous: true, AllowAdditionalProperties: true, Mapper: plainTypes}
	schemas := map[string]any{}
	ref := func(v any) any {
		if v == nil {
			return map[string]any{}
		}
		t := reflect.TypeOf(v)
		if t.Kind() == reflect.Slice {
			return map[string]any{"type": "array", "items": define(reflector, schemas, t.Elem())}
		}
		return define(reflector, schemas, t)
	}
	failed := map[string]any{"description": "an error", "content": map[string]any{"application/json": map[string]any{"schema": ref(api.Error{})}}}
	paths := map[string]map[string]any{}
	for route, d := range descriptions {
		method, path, _ := strings.Cut(route, " ")
		path = strings.NewReplacer("...}", "}", "{$}", "").Replace(path)
		operation := map[string]any{"summary": d.what, "x-right": string(needs[route].right), "responses": map[string]any{"default": failed, "2XX": answerOf(d, ref)}}
		if parameters := parametersOf(path, d.query); len(parameters) > 0 {
			operation["parameters"] = parameters
		}
		if d.in != nil {
			operation["requestBody"] = map[string]any{"required": true, "content": map[string]any{"application/json": map[string]any{"schema": ref(d.in)}}}
		}
		if paths[path] == nil {
			paths[path] = map[string]any{}
		}
		paths[path][strings.ToLower(method)] = operation
	}
	return map[string]any{
		"openapi":    "3.1.0",
		"info":       map[string]any{"title": "grafnode", "version": "1", "description": "docs/api.md says what it means. x-right: docs/security.md."},
		"paths":      paths,
		"components": map[string]any{"schemas": schemas},
	}
}

func answerOf(d described, ref func(any) any) map[string]any {
	answer := map[string]any{"description": d.what}
	switch {
	case d.out != nil:
		kind := "application/json"
		if d.raw != "" {
			kind = d.raw
		}
		answer["content"] = map[string]any{kind: map[string]any{"schema": ref(d.out)}}
	case d.raw != "":
		answer["content"] = map[string]any{d.raw: map[string]any{}}
	}
	return answer
}

func parametersOf(path string, query []string) (parameters []any) {
	for _, m := range regexp.MustCompile(`{(\w+)}`).FindAllStringSubmatch(path, -1) {
		parameters = append(parameters, map[string]any{"name": m[1], "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
	}
	for _, name := range query {
		parameters = append(parameters, map[string]any{"name": name, "in": "query", "schema": map[string]any{"type": "string"}})
	}
	return parameters
}

// define adds a type's schema to those that are there, with all that it is made of, and returns a reference.
func define(reflector *jsonschema.Reflector, schemas map[string]any, t reflect.Type) any {
	text, err := json.Marshal(reflector.ReflectFromType(t))
	if err != nil {
		panic(err)
	}
	var schema struct {
		Defs map[string]any `json:"$defs"`
		Ref  string         `json:"$ref"`
	}
	if err := json.Unmarshal(bytes.ReplaceAll(text, []byte("#/$defs/"), []byte("#/components/schemas/")), &schema); err != nil {
		panic(err)
	}
	maps.Copy(schemas, schema.Defs)
	return map[string]any{"$ref": schema.Ref}
}

// plainTypes are those whose JSON is not what their fields say.
func plainTypes(t reflect.Type) *jsonschema.Schema {
	if t == reflect.TypeFor[locator.Locator]() {
		return &jsonschema.Schema{Type: "object", Description: "where a ring lies: version, kind, node, zone, address, arena, generation, offset, bytes"}
	}
	return nil
}

func TestOpenAPI(t *testing.T) {
	require.Equal(t, slices.Sorted(maps.Keys(samples)), slices.Sorted(maps.Keys(descriptions)), "a route that is not described")
	var made bytes.Buffer
	encoder := json.NewEncoder(&made)
	encoder.SetIndent("", " ")
	require.NoError(t, encoder.Encode(openAPI()))
	if *update {
		require.NoError(t, os.WriteFile(openAPIFile, made.Bytes(), 0o644))
	}
	written, err := os.ReadFile(openAPIFile)
	require.NoError(t, err)
	require.Equal(t, made.String(), string(written), "write it anew: go test ./api/server -run OpenAPI -update")
}

// The real handlers' answers are as described, the errors too.
func TestAnswersAreAsDescribed(t *testing.T) {
	text, err := os.ReadFile(openAPIFile)
	require.NoError(t, err)
	document, err := validator.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	compiler := validator.NewCompiler()
	compiler.DefaultDraft(validator.Draft2020)
	require.NoError(t, compiler.AddResource("openapi.json", document))

	good := 0
	for route, s := range samples {
		d := descriptions[route]
		if d.raw != "" || s.raw {
			continue
		}
		f := newFixture(t)
		_, _, _ = f.ask(t, "POST", "/v1/changes", createParse)
		method, pattern, _ := strings.Cut(route, " ")
		status, _, body := f.ask(t, method, strings.ReplaceAll(s.path, "V", valueFor(pattern)), s.body)
		at := "openapi.json#/paths/" + strings.NewReplacer("~", "~0", "/", "~1", "...}", "}", "{", "%7B", "}", "%7D").Replace(strings.ReplaceAll(pattern, "...}", "}")) +
			"/" + strings.ToLower(method) + "/responses/"
		switch {
		case status >= 400:
			at += "default/content/application~1json/schema"
		case d.out == nil:
			require.Contains(t, []string{"", "{}\n"}, body, "%s: %d", route, status)
			continue
		default:
			good++
			at += "2XX/content/application~1json/schema"
		}
		schema, err := compiler.Compile(at)
		require.NoError(t, err, route)
		value, err := validator.UnmarshalJSON(strings.NewReader(body))
		require.NoError(t, err, "%s: %s", route, body)
		require.NoError(t, schema.Validate(value), "%s: %d %s", route, status, body)
	}
	require.Greater(t, good, 15, "answers that are no errors")
}

// valueFor names something that the fixture has.
func valueFor(pattern string) string {
	switch {
	case strings.Contains(pattern, "edges"):
		return "p.parse"
	case strings.Contains(pattern, "sessions"):
		return "s1"
	}
	return "n1"
}
