// Package hosts tests what an operator does: three machines, each with a systemd of its own, become a cluster by the Debian package and the words of
// docs/install.md, run a pipeline, lose machines and are upgraded. The machines are containers of systemd-nspawn over one tree of
// debootstrap, which is kept for the next time; their networks are package internal/hosts'.
//
// It needs root, debootstrap, systemd-nspawn and time, and skips without: `make test-hosts`, and `make ci` where they are.
package hosts
