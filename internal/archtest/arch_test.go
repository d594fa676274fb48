package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/grafnode/grafnode/"

// vocabulary packages are imported by everybody and import only the standard library and each other.
var vocabulary = []string{"fence", "position", "lease", "locator"}

// allowed lists, for each package (or tree, with /...), which packages of this module it may import besides the vocabulary.
// A package that is not named here may not exist: say first where it stands.
var allowed = map[string][]string{
	"fence":    {},
	"position": {},
	"locator":  {},
	"lease":    {},

	"fabric":              {},
	"fabric/fabrictest":   {"fabric", "fabric/internal/borrow", "internal/..."},
	"fabric/internal/...": {"fabric", "fabric/internal/...", "internal/..."},
	"fabric/shm":          {"fabric", "fabric/internal/...", "internal/..."},
	"fabric/inproc":       {"fabric", "fabric/internal/...", "internal/..."},
	"fabric/layout":       {},
	"fabric/tcp":          {"fabric", "fabric/internal/borrow", "api", "internal/..."},
	"fabric/rdma":         {"fabric", "fabric/internal/ring", "fabric/internal/step", "fabric/tcp", "fabric/rdma/verbs"},
	"fabric/rdma/...":     {"fabric", "fabric/rdma/...", "internal/..."},
	"fabric/rdma/verbs":   {},
	"api":                 {"fabric"},
	"handoff":             {"internal/planted"},
	"handoff/explore":     {"handoff"},
	"edge":                {"handoff", "fabric", "fabric/layout", "api", "internal/turn"},
	"edge/msgpack":        {},
	"edge/edgetest":       {"edge", "handoff", "fabric", "fabric/inproc", "api"},
	"durable":             {"api", "internal/..."},
	"durable/...":         {"durable", "api"},
	"client":              {"api", "edge", "fabric", "fabric/shm", "fabric/tcp", "fabric/rdma", "fabric/rdma/ibverbs", "fabric/rdma/verbs", "internal/..."},
	"stream":              {"edge", "handoff", "durable", "api", "fabric", "internal/planted"},
	"stream/...":          {"stream", "edge", "handoff", "durable", "api", "fabric"},
	"stream/streamtest":   {"stream", "edge", "edge/edgetest", "durable", "durable/durabletest", "api", "fabric"},

	"transport":             {"api", "internal/..."},
	"registry":              {"api", "fabric", "registry/state", "registry/internal/...", "internal/..."},
	"registry/state":        {"api", "internal/planted", "internal/watchstream"},
	"registry/internal/...": {"registry/internal/...", "internal/..."},
	"leasebroker":           {"api", "internal/..."},
	"membership":            {"internal/..."},
	"api/server":            {"api", "ui", "fabric", "registry", "registry/state", "leasebroker", "membership", "internal/..."},
	"ui":                    {},
	"registry/simulate":     {"api", "registry", "registry/state", "leasebroker", "membership", "node/group", "node/leaselog", "internal/..."},
	"node/group":            {"registry", "membership"},
	"node/drain":            {"api", "registry", "registry/state"},
	"node/leaselog":         {"api", "registry/state", "leasebroker"},
	"node/host":             {"api", "fabric", "fabric/shm", "fabric/inproc", "fabric/tcp", "internal/..."},
	"node/blocks":           {"api", "durable", "internal/..."},
	"node/local":            {"api"},
	"node/traces":           {"api"},
	"node":                  {"api", "api/server", "client", "registry", "registry/state", "leasebroker", "membership", "transport", "node/host", "node/local", "node/blocks", "node/drain", "node/group", "node/leaselog", "node/traces", "fabric", "fabric/tcp", "fabric/rdma", "fabric/rdma/ibverbs", "fabric/rdma/verbs", "internal/..."},

	"examples/...":      {"stream", "stream/...", "edge", "client", "durable", "handoff", "api", "fabric", "examples/..."},
	"demo":              {"demo/...", "examples/...", "api", "client", "edge", "stream", "fabric", "internal/..."},
	"demo/...":          {"demo/...", "examples/...", "api", "client", "edge", "stream", "fabric", "internal/..."},
	"cmd/grafnode":      {"cmd/grafnode/...", "node", "node/local", "client", "api", "demo", "fabric/rdma/ibverbs", "internal/..."},
	"cmd/grafnode/...":  {"node", "client", "api", "demo", "internal/..."},
	"integration":       {"integration/...", "..."},
	"integration/...":   {"..."},
	"internal/lab":      {"api", "client", "internal/identity", "internal/pki"},
	"internal/boottime": {},
	"internal/...":      {"api", "fabric", "internal/..."},

	"internal/benchmark":                 {"api", "client", "fabric", "internal/..."},
	"internal/benchmark/load":            {},
	"internal/benchmark/failover":        {"api", "client", "edge", "fabric", "internal/..."},
	"internal/benchmark/failover/plan":   {},
	"internal/benchmark/failover/ledger": {"internal/boottime"},
	"internal/benchmark/flow":            {},
	"internal/benchmark/ends":            {"edge", "fabric", "internal/benchmark/flow"},
	"internal/benchmark/party":           {"api", "edge", "fabric", "fabric/shm", "internal/..."},
	"internal/benchmark/suite":           {"fabric", "internal/..."},
	"internal/benchmark/wire":            {"api", "fabric", "fabric/shm", "fabric/tcp", "internal/..."},
	"internal/benchmark/ring":            {"edge", "fabric", "internal/..."},
}

