// Package identity says who is at the other end of a connection between hosts, by TLS 1.3 and certificates of the cluster's own authority.
//
// A certificate has one role, as a name among its DNS names: server.grafnode (a node), client.grafnode (a program) or operator.grafnode (a person).
// Who dials a node wants server.grafnode and not the node's address: addresses change, and the name is what the ordinary
// verification of TLS checks, so that a stolen client's certificate cannot pose as a node. Who listens asks which role called.
//
// Promises: a connection that Client or Server made has a peer whose certificate comes from the authority, is valid now and has a role that
// was asked for. Reload takes all files or none, and holds for the connections made after it; there is no resumption, which would let in
// again whom a reload has shut out. Keys are written for their owner only, and no file is written over. It does not
// promise revocation: certificates are short-lived instead, and an authority that was betrayed is replaced.
//
// Node, client and the command's "tls" verbs call it.
package identity
