package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/keyfile"
	"github.com/grafnode/grafnode/internal/pki"
)

const day = 24 * time.Hour

// How long certificates last unless told otherwise.
const (
	authorityDays = 3650
	memberDays    = 365
)

func newTLS() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tls",
		Short: "Make the certificates of a cluster",
		Long: `Makes an authority for one cluster and the certificates that it signs: one for each node (server), for each program that
uses the API from afar (client), and for each person who runs the cluster (operator). docs/security.md says who may do what.

Stages need none: they trust their host's node, by its Unix socket, and it tells them whom to trust beyond.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	ca := &cobra.Command{Use: "ca", Short: "The authority", Args: unknownCommand, RunE: cmd.RunE}
	ca.AddCommand(newTLSAuthority())
	cert := &cobra.Command{Use: "cert", Short: "The members", Args: unknownCommand, RunE: cmd.RunE}
	cert.AddCommand(newTLSIssue(), newTLSInfo())
	cmd.AddCommand(newTLSSetup(), ca, cert, newGossipKey())
	return cmd
}

func newGossipKey() *cobra.Command {
	return &cobra.Command{
		Use:   "gossip-key",
		Short: "Make a key for gossip",
		Long: `Prints a new key: a line of the file that all nodes of the cluster have, and nobody else. The first key of the file encrypts,
all decrypt. To change it, add the new one below the old one on all nodes and reload them, then move it above, then take
the old one out.`,
		Example: "  (umask 077; grafnode tls gossip-key > gossip.keys)",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), keyfile.New())
			return err
		},
	}
}

// pairFlags are a certificate that is to be made.
type pairFlags struct {
	name string
	out  string
	days int
}

func (f *pairFlags) define(cmd *cobra.Command, name, out string, days int) {
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", name, "name for people")
	flags.StringVar(&f.out, "out", out, "beginning of the names of the two files, completed by .pem and -key.pem")
	flags.IntVar(&f.days, "days", days, "how long it is valid")
}

func (f *pairFlags) lasts() (time.Duration, error) { return lifetime(f.days) }

// lifetime is what --days says.
func lifetime(days int) (time.Duration, error) {
	const most = 36500
	if days < 1 || days > most {
		return 0, usagef("--days %d: must be 1 to %d", days, most)
	}
	return time.Duration(days) * day, nil
}

// write makes the files and says so.
func (f *pairFlags) write(cmd *cobra.Command, pair identity.Pair) error {
	cert, key := f.out+".pem", f.out+"-key.pem"
	if err := pair.Write(cert, key); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", cert, key)
	return err
}

func newTLSAuthority() *cobra.Command {
	f := &pairFlags{}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make the authority of a new cluster",
		Long: `Makes the authority's certificate, which every node gets, and its key, which none does: whoever has it can make
nodes. Keep it off the cluster, and offline between uses.`,
		Example: "  grafnode tls ca create",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			lasts, err := f.lasts()
			if err != nil {
				return err
			}
			pair, err := identity.NewAuthority(f.name, lasts)
			if err != nil {
				return err
			}
			return f.write(cmd, pair)
		},
	}
	f.define(cmd, "grafnode authority", pki.Authority, authorityDays)
	return cmd
}

func newTLSIssue() *cobra.Command {
	f := &pairFlags{}
	var role, ca string
	var hosts []string
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a member's certificate",
		Example: `  grafnode tls cert create --role server --name node-1
  grafnode tls cert create --role server --name node-2 --host node-2.example.net,10.0.0.2   # browsers may call it so
  grafnode tls cert create --role operator --name ada --days 30`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(identity.Roles, identity.Role(role)) {
				return usagef("--role %q: must be server, client or operator", role)
			}
			lasts, err := f.lasts()
			if err != nil {
				return err
			}
			if f.name == "" {
				f.name = role
			}
			if f.out == "" {
				f.out = f.name
			}
			authority, err := identity.ReadPair(ca+".pem", ca+"-key.pem")
			if err != nil {
				return fmt.Errorf("authority: %w", err)
			}
			pair, err := authority.Issue(f.name, identity.Role(role), lasts, hosts...)
			if err != nil {
				return err
			}
			return f.write(cmd, pair)
		},
	}
	f.define(cmd, "", "", memberDays)
	cmd.Flags().Lookup("name").Usage += " (default: the role)"
	cmd.Flags().Lookup("out").Usage += " (default: the name)"
	cmd.Flags().StringVar(&role, "role", "", "what it is for: server, client or operator (required)")
	cmd.Flags().StringSliceVar(&hosts, "host", nil, "names and addresses by which browsers call the node; repeat or separate by commas")
	cmd.Flags().StringVar(&ca, "ca", pki.Authority, "beginning of the names of the authority's two files")
	return cmd
}

func newTLSInfo() *cobra.Command {
	return &cobra.Command{
		Use:     "info FILE",
		Short:   "Say what a certificate is for, and until when",
		Example: "  grafnode tls cert info node-1.pem",
		Args:    exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			rest, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			var told strings.Builder
			for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
				if block.Type != "CERTIFICATE" {
					continue // a key, of which there is nothing to be told
				}
				cert, err := x509.ParseCertificate(block.Bytes)
				if err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				describe(&told, cert)
			}
			if told.Len() == 0 {
				return usagef("%s: no certificate in PEM", args[0])
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), told.String())
			return err
		},
	}
}

func describe(b *strings.Builder, cert *x509.Certificate) {
	purpose := "authority"
	if !cert.IsCA {
		role, err := identity.RoleOf(cert)
		purpose = string(role)
		if err != nil {
			purpose = "none"
		}
	}
	left := "ended"
	if d := time.Until(cert.NotAfter); d > 0 {
		left = fmt.Sprintf("%d days left", d/day)
	}
	fmt.Fprintf(b, "name     %s\nrole     %s\nsigned   by %s\nvalid    %s to %s (%s)\nserial   %x\n", cert.Subject.CommonName, purpose,
		cert.Issuer.CommonName, cert.NotBefore.UTC().Format(time.DateTime), cert.NotAfter.UTC().Format(time.DateTime), left, cert.SerialNumber)
}
