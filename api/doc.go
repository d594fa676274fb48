// Package api holds the wire types of grafnode's HTTP API and of the session socket, and the kinds of error that cross it.
//
// It is data only: handlers are in api/server, the Go client in package client. Programs in other languages may rely on
// what stands here; docs/compatibility.md says how it may change. Decoders of responses ignore unknown fields, so fields can be
// added; decoders of requests refuse them, so typing errors are found.
package api
