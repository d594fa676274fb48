package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/node"
)

// remote is what the verbs have in common that ask a node.
type remote struct {
	address string
	json    bool
	stale   bool
	timeout time.Duration
	tls     identity.Files
	// tokenFile has the secret of the token to show.
	tokenFile string
}

// flags adds the common flags to cmd and gives it the paragraph that explains them.
func (r *remote) flags(cmd *cobra.Command) *cobra.Command {
	f := cmd.Flags()
	f.StringVar(&r.address, "address", "", "node to ask: host:port, or the path of its socket")
	f.BoolVar(&r.json, "json", false, "print JSON, one value a line where there are many")
	f.DurationVar(&r.timeout, "timeout", 10*time.Second, "give up after this long")
	f.StringVar(&r.tls.CA, "tls-ca", "", "file with the certificate of the cluster's authority (default: $GRAFNODE_TLS_CA)")
	f.StringVar(&r.tls.Cert, "tls-cert", "", "file with the caller's certificate (default: $GRAFNODE_TLS_CERT)")
	f.StringVar(&r.tls.Key, "tls-key", "", "file with its key (default: $GRAFNODE_TLS_KEY)")
	f.StringVar(&r.tokenFile, "token-file", "", "file with the caller's token (default: $GRAFNODE_TOKEN_FILE, or the token itself in $GRAFNODE_TOKEN)")
	cmd.Long += `

Any node can be asked: --address, else $GRAFNODE_ADDRESS, else the socket in $GRAFNODE_SOCKET, else ` + client.SocketDefault + `,
if there is one, else ` + node.BindDefault + `.`
	return cmd
}

// staleFlag adds --stale to a verb that reads.
func (r *remote) staleFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&r.stale, "stale", false, "answer from that node's own state, even without a quorum")
	return cmd
}

func (r *remote) consistency() api.Consistency {
	if r.stale {
		return api.Stale
	}
	return api.Default
}

// ask calls f with the API of the node to ask.
func (r *remote) ask(cmd *cobra.Command, f func(ctx context.Context, a *client.API) error) error {
	if r.timeout <= 0 {
		return usagef("%s: --timeout %v: must be positive", cmd.CommandPath(), r.timeout)
	}
	from, address := r.target()
	a, err := r.api(address)
	if err != nil {
		return usagef("%s: %s: %w", cmd.CommandPath(), from, err)
	}
	if err := checkSocket(address); err != nil {
		return usagef("%s: %s: %w", cmd.CommandPath(), from, err)
	}
	err = joinClose(f(cmd.Context(), a), a)
	if errors.Is(err, fs.ErrPermission) {
		return usagef("%s: %s: %w", cmd.CommandPath(), from, err)
	}
	return err
}

// api returns the API of the node at address, with what the caller shows.
func (r *remote) api(address string) (*client.API, error) {
	trust, err := r.trust()
	if err != nil {
		return nil, err
	}
	token, err := r.token(address, trust != nil)
	if err != nil {
		return nil, err
	}
	return client.NewAPI(address, client.APIConfig{Timeout: r.timeout, TLS: trust, Token: func() string { return token }})
}

// trust returns what a node is called with beyond this host; nil: without TLS.
func (r *remote) trust() (func() *tls.Config, error) {
	files := identity.Files{
		CA:   cmp.Or(r.tls.CA, os.Getenv("GRAFNODE_TLS_CA")),
		Cert: cmp.Or(r.tls.Cert, os.Getenv("GRAFNODE_TLS_CERT")),
		Key:  cmp.Or(r.tls.Key, os.Getenv("GRAFNODE_TLS_KEY")),
	}
	switch {
	case files == identity.Files{}:
		return nil, nil
	case files.CA == "" || (files.Cert == "") != (files.Key == ""):
		return nil, errors.New("--tls-ca is needed with the others, and --tls-cert and --tls-key need each other")
	case files.Cert != "":
		id, err := identity.Open(files)
		if err != nil {
			return nil, err
		}
		return id.Client, nil
	}
	authorities, err := os.ReadFile(files.CA)
	if err != nil {
		return nil, err
	}
	with, err := identity.Anonymous(authorities)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", files.CA, err)
	}
	return func() *tls.Config { return with }, nil
}

// target returns which node to ask, and what said so.
func (r *remote) target() (from, address string) {
	if r.address != "" {
		return "--address", r.address
	}
	for _, name := range []string{"GRAFNODE_ADDRESS", "GRAFNODE_SOCKET"} {
		if address := os.Getenv(name); address != "" {
			return "$" + name, address
		}
	}
	if _, err := os.Stat(client.SocketDefault); err == nil {
		return "--address", client.SocketDefault
	}
	return "--address", node.BindDefault
}

var errNoSocket = errors.New("no such socket")

// checkSocket reports what is wrong with an address that is a path. A node that is away is another matter.
func checkSocket(address string) error {
	path, prefixed := strings.CutPrefix(address, "unix:")
	if !prefixed && !filepath.IsAbs(path) {
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w; is its node running?", path, errNoSocket)
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is not a socket", path)
	}
	return nil
}

// joinClose closes c and prefers err.
func joinClose(err error, c io.Closer) error {
	if cerr := c.Close(); err == nil {
		return cerr
	}
	return err
}

// show prints v as JSON, or the table that rows fill in, whose first line is head.
func (r *remote) show(cmd *cobra.Command, v any, head string, rows func(w io.Writer)) error {
	out := cmd.OutOrStdout()
	if r.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if head != "" {
		fmt.Fprintln(w, head)
	}
	rows(w)
	return w.Flush()
}

// dash stands for what is empty.
func dash[T ~string](s T) string {
	if s == "" {
		return "-"
	}
	return string(s)
}

// short cuts an ID to what tells nodes and sessions apart on a screen.
func short[T ~string](id T) string {
	if len(id) > 8 {
		id = id[:8]
	}
	return dash(id)
}

func when(t time.Time) string {
	if t.IsZero() || t.Unix() == 0 {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05.000")
}

// size prints bytes as people say them.
func size(n uint64) string {
	const step = 1024
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n), 0
	for v >= step && i < len(units)-1 {
		v, i = v/step, i+1
	}
	return fmt.Sprintf("%.4g %s", v, units[i])
}