// heavy modules belong to the control plane. A stage program, which embeds edge, stream and client, must not carry them.
var heavy = []string{"github.com/hashicorp/", "github.com/prometheus/", "go.etcd.io/", "modernc.org/", "github.com/spf13/", "go.opentelemetry.io/"}

var light = []string{"fence", "position", "lease", "locator", "fabric", "fabric/shm", "fabric/inproc", "fabric/tcp", "fabric/rdma", "api",
	"handoff", "edge", "durable", "client", "stream"}

type pkg struct {
	ImportPath string
	Doc        string // first sentence of the package comment
	GoFiles    []string
	Imports    []string
	Deps       []string
}

func load(t *testing.T) map[string]pkg {
	out, err := exec.Command("go", "list", "-deps=false", "-json=ImportPath,Doc,GoFiles,Imports,Deps", module+"...").Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		t.Fatalf("go list: %s", exit.Stderr)
	}
	require.NoError(t, err)
	pkgs := map[string]pkg{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs[strings.TrimPrefix(p.ImportPath, module)] = p
	}
}

// rule returns what a package may import: its own entry, or that of the nearest tree above it.
func rule(name string) ([]string, bool) {
	if r, ok := allowed[name]; ok {
		return r, true
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if r, ok := allowed[dir+"/..."]; ok {
			return r, true
		}
	}
	return nil, false
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		tree, isTree := strings.CutSuffix(p, "...")
		return p == name || isTree && strings.HasPrefix(name, tree)
	})
}

func TestArrowsPointDown(t *testing.T) {
	for name, p := range load(t) {
		may, ok := rule(name)
		if !ok {
			t.Errorf("%s has no place in the table: say in internal/archtest what it may import", name)
			continue
		}
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, module)
			if ours && !slices.Contains(vocabulary, to) && !matches(may, to) {
				t.Errorf("%s imports %s: the table in internal/archtest does not allow it", name, to)
			}
		}
	}
}

func TestVocabularyStandsAlone(t *testing.T) {
	pkgs := load(t)
	for _, name := range vocabulary {
		for _, imp := range pkgs[name].Imports {
			if strings.Contains(imp, ".") && !slices.Contains(vocabulary, strings.TrimPrefix(imp, module)) {
				t.Errorf("%s imports %s: the vocabulary has no dependencies", name, imp)
			}
		}
	}
}

func TestStageProgramsStayLight(t *testing.T) {
	pkgs := load(t)
	for _, name := range light {
		for _, dep := range pkgs[name].Deps {
			for _, h := range heavy {
				if strings.HasPrefix(dep, h) {
					t.Errorf("%s pulls in %s: a stage program must not carry the control plane", name, dep)
				}
			}
		}
	}
}

// Every replica must compute the same bytes, and the simulation the same as a replica.
func TestTheStateMachineIsPure(t *testing.T) {
	for _, imp := range load(t)["registry/state"].Imports {
		switch imp {
		case "github.com/hashicorp/go-msgpack/v2/codec": // bytes for bytes
		case "context", "log/slog", "math/rand", "math/rand/v2", "net", "os", "os/exec":
			t.Errorf("registry/state imports %s: it is pure", imp)
		default:
			if strings.Contains(imp, ".") && !strings.HasPrefix(imp, module) {
				t.Errorf("registry/state imports %s: it is pure", imp)
			}
		}
	}
}

func TestUnsafeStaysUnderFabric(t *testing.T) {
	for name, p := range load(t) {
		if slices.Contains(p.Imports, "unsafe") && !strings.HasPrefix(name, "fabric/") {
			t.Errorf("%s imports unsafe: memory tricks stay under fabric", name)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for name, p := range load(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", name)
		}
		if len(p.GoFiles) > 1 && !slices.Contains(p.GoFiles, "doc.go") {
			t.Errorf("%s has several files: its comment belongs into doc.go", name)
		}
	}
}
