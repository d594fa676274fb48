package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
)

func newToken() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Give programs rights of their own",
		Long: `Tokens are for programs: each allows some rights to what has names that begin in some way, until it expires or is deleted. Whoever shows
a token has its rights and no others. Operators make them; docs/security.md says who may do what.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenCreate(), newTokenList(), newTokenDelete())
	return cmd
}

func newTokenCreate() *cobra.Command {
	r := &remote{}
	var name, expires string
	var rules []string
	cmd := r.flags(&cobra.Command{
		Use:   "create",
		Short: "Make a token and print its secret",
		Long: `Prints the token's secret, this once: the cluster keeps only a sum of it. Programs show it by --token-file, $GRAFNODE_TOKEN_FILE or
$GRAFNODE_TOKEN, or in the header "Authorization: Bearer ...".

A rule is a prefix, an equals sign and rights: read, watch, cas (change records and checkpoints), lease, operate. The prefix is of edges' names,
checkpoints' keys and named leases; "=read" is for everything, nodes and metrics included.`,
		Example: `  (umask 077; grafnode token create --name dashboard --rule =read,watch > dashboard.token)
  grafnode token create --name etl-ci --rule etl.=read,watch,operate --rule ref.=read --expires 30d`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			want, err := tokenRequest(name, rules, expires, time.Now())
			if err != nil {
				return usagef("%s: %w", cmd.CommandPath(), err)
			}
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				made, err := a.CreateToken(ctx, want)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "grafnode: token %s, shown this once\n", made.ID)
				return r.show(cmd, made, "", func(w io.Writer) { fmt.Fprintln(w, made.Secret) })
			})
		},
	})
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "what it is for, for people (required)")
	f.StringArrayVar(&rules, "rule", nil, "a prefix, = and rights with commas between them; repeat (required)")
	f.StringVar(&expires, "expires", "", "how long it is good, such as 12h or 30d (default: until it is deleted)")
	return cmd
}

// tokenRequest is what the flags of token create ask for.
func tokenRequest(name string, rules []string, expires string, now time.Time) (api.TokenRequest, error) {
	want := api.TokenRequest{Name: name}
	if name == "" {
		return want, errors.New("--name is missing: what it is for")
	}
	for _, text := range rules {
		rule, err := api.ParseRule(text)
		if err != nil {
			return want, fmt.Errorf("--rule: %w", err)
		}
		want.Rules = append(want.Rules, rule)
	}
	if err := want.Rules.Check(); err != nil {
		return want, fmt.Errorf("--rule: %w", err)
	}
	if expires == "" {
		return want, nil
	}
	lasts, err := days(expires)
	if err != nil {
		return want, fmt.Errorf("--expires: %w", err)
	}
	want.Expires = now.Add(lasts).UTC().Truncate(time.Second)
	return want, nil
}

// days reads a duration such as 30d or 12h.
func days(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if number, ok := strings.CutSuffix(s, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(number, 10, 16)
		d = time.Duration(n) * day
	}
	if err != nil || d < time.Second {
		return 0, fmt.Errorf("%q: must be a time from now, such as 12h or 30d", s)
	}
	return d, nil
}

func newTokenList() *cobra.Command {
	r := &remote{}
	return r.staleFlag(r.flags(&cobra.Command{
		Use:     "list",
		Short:   "List the tokens, without their secrets",
		Example: "  grafnode token list",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				tokens, err := a.Tokens(ctx, r.consistency())
				if err != nil {
					return err
				}
				return r.show(cmd, tokens, "ID\tNAME\tCREATED\tEXPIRES\tRULES", func(w io.Writer) {
					for _, t := range tokens {
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, when(t.Created), when(t.Expires), t.Rules)
					}
				})
			})
		},
	}))
}

func newTokenDelete() *cobra.Command {
	r := &remote{}
	return r.flags(&cobra.Command{
		Use:     "delete ID",
		Short:   "Take a token back",
		Long:    `Takes a token back: no node that hears of it serves whoever shows it any more, and watches that are open by it end within two seconds.`,
		Example: "  grafnode token delete k3jq6dzo7m2a",
		Args:    exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error { return a.DeleteToken(ctx, args[0]) })
		},
	})
}

// token returns the secret that requests show; empty: none. It is never on a command line, where other users of the host see it, nor does it go
// over a network that may be listened to.
func (r *remote) token(address string, secured bool) (string, error) {
	from, secret := "$GRAFNODE_TOKEN", os.Getenv("GRAFNODE_TOKEN")
	if file := cmp.Or(r.tokenFile, os.Getenv("GRAFNODE_TOKEN_FILE")); file != "" && (r.tokenFile != "" || secret == "") {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("token: %w", err)
		}
		from, secret = file, strings.TrimSpace(string(text))
	}
	if secret == "" && from == "$GRAFNODE_TOKEN" {
		return "", nil
	}
	if _, _, ok := api.ParseTokenSecret(secret); !ok {
		return "", fmt.Errorf("%s is no token: must be what grafnode token create has printed", from)
	}
	if !secured && !private(address) {
		return "", fmt.Errorf("the token would go to %s for everybody to read: --tls-ca is missing", address)
	}
	return secret, nil
}

// private reports whether what goes to an address stays on this host.
func private(address string) bool {
	if strings.HasPrefix(address, "unix:") || filepath.IsAbs(address) {
		return true
	}
	host, _, err := net.SplitHostPort(strings.TrimPrefix(address, "http://"))
	ip, perr := netip.ParseAddr(host)
	return err == nil && (host == "localhost" || perr == nil && ip.IsLoopback())
}
